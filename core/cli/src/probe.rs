//! `toestel probe`: some bytes, judged by the very code of a call.

use crate::error::Failure;
use clap::Args;
use serde_json::Value;
use std::io::{Read, Write};
use std::path::PathBuf;
use toestel_core::probe::{self, Kind};

/// What to judge, and as what.
#[derive(Args, Debug)]
#[command(
    after_help = "Kinds: sip, sip-stream, sdp, rtp, rtp-sequence, rtcp, stun, srtp-sequence, challenge, dial.

Examples:
  toestel probe sip invite.txt
  echo '020 123 45 67' | toestel probe dial
  toestel probe stun binding.bin --key '{\"username\":\"u\",\"realm\":\"r\",\"password\":\"p\"}'"
)]
pub struct ProbeArgs {
    /// What the bytes are
    kind: Kind,
    /// Where they are; standard input if left out
    file: Option<PathBuf>,
    /// For stun: a password, or {"username","realm","password"}; the message must then be signed by it
    #[arg(long, value_name = "K")]
    key: Option<String>,
}

/// Prints the verdict in one line.
///
/// # Errors
/// When the bytes cannot be read or the question is wrong. A verdict is never an error.
pub fn run(args: &ProbeArgs) -> Result<(), Failure> {
    let input = read(args)?;
    let key = args.key.as_deref().map(key);
    let judgement = probe::probe(args.kind, &input, key.as_ref()).map_err(Failure::usage)?;
    let line = serde_json::to_string(&judgement).map_err(Failure::device)?;
    writeln!(std::io::stdout().lock(), "{line}").map_err(Failure::device)
}

fn read(args: &ProbeArgs) -> Result<Vec<u8>, Failure> {
    let mut input = Vec::new();
    match &args.file {
        Some(file) => {
            input = std::fs::read(file).map_err(|error| {
                Failure::usage(format!(
                    "{} cannot be read ({error}): give another file.",
                    file.display()
                ))
            })?;
        }
        None => {
            std::io::stdin()
                .lock()
                .read_to_end(&mut input)
                .map_err(Failure::device)?;
        }
    }
    Ok(input)
}

/// An object where it is one, else the text itself.
fn key(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Value::Object(object),
        _ => Value::from(text),
    }
}
