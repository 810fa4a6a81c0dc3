//! Which payload types carry what: the formats that we offer, those that both sides have, and what the far end asks of
//! our encoder.

use super::result::{OpusWishes, SendFormat};
use super::settings::MediaSettings;
use crate::codec::Codec;
use crate::sdp::description::{Attribute, Fmtp, Media, RtpMap};
use std::collections::BTreeMap;
use std::time::Duration;

/// The clock rates at which digits can be sent.
const EVENT_RATES: [u32; 2] = [48_000, 8_000];
/// RFC 7587 6.1: the range of `maxaveragebitrate`.
const OPUS_BITRATES: std::ops::RangeInclusive<u32> = 6_000..=510_000;
/// RFC 7587 6.1: the range of `maxplaybackrate`.
const OPUS_PLAYBACK_RATES: std::ops::RangeInclusive<u32> = 8_000..=48_000;
/// The packet times that every codec of ours can make, in milliseconds.
const PTIMES: [u16; 4] = [10, 20, 40, 60];

/// What a payload type stands for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Format {
    /// Speech.
    Speech(Codec),
    /// RFC 4733 digits at this clock rate in Hz.
    Event(u32),
}

/// Formats with their payload types, in order of preference.
pub(super) type Formats = Vec<(Format, u8)>;

/// The numbers that payload types have had in this session: a number never changes its meaning (RFC 3264 8.3.2).
#[derive(Clone, Default, Debug)]
pub(super) struct Numbers {
    ours: BTreeMap<Format, u8>,
    taken: BTreeMap<u8, Option<Format>>,
}

impl Numbers {
    /// Learns what the far end's section says.
    pub(super) fn learn(&mut self, media: &Media) {
        for payload_type in media.payload_types() {
            let format = format_of(media, payload_type);
            self.taken.entry(payload_type).or_insert(format);
            if let Some(format) = format {
                self.ours.entry(format).or_insert(payload_type);
            }
        }
    }

    fn number(&mut self, format: Format) -> Option<u8> {
        if let Some(number) = self.ours.get(&format) {
            return Some(*number);
        }
        let wanted = match format {
            Format::Speech(codec) => codec.static_payload_type().unwrap_or(111),
            Format::Event(48_000) => 110,
            Format::Event(_) => 101,
        };
        let number = std::iter::once(wanted)
            .chain(96..=127)
            .find(|number| !self.taken.contains_key(number))?;
        self.taken.insert(number, Some(format));
        self.ours.insert(format, number);
        Some(number)
    }

    /// The formats of an offer: the account's codecs in order, then digits at every clock rate among them.
    pub(super) fn offered(&mut self, settings: &MediaSettings) -> Formats {
        let speech = settings.codecs.iter().map(|codec| Format::Speech(*codec));
        let events = EVENT_RATES
            .into_iter()
            .filter(|rate| settings.codecs.iter().any(|codec| codec.clock_rate() == *rate))
            .map(Format::Event);
        let mut formats = Formats::new();
        for format in speech.chain(events) {
            if let Some(number) = self
                .number(format)
                .filter(|_| !formats.iter().any(|(known, _)| *known == format))
            {
                formats.push((format, number));
            }
        }
        formats
    }
}

fn format_of(media: &Media, payload_type: u8) -> Option<Format> {
    format_of_map(&media.rtp_map(payload_type)?)
}

fn format_of_map(map: &RtpMap) -> Option<Format> {
    if map.is_telephone_event() {
        return EVENT_RATES
            .contains(&map.clock_rate)
            .then_some(Format::Event(map.clock_rate));
    }
    map.codec().map(Format::Speech)
}

/// What an offer has that the account also has, in the account's order, under the offer's numbers. Empty without a
/// codec: digits alone are no call.
pub(super) fn common(offer: &Media, settings: &MediaSettings) -> Formats {
    let offered: Formats = first_of_each(offer, |payload_type| format_of(offer, payload_type));
    let mut formats: Formats = Formats::new();
    for codec in &settings.codecs {
        let found = offered.iter().find(|(format, _)| *format == Format::Speech(*codec));
        formats.extend(found.filter(|entry| !formats.contains(entry)));
    }
    if !formats.is_empty() {
        formats.extend(offered.iter().filter(|(format, _)| matches!(format, Format::Event(_))));
    }
    formats
}

/// What an answer took of our offer, in the answer's order, under the answer's numbers. A number that the answer does
/// not explain means what it meant in the offer.
pub(super) fn taken(answer: &Media, offered: &Formats) -> Formats {
    let explain = |payload_type: u8| {
        let own = || {
            offered
                .iter()
                .find(|(_, number)| *number == payload_type)
                .map(|(format, _)| *format)
        };
        match answer.rtp_map(payload_type) {
            Some(map) => format_of_map(&map),
            None => own(),
        }
    };
    let known = |format: &Format| offered.iter().any(|(own, _)| own == format);
    first_of_each(answer, |payload_type| explain(payload_type).filter(known))
}

