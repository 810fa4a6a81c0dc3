//! What comes in by standard input: one JSON object a line, and what is wrong with it if it is none.
//!
//! A thread of its own reads, because a blocked read must not keep the program from ending. A line is bounded; the
//! rest of a longer one is skipped, so that a broken writer costs one answer and not the memory.

use serde_json::{Map, Value};
use std::io::BufRead;
use toestel_core::{Command, Secret};
use tokio::sync::mpsc;

/// The longest line that is read.
const LINE_LIMIT: usize = 1 << 20;

/// One line, as far as it can be understood without knowing the phone.
#[derive(Debug)]
pub enum Line {
    /// A command, to be answered under its id.
    Request {
        /// Comes back with the answer.
        id: Value,
        /// What is asked.
        request: Request,
    },
    /// It has the form of a command, but cannot be one.
    Refused {
        /// Comes back with the answer; null where the line is no command at all.
        id: Value,
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
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// What the bytes are.
    pub kind: String,
    /// The bytes in hexadecimal.
    #[serde(default)]
    pub hex: Option<String>,
    /// The bytes as text.
    #[serde(default)]
    pub text: Option<String>,
    /// The key of `stun`: a string, or username, realm and password.
    #[serde(default)]
    pub key: Option<Value>,
}

/// Reads standard input until its end. The first line is the password if `password_first`.
pub fn spawn(password_first: bool) -> (Option<Secret>, mpsc::UnboundedReceiver<Line>) {
    let mut input = std::io::stdin().lock();
    let password = password_first.then(|| {
        let mut line = Vec::new();
        let _ = std::io::Read::take(&mut input, LINE_LIMIT as u64).read_until(b'\n', &mut line);
        while line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
            line.pop();
        }
        Secret::new(line)
    });
    drop(input);
    let (lines_in, lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        while let Some(line) = next_line(&mut input) {
            if lines_in.send(line).is_err() {
                break;
            }
        }
    });
    (password, lines)
}

fn next_line(input: &mut impl BufRead) -> Option<Line> {
    loop {
        let mut bytes = Vec::new();
        let read = std::io::Read::take(&mut *input, LINE_LIMIT as u64 + 1)
            .read_until(b'\n', &mut bytes)
            .ok()?;
        if read == 0 {
            return None;
        }
        if bytes.len() > LINE_LIMIT {
            skip_line(input);
            return Some(not_a_command("The line is longer than 1 MiB."));
        }
        if !bytes.trim_ascii().is_empty() {
            return Some(understand(&bytes));
        }
    }
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
        id: Value::Null,
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
    match take_id(object) {
        Ok((id, object)) => match request(object) {
            Ok(request) => Line::Request { id, request },
            Err((code, error)) => Line::Refused { id, error, code },
        },
        Err(error) => not_a_command(error),
    }
}

fn take_id(mut object: Map<String, Value>) -> Result<(Value, Map<String, Value>), &'static str> {
    let id = object.remove("id").ok_or("The line has no \"id\".")?;
    let is_id = id.is_string() || id.is_i64() || id.is_u64();
    if !is_id {
        return Err("The \"id\" is neither a string nor an integer.");
    }
    if !object.get("cmd").is_some_and(Value::is_string) {
        return Err("The line has no \"cmd\".");
    }
    Ok((id, object))
}

fn request(mut object: Map<String, Value>) -> Result<Request, (&'static str, String)> {
    let arguments = |error: serde_json::Error| ("arguments", format!("The arguments are not right: {error}."));
    match object.get("cmd").and_then(Value::as_str) {
        Some("state") => none(object).map(|()| Request::State),
        Some("quit") => none(object).map(|()| Request::Quit),
        Some("stats") => {
            object.remove("cmd");
            let Stats { call } = serde_json::from_value(Value::Object(object)).map_err(arguments)?;
            Ok(Request::Stats(call))
        }
        Some("probe") => {
            object.remove("cmd");
            serde_json::from_value(Value::Object(object))
                .map(Request::Probe)
                .map_err(arguments)
        }
        Some(name) if Command::NAMES.contains(&name) => serde_json::from_value(Value::Object(object))
            .map(Request::Phone)
            .map_err(arguments),
        _ => Err(("unknown_command", "There is no such command.".to_owned())),
    }
}

#[derive(serde::Deserialize)]
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
        let Line::Request {
            id,
            request: Request::Phone(Command::Dial { target, .. }),
        } = line(r#"{"id":"a","cmd":"dial","target":"600"}"#)
        else {
            panic!()
        };
        assert_eq!((id, target.as_str()), (Value::from("a"), "600"));
        assert!(matches!(
            line(r#"{"id":7,"cmd":"quit"}"#),
            Line::Request {
                request: Request::Quit,
                ..
            }
        ));
    }

    #[test]
    fn what_is_no_command_is_answered_under_null() {
        for text in [
            "[]",
            "{",
            "\"x\"",
            r#"{"cmd":"quit"}"#,
            r#"{"id":1.5,"cmd":"quit"}"#,
            r#"{"id":1}"#,
            "\u{7f}",
        ] {
            assert!(matches!(line(text), Line::Refused { id: Value::Null, .. }), "{text}");
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
        ] {
            assert!(matches!(line(text), Line::Refused { id, .. } if id == 1), "{text}");
        }
    }

    #[test]
    fn an_endless_line_is_skipped_and_the_next_one_is_read() {
        let mut text = "x".repeat(3 * LINE_LIMIT);
        text.push_str("\n{\"id\":1,\"cmd\":\"state\"}\n");
        let mut input = text.as_bytes();
        assert!(matches!(
            next_line(&mut input),
            Some(Line::Refused { id: Value::Null, .. })
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
