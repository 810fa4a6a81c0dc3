//! What a call's sound passes through on its way between the sound card and the wire.
//!
//! [`Mouth`]: microphone at 48 kHz, resample, encode, one payload for each packet's time. [`Ear`]: what the jitter
//! buffer says, decode or repair or conceal, resample to 48 kHz. Both are free of I/O and reuse their memory. There is
//! no echo cancellation yet; its place is before the mouth.

use super::card::RATE;
use super::codec::{self, CodecError, ComfortNoise, Decoder, Encoder};
use super::resample::Resampler;
use std::time::Duration;
use toestel_proto::codec::Codec;
use toestel_proto::media::plan::SendFormat;
use toestel_proto::media::session::{Frame, MediaSession, Play, Playout};
use toestel_proto::time::Instant;

/// From the microphone to the wire.
pub struct Mouth {
    format: SendFormat,
    encoder: Box<dyn Encoder>,
    resampler: Resampler,
    /// Sound at the codec's rate that does not fill a packet yet.
    pending: Vec<i16>,
    payload: Vec<u8>,
    /// Samples of a packet at the codec's rate.
    packet: usize,
}

impl Mouth {
    /// Speaks as `format` says.
    pub fn new(format: SendFormat) -> Result<Self, CodecError> {
        let rate = format.codec.sample_rate();
        let packet = samples(rate, packet_time(&format));
        Ok(Self {
            encoder: codec::encoder(format.codec, format.opus)?,
            resampler: Resampler::new(RATE, rate),
            pending: Vec::with_capacity(packet * 4),
            payload: Vec::with_capacity(1500),
            packet,
            format,
        })
    }

    /// How it speaks.
    pub const fn format(&self) -> &SendFormat {
        &self.format
    }

    /// Says `pcm`, in as many packets as it fills.
    pub fn speak(&mut self, pcm: &[i16], session: &mut MediaSession, now: Instant) -> Result<(), CodecError> {
        self.resampler.process(pcm, &mut self.pending);
        let clock_rate = self.format.codec.clock_rate() as usize;
        let units = self.packet * clock_rate / self.format.codec.sample_rate() as usize;
        while let Some(frame) = self.pending.get(..self.packet) {
            self.encoder.encode(frame, &mut self.payload)?;
            self.pending.drain(..self.packet);
            let frame = if self.payload.is_empty() {
                Frame::Nothing
            } else {
                Frame::Speech(&self.payload)
            };
            session.send_frame(frame, u32::try_from(units).unwrap_or(u32::MAX), now);
        }
        Ok(())
    }

    /// Tells the encoder which part of its packets is lost on the way, 0 to 1.
    pub fn expect_loss(&mut self, fraction: f64) {
        self.encoder
            .set_expected_loss((fraction * 100.0).round().clamp(0.0, 100.0) as u8);
    }
}

/// The length of a packet, where Opus knows only some (RFC 6716 2.1.4).
fn packet_time(format: &SendFormat) -> Duration {
    let asked = format.ptime.clamp(Duration::from_millis(10), Duration::from_millis(60));
    match (format.codec, asked.as_millis()) {
        (Codec::Opus, 10 | 20 | 40 | 60) => asked,
        (Codec::Opus, _) => Duration::from_millis(20),
        // Whole milliseconds are whole samples at every rate; even ones are whole bytes of G.722.
        (_, millis) => Duration::from_millis(u64::try_from(millis).unwrap_or(20)),
    }
}

fn samples(rate: u32, time: Duration) -> usize {
    usize::try_from(u128::from(rate) * time.as_micros() / 1_000_000).unwrap_or(0)
}

/// From the wire to the loudspeaker.
pub struct Ear {
    voice: Option<Voice>,
    noise: ComfortNoise,
    /// Sound at the codec's rate.
    decoded: Vec<i16>,
    /// Sound at 48 kHz that was not asked for yet.
    ready: Vec<i16>,
}

/// The decoder in use.
struct Voice {
    codec: Codec,
    decoder: Box<dyn Decoder>,
    resampler: Resampler,
}

impl Default for Ear {
    fn default() -> Self {
        Self {
            voice: None,
            noise: ComfortNoise::default(),
            decoded: Vec::with_capacity(5760),
            ready: Vec::with_capacity(4 * 5760),
        }
    }
}

impl Ear {
    /// Appends the next `wanted` samples of `session` to `pcm`, silence where there is nothing.
    pub fn hear(&mut self, wanted: usize, session: &mut MediaSession, now: Instant, pcm: &mut Vec<i16>) {
        while self.ready.len() < wanted {
            let before = self.ready.len();
            let playout = session.next(now);
            self.render(&playout);
            if self.ready.len() == before {
                // Nothing came of it, as at the start of a resampler: never ask for ever.
                self.ready.resize(wanted, 0);
            }
        }
        pcm.extend(self.ready.drain(..wanted));
    }

    fn render(&mut self, playout: &Playout) {
        let codec = match &playout.play {
            Play::Decode { codec, .. } | Play::Fec { codec, .. } | Play::Dred { codec, .. } => *codec,
            Play::Conceal { codec } | Play::ComfortNoise { codec, .. } => *codec,
            Play::Silence => {
                let silence = samples(RATE, playout.duration);
                self.ready.extend(std::iter::repeat_n(0, silence));
                return;
            }
        };
        if let Err(error) = self.decode(codec, playout) {
            tracing::debug!(%error, "a frame could not be decoded");
        }
    }

    fn decode(&mut self, codec: Codec, playout: &Playout) -> Result<(), CodecError> {
        let length = samples(codec.sample_rate(), playout.duration);
        let voice = match self.voice.take() {
            Some(voice) if voice.codec == codec => voice,
            _ => Voice::new(codec)?,
        };
        let voice = self.voice.insert(voice);
        self.decoded.clear();
        let decoded = match &playout.play {
            Play::Decode { payload, .. } => voice.decoder.decode(payload, &mut self.decoded),
            Play::Fec { payload, .. } => voice.decoder.recover(payload, length, &mut self.decoded),
            Play::ComfortNoise { level: Some(level), .. } => {
                self.noise.set_level(*level);
                self.noise.fill(length, &mut self.decoded);
                Ok(())
            }
            Play::Dred { .. } | Play::Conceal { .. } | Play::ComfortNoise { .. } | Play::Silence => {
                voice.decoder.conceal(length, &mut self.decoded)
            }
        };
        if decoded.is_err() {
            self.decoded.clear();
            voice.decoder.conceal(length, &mut self.decoded)?;
        }
        voice.resampler.process(&self.decoded, &mut self.ready);
        decoded
    }
}

impl Voice {
    fn new(codec: Codec) -> Result<Self, CodecError> {
        Ok(Self {
            codec,
            decoder: codec::decoder(codec)?,
            resampler: Resampler::new(codec.sample_rate(), RATE),
        })
    }
}
