//! What the machine wants done, done: flows, look-ups, media paths, sound, and what is stored.

use super::sounds::Readiness;
use super::{CallStats, Found, Levels, Runtime, StatsReply};
use crate::audio::AudioEvent;
use crate::error::EngineError;
use crate::net::flow::{Flow, FlowRequest, FlowTransport};
use crate::net::tls::TlsClient;
use crate::udp::{DEFAULT_PORTS, MediaSocket};
use std::net::IpAddr;
use toestel_proto::account::{AccountMemory, Query, Target};
use toestel_proto::account_config::{HostPort, Transport};
use toestel_proto::codec::{Codec, Suite};
use toestel_proto::ids::{AccountId, CallId, FlowId};
use toestel_proto::media::dtmf::TONE;
use toestel_proto::media::plan::MediaPlan;
use toestel_proto::media::session::{MediaEvent, MediaStats};
use toestel_proto::phone::{Event, Input, MediaFact, Output, PhoneSound};
use toestel_proto::sdp::negotiate::LocalPath;

impl Runtime {
    /// Does everything that the machine wants, and lets everyone who watches see where it stands now.
    pub(super) fn drain(&mut self) {
        let mut changed = false;
        while let Some(output) = self.phone.poll_output() {
            changed = true;
            self.carry_out(output);
        }
        let view = self.phone.view(self.clock.now());
        // An ended call leaves the list without a word.
        self.view.send_if_modified(|last| {
            let modified = changed || last.calls.len() != view.calls.len();
            if modified {
                *last = view;
            }
            modified
        });
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Resolve { account, query } => self.resolve(account, query),
            Output::OpenFlow { account, flow, target } => self.open_flow(account, flow, target),
            Output::CloseFlow(flow) => drop(self.flows.remove(&flow)),
            Output::Transmit { flow, bytes } => self.transmit(flow, bytes),
            Output::OpenPath {
                call,
                local,
                placed_here,
            } => self.open_path(call, local, placed_here),
            Output::ClosePath(call) => self.close_path(call),
            Output::Media { call, plan } => self.start_media(call, *plan),
            Output::Mute { call, on } => self.media.mute(call, on),
            Output::Conference(calls) => self.media.conference(calls),
            Output::Digit { call, digit } => self.media.digit(call, digit, TONE),
            Output::Tone { call, digit } => self.media.key(call, digit),
            Output::Sound { call, sound } => self.play(call, sound),
            Output::Remember { account, memory } => self.remember(account, *memory),
            Output::Event(event) => self.announce(event),
        }
    }

    fn announce(&self, event: Event) {
        let _ = self.events.send(event);
    }

    fn resolve(&mut self, account: AccountId, query: Query) {
        let (resolver, found) = (self.parts.resolver.clone(), self.found.clone());
        let mut random = self.parts.random();
        // A server that is named without a port is looked up by its addresses only.
        let port = query
            .port
            .or(query.addresses_only.then(|| query.transport.default_port()));
        tokio::spawn(async move {
            let destination = HostPort { host: query.host, port };
            let targets = match resolver.resolve(&destination, query.transport, &mut random).await {
                Ok(resolved) => Ok(resolved
                    .targets
                    .into_iter()
                    .flat_map(|target| target.addresses)
                    .map(|address| Target {
                        transport: query.transport,
                        address,
                    })
                    .collect()),
                Err(error) => Err(error.to_string()),
            };
            let _ = found.send(Found { account, targets });
        });
    }

    fn open_flow(&mut self, account: AccountId, id: FlowId, target: Target) {
        match self.flow_transport(account, target.transport) {
            Ok(transport) => {
                let request = FlowRequest {
                    id,
                    destination: destination(target),
                    transport,
                    resolver: self.parts.resolver.clone(),
                    seed: self.random.u64(),
                };
                self.flows.insert(id, Flow::open(request, self.notices.clone()));
            }
            Err(why) => self.tell(Input::FlowClosed { flow: id, why }),
        }
    }

    /// The account's certificate rules are read when they are first needed: a start has no time for it.
    fn flow_transport(&mut self, account: AccountId, transport: Transport) -> Result<FlowTransport, String> {
        Ok(match transport {
            Transport::Tcp => FlowTransport::Tcp,
            Transport::Udp => FlowTransport::Udp,
            Transport::Tls => {
                let account = self.accounts.get_mut(&account).ok_or("The account is gone.")?;
                let tls = match &account.tls {
                    Some(tls) => tls.clone(),
                    None => TlsClient::for_account(&account.config).map_err(|error| error.to_string())?,
                };
                FlowTransport::Tls(account.tls.insert(tls).clone())
            }
        })
    }

    fn transmit(&mut self, flow: FlowId, bytes: Vec<u8>) {
        let Some(handle) = self.flows.get(&flow) else { return };
        if let Err(error) = handle.send(bytes.into()) {
            self.flows.remove(&flow);
            self.tell(Input::FlowClosed {
                flow,
                why: error.to_string(),
            });
        }
    }

    /// Both sockets are made: whether RTCP is multiplexed is only known when the answer is there.
    fn open_path(&mut self, call: CallId, local: IpAddr, placed_here: bool) {
        match MediaSocket::bind(local, DEFAULT_PORTS, false, &mut self.random) {
            Ok(socket) => {
                let path = LocalPath {
                    rtp: socket.rtp_address(),
                    rtcp_port: Some(socket.rtcp_address().port()),
                    ice: Vec::new(),
                };
                self.paths.insert(call, socket);
                self.sounds.handle_path_opened(call, placed_here);
                self.make_ready();
                self.tell(Input::PathReady { call, path });
            }
            Err(error) => self.tell(Input::PathFailed {
                call,
                why: error.to_string(),
            }),
        }
    }

    fn close_path(&mut self, call: CallId) {
        self.paths.remove(&call);
        if self.with_media.remove(&call) {
            self.media.stop(call);
        }
        self.sounds.handle_path_closed(call);
        self.make_ready();
        if self.with_media.is_empty() {
            self.levels.send_replace(Levels::default());
        }
    }

    fn make_ready(&self) {
        match self.sounds.readiness() {
            Readiness::Closed => self.media.cool_down(),
            Readiness::Speaker => self.media.warm_up(false),
            Readiness::SpeakerAndMicrophone => self.media.warm_up(true),
        }
    }

    fn start_media(&mut self, call: CallId, plan: MediaPlan) {
        match self.paths.remove(&call) {
            Some(socket) => {
                self.with_media.insert(call);
                self.media.start(call, plan, socket, self.parts.random());
            }
            None => self.media.update(call, plan),
        }
    }

    fn play(&mut self, call: CallId, sound: PhoneSound) {
        self.sounds.handle_sound(call, sound);
        self.media.ring(self.sounds.rings());
        self.media.tone(self.sounds.tone());
    }

    fn remember(&mut self, account: AccountId, memory: AccountMemory) {
        let Some(account) = self.accounts.get(&account) else {
            return;
        };
        let saved = self.parts.remember(&account.config, memory);
        let events = self.events.clone();
        tokio::spawn(async move {
            if let Err(error) = saved.await {
                let _ = events.send(Event::Warning {
                    text: error.to_string(),
                });
            }
        });
    }

    pub(super) fn ask_stats(&mut self, call: Option<CallId>, reply: StatsReply) {
        let (call, suite, codec) = match self.measured(call) {
            Ok(measured) => measured,
            Err(error) => return drop(reply.send(Err(error))),
        };
        let figures = move |media| CallStats {
            call,
            codec,
            suite,
            media,
        };
        if self.with_media.contains(&call) {
            let stats = self.media.stats(call);
            tokio::spawn(async move {
                let media = stats.await.map_err(|_| EngineError::NoMedia);
                let _ = reply.send(media.map(figures));
            });
        } else if let Some(media) = self.phone.figures(call) {
            let _ = reply.send(Ok(figures(media)));
        } else {
            self.last_stats.push((call, reply));
        }
    }

    /// The call that is meant and what was agreed about it. One that has ended has its last figures as long as it is
    /// listed.
    fn measured(&self, call: Option<CallId>) -> Result<(CallId, Option<Suite>, Codec), EngineError> {
        let call = match call {
            Some(call) => call,
            None => self.phone.resolve_call(None)?,
        };
        match self.phone.agreed(call) {
            Some((suite, codec)) => Ok((call, suite, codec)),
            None => {
                self.phone.resolve_call(Some(call))?;
                Err(EngineError::NoMedia)
            }
        }
    }

    /// The last figures of a call are there, for whoever waits for them.
    fn handle_stopped(&mut self, call: CallId, stats: MediaStats) {
        let fact = MediaFact::Stats(stats);
        self.tell(Input::Media { call, fact });
        let (due, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.last_stats)
            .into_iter()
            .partition(|(wanted, _)| *wanted == call);
        self.last_stats = rest;
        for (call, reply) in due {
            self.ask_stats(Some(call), reply);
        }
    }

    pub(super) fn handle_audio(&mut self, event: AudioEvent) {
        let warning = match event {
            AudioEvent::Media { call, event } => return self.handle_stream(call, event),
            AudioEvent::Stopped { call, stats } => return self.handle_stopped(call, stats),
            AudioEvent::Failed { call, why } => return self.tell(Input::PathFailed { call, why }),
            AudioEvent::Levels { microphone, speaker } => {
                self.levels.send_replace(Levels { microphone, speaker });
                return;
            }
            AudioEvent::DigitRefused { digit, .. } => {
                format!("The tone {} could not be sent: the far end takes none.", digit.key())
            }
            AudioEvent::DeviceMoved { microphone, .. } => {
                format!("The {} changed; the call goes on.", name(microphone))
            }
            AudioEvent::DeviceMissing { microphone } => {
                format!(
                    "The chosen {} is not connected; the system's is used instead.",
                    name(microphone)
                )
            }
            AudioEvent::SoundLost(why) => format!("There is no sound: {why}. The call goes on."),
            AudioEvent::SoundBack => "There is sound again.".to_owned(),
            AudioEvent::RecordingFailed(why) => {
                format!("The recording stopped, {why}: free some disk space or give another file. The call goes on.")
            }
        };
        self.announce(Event::Warning { text: warning });
    }

    fn handle_stream(&mut self, call: CallId, event: MediaEvent) {
        let fact = match event {
            MediaEvent::FirstPacket { .. } => MediaFact::Heard,
            MediaEvent::DigitReceived(digit) => MediaFact::Digit(digit),
            MediaEvent::NoMediaFor(duration) => MediaFact::NothingFor(duration),
            MediaEvent::RemoteSsrcChanged { .. }
            | MediaEvent::RemoteAddressChanged(_)
            | MediaEvent::Bye
            | MediaEvent::NoSpeechFor(_) => return,
        };
        self.tell(Input::Media { call, fact });
    }
}

/// A target as the place that it is: nothing of it is looked up again.
fn destination(target: Target) -> HostPort {
    let host = match target.address.ip() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    HostPort {
        host,
        port: Some(target.address.port()),
    }
}

const fn name(microphone: bool) -> &'static str {
    if microphone { "microphone" } else { "loudspeaker" }
}
