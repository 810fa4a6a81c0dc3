//! The practice exchange on loopback: sockets, TLS and time around [`toestel_proto::practice`].
//!
//! It has a thread of its own and one address, `127.0.0.1` and a free port. Its root certificate is made at each start
//! and handed out only with its accounts, so nothing else ever trusts it; the passwords are drawn at each start too.
//! Dropping it ends it.

mod certificate;
mod connection;
mod server;

use crate::clock::{Clock, ClockError};
use crate::parts::system_random;
use crate::runtime::AccountSetup;
use certificate::Identity;
use server::Server;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::thread::JoinHandle;
use std::time::Duration;
use toestel_proto::account::AccountMemory;
use toestel_proto::account_config::{AccountConfig, HostPort, Roots};
use toestel_proto::practice::bad_line::Quality;
use toestel_proto::practice::{BadBundle, Exchange, Settings, Speech};
pub use toestel_proto::practice::{EXTENSIONS, MAILBOX};
use toestel_proto::random::Random;
use toestel_proto::secret::Secret;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

/// The SIP domain of the exchange, and the name in its certificate. It can never exist elsewhere (RFC 6761 6.4).
pub const DOMAIN: &str = "practice.toestel.invalid";

/// How often a phone must ping.
const FLOW_TIMER: Duration = Duration::from_secs(120);

/// The bundled speech as frames, because the exchange has no codec.
static OPUS: &[u8] = include_bytes!("../assets/voice.opus-frames");
static PCMA: &[u8] = include_bytes!("../assets/voice.pcma-frames");

/// Why the exchange cannot be started: the device erred, or the build.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PracticeError {
    /// No port on loopback.
    #[error("The practice exchange cannot listen on this device ({0}): close other programs, then try again.")]
    Listen(std::io::Error),
    /// The system gave no thread or no event loop.
    #[error("The system gave no thread for the practice exchange ({0}): close other programs, then try again.")]
    Thread(std::io::Error),
    /// The system gave no timer.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// No certificate could be made.
    #[error("The practice exchange cannot make its certificate: {0}.")]
    Certificate(String),
    /// The bundled speech is damaged.
    #[error("The bundled speech is damaged: {0}.")]
    Speech(#[from] BadBundle),
}

/// A running exchange.
#[derive(Debug)]
pub struct Practice {
    address: SocketAddr,
    root_pem: String,
    passwords: BTreeMap<String, Secret>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Practice {
    /// Starts an exchange on a free port of loopback.
    ///
    /// # Errors
    /// When the device gives no port, thread or timer; hardly worth retrying.
    pub fn start() -> Result<Self, PracticeError> {
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    }

    /// Starts an exchange at `address`; port 0 is any that is free.
    ///
    /// # Errors
    /// As [`Practice::start`].
    pub fn start_at(address: SocketAddr) -> Result<Self, PracticeError> {
        let identity = Identity::made_for(DOMAIN).map_err(|error| PracticeError::Certificate(error.to_string()))?;
        let listener = TcpListener::bind(address).map_err(PracticeError::Listen)?;
        listener.set_nonblocking(true).map_err(PracticeError::Listen)?;
        let address = listener.local_addr().map_err(PracticeError::Listen)?;
        let mut random = system_random();
        let passwords = passwords(&mut random);
        let exchange = Exchange::new(settings(passwords.clone())?, random);
        let (stop, stopped) = oneshot::channel();
        let (ready, started) = std::sync::mpsc::sync_channel(1);
        let acceptor = identity.acceptor;
        let thread = std::thread::Builder::new()
            .name("toestel-practice".to_owned())
            .spawn(move || serve(exchange, acceptor, listener, stopped, &ready))
            .map_err(PracticeError::Thread)?;
        // Whoever starts it may be inside an event loop of its own, where no second one can be driven.
        started
            .recv()
            .map_err(|gone| PracticeError::Thread(std::io::Error::other(gone)))??;
        Ok(Self {
            address,
            root_pem: identity.root_pem,
            passwords,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens for TLS.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The root certificate under which its own was issued, as PEM.
    pub fn root_pem(&self) -> &str {
        &self.root_pem
    }

    /// The password of an extension, for other programs that are to register.
    pub fn password(&self, extension: &str) -> Option<Secret> {
        self.passwords.get(extension).cloned()
    }

    /// An account at this exchange, ready to be added to an engine. `extension` is one of [`EXTENSIONS`]; any other
    /// gets an account that the exchange refuses.
    pub fn account(&self, extension: &str) -> AccountSetup {
        let host = match self.address.ip() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        let server = HostPort {
            host,
            port: Some(self.address.port()),
        };
        AccountSetup {
            config: AccountConfig {
                display_name: Some(format!("Practice {extension}")),
                server: Some(server),
                roots: Roots::Pem(self.root_pem.clone()),
                voicemail: Some(MAILBOX.to_owned()),
                ..AccountConfig::new(DOMAIN, extension)
            },
            password: self.password(extension).unwrap_or_else(|| Secret::new("")),
            memory: AccountMemory::default(),
        }
    }
}

impl Drop for Practice {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The thread: says whether it could begin, and serves until it is stopped.
fn serve(
    exchange: Exchange,
    acceptor: TlsAcceptor,
    listener: TcpListener,
    stopped: oneshot::Receiver<()>,
    ready: &std::sync::mpsc::SyncSender<Result<(), PracticeError>>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let begin = || -> Result<_, PracticeError> {
        let runtime = runtime.map_err(PracticeError::Thread)?;
        let inside = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener).map_err(PracticeError::Listen)?;
        let server = Server::new(exchange, acceptor, Clock::start())?;
        drop(inside);
        Ok((runtime, server, listener))
    };
    match begin() {
        Ok((runtime, server, listener)) => {
            let _ = ready.send(Ok(()));
            runtime.block_on(server.run(listener, stopped));
        }
        Err(error) => drop(ready.send(Err(error))),
    }
}

fn passwords(random: &mut Random) -> BTreeMap<String, Secret> {
    EXTENSIONS
        .iter()
        .map(|extension| ((*extension).to_owned(), Secret::new(random.token(16))))
        .collect()
}

fn settings(passwords: BTreeMap<String, Secret>) -> Result<Settings, BadBundle> {
    Ok(Settings {
        domain: DOMAIN.to_owned(),
        passwords,
        speech: Speech::new(OPUS, PCMA)?,
        bad_line: Quality::MOBILE,
        flow_timer: Some(FLOW_TIMER),
    })
}
