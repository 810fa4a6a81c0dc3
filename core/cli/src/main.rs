//! The `toestel` command: a thin shell over the engine. No telephony is decided here.

mod agent;
mod devices;
mod error;
mod log;
mod options;
mod probe;
mod signals;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// A softphone: calls by SIP, encrypted, from this machine
#[derive(Parser, Debug)]
#[command(name = "toestel", version, max_term_width = 100, after_help = EXAMPLES)]
struct Arguments {
    /// More of what the phone decides, on standard error: once for calls, more often for more
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    verbose: u8,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Exit codes: 0 it worked, 1 it did not come about, 2 it was asked for wrongly.";

#[derive(Subcommand, Debug)]
enum Command {
    /// List the microphones and loudspeakers
    Devices(devices::DevicesArgs),
    /// Run the phone for another program: JSON lines in and out
    Agent(agent::AgentArgs),
    /// Judge some bytes as the phone would, and say why
    Probe(probe::ProbeArgs),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log::start(arguments.verbose);
    let outcome = match arguments.command {
        Command::Devices(args) => devices::run(args),
        Command::Agent(args) => agent::run(args),
        Command::Probe(args) => probe::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "toestel: {failure}");
            failure.exit_code()
        }
    }
}
