//! What a datagram on a media socket is, told by its first bytes (RFC 7983, RFC 5761 4).

/// The protocols that share a media socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// STUN: ICE checks, keep-alives.
    Stun,
    /// ZRTP, which is not spoken here.
    Zrtp,
    /// DTLS.
    Dtls,
    /// A TURN channel.
    TurnChannel,
    /// RTP or SRTP.
    Rtp,
    /// RTCP or SRTCP.
    Rtcp,
    /// None of these, or empty.
    Unknown,
}

/// Sorts a datagram.
pub fn kind(datagram: &[u8]) -> Kind {
    match datagram {
        [0..=3, ..] => Kind::Stun,
        [16..=19, ..] => Kind::Zrtp,
        [20..=63, ..] => Kind::Dtls,
        [64..=79, ..] => Kind::TurnChannel,
        // Packet types 192 to 223: an RTP payload type of 64 to 95, which is never negotiated with multiplexing.
        [128..=191, 192..=223, ..] => Kind::Rtcp,
        [128..=191, ..] => Kind::Rtp,
        _ => Kind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_first_byte_goes_where_rfc_7983_figure_3_says() {
        let expected = |byte: u8| match byte {
            0..=3 => Kind::Stun,
            16..=19 => Kind::Zrtp,
            20..=63 => Kind::Dtls,
            64..=79 => Kind::TurnChannel,
            128..=191 => Kind::Rtp,
            _ => Kind::Unknown,
        };
        for byte in 0..=u8::MAX {
            assert_eq!(kind(&[byte, 0]), expected(byte), "first byte {byte}");
        }
        assert_eq!(kind(&[]), Kind::Unknown);
    }

    #[test]
    fn reports_are_told_from_speech_by_the_packet_type() {
        assert_eq!(kind(&[0x80, 200]), Kind::Rtcp);
        assert_eq!(kind(&[0x80, 0x80 | 111]), Kind::Rtp, "opus with the marker bit");
        assert_eq!(kind(&[0x80, 13]), Kind::Rtp);
    }
}
