//! A sound card on PulseAudio, or PipeWire's imitation of it, driven by the media thread itself.
//!
//! The server's socket is one more thing that the media thread waits for: a request for sound is answered where it is
//! read, so there is no callback, no ring and no second thread between the call and the server. "Follow the system"
//! is the server's own behaviour for streams without a device; when a device goes away the server moves the stream,
//! and tells. A stream that it ends instead is opened anew on the default device every two seconds; until then a timer
//! keeps the call going.

mod wire;

pub use wire::PulseError;

use super::card::{Card, FRAME, Notice, Pacer, RATE};
use super::device::{Device, Devices};
use pulseaudio::protocol::stream::{BufferAttr, StreamFlags};
use pulseaudio::protocol::{self, Command};
use std::collections::VecDeque;
use std::ffi::{CStr, CString};
use std::io;
use std::time::Duration;
use toestel_proto::time::Instant;
use wire::{Message, Wire, read_answer};

/// Bytes of a millisecond: 48 samples of 16 bits.
const MILLISECOND: u32 = 96;
/// The server asks for at least this much at once.
const REQUEST: u32 = 10 * MILLISECOND;
/// The server holds at most this much of ours; more once it ran dry. It gives the device half of what two requests
/// leave over, and a device of 15 ms is what keeps wake-ups few without much delay: see the table in ADR 4.
const TARGET: u32 = 50 * MILLISECOND;
const LONGEST_TARGET: u32 = 90 * MILLISECOND;
/// The microphone comes in pieces of this size.
const FRAGMENT: u32 = 20 * MILLISECOND;
/// How long to wait before a lost stream is opened again.
const RETRY: Duration = Duration::from_secs(2);

/// One direction's stream.
enum Stream {
    /// Not wanted yet.
    Closed,
    /// Asked for by the command of that number; whether a chosen device was named.
    Opening { number: u32, chosen: bool },
    /// Open on that channel.
    Open { channel: u32 },
    /// Lost, with a timer in its place.
    Lost { pacer: Pacer, since: Instant },
}

/// The card.
pub struct PulseCard {
    wire: Wire<mio::net::UnixStream>,
    output: Option<CString>,
    input: Option<CString>,
    now: Instant,
    speaker: Stream,
    microphone: Stream,
    /// Bytes that the server asked for and has not had.
    wanted: usize,
    target: u32,
    captured: Vec<i16>,
    notices: VecDeque<Notice>,
}

impl PulseCard {
    /// Connects, and opens the speaker on `output`, or on the system's default. The microphone stays closed.
    pub fn open(output: Option<&str>, input: Option<&str>, now: Instant) -> Result<Self, PulseError> {
        let mut card = Self {
            wire: Wire::connect()?.into_polled()?,
            output: output.and_then(|id| CString::new(id).ok()),
            input: input.and_then(|id| CString::new(id).ok()),
            now,
            speaker: Stream::Closed,
            microphone: Stream::Closed,
            wanted: 0,
            target: TARGET,
            captured: Vec::with_capacity(4 * FRAME),
            notices: VecDeque::new(),
        };
        card.speaker = card.create_speaker(card.output.clone())?;
        Ok(card)
    }

    fn create_speaker(&mut self, device: Option<CString>) -> Result<Stream, PulseError> {
        let chosen = device.is_some();
        let number = self
            .wire
            .send(&Command::CreatePlaybackStream(protocol::PlaybackStreamParams {
                sample_spec: sample_spec(),
                channel_map: protocol::ChannelMap::mono(),
                sink_name: device,
                buffer_attr: buffer(self.target),
                flags: stream_flags(),
                props: phone_props(),
                ..protocol::PlaybackStreamParams::default()
            }))?;
        Ok(Stream::Opening { number, chosen })
    }

    fn create_microphone(&mut self, device: Option<CString>) -> Result<Stream, PulseError> {
        let chosen = device.is_some();
        let number = self
            .wire
            .send(&Command::CreateRecordStream(protocol::RecordStreamParams {
                sample_spec: sample_spec(),
                channel_map: protocol::ChannelMap::mono(),
                source_name: device,
                buffer_attr: BufferAttr {
                    fragment_size: FRAGMENT,
                    ..BufferAttr::default()
                },
                flags: stream_flags(),
                props: phone_props(),
                ..protocol::RecordStreamParams::default()
            }))?;
        Ok(Stream::Opening { number, chosen })
    }

