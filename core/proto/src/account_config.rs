//! What a person, or a provisioned profile, says about one account: an extension at a PBX.
//!
//! Plain data with its rules: [`AccountConfig::validate`] gives one sentence per problem, and nothing that passes it
//! can break a header, a file or a dial plan. The password is not here: it lives in the key store and travels as
//! [`crate::secret::Secret`]. Unknown fields are refused when read, because a misspelt `pins` or `media` that is
//! silently ignored would lower the account's security.
//!
//! What the machines learn while they run (Contact user part, instance id, realm) is not configuration and is kept
//! elsewhere.

mod error;
mod rules;
mod values;

pub use error::{AccountError, AccountWarning};
pub use values::{
    AutoAnswer, CallerId, DtmfMode, Feature, HostPort, MessageWaiting, Pin, Roots, TransferPolicy, Transport,
};

use crate::codec::{Codec, MediaPolicy};
use rules::{check_code, check_feature_code, check_host, check_text, check_voicemail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The shortest and longest registration that may be asked for, in seconds.
pub const EXPIRES_RANGE: std::ops::RangeInclusive<u32> = 10..=86_400;

/// One account, as configured.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountConfig {
    /// The SIP domain: the host part of the address of record. An IPv6 address is written in brackets.
    pub domain: String,
    /// The user part of the address of record; at most PBXs the extension number.
    pub user: String,
    /// The digest user name where it differs from `user`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_user: Option<String>,
    /// The name shown to those who are called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Where to connect, instead of looking the domain up: no SRV query and no Route header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<HostPort>,
    /// The proxy through which every request goes, by a Route header (RFC 3261 8.1.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbound_proxy: Option<HostPort>,
    /// How the signalling travels.
    #[serde(default)]
    pub transport: Transport,
    /// The name that the server's certificate must carry, where it is not the domain or the outbound proxy's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_name: Option<String>,
    /// Which certificate authorities are trusted for this account.
    #[serde(default)]
    pub roots: Roots,
    /// SHA-256 digests of public keys (SubjectPublicKeyInfo); if there are any, the server's must be among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pins: Vec<Pin>,
    /// How the media must be protected.
    #[serde(default)]
    pub media: MediaPolicy,
    /// The registration's lifetime that is asked for, in seconds; [`EXPIRES_RANGE`].
    #[serde(default = "default_expires")]
    pub expires: u32,
    /// The number or URI that is dialled for the mailbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voicemail: Option<String>,
    /// The country whose numbering plan is used for dialling: two capital letters (ISO 3166-1).
    #[serde(default = "default_country")]
    pub country: String,
    /// What is dialled before an outside number, at PBXs that want it; usually `0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside_line_prefix: Option<String>,
    /// Which number those who are called see.
    #[serde(default)]
    pub caller_id: CallerId,
    /// The codecs that are offered, the preferred first.
    #[serde(default = "default_codecs")]
    pub codecs: Vec<Codec>,
    /// How dialled tones are sent.
    #[serde(default)]
    pub dtmf: DtmfMode,
    /// What is done when the far end of a call transfers us.
    #[serde(default)]
    pub transfers: TransferPolicy,
    /// Whether waiting messages are asked for.
    #[serde(default)]
    pub message_waiting: MessageWaiting,
    /// The address of the list that the PBX keeps of this account's lamps (RFC 4662): they are asked for all at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lamp_list: Option<String>,
    /// What is done with a call that wants to be answered by itself. It never is while another call is there.
    #[serde(default)]
    pub auto_answer: AutoAnswer,
    /// The codes that the PBX understands. They are configurable at every PBX, so none is assumed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub feature_codes: BTreeMap<Feature, String>,
}

impl AccountConfig {
    /// An account with everything but these two at its default: TLS, encryption required, all codecs.
    pub fn new(domain: impl Into<String>, user: impl Into<String>) -> Self {
        Self {
            domain: domain.into(),
            user: user.into(),
            auth_user: None,
            display_name: None,
            server: None,
            outbound_proxy: None,
            transport: Transport::default(),
            tls_name: None,
            roots: Roots::default(),
            pins: Vec::new(),
            media: MediaPolicy::default(),
            expires: default_expires(),
            voicemail: None,
            country: default_country(),
            outside_line_prefix: None,
            caller_id: CallerId::default(),
            codecs: default_codecs(),
            dtmf: DtmfMode::default(),
            transfers: TransferPolicy::default(),
            message_waiting: MessageWaiting::default(),
            lamp_list: None,
            auto_answer: AutoAnswer::default(),
            feature_codes: BTreeMap::new(),
        }
    }

    /// The address of record without its scheme: `user@domain`. The key under which state and password are stored.
    pub fn address(&self) -> String {
        format!("{}@{}", self.user, self.domain)
    }

    /// The digest user name.
    pub fn digest_user(&self) -> &str {
        self.auth_user.as_deref().unwrap_or(&self.user)
    }

