//! What comes in by standard input: one JSON object a line, and what is wrong with it if it is none.
//!
//! A thread of its own reads, because a blocked read must not keep the program from ending. A line is bounded; the
//! rest of a longer one is skipped, so that a broken writer costs one answer and not the memory.

use crate::error::Failure;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::io::BufRead;
use toestel_core::probe::Kind;
use toestel_core::{Command, Secret};
use tokio::sync::{mpsc, oneshot};

/// The longest line that is read.
const LINE_LIMIT: usize = 16 << 20;
/// How many lines may wait for their answers before the writer is made to wait.
const QUEUE: usize = 64;

/// A command's id, exactly as it was written; `null` where there is none.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Id(Option<Box<RawValue>>);

/// One line, as far as it can be understood without knowing the phone.
#[derive(Debug)]
pub enum Line {
    /// A command, to be answered under its id.
    Request {
        /// Comes back with the answer.
        id: Id,
        /// What is asked.
        request: Request,
    },
    /// It has the form of a command, but cannot be one.
    Refused {
        /// Comes back with the answer; null where the line is no command at all.
        id: Id,
        /// A sentence.
        error: String,
        /// A word.
        code: &'static str,
    },
}

/// What is asked.
#[derive(Debug)]
pub enum Request {
    /// Where everything stands.
    State,
    /// The figures of a call's sound.
    Stats(Option<toestel_core::CallId>),
    /// A verdict on some bytes.
    Probe(Probe),
    /// The end.
    Quit,
    /// A command to the phone.
    Phone(Command),
}

/// The arguments of `probe`.
#[derive(Debug)]
pub struct Probe {
    /// What the bytes are.
    pub kind: Kind,
    /// The bytes.
    pub input: Vec<u8>,
    /// The key of `stun`: a string, or username, realm and password.
    pub key: Option<Value>,
}

/// Standard input, split into its two uses.
#[derive(Debug)]
pub struct Input {
    /// The first line, if it is the password; dropped without a word where there is no such line.
    pub password: oneshot::Receiver<Secret>,
    /// The commands; closed at the end of input.
    pub lines: mpsc::Receiver<Line>,
}

/// Reads standard input until its end. The first line is the password if `password_first`.
///
/// # Errors
/// When the system gives no thread.
pub fn spawn(password_first: bool) -> Result<Input, Failure> {
    let (password_in, password) = oneshot::channel();
    let (lines_in, lines) = mpsc::channel(QUEUE);
    let read = move || {
        let mut input = std::io::stdin().lock();
        if password_first {
            match password_line(&mut input) {
                Some(password) => drop(password_in.send(password)),
                None => return,
            }
        }
        while let Some(line) = next_line(&mut input) {
            if lines_in.blocking_send(line).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new()
        .name("input".to_owned())
        .spawn(read)
        .map_err(Failure::device)?;
    Ok(Input { password, lines })
}

fn password_line(input: &mut impl BufRead) -> Option<Secret> {
    let mut line = Vec::new();
    let read = std::io::Read::take(input, 1 << 16).read_until(b'\n', &mut line).ok()?;
    while line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        line.pop();
    }
    (read > 0).then(|| Secret::new(line))
}

fn next_line(input: &mut impl BufRead) -> Option<Line> {
    let mut bytes = Vec::new();
    let read = std::io::Read::take(&mut *input, LINE_LIMIT as u64 + 1)
        .read_until(b'\n', &mut bytes)
        .ok()?;
    if read == 0 {
        return None;
    }
    if bytes.len() > LINE_LIMIT {
        skip_line(input);
        return Some(not_a_command("The line is longer than 16 MiB."));
    }
    Some(understand(&bytes))
}

fn skip_line(input: &mut impl BufRead) {
    loop {
        let Ok(buffer) = input.fill_buf() else { return };
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let (used, done) = end.map_or((buffer.len(), buffer.is_empty()), |at| (at.saturating_add(1), true));
        input.consume(used);
        if done {
            return;
        }
    }
}

fn not_a_command(error: &str) -> Line {
    Line::Refused {
        id: Id::default(),
        error: error.to_owned(),
        code: "not_a_command",
    }
}

fn understand(bytes: &[u8]) -> Line {
    let object = match serde_json::from_slice::<Value>(bytes) {
        Ok(Value::Object(object)) => object,
        Ok(_) => return not_a_command("The line is not a JSON object."),
        Err(error) => return not_a_command(&format!("The line is not JSON: {error}.")),
    };
    let id = match read_id(bytes) {
        Ok(id) => id,
        Err(error) => return not_a_command(error),
    };
    if !object.get("cmd").is_some_and(Value::is_string) {
        return not_a_command("The line has no \"cmd\".");
    }
    match request(object) {
        Ok(request) => Line::Request { id, request },
        Err((code, error)) => Line::Refused { id, error, code },
    }
}

/// The id comes back as it was written, so that no integer is too long for it.
fn read_id(bytes: &[u8]) -> Result<Id, &'static str> {
    #[derive(Deserialize)]
    struct Head {
        id: Option<Box<RawValue>>,
    }
    let head: Head = serde_json::from_slice(bytes).map_err(|_| "The line has more than one \"id\".")?;
    let id = head.id.ok_or("The line has no \"id\".")?;
    let digits = id.get().strip_prefix('-').unwrap_or(id.get());
    if id.get().starts_with('"') || digits.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(Id(Some(id)))
    } else {
        Err("The \"id\" is neither a string nor an integer.")
    }
}

