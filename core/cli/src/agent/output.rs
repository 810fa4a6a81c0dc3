//! What goes out by standard output: answers and events, one compact JSON object a line, each flushed at once.
//!
//! A thread of its own writes, because a reader that does not read must not keep the program from answering signals.

use super::input::Id;
use crate::error::Failure;
use serde::Serialize;
use serde_json::{Value, json};
use std::io::Write;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// How long the last lines may take to be read once the program ends.
const LAST_LINES: Duration = Duration::from_millis(200);

/// Standard output, and nothing else may write to it.
#[derive(Debug)]
pub struct Output {
    lines: Sender<String>,
    finished: Receiver<()>,
}

/// An answer to a command.
#[derive(Serialize)]
struct Answer<'a> {
    id: &'a Id,
    ok: bool,
    #[serde(flatten)]
    content: Value,
}

impl Output {
    /// The only one.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn stdout() -> Result<Self, Failure> {
        let (lines, queue) = channel::<String>();
        let (finish, finished) = channel();
        let write = move || {
            let mut out = std::io::stdout().lock();
            for line in queue {
                // A reader that went away is noticed by the end of its writing, not here.
                let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
            }
            let _ = finish.send(());
        };
        std::thread::Builder::new()
            .name("output".to_owned())
            .stack_size(64 * 1024)
            .spawn(write)
            .map_err(Failure::device)?;
        Ok(Self { lines, finished })
    }

    /// Something that happened.
    pub fn event(&self, event: &impl Serialize) {
        self.line(event);
    }

    /// The answer to a command that was accepted; `content` is an object.
    pub fn accepted(&self, id: &Id, content: Value) {
        self.line(&Answer { id, ok: true, content });
    }

    /// The answer to a command that was refused.
    pub fn refused(&self, id: &Id, error: &str, code: &str) {
        let content = json!({"error": error, "code": code});
        self.line(&Answer { id, ok: false, content });
    }

    /// Waits until everything is written, or nobody reads it.
    pub fn finish(self) {
        drop(self.lines);
        let _ = self.finished.recv_timeout(LAST_LINES);
    }

    fn line(&self, object: &impl Serialize) {
        match serde_json::to_string(object) {
            Ok(mut line) => {
                line.push('\n');
                let _ = self.lines.send(line);
            }
            Err(error) => tracing::error!(%error, "a line could not be written"),
        }
    }
}
