//! Media on the wire: RTP, RTCP, SRTP, tones, the jitter buffer, and the figures of a call's quality.