fn request(mut object: Map<String, Value>) -> Result<Request, (&'static str, String)> {
    object.remove("id");
    match object.get("cmd").and_then(Value::as_str) {
        Some("state") => none(object).map(|()| Request::State),
        Some("quit") => none(object).map(|()| Request::Quit),
        Some("stats") => {
            object.remove("cmd");
            let Stats { call } = arguments(object)?;
            Ok(Request::Stats(call))
        }
        Some("probe") => {
            object.remove("cmd");
            probe(arguments(object)?).map(Request::Probe)
        }
        Some(name) if Command::NAMES.contains(&name) => arguments(object).map(Request::Phone),
        _ => Err(("unknown_command", "There is no such command.".to_owned())),
    }
}

fn arguments<T: for<'de> Deserialize<'de>>(object: Map<String, Value>) -> Result<T, (&'static str, String)> {
    serde_json::from_value(Value::Object(object))
        .map_err(|error| ("arguments", format!("The arguments are not right: {error}.")))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProbeArguments {
    kind: String,
    hex: Option<String>,
    text: Option<String>,
    key: Option<Value>,
}

fn probe(arguments: ProbeArguments) -> Result<Probe, (&'static str, String)> {
    let kind = arguments
        .kind
        .parse()
        .map_err(|error| ("unknown_kind", format!("{error}")))?;
    let input = match (arguments.hex, arguments.text) {
        (Some(hex), None) => toestel_core::hex::decode(&hex)
            .ok_or_else(|| ("arguments", "The \"hex\" is not hexadecimal.".to_owned()))?,
        (None, Some(text)) => text.into_bytes(),
        _ => return Err(("arguments", "Give either \"hex\" or \"text\".".to_owned())),
    };
    Ok(Probe {
        kind,
        input,
        key: arguments.key,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stats {
    #[serde(default)]
    call: Option<toestel_core::CallId>,
}

fn none(object: Map<String, Value>) -> Result<(), (&'static str, String)> {
    match object.keys().find(|key| *key != "cmd") {
        Some(extra) => Err(("arguments", format!("This command has no argument \"{extra}\"."))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        next_line(&mut text.as_bytes()).unwrap()
    }

    #[test]
    fn a_command_keeps_its_id_whether_string_or_integer() {
        for id in [r#""a""#, r#""é\n""#, "7", "-7", "0", "123456789012345678901234567890"] {
            let Line::Request {
                id: read,
                request: Request::Phone(Command::Dial { target, .. }),
            } = line(&format!(r#"{{"id":{id},"cmd":"dial","target":"600"}}"#))
            else {
                panic!("{id}")
            };
            assert_eq!(
                (serde_json::to_string(&read).unwrap().as_str(), target.as_str()),
                (id, "600")
            );
        }
    }

    #[test]
    fn what_is_no_command_is_answered_under_null() {
        for text in [
            "[]",
            "{",
            "\n",
            "{}{}",
            r#"{"id":null,"cmd":"quit"}"#,
            r#"{"id":true,"cmd":"quit"}"#,
            r#"{"id":[1],"cmd":"quit"}"#,
            r#"{"id":1,"id":2,"cmd":"quit"}"#,
            r#"{"id":1,"cmd":2}"#,
            "\"x\"",
            r#"{"cmd":"quit"}"#,
            r#"{"id":1.5,"cmd":"quit"}"#,
            r#"{"id":1}"#,
            "\u{7f}",
        ] {
            assert!(matches!(line(text), Line::Refused { id: Id(None), .. }), "{text}");
        }
    }

    #[test]
    fn a_command_with_wrong_arguments_is_answered_under_its_own_id() {
        for text in [
            r#"{"id":1,"cmd":"fly"}"#,
            r#"{"id":1,"cmd":"dial"}"#,
            r#"{"id":1,"cmd":"dial","target":600}"#,
            r#"{"id":1,"cmd":"hold","cal":1}"#,
            r#"{"id":1,"cmd":"state","x":1}"#,
            r#"{"id":1,"cmd":"mute","on":"yes"}"#,
            r#"{"id":1,"cmd":"mute"}"#,
            r#"{"id":1,"cmd":"probe","kind":"sip"}"#,
            r#"{"id":1,"cmd":"probe","kind":"sip","hex":"0","text":"x"}"#,
            r#"{"id":1,"cmd":"probe","kind":"sip","hex":"0"}"#,
            r#"{"id":1,"cmd":"probe","kind":"pigeon","text":""}"#,
        ] {
            assert!(
                matches!(line(text), Line::Refused { id: Id(Some(id)), .. } if id.get() == "1"),
                "{text}"
            );
        }
    }

    #[test]
    fn an_endless_line_is_skipped_and_the_next_one_is_read() {
        let mut text = "x".repeat(LINE_LIMIT + 9_000);
        text.push_str("\n{\"id\":1,\"cmd\":\"state\"}\n");
        let mut input = text.as_bytes();
        assert!(matches!(
            next_line(&mut input),
            Some(Line::Refused { id: Id(None), .. })
        ));
        assert!(matches!(
            next_line(&mut input),
            Some(Line::Request {
                request: Request::State,
                ..
            })
        ));
        assert!(next_line(&mut input).is_none());
    }
}
