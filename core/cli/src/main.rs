//! The `toestel` command: a thin shell over the engine. No telephony is decided here.

mod accounts;
mod agent;
mod call;
mod devices;
mod error;
mod log;
mod options;
mod password;
mod place;
mod practice;
mod probe;
mod register;
mod setup;
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

const EXAMPLES: &str = "Examples:
  toestel call 600                        call the practice exchange's echo and hear yourself
  toestel accounts add 201@pbx.example   add the account that your provider gave you
  toestel register                        see whether it registers, and why not
  toestel call 0201234567                 call somebody from it
  toestel call 600 --seconds 10 --play hello.wav --record heard.wav --json

Exit codes: 0 it worked, 1 it did not come about, 2 it was asked for wrongly.";

#[derive(Subcommand, Debug)]
enum Command {
    /// Call somebody; without an account, the practice exchange
    Call(call::CallArgs),
    /// Register an account and say what came of it
    Register(register::RegisterArgs),
    /// List the microphones and loudspeakers
    Devices(devices::DevicesArgs),
    /// Add, list and remove accounts
    Accounts(accounts::AccountsArgs),
    /// Run the practice exchange by itself, for other phones on this machine
    Practice(practice::PracticeArgs),
    /// Run the phone for another program: JSON lines in and out
    Agent(Box<agent::AgentArgs>),
    /// Judge some bytes as the phone would, and say why
    Probe(probe::ProbeArgs),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log::start(arguments.verbose);
    let outcome = match arguments.command {
        Command::Call(args) => call::run(args),
        Command::Register(args) => register::run(args),
        Command::Devices(args) => devices::run(args),
        Command::Accounts(args) => accounts::run(args),
        Command::Practice(args) => practice::run(args),
        Command::Agent(args) => agent::run(&args),
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
