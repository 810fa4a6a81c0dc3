//! `toestel accounts add`.

use super::values::{AutoAnswerArg, CodecArg, DtmfArg, FeatureCode, caller_id};
use super::{load, say};
use crate::error::Failure;
use crate::options::{MediaArg, TransportArg};
use crate::password::{self, PasswordArgs, VARIABLE};
use clap::Args;
use std::path::PathBuf;
use toestel_core::net::tls::TlsClient;
use toestel_core::store::secrets::{Kept, Secrets};
use toestel_core::store::settings::StateDir;
use toestel_core::{AccountConfig, CallerId, HostPort, Roots, Transport};

/// The account. What is left out is as most PBXs want it.
#[derive(Args, Debug)]
pub struct AddArgs {
    /// USER@DOMAIN: at most PBXs the extension and the PBX's name
    address: String,
    /// The name to log in with, where it is not the user
    #[arg(long)]
    auth_user: Option<String>,
    /// The name shown to those who are called
    #[arg(long)]
    display_name: Option<String>,
    /// Where to connect, instead of looking the domain up
    #[arg(long, value_name = "HOST[:PORT]")]
    server: Option<HostPort>,
    /// The proxy through which every request goes
    #[arg(long, value_name = "HOST[:PORT]")]
    outbound_proxy: Option<HostPort>,
    /// How signalling travels
    #[arg(long, value_enum, default_value = "tls")]
    transport: TransportArg,
    /// The name that the server's certificate must carry, where it is not the domain
    #[arg(long)]
    tls_name: Option<String>,
    /// Trust the certificate authorities in this PEM file, and no others
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// How the media must be protected
    #[arg(long, value_enum, default_value = "required")]
    media: MediaArg,
    /// The number of the mailbox
    #[arg(long)]
    voicemail: Option<String>,
    /// The country whose numbers are dialled, such as NL
    #[arg(long)]
    country: Option<String>,
    /// What is dialled before an outside number, where the PBX wants it
    #[arg(long, value_name = "DIGITS")]
    outside_line_prefix: Option<String>,
    /// For how long to register at a time
    #[arg(long, value_name = "SECONDS")]
    expires: Option<u32>,
    /// Which number is shown: shown (the account's own), withheld, number:NUMBER, or prefix:DIGITS dialled first
    #[arg(long, value_name = "WHICH", value_parser = caller_id)]
    caller_id: Option<CallerId>,
    /// The codecs to offer, the preferred first, such as opus,pcma
    #[arg(long, value_enum, value_delimiter = ',')]
    codecs: Vec<CodecArg>,
    /// How keys pressed in a call are sent
    #[arg(long, value_enum, default_value = "auto")]
    dtmf: DtmfArg,
    /// What to do with a call that wants to be answered by itself, such as an intercom
    #[arg(long, value_enum, default_value = "off")]
    auto_answer: AutoAnswerArg,
    /// What to dial for a feature of this PBX, such as park=*68 or forward_on=*21*{}#; may be given again
    #[arg(long = "feature-code", value_name = "FEATURE=CODE")]
    feature_codes: Vec<FeatureCode>,
    #[command(flatten)]
    password: PasswordArgs,
}

/// Adds it.
///
/// # Errors
/// When it cannot be, or there is one with its address.
pub async fn add(args: AddArgs) -> Result<(), Failure> {
    let given = args.password.given()?;
    let config = args.config()?;
    let directory = StateDir::open_default().map_err(Failure::usage)?;
    let mut accounts = load(&directory)?;
    let address = config.address();
    let warnings = config.warnings();
    accounts.add(config).map_err(Failure::usage)?;
    let password = match given {
        Some(password) => password,
        None => password::ask(&format!("Password of {address}")).await?,
    };
    directory.save_accounts(&accounts).map_err(Failure::outcome)?;
    for warning in warnings {
        say(&warning.to_string())?;
    }
    if let Kept::ForThisRun { why } = Secrets::native().keep(&address, &password).await {
        say(&format!(
            "The password is not kept. {why} Until then it is asked for at each use, or taken from the variable {VARIABLE}."
        ))?;
    }
    say(&format!(
        "Added {address}. See whether it registers: toestel register --account {address}"
    ))
}

impl AddArgs {
    fn config(self) -> Result<AccountConfig, Failure> {
        let parts = self
            .address
            .split_once('@')
            .filter(|(user, domain)| !user.is_empty() && !domain.is_empty());
        let (user, domain) = parts.ok_or_else(|| {
            Failure::usage(format!(
                "{:?} is no address: give USER@DOMAIN, such as 201@pbx.example.nl.",
                self.address
            ))
        })?;
        let mut config = AccountConfig::new(domain, user);
        config.auth_user = self.auth_user;
        config.display_name = self.display_name;
        config.server = self.server;
        config.outbound_proxy = self.outbound_proxy;
        config.transport = self.transport.into();
        config.tls_name = self.tls_name;
        config.media = self.media.into();
        config.voicemail = self.voicemail;
        config.outside_line_prefix = self.outside_line_prefix;
        if let Some(country) = self.country {
            config.country = country;
        }
        config.expires = self.expires.unwrap_or(config.expires);
        config.caller_id = self.caller_id.unwrap_or_default();
        if !self.codecs.is_empty() {
            config.codecs = self.codecs.into_iter().map(Into::into).collect();
        }
        config.dtmf = self.dtmf.into();
        config.auto_answer = self.auto_answer.into();
        config.feature_codes = self
            .feature_codes
            .into_iter()
            .map(|entry| (entry.feature, entry.code))
            .collect();
        if let Some(file) = self.ca {
            // The program may be started from elsewhere next time.
            let file = std::path::absolute(&file).map_err(Failure::usage)?;
            config.roots = Roots::File(file);
        }
        config.validate().map_err(Failure::usage)?;
        if config.transport == Transport::Tls {
            TlsClient::for_account(&config).map_err(Failure::usage)?;
        }
        Ok(config)
    }
}
