//! `toestel devices`: the microphones and loudspeakers that a call can use.

use crate::error::Failure;
use clap::Args;
use std::io::Write;
use toestel_core::audio::device::{self, Device};

/// How to list them.
#[derive(Args, Debug)]
pub struct DevicesArgs {
    /// One JSON object instead of a list for people
    #[arg(long)]
    json: bool,
}

/// Lists them.
///
/// # Errors
/// When no sound system answers.
pub fn run(args: DevicesArgs) -> Result<(), Failure> {
    let devices = device::devices().map_err(Failure::outcome)?;
    let mut out = std::io::stdout().lock();
    let written = if args.json {
        let json = serde_json::to_string(&devices).map_err(Failure::device)?;
        writeln!(out, "{json}")
    } else {
        print(&mut out, "Loudspeakers and headsets", &devices.outputs)
            .and_then(|()| print(&mut out, "Microphones", &devices.inputs))
    };
    written.map_err(Failure::device)
}

fn print(out: &mut impl Write, title: &str, devices: &[Device]) -> std::io::Result<()> {
    writeln!(out, "{title}:")?;
    if devices.is_empty() {
        writeln!(out, "  none")?;
    }
    for device in devices {
        let mark = if device.default { "  (the system's choice)" } else { "" };
        writeln!(out, "  {}{mark}\n      {}", device.name, device.id)?;
    }
    Ok(())
}
