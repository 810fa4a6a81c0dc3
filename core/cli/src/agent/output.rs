//! What goes out by standard output: answers and events, one compact JSON object a line, each flushed at once.

use serde::Serialize;
use serde_json::{Map, Value, json};
use std::io::Write;

/// Standard output, and nothing else may write to it.
#[derive(Debug)]
pub struct Output;

impl Output {
    /// The only one.
    pub const fn stdout() -> Self {
        Self
    }

    /// Something that happened.
    pub fn event(&self, event: &impl Serialize) {
        if let Ok(line) = serde_json::to_string(event) {
            self.line(&line);
        }
    }

    /// The answer to a command that was accepted; `answer` is an object.
    pub fn accepted(&self, id: &Value, answer: Value) {
        let mut object = Map::new();
        object.insert("id".to_owned(), id.clone());
        object.insert("ok".to_owned(), Value::Bool(true));
        if let Value::Object(answer) = answer {
            object.extend(answer);
        }
        self.line(&Value::Object(object).to_string());
    }

    /// The answer to a command that was refused.
    pub fn refused(&self, id: &Value, error: &str, code: &str) {
        self.line(&json!({"id": id, "ok": false, "error": error, "code": code}).to_string());
    }

    /// A reader that went away is noticed by the end of its writing, not here.
    fn line(&self, line: &str) {
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    }
}
