//! PulseAudio's native protocol over its Unix socket: messages in, messages out, no thread.
//!
//! The messages themselves are read and written by the `pulseaudio` crate; its client is not used, because it clears
//! a megabyte of memory for every read and answers each request for sound on a thread of its own (ADR 4). A message is
//! a descriptor of 20 bytes, then a command (channel `u32::MAX`) or sound (the stream's channel).

use pulseaudio::protocol::{self, Command, CommandReply, DESCRIPTOR_SIZE, ProtocolError, TagStructReader};
use std::ffi::CString;
use std::io::{self, Cursor, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// How long the sound server may take to answer while a device is opened or listed.
const PATIENCE: Duration = Duration::from_secs(2);
/// No message of a server is longer; more means that we lost our place.
const LONGEST_MESSAGE: usize = 1 << 20;
/// `PA_NATIVE_COOKIE_LENGTH`.
const COOKIE_LENGTH: usize = 256;
/// Bytes read at once: 20 ms of microphone are 1,940.
const READ_SIZE: usize = 16 * 1024;

/// Why the sound server is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PulseError {
    /// No server runs for this user. Try another kind of sound system.
    #[error("no PulseAudio or PipeWire sound server is running")]
    NotRunning,
    /// The connection broke, or the server does not answer. Trying again may help.
    #[error("the sound server does not answer: {0}")]
    Connection(#[from] io::Error),
    /// The server says what we do not understand.
    #[error("the sound server speaks another protocol: {0}")]
    Protocol(#[from] ProtocolError),
}

/// What the server sent.
pub enum Message<'a> {
    /// The answer to the command of that number.
    Answer(u32, &'a [u8]),
    /// The refusal of the command of that number.
    Refused(u32),
    /// Something happened.
    Command(Box<Command>),
    /// Sound of the microphone, 16 bits little-endian.
    Sound(u32, &'a [u8]),
}

/// A connection to the sound server.
pub struct Wire<S> {
    socket: S,
    version: u16,
    next_number: u32,
    inbox: Vec<u8>,
    /// Bytes at the front of `inbox` that were dealt with.
    taken: usize,
    outbox: Vec<u8>,
}

impl Wire<UnixStream> {
    /// Connects to the server of this user and introduces us.
    pub fn connect() -> Result<Self, PulseError> {
        let path = pulseaudio::socket_path_from_env().ok_or(PulseError::NotRunning)?;
        let socket = UnixStream::connect(path).map_err(|_| PulseError::NotRunning)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        let mut wire = Self {
            socket,
            version: protocol::MAX_VERSION,
            next_number: 0,
            inbox: Vec::with_capacity(2 * READ_SIZE),
            taken: 0,
            outbox: Vec::with_capacity(READ_SIZE),
        };
        wire.introduce()?;
        Ok(wire)
    }

    fn introduce(&mut self) -> Result<(), PulseError> {
        let cookie = pulseaudio::cookie_path_from_env().and_then(|path| std::fs::read(path).ok());
        let auth: protocol::AuthReply = self.ask(&Command::Auth(protocol::AuthParams {
            version: protocol::MAX_VERSION,
            supports_shm: false,
            supports_memfd: false,
            cookie: whole_cookie(cookie.unwrap_or_default()),
        }))?;
        self.version = auth.version.min(protocol::MAX_VERSION);
        let mut props = protocol::Props::new();
        props.set(protocol::Prop::ApplicationName, c"Toestel");
        let pid = CString::new(std::process::id().to_string()).unwrap_or_default();
        props.set(protocol::Prop::ApplicationProcessId, pid);
        let _: protocol::SetClientNameReply = self.ask(&Command::SetClientName(props))?;
        Ok(())
    }

    /// Sends `command` and waits for its answer; what else comes in between is dropped.
    pub fn ask<R: CommandReply>(&mut self, command: &Command) -> Result<R, PulseError> {
        let asked = self.send(command)?;
        let version = self.version;
        loop {
            match self.next()? {
                Some(Message::Answer(number, body)) if number == asked => return read_answer(body, version),
                Some(Message::Refused(number)) if number == asked => {
                    return Err(io::Error::other("it refused a request").into());
                }
                Some(_) => {}
                None => {
                    // A blocking socket has nothing only when our patience is at its end.
                    if !self.fill()? {
                        return Err(io::Error::from(io::ErrorKind::TimedOut).into());
                    }
                }
            }
        }
    }

    /// From now on reads and writes return at once, and the media thread waits.
    pub fn into_polled(self) -> io::Result<Wire<mio::net::UnixStream>> {
        self.socket.set_nonblocking(true)?;
        Ok(Wire {
            socket: mio::net::UnixStream::from_std(self.socket),
            version: self.version,
            next_number: self.next_number,
            inbox: self.inbox,
            taken: self.taken,
            outbox: self.outbox,
        })
    }
}

impl Wire<mio::net::UnixStream> {
    /// The socket, to wait for.
    pub fn socket(&mut self) -> &mut mio::net::UnixStream {
        &mut self.socket
    }
}

impl<S: Read + Write> Wire<S> {
    /// The protocol version that both sides speak.
    pub const fn version(&self) -> u16 {
        self.version
    }

    /// Sends `command` and returns its number.
    pub fn send(&mut self, command: &Command) -> Result<u32, PulseError> {
        let number = self.next_number;
        self.next_number = number.wrapping_add(1);
        protocol::write_command_message(&mut self.outbox, number, command, self.version)?;
        self.flush()?;
        Ok(number)
    }

    /// Sends sound for the stream of `channel`.
    pub fn send_sound(&mut self, channel: u32, pcm: &[i16]) -> io::Result<()> {
        let length = u32::try_from(pcm.len() * 2).unwrap_or(u32::MAX);
        self.outbox.extend_from_slice(&length.to_be_bytes());
        self.outbox.extend_from_slice(&channel.to_be_bytes());
        // Offset and flags: append.
        self.outbox.extend_from_slice(&[0; 12]);
        self.outbox.extend(pcm.iter().flat_map(|sample| sample.to_le_bytes()));
        self.flush()
    }

    /// Sends what an earlier write left over.
    pub fn flush(&mut self) -> io::Result<()> {
        while !self.outbox.is_empty() {
            match self.socket.write(&self.outbox) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(sent) => {
                    self.outbox.drain(..sent);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads what is there once. False if a polled socket has nothing.
    pub fn fill(&mut self) -> io::Result<bool> {
        self.inbox.drain(..self.taken);
        self.taken = 0;
        let before = self.inbox.len();
        self.inbox.resize(before + READ_SIZE, 0);
        let read = self.socket.read(self.inbox.get_mut(before..).unwrap_or_default());
        self.inbox.truncate(before + read.as_ref().copied().unwrap_or(0));
        match read {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The next whole message that was read.
    pub fn next(&mut self) -> Result<Option<Message<'_>>, PulseError> {
        let rest = self.inbox.get(self.taken..).unwrap_or_default();
        let Some((length, channel)) = descriptor(rest) else {
            return Ok(None);
        };
        if length > LONGEST_MESSAGE {
            return Err(ProtocolError::Invalid("a message of more than a megabyte".into()).into());
        }
        let start = self.taken + DESCRIPTOR_SIZE;
        let Some(body) = self.inbox.get(start..start + length) else {
            return Ok(None);
        };
        self.taken = start + length;
        if channel != u32::MAX {
            return Ok(Some(Message::Sound(channel, body)));
        }
        let mut cursor = Cursor::new(body);
        let (number, command) = Command::read_tag_prefixed(&mut cursor, self.version)?;
        let rest = usize::try_from(cursor.position())
            .ok()
            .and_then(|position| body.get(position..));
        Ok(Some(match command {
            Command::Reply => Message::Answer(number, rest.unwrap_or_default()),
            Command::Error(error) => {
                tracing::debug!(?error, number, "the sound server refused a request");
                Message::Refused(number)
            }
            other => Message::Command(Box::new(other)),
        }))
    }
}

/// A cookie of the length that PulseAudio insists on. A user who has none, or on whose server anyone may play, is let in
/// by zeros, as with libpulse; by nothing at all the connection is closed.
fn whole_cookie(mut cookie: Vec<u8>) -> Vec<u8> {
    cookie.resize(COOKIE_LENGTH, 0);
    cookie
}

/// The length and channel of the message at the start of `bytes`.
fn descriptor(bytes: &[u8]) -> Option<(usize, u32)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (channel, rest) = rest.split_first_chunk::<4>()?;
    (rest.len() >= DESCRIPTOR_SIZE - 8).then(|| (u32::from_be_bytes(*length) as usize, u32::from_be_bytes(*channel)))
}

/// Reads the body of an answer.
pub fn read_answer<R: CommandReply>(body: &[u8], version: u16) -> Result<R, PulseError> {
    Ok(TagStructReader::new(&mut Cursor::new(body), version).read()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_whole_even_where_there_is_none() {
        assert_eq!(whole_cookie(Vec::new()), [0; COOKIE_LENGTH]);
        assert_eq!(whole_cookie(vec![7; COOKIE_LENGTH]), [7; COOKIE_LENGTH]);
    }
}