    /// Where to connect: the configured server, else the outbound proxy, else the domain. Only the latter two, and only
    /// without a port, are looked up by SRV; so a server always has one here.
    pub fn destination(&self) -> HostPort {
        match (&self.server, &self.outbound_proxy) {
            (Some(server), _) => HostPort {
                host: server.host.clone(),
                port: Some(server.port.unwrap_or(self.transport.default_port())),
            },
            (None, Some(proxy)) => proxy.clone(),
            (None, None) => HostPort {
                host: self.domain.clone(),
                port: None,
            },
        }
    }

    /// The name that the server's certificate must carry: the configured one, else the outbound proxy's, else the
    /// domain; never what SRV said and never `server`, which says only where to connect.
    pub fn certificate_name(&self) -> &str {
        let proxy = self.outbound_proxy.as_ref().map(|proxy| proxy.host.as_str());
        self.tls_name.as_deref().or(proxy).unwrap_or(&self.domain)
    }

    /// The registration's lifetime that is asked for.
    pub fn lifetime(&self) -> Duration {
        Duration::from_secs(u64::from(self.expires))
    }

    /// Checks every field.
    ///
    /// # Errors
    /// The first problem, in the order of the fields.
    pub fn validate(&self) -> Result<(), AccountError> {
        self.validate_identity()?;
        self.validate_server()?;
        self.validate_dialling()?;
        self.validate_media()
    }

    /// What is allowed but deserves a word.
    pub fn warnings(&self) -> Vec<AccountWarning> {
        match (self.transport, self.media) {
            (Transport::Tls, _) => Vec::new(),
            (_, MediaPolicy::Required) => vec![
                AccountWarning::ReadableSignalling,
                AccountWarning::NoEncryptionWithoutTls,
            ],
            (_, MediaPolicy::Preferred | MediaPolicy::Off) => vec![AccountWarning::ReadableSignalling],
        }
    }

    fn validate_identity(&self) -> Result<(), AccountError> {
        check_host("domain", &self.domain)?;
        check_text("user", &self.user, |c| {
            c.is_whitespace() || "@:;?<>\"\\/,[]".contains(c)
        })?;
        if let Some(auth_user) = &self.auth_user {
            check_text("authorisation user", auth_user, |_| false)?;
        }
        if let Some(display_name) = &self.display_name {
            check_text("display name", display_name, |_| false)?;
        }
        Ok(())
    }

    fn validate_server(&self) -> Result<(), AccountError> {
        if let Some(server) = &self.server {
            server.validate("server")?;
        }
        if let Some(proxy) = &self.outbound_proxy {
            proxy.validate("outbound proxy")?;
        }
        if let Some(name) = &self.tls_name {
            check_host("certificate name", name)?;
        }
        if let Roots::Pem(text) = &self.roots
            && text.trim().is_empty()
        {
            return Err(AccountError::Empty {
                field: "list of trusted certificates",
            });
        }
        if !self.pins.is_empty() && self.transport != Transport::Tls {
            return Err(AccountError::PinsWithoutTls);
        }
        if !EXPIRES_RANGE.contains(&self.expires) {
            return Err(AccountError::BadExpires(self.expires));
        }
        Ok(())
    }

    fn validate_dialling(&self) -> Result<(), AccountError> {
        if let Some(voicemail) = &self.voicemail {
            check_voicemail(voicemail)?;
        }
        if let Some(list) = &self.lamp_list {
            check_text("list of lamps", list, char::is_whitespace)?;
        }
        if self.country.len() != 2 || !self.country.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(AccountError::BadCountry(self.country.clone()));
        }
        if let Some(prefix) = &self.outside_line_prefix {
            check_code("outside-line prefix", prefix)?;
        }
        match &self.caller_id {
            CallerId::Shown | CallerId::Withheld => {}
            CallerId::Number(number) => check_code("caller number", number.strip_prefix('+').unwrap_or(number))?,
            CallerId::Prefix(prefix) => check_code("caller-ID prefix", prefix)?,
        }
        let mut codes: Vec<&String> = self.feature_codes.values().collect();
        codes.sort_unstable();
        for code in &codes {
            check_feature_code(code)?;
        }
        match codes.iter().zip(codes.iter().skip(1)).find(|(code, next)| code == next) {
            Some((code, _)) => Err(AccountError::DoubleFeatureCode(code.to_string())),
            None => Ok(()),
        }
    }

    fn validate_media(&self) -> Result<(), AccountError> {
        if self.codecs.is_empty() {
            return Err(AccountError::NoCodec);
        }
        let mut codecs = self.codecs.clone();
        codecs.sort_unstable();
        match codecs
            .iter()
            .zip(codecs.iter().skip(1))
            .find(|(codec, next)| codec == next)
        {
            Some((codec, _)) => Err(AccountError::DoubleCodec(codec.encoding_name())),
            None => Ok(()),
        }
    }
}

const fn default_expires() -> u32 {
    600
}

fn default_country() -> String {
    "NL".to_owned()
}

fn default_codecs() -> Vec<Codec> {
    vec![Codec::Opus, Codec::G722, Codec::Pcma, Codec::Pcmu]
}

#[cfg(test)]
mod tests;