    /// Reads everything that the server sent.
    fn listen(&mut self) -> Result<(), PulseError> {
        loop {
            let version = self.wire.version();
            match self.wire.next()? {
                Some(Message::Sound(channel, bytes)) if is_open(&self.microphone, channel) => {
                    let samples = bytes.as_chunks::<2>().0;
                    self.captured
                        .extend(samples.iter().map(|sample| i16::from_le_bytes(*sample)));
                }
                Some(Message::Sound(..)) => {}
                Some(Message::Answer(number, body)) => {
                    if is_opening(&self.speaker, number) {
                        let open: protocol::CreatePlaybackStreamReply = read_answer(body, version)?;
                        // Silence first: a stream that begins with nothing to play counts as having run dry.
                        let head = open.requested_bytes.min(LONGEST_TARGET) / 2;
                        self.wire.send_sound(open.channel, &vec![0; head as usize])?;
                        self.wanted = open.requested_bytes.saturating_sub(head * 2) as usize;
                        self.speaker = Stream::Open { channel: open.channel };
                        self.wire.send(&Command::CorkPlaybackStream(go(open.channel)))?;
                    } else if is_opening(&self.microphone, number) {
                        let open: protocol::CreateRecordStreamReply = read_answer(body, version)?;
                        self.microphone = Stream::Open { channel: open.channel };
                        self.wire.send(&Command::CorkRecordStream(go(open.channel)))?;
                    }
                }
                Some(Message::Refused(number)) => self.refused(number)?,
                Some(Message::Command(command)) => self.happened(*command)?,
                None => {
                    if !self.wire.fill()? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// A stream could not be opened: on the default device instead, or later.
    fn refused(&mut self, number: u32) -> Result<(), PulseError> {
        let lost = Stream::Lost {
            pacer: Pacer::new(self.now),
            since: self.now,
        };
        match (&self.speaker, &self.microphone) {
            (Stream::Opening { number: asked, chosen }, _) if *asked == number => {
                let again = *chosen;
                self.notices.push_back(Notice::NotThere { microphone: false });
                self.speaker = if again { self.create_speaker(None)? } else { lost };
            }
            (_, Stream::Opening { number: asked, chosen }) if *asked == number => {
                let again = *chosen;
                self.notices.push_back(Notice::NotThere { microphone: true });
                self.microphone = if again { self.create_microphone(None)? } else { lost };
            }
            _ => {}
        }
        Ok(())
    }

    fn happened(&mut self, command: Command) -> Result<(), PulseError> {
        match command {
            Command::Request(request) if is_open(&self.speaker, request.channel) => {
                self.wanted = self.wanted.saturating_add(request.length as usize);
            }
            Command::Underflow(underflow) if is_open(&self.speaker, underflow.channel) => {
                self.ran_dry(underflow.channel)?
            }
            Command::PlaybackStreamMoved(moved) => self.moved(false, &moved.device_name),
            Command::RecordStreamMoved(moved) => self.moved(true, &moved.device_name),
            Command::PlaybackStreamKilled(channel) if is_open(&self.speaker, channel) => {
                self.notices.push_back(Notice::NotThere { microphone: false });
                self.speaker = self.create_speaker(None)?;
            }
            Command::RecordStreamKilled(channel) if is_open(&self.microphone, channel) => {
                self.notices.push_back(Notice::NotThere { microphone: true });
                self.microphone = self.create_microphone(None)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn moved(&mut self, microphone: bool, to: &CStr) {
        let to = to.to_string_lossy().into_owned();
        self.notices.push_back(Notice::Moved { microphone, to });
    }

    /// The server had nothing of ours to play: this machine is too busy for so short a buffer.
    fn ran_dry(&mut self, channel: u32) -> Result<(), PulseError> {
        if self.target >= LONGEST_TARGET {
            return Ok(());
        }
        self.target += REQUEST;
        tracing::debug!(
            target_ms = self.target / MILLISECOND,
            "the speaker ran dry: a longer buffer"
        );
        self.wire.send(&Command::SetPlaybackStreamBufferAttr(
            protocol::SetPlaybackStreamBufferAttrParams {
                index: channel,
                buffer_attr: buffer(self.target),
                adjust_latency: true,
                early_requests: false,
            },
        ))?;
        Ok(())
    }

    fn retry_lost(&mut self) -> Result<(), PulseError> {
        let over =
            |stream: &Stream, now: Instant| matches!(stream, Stream::Lost { since, .. } if now.since(*since) >= RETRY);
        if over(&self.speaker, self.now) {
            self.speaker = self.create_speaker(None)?;
        }
        if over(&self.microphone, self.now) {
            self.microphone = self.create_microphone(None)?;
        }
        Ok(())
    }
}

impl Card for PulseCard {
    fn register(&mut self, registry: &mio::Registry, token: mio::Token) -> io::Result<()> {
        registry.register(self.wire.socket(), token, mio::Interest::READABLE)
    }

    fn due(&self) -> Option<Instant> {
        let next = |stream: &Stream| match stream {
            Stream::Lost { pacer, .. } => Some(pacer.next()),
            _ => None,
        };
        next(&self.speaker).into_iter().chain(next(&self.microphone)).min()
    }

    fn service(&mut self, now: Instant) {
        self.now = now;
        let done = self.wire.flush().map_err(PulseError::from);
        if let Err(error) = done.and_then(|()| self.listen()).and_then(|()| self.retry_lost()) {
            self.notices.push_back(Notice::Gone(error.to_string()));
        }
    }

    fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    fn open_microphone(&mut self) {
        if !matches!(self.microphone, Stream::Closed) {
            return;
        }
        match self.create_microphone(self.input.clone()) {
            Ok(opening) => self.microphone = opening,
            Err(error) => self.notices.push_back(Notice::Gone(error.to_string())),
        }
    }

    fn room(&self) -> usize {
        match &self.speaker {
            Stream::Open { .. } => self.wanted / 2,
            Stream::Lost { pacer, .. } => pacer.due(self.now),
            Stream::Closed | Stream::Opening { .. } => 0,
        }
    }

    fn play(&mut self, pcm: &[i16]) {
        match &mut self.speaker {
            Stream::Open { channel } => {
                self.wanted = self.wanted.saturating_sub(pcm.len() * 2);
                if let Err(error) = self.wire.send_sound(*channel, pcm) {
                    self.notices.push_back(Notice::Gone(error.to_string()));
                }
            }
            Stream::Lost { pacer, .. } => pacer.take(pcm.len()),
            Stream::Closed | Stream::Opening { .. } => {}
        }
    }

    fn capture(&mut self, pcm: &mut Vec<i16>) {
        if let Stream::Lost { pacer, .. } = &mut self.microphone {
            let due = pacer.due(self.now);
            pacer.take(due);
            pcm.extend(std::iter::repeat_n(0, due));
        }
        pcm.append(&mut self.captured);
    }
}

/// The sinks and sources of the server, as the user knows them.
pub fn devices() -> Result<Devices, PulseError> {
    let mut wire = Wire::connect()?;
    let server: protocol::ServerInfo = wire.ask(&Command::GetServerInfo)?;
    let sinks: protocol::SinkInfoList = wire.ask(&Command::GetSinkInfoList)?;
    let sources: protocol::SourceInfoList = wire.ask(&Command::GetSourceInfoList)?;
    let device = |name: &CStr, description: Option<&CString>, default: Option<&CString>| Device {
        id: name.to_string_lossy().into_owned(),
        name: description
            .map_or(name, CString::as_c_str)
            .to_string_lossy()
            .into_owned(),
        default: default.is_some_and(|default| default.as_c_str() == name),
    };
    // A monitor hears what a speaker plays; it is offered last, for whoever made a virtual microphone of it.
    let (real, monitors): (Vec<_>, Vec<_>) = sources
        .iter()
        .partition(|source| source.monitor_of_sink_index.is_none());
    Ok(Devices {
        outputs: sinks
            .iter()
            .map(|sink| device(&sink.name, sink.description.as_ref(), server.default_sink_name.as_ref()))
            .collect(),
        inputs: real
            .into_iter()
            .chain(monitors)
            .map(|source| {
                device(
                    &source.name,
                    source.description.as_ref(),
                    server.default_source_name.as_ref(),
                )
            })
            .collect(),
    })
}

fn is_opening(stream: &Stream, number: u32) -> bool {
    matches!(stream, Stream::Opening { number: asked, .. } if *asked == number)
}

fn is_open(stream: &Stream, channel: u32) -> bool {
    matches!(stream, Stream::Open { channel: ours } if *ours == channel)
}

fn sample_spec() -> protocol::SampleSpec {
    protocol::SampleSpec {
        format: protocol::SampleFormat::S16Le,
        channels: 1,
        sample_rate: RATE,
    }
}

/// Plays at once, without waiting for the buffer to fill; after a dry spell what is late is skipped, so that the
/// delay stays what it was.
fn buffer(target: u32) -> BufferAttr {
    BufferAttr {
        target_length: target,
        minimum_request_length: REQUEST,
        pre_buffering: 0,
        ..BufferAttr::default()
    }
}

/// Lets the stream of `channel` run.
const fn go(channel: u32) -> protocol::CorkStreamParams {
    protocol::CorkStreamParams { channel, cork: false }
}

/// A stream begins corked: the device then learns what latency is wanted before it wakes, and does not first fill its
/// longest buffer with two seconds of silence.
fn stream_flags() -> StreamFlags {
    StreamFlags {
        start_corked: true,
        adjust_latency: true,
        ..StreamFlags::default()
    }
}

/// Lets the server treat us as a call: headsets switch profile, music players pause.
fn phone_props() -> protocol::Props {
    let mut props = protocol::Props::new();
    props.set(protocol::Prop::MediaRole, c"phone");
    props.set(protocol::Prop::MediaName, c"Call");
    props
}
