//! The arguments of `toestel agent`, and what they make: one account and the parts of an engine.

use crate::error::Failure;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use toestel_core::{AccountConfig, AccountSetup, AudioSpec, MediaPolicy, Parts, Roots, Secret, Transport};
use tokio::sync::mpsc;

use super::input::{self, Line};
use toestel_core::store::settings::SettingsWarning;

/// Where to connect, as whom, and with what sound.
#[derive(Args, Debug)]
#[command(group(clap::ArgGroup::new("password").required(true).args(["password_stdin", "password_env"])))]
pub struct AgentArgs {
    /// Where to connect: a host name or address and a port. No SRV look-up, no Route header
    #[arg(long, value_name = "HOST:PORT")]
    server: String,
    /// How signalling travels
    #[arg(long, value_enum, default_value = "tls")]
    transport: TransportArg,
    /// The SIP domain: the right-hand side of the account's address
    #[arg(long)]
    domain: String,
    /// The user part of the account's address; at most PBXs the extension
    #[arg(long)]
    user: String,
    /// The name to log in with, where it is not the user
    #[arg(long)]
    auth_user: Option<String>,
    /// The name shown to those who are called
    #[arg(long)]
    display_name: Option<String>,
    /// The name that the server's certificate must carry, where it is not the domain
    #[arg(long)]
    tls_name: Option<String>,
    /// The first line of standard input is the password
    #[arg(long)]
    password_stdin: bool,
    /// The password is in this environment variable
    #[arg(long, value_name = "VAR")]
    password_env: Option<String>,
    /// Trust the certificate authorities in this PEM file, and no others
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// How the media must be protected
    #[arg(long, value_enum, default_value = "required")]
    media: MediaArg,
    /// The sound: `device`, `null`, or `file:PLAY,RECORD`
    #[arg(long, default_value = "device", value_name = "SPEC")]
    audio: AudioSpec,
    /// Where the agent keeps what it learns; one agent at a time
    #[arg(long, value_name = "DIR")]
    state_dir: PathBuf,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum TransportArg {
    Tls,
    Tcp,
    Udp,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum MediaArg {
    Required,
    Preferred,
    Off,
}

impl AgentArgs {
    /// The password, and the commands that follow it.
    ///
    /// # Errors
    /// When the environment variable is not set.
    pub fn password(&self) -> Result<(Secret, mpsc::UnboundedReceiver<Line>), Failure> {
        let (first_line, lines) = input::spawn(self.password_stdin);
        let password = match (&self.password_env, first_line) {
            (Some(name), _) => {
                let value = std::env::var_os(name)
                    .ok_or_else(|| Failure::usage(format!("The environment variable {name} is not set.")))?;
                Secret::new(value.into_encoded_bytes())
            }
            (None, Some(first_line)) => first_line,
            (None, None) => return Err(Failure::usage("Say where the password comes from.")),
        };
        Ok((password, lines))
    }

    /// The engine's parts and the one account.
    ///
    /// # Errors
    /// When an argument or the state directory cannot be used.
    pub fn prepare(self, password: Secret) -> Result<(Parts, AccountSetup, Vec<SettingsWarning>), Failure> {
        let config = self.account()?;
        let (parts, warnings) = Parts::in_directory(&self.state_dir, self.audio).map_err(Failure::usage)?;
        let memory = parts.memory(&config);
        Ok((
            parts,
            AccountSetup {
                config,
                password,
                memory,
            },
            warnings,
        ))
    }

    fn account(&self) -> Result<AccountConfig, Failure> {
        let mut config = AccountConfig::new(self.domain.clone(), self.user.clone());
        config.server = Some(self.server.parse().map_err(Failure::usage)?);
        config.transport = match self.transport {
            TransportArg::Tls => Transport::Tls,
            TransportArg::Tcp => Transport::Tcp,
            TransportArg::Udp => Transport::Udp,
        };
        config.media = match self.media {
            MediaArg::Required => MediaPolicy::Required,
            MediaArg::Preferred => MediaPolicy::Preferred,
            MediaArg::Off => MediaPolicy::Off,
        };
        config.auth_user.clone_from(&self.auth_user);
        config.display_name.clone_from(&self.display_name);
        config.tls_name.clone_from(&self.tls_name);
        if let Some(file) = &self.ca {
            config.roots = Roots::File(file.clone());
        }
        config.validate().map_err(Failure::usage)?;
        Ok(config)
    }
}