fn first_of_each(media: &Media, explain: impl Fn(u8) -> Option<Format>) -> Formats {
    let mut formats = Formats::new();
    for payload_type in media.payload_types() {
        if let Some(format) = explain(payload_type)
            && !formats.iter().any(|(known, _)| *known == format)
        {
            formats.push((format, payload_type));
        }
    }
    formats
}

/// The speech format to send: the first of `formats`, as the far end's section wants it.
pub(super) fn send_format(formats: &Formats, remote: &Media, settings: &MediaSettings) -> Option<SendFormat> {
    let (codec, payload_type) = formats.iter().find_map(|(format, number)| match format {
        Format::Speech(codec) => Some((*codec, *number)),
        Format::Event(_) => None,
    })?;
    let opus = remote
        .fmtp(payload_type)
        .filter(|_| codec == Codec::Opus)
        .map(opus_wishes);
    Some(SendFormat {
        codec,
        payload_type,
        ptime: packet_time(remote.ptime().unwrap_or(settings.ptime), remote.max_ptime()),
        opus: opus.unwrap_or_default(),
    })
}

/// The numbers under which the far end takes digits, by clock rate.
pub(super) fn send_events(formats: &Formats) -> BTreeMap<u32, u8> {
    let events = formats.iter().filter_map(|(format, number)| match format {
        Format::Event(clock_rate) => Some((*clock_rate, *number)),
        Format::Speech(_) => None,
    });
    events.collect()
}

/// What arriving payload types mean: our own numbers, and the far end's where they are free, because many peers send
/// with the number that they themselves announced.
pub(super) fn receive_maps(ours: &Formats, theirs: &Formats) -> (BTreeMap<u8, Codec>, BTreeMap<u8, u32>) {
    let mut speech = BTreeMap::new();
    let mut events = BTreeMap::new();
    for (format, number) in ours.iter().chain(theirs) {
        if speech.contains_key(number) || events.contains_key(number) {
            continue;
        }
        match format {
            Format::Speech(codec) => {
                speech.insert(*number, *codec);
            }
            Format::Event(clock_rate) => {
                events.insert(*number, *clock_rate);
            }
        }
    }
    (speech, events)
}

/// The longest packet time of ours that is neither above the wish nor above the limit.
fn packet_time(wish: u16, limit: Option<u16>) -> Duration {
    let bound = limit.map_or(wish, |limit| wish.min(limit));
    let fitting = PTIMES.into_iter().rev().find(|ptime| *ptime <= bound);
    Duration::from_millis(u64::from(fitting.unwrap_or(10)))
}

fn opus_wishes(fmtp: &Fmtp) -> OpusWishes {
    let number = |name| fmtp.value(name).and_then(|value| value.parse::<u32>().ok());
    OpusWishes {
        in_band_fec: fmtp.flag("useinbandfec"),
        max_average_bitrate: number("maxaveragebitrate").filter(|rate| OPUS_BITRATES.contains(rate)),
        max_playback_rate: number("maxplaybackrate").filter(|rate| OPUS_PLAYBACK_RATES.contains(rate)),
        dtx: fmtp.flag("usedtx"),
        constant_bitrate: fmtp.flag("cbr"),
    }
}

/// The `a=rtpmap` and `a=fmtp` lines that explain `formats`.
pub(super) fn explain(formats: &Formats, settings: &MediaSettings) -> Vec<Attribute> {
    let mut attributes = Vec::new();
    for (format, payload_type) in formats {
        let (encoding, clock_rate, channels) = match format {
            Format::Speech(codec) => (
                codec.encoding_name(),
                codec.clock_rate(),
                (*codec == Codec::Opus).then_some(2),
            ),
            Format::Event(clock_rate) => ("telephone-event", *clock_rate, None),
        };
        attributes.push(Attribute::RtpMap(RtpMap {
            payload_type: *payload_type,
            encoding: encoding.to_owned(),
            clock_rate,
            channels,
        }));
        attributes.extend(parameters(*format, settings).map(|parameters| {
            Attribute::Fmtp(Fmtp {
                format: payload_type.to_string(),
                parameters,
            })
        }));
    }
    attributes
}

fn parameters(format: Format, settings: &MediaSettings) -> Option<String> {
    match format {
        Format::Speech(Codec::Opus) => Some(format!(
            "useinbandfec={};maxaveragebitrate={};stereo=0;sprop-stereo=0",
            u8::from(settings.opus.in_band_fec),
            settings.opus.max_average_bitrate
        )),
        Format::Speech(_) => None,
        Format::Event(_) => Some("0-16".to_owned()),
    }
}
