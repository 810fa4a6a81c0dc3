//! Opus for speech: 48 kHz mono, VoIP mode, 20 ms frames (RFC 6716, 7587), on libopus 1.6.1 through `audiopus`.
//!
//! VoIP mode and mono keep the encoder in SILK or hybrid frames, the only ones that can carry in-band redundancy.
//! Redundancy costs quality where nothing is lost, so it is switched on only while the far end reports loss.
//! Deep concealment and DRED are not built in yet: they need decoder settings that `audiopus` keeps private.

use super::{CodecError, Decoder, Encoder};
use audiopus::coder::{Decoder as RawDecoder, Encoder as RawEncoder};
use audiopus::{Application, Bandwidth, Bitrate, Channels, MutSignals, SampleRate, Signal};
use toestel_proto::codec::Codec;
use toestel_proto::media::plan::OpusOptions;

/// Bits a second of payload. PESQ-WB of clean speech is at its ceiling here (4.4 of 4.5).
const BITRATE: i32 = 32_000;
/// What libopus can still make speech of, whatever the far end asks.
const LOWEST_BITRATE: i32 = 6_000;
/// Room for the largest frame that RFC 6716 section 3.4 allows.
const LARGEST_PAYLOAD: usize = 1275;
/// The longest packet, 120 ms at 48 kHz.
const LONGEST_PACKET: usize = 5760;
/// Of 10. What 7 and above add cannot be heard at this bit rate; `encoding_and_decoding_fit_the_budget` measures.
const COMPLEXITY: u8 = 6;

/// The version of libopus in this program, such as `libopus 1.6.1`.
pub fn libopus_version() -> &'static str {
    audiopus::version()
}

/// Speech to Opus.
pub struct OpusEncoder {
    raw: RawEncoder,
    fec_wanted: bool,
    dtx: bool,
    expected_loss: u8,
}

impl OpusEncoder {
    /// An encoder that heeds what the far end asked for (RFC 7587 6.1), and adds in-band redundancy, if asked to, when
    /// there is loss.
    pub fn new(options: OpusOptions) -> Result<Self, CodecError> {
        let mut raw = RawEncoder::new(SampleRate::Hz48000, Channels::Mono, Application::Voip)?;
        let most = options
            .max_average_bitrate
            .and_then(|most| i32::try_from(most).ok())
            .unwrap_or(BITRATE);
        raw.set_bitrate(Bitrate::BitsPerSecond(BITRATE.min(most.max(LOWEST_BITRATE))))?;
        raw.set_complexity(COMPLEXITY)?;
        raw.set_signal(Signal::Voice)?;
        raw.set_vbr(!options.cbr)?;
        raw.set_dtx(options.dtx)?;
        raw.set_max_bandwidth(bandwidth(options.max_playback_rate))?;
        raw.disable_inband_fec()?;
        Ok(Self {
            raw,
            fec_wanted: options.fec,
            dtx: options.dtx,
            expected_loss: 0,
        })
    }
}

impl Encoder for OpusEncoder {
    fn encode(&mut self, pcm: &[i16], payload: &mut Vec<u8>) -> Result<(), CodecError> {
        payload.resize(LARGEST_PAYLOAD, 0);
        let length = self.raw.encode(pcm, payload)?;
        // A packet of two bytes or less says that nothing changed and need not be sent (libopus, opus_encode).
        payload.truncate(if self.dtx && length <= 2 { 0 } else { length });
        Ok(())
    }

    fn set_expected_loss(&mut self, percent: u8) {
        // libopus plans for at most 30 % well; beyond that the redundancy eats the speech.
        let percent = percent.min(30);
        if percent == self.expected_loss {
            return;
        }
        self.expected_loss = percent;
        let applied = self
            .raw
            .set_packet_loss_perc(percent)
            .and_then(|()| self.raw.set_inband_fec(self.fec_wanted && percent > 0));
        if let Err(error) = applied {
            tracing::debug!(%error, percent, "libopus refused the expected loss");
        }
    }
}

/// The widest band that a far end which plays at `rate` Hz can use (RFC 6716 table 1).
fn bandwidth(rate: Option<u32>) -> Bandwidth {
    match rate.unwrap_or(48_000) {
        0..=8_000 => Bandwidth::Narrowband,
        8_001..=12_000 => Bandwidth::Mediumband,
        12_001..=16_000 => Bandwidth::Wideband,
        16_001..=24_000 => Bandwidth::Superwideband,
        _ => Bandwidth::Fullband,
    }
}

/// Opus to speech.
pub struct OpusDecoder(RawDecoder);

impl OpusDecoder {
    /// A decoder at 48 kHz mono; stereo packets are mixed down by libopus.
    pub fn new() -> Result<Self, CodecError> {
        Ok(Self(RawDecoder::new(SampleRate::Hz48000, Channels::Mono)?))
    }

    /// Runs libopus over `payload` (`None`: concealment) with room for `samples`, and appends what it gives.
    fn run(&mut self, payload: Option<&[u8]>, fec: bool, samples: usize, pcm: &mut Vec<i16>) -> Result<(), CodecError> {
        let start = pcm.len();
        pcm.resize(start + samples, 0);
        let room: &mut [i16] = pcm.get_mut(start..).unwrap_or_default();
        let packet = payload.map(audiopus::packet::Packet::try_from).transpose();
        let decoded = packet.and_then(|packet| self.0.decode(packet, MutSignals::try_from(room)?, fec));
        pcm.truncate(start + decoded.as_ref().copied().unwrap_or(0));
        decoded?;
        Ok(())
    }
}

impl Decoder for OpusDecoder {
    fn decode(&mut self, payload: &[u8], pcm: &mut Vec<i16>) -> Result<(), CodecError> {
        if payload.is_empty() {
            return Err(CodecError::EmptyFrame(Codec::Opus));
        }
        self.run(Some(payload), false, LONGEST_PACKET, pcm)
    }

    fn recover(&mut self, following: &[u8], samples: usize, pcm: &mut Vec<i16>) -> Result<(), CodecError> {
        if following.is_empty() {
            return self.conceal(samples, pcm);
        }
        self.run(Some(following), true, samples, pcm)
    }

    fn conceal(&mut self, samples: usize, pcm: &mut Vec<i16>) -> Result<(), CodecError> {
        self.run(None, false, samples, pcm)
    }
}
