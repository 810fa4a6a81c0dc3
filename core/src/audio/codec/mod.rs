//! Speech codecs behind two small traits: Opus on libopus, G.722, A-law and µ-law.
//!
//! A frame is 20 ms at the codec's own sample rate ([`Codec::sample_rate`]); resampling is the pipeline's. Buffers
//! belong to the caller and are reused, so that a call in progress allocates nothing for Opus and G.711. A decoder
//! takes bytes from the network: damaged ones are an error or noise, never a panic.

mod g711;
mod noise;
mod opus;
mod plc;

pub use noise::ComfortNoise;
pub use opus::{OpusDecoder, OpusEncoder, libopus_version};

use ezk_g722::libg722::{self, Bitrate};
use plc::Concealment;
use toestel_proto::codec::Codec;
use toestel_proto::media::plan::OpusOptions;

/// Why a frame could not be coded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// libopus refused; the far end sent a damaged frame if this was decoding. The next frame may be good.
    #[error("Opus: {0}")]
    Opus(#[from] audiopus::Error),
    /// The far end sent an empty frame. The next may be good.
    #[error("an empty {} frame", .0.encoding_name())]
    EmptyFrame(Codec),
}

/// Turns PCM into payloads.
pub trait Encoder: Send {
    /// Replaces `payload` by the coded form of `pcm`, one frame at the codec's sample rate.
    fn encode(&mut self, pcm: &[i16], payload: &mut Vec<u8>) -> Result<(), CodecError>;

    /// Tells the encoder how many packets in a hundred are lost on the way, as the far end's reports say. Codecs
    /// without redundancy ignore it.
    fn set_expected_loss(&mut self, _percent: u8) {}
}

/// Turns payloads into PCM. Each method appends to `pcm`, mono at the codec's sample rate.
pub trait Decoder: Send {
    /// Decodes one payload.
    fn decode(&mut self, payload: &[u8], pcm: &mut Vec<i16>) -> Result<(), CodecError>;

    /// Rebuilds the lost frame of `samples` before `following` from the redundancy in it, if the codec has any.
    fn recover(&mut self, _following: &[u8], samples: usize, pcm: &mut Vec<i16>) -> Result<(), CodecError> {
        self.conceal(samples, pcm)
    }

    /// Makes up `samples` for a frame that is lost for good.
    fn conceal(&mut self, samples: usize, pcm: &mut Vec<i16>) -> Result<(), CodecError>;
}

/// An encoder for `codec`; `options` is what the far end asked of an Opus encoder.
pub fn encoder(codec: Codec, options: OpusOptions) -> Result<Box<dyn Encoder>, CodecError> {
    Ok(match codec {
        Codec::Opus => Box::new(OpusEncoder::new(options)?),
        Codec::G722 => Box::new(G722Encoder(libg722::encoder::Encoder::new(
            Bitrate::Mode1_64000,
            false,
            false,
        ))),
        Codec::Pcma => Box::new(G711Encoder(g711::encode_a_law)),
        Codec::Pcmu => Box::new(G711Encoder(g711::encode_mu_law)),
    })
}

/// A decoder for `codec`.
pub fn decoder(codec: Codec) -> Result<Box<dyn Decoder>, CodecError> {
    let concealment = Concealment::new(codec.sample_rate());
    Ok(match codec {
        Codec::Opus => Box::new(OpusDecoder::new()?),
        Codec::G722 => Box::new(G722Decoder {
            decoder: libg722::decoder::Decoder::new(Bitrate::Mode1_64000, false, false),
            concealment,
        }),
        Codec::Pcma => Box::new(G711Decoder {
            expand: g711::decode_a_law,
            concealment,
        }),
        Codec::Pcmu => Box::new(G711Decoder {
            expand: g711::decode_mu_law,
            concealment,
        }),
    })
}

struct G711Encoder(fn(i16) -> u8);

impl Encoder for G711Encoder {
    fn encode(&mut self, pcm: &[i16], payload: &mut Vec<u8>) -> Result<(), CodecError> {
        payload.clear();
        payload.extend(pcm.iter().map(|sample| (self.0)(*sample)));
        Ok(())
    }
}

struct G711Decoder {
    expand: fn(u8) -> i16,
    concealment: Concealment,
}

impl Decoder for G711Decoder {
    fn decode(&mut self, payload: &[u8], pcm: &mut Vec<i16>) -> Result<(), CodecError> {
        let start = pcm.len();
        pcm.extend(payload.iter().map(|code| (self.expand)(*code)));
        self.concealment.good(pcm.get_mut(start..).unwrap_or_default());
        Ok(())
    }

    fn conceal(&mut self, samples: usize, pcm: &mut Vec<i16>) -> Result<(), CodecError> {
        self.concealment.conceal(samples, pcm);
        Ok(())
    }
}

struct G722Encoder(libg722::encoder::Encoder);

impl Encoder for G722Encoder {
    fn encode(&mut self, pcm: &[i16], payload: &mut Vec<u8>) -> Result<(), CodecError> {
        // One code holds two samples; an odd one out cannot be coded and would panic in the codec.
        let even = pcm.get(..pcm.len() & !1).unwrap_or(pcm);
        payload.clear();
        payload.extend(self.0.encode(even));
        Ok(())
    }
}

struct G722Decoder {
    decoder: libg722::decoder::Decoder,
    concealment: Concealment,
}

impl Decoder for G722Decoder {
    fn decode(&mut self, payload: &[u8], pcm: &mut Vec<i16>) -> Result<(), CodecError> {
        let mut frame = self.decoder.decode(payload);
        self.concealment.good(&mut frame);
        pcm.extend_from_slice(&frame);
        Ok(())
    }

    fn conceal(&mut self, samples: usize, pcm: &mut Vec<i16>) -> Result<(), CodecError> {
        self.concealment.conceal(samples, pcm);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
