//! The arguments of `toestel agent`, and what they make: one account and the parts of an engine.

use crate::error::Failure;
use crate::options::{MediaArg, TransportArg};
use clap::Args;
use std::path::PathBuf;
use toestel_core::net::tls::TlsClient;
use toestel_core::store::settings::SettingsWarning;
use toestel_core::{AccountConfig, AudioSpec, Parts, Roots, Secret};

/// Where to connect, as whom, and with what sound.
#[derive(Args, Debug)]
#[command(after_help = "The lines and the events are described in docs/agent.md.

Example:
  printf '%s\\n' \"$PASSWORD\" '{\"id\":1,\"cmd\":\"state\"}' | toestel agent \\
      --server pbx.example.nl:5061 --domain pbx.example.nl --user 201 \\
      --password-stdin --audio null --state-dir ./state")]
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

impl AgentArgs {
    /// The account, without its password.
    ///
    /// # Errors
    /// When an argument cannot be used.
    pub fn account(&self) -> Result<AccountConfig, Failure> {
        let mut config = AccountConfig::new(self.domain.clone(), self.user.clone());
        config.server = Some(self.server.parse().map_err(Failure::usage)?);
        config.transport = self.transport.into();
        config.media = self.media.into();
        config.auth_user.clone_from(&self.auth_user);
        config.display_name.clone_from(&self.display_name);
        config.tls_name.clone_from(&self.tls_name);
        if let Some(file) = &self.ca {
            config.roots = Roots::File(file.clone());
        }
        config.validate().map_err(Failure::usage)?;
        TlsClient::for_account(&config).map_err(Failure::usage)?;
        Ok(config)
    }

    /// The engine's parts.
    ///
    /// # Errors
    /// When the state directory cannot be used.
    pub fn parts(&self) -> Result<(Parts, Vec<SettingsWarning>), Failure> {
        Parts::in_directory(&self.state_dir, self.audio.clone()).map_err(Failure::usage)
    }

    /// The password in the environment, if it is there that it should be.
    ///
    /// # Errors
    /// When the variable is not set.
    pub fn password_in_environment(&self) -> Result<Option<Secret>, Failure> {
        let Some(name) = &self.password_env else {
            return Ok(None);
        };
        let value = std::env::var_os(name).ok_or_else(|| {
            Failure::usage(format!(
                "The environment variable {name} is not set: set it, or use --password-stdin."
            ))
        })?;
        Ok(Some(Secret::new(value.into_encoded_bytes())))
    }

    /// Whether the first line of standard input is the password.
    pub const fn password_is_first_line(&self) -> bool {
        self.password_stdin
    }
}
