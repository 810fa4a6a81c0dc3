//! The whole loop against a scripted PBX on loopback: what the phone wants done is done, in time and in full.

mod pbx;

use super::*;
use crate::audio::device::AudioSpec;
use crate::engine::{Engine, Events};
use crate::net::dns;
use pbx::Pbx;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use toestel_proto::account::AccountMemory;
use toestel_proto::account_config::Transport;
use toestel_proto::codec::{Codec, MediaPolicy};
use toestel_proto::phone::{Accepted, CallState, Command, Refused};
use toestel_proto::secret::Secret;
use toestel_proto::sip::msg::{Message, Method, Request as SipRequest};

/// No outcome takes so long, however busy the machine is.
const SOON: Duration = Duration::from_secs(20);

/// An account at `pbx` without encryption: its messages are easy to read.
fn account(server: &str) -> AccountSetup {
    let mut config = AccountConfig::new("pbx.test", "1001");
    config.server = Some(server.parse().unwrap());
    config.transport = Transport::Tcp;
    config.media = MediaPolicy::Off;
    config.codecs = vec![Codec::Pcma];
    AccountSetup {
        config,
        password: Secret::new("right"),
        memory: AccountMemory::default(),
    }
}

/// A phone that is registered at a PBX.
async fn registered(audio: AudioSpec) -> (Engine, Events, Pbx) {
    let mut pbx = Pbx::listen().await;
    let (engine, mut events) = Engine::start(Parts::forgetful(audio)).unwrap();
    engine.add_account(account(&pbx.address())).await.unwrap();
    pbx.register().await;
    until(&mut events, |event| matches!(event, Event::Registered { .. })).await;
    (engine, events, pbx)
}

async fn until(events: &mut Events, wanted: impl Fn(&Event) -> bool) {
    let search = async {
        loop {
            let event = events.next().await.expect("the engine runs");
            if wanted(&event) {
                return;
            }
        }
    };
    tokio::time::timeout(SOON, search).await.expect("it happens in time");
}

fn is_in(state: CallState) -> impl Fn(&Event) -> bool {
    move |event| matches!(event, Event::Call { state: now, .. } if *now == state)
}

/// The PBX takes the call that is being dialled.
async fn answer(pbx: &mut Pbx) -> SipRequest {
    let invite = pbx.request(Method::Invite).await;
    let sdp = pbx.description();
    pbx.answer(&invite, 200, Some(&sdp)).await;
    pbx.request(Method::Ack).await;
    invite
}

#[tokio::test]
async fn the_last_word_has_gone_out_when_the_engine_has_stopped() {
    let (engine, mut events, mut pbx) = registered(AudioSpec::Null).await;
    engine.dial(None, "1002").await.unwrap();
    let invite = pbx.request(Method::Invite).await;
    pbx.answer(&invite, 180, None).await;
    until(&mut events, is_in(CallState::Ringing)).await;

    let parting = tokio::spawn(engine.shut_down());
    let unregister = pbx.request(Method::Register).await;
    let cancel = pbx.request(Method::Cancel).await;
    pbx.answer(&unregister, 200, None).await;
    pbx.answer(&cancel, 200, None).await;
    // The ACK of this is owed by nobody's leave: no answer to it will ever keep the phone waiting.
    pbx.answer(&invite, 487, None).await;
    parting.await.unwrap();

    let is_ack = |message: &Message| matches!(message, Message::Request(request) if request.method == Method::Ack);
    assert!(pbx.rest().await.iter().any(is_ack));
}

#[tokio::test]
async fn the_registration_is_taken_back_when_the_last_handle_is_dropped() {
    let (engine, _events, mut pbx) = registered(AudioSpec::Null).await;
    let parting = tokio::task::spawn_blocking(move || drop(engine));
    let unregister = pbx.request(Method::Register).await;
    let contacts = unregister.headers.contacts();
    assert!(contacts.as_slice().iter().all(|contact| contact.expires() == Some(0)));
    pbx.answer(&unregister, 200, None).await;
    parting.await.unwrap();
    assert!(pbx.rest().await.is_empty(), "nothing else is owed");
}

#[tokio::test]
async fn a_call_that_has_just_ended_still_has_its_figures() {
    let mut pbx = Pbx::listen().await;
    let mut driven = Driven::new(Parts::forgetful(AudioSpec::Null));
    driven.runtime.add_account(account(&pbx.address())).unwrap();
    driven.until(pbx.register()).await;
    let target = "1002".to_owned();
    let dialled = driven.command(Command::Dial { target, account: None });
    let call = driven.until(dialled).await.unwrap().unwrap().call.unwrap();
    driven.until(answer(&mut pbx)).await;
    for _ in 0..5 {
        driven.until(pbx.heard()).await;
    }
    let _hung_up = driven.command(Command::Hangup { call: Some(call) });
    driven.runtime.drain();
    assert!(
        driven.runtime.phone.figures(call).is_none(),
        "the media thread has not told them yet"
    );

    let (reply, stats) = oneshot::channel();
    driven.runtime.ask_stats(Some(call), reply);
    let stats = driven.until(stats).await.unwrap().unwrap();

    assert_eq!((stats.call, stats.codec), (call, Codec::Pcma));
    assert!(stats.media.sent >= 5, "{stats:?}");
}

#[tokio::test]
async fn a_call_that_was_muted_before_its_media_began_stays_muted() {
    let sound = Sound::loud();
    let (engine, mut events, mut pbx) = registered(sound.spec()).await;
    let call = Some(engine.dial(None, "1002").await.unwrap());
    engine.command(Command::Mute { call, on: true }).await.unwrap();
    answer(&mut pbx).await;
    until(&mut events, is_in(CallState::Active)).await;
    for _ in 0..20 {
        assert!(!is_loud(&pbx.heard().await), "the far end hears a muted microphone");
    }
    engine.command(Command::Mute { call, on: false }).await.unwrap();
    while !is_loud(&pbx.heard().await) {}
}

/// Whether any A-law code is of the two loudest of the eight segments (G.711 table 1).
fn is_loud(pcma: &[u8]) -> bool {
    pcma.iter().any(|code| (code ^ 0x55) & 0x70 >= 0x60)
}

#[tokio::test]
async fn what_was_looked_up_on_one_network_is_looked_up_anew_on_another() {
    let dns = dns::tests::serve([("pbx.test", &["A 127.0.0.1", "AAAA ::1"])]).await;
    let mut pbx = Pbx::listen().await;
    let server = format!("pbx.test:{}", pbx.port());
    let mut parts = Parts::forgetful(AudioSpec::Null);
    parts.resolver = dns.resolver.clone();
    let mut driven = Driven::new(parts);
    driven.runtime.add_account(account(&server)).unwrap();
    driven.until(pbx.register()).await;
    let asked = dns.questions.load(Ordering::Relaxed);
    assert!(asked > 0);

    driven.runtime.reconnect(Input::NetworkChanged);
    driven.until(pbx.register()).await;
    assert!(
        dns.questions.load(Ordering::Relaxed) > asked,
        "the old answer was believed"
    );
}

/// A runtime whose turns the test takes itself, so that it can ask between two of them.
struct Driven {
    runtime: Runtime,
    ears: Ears,
    alarm: Alarm,
    _requests: mpsc::UnboundedSender<Request>,
}

impl Driven {
    fn new(parts: Parts) -> Self {
        let alarm = Alarm::new(parts.clock).unwrap();
        let (requests, inbox) = mpsc::unbounded_channel();
        let tells = Tells {
            events: mpsc::unbounded_channel().0,
            view: watch::channel(View::default()).0,
            levels: watch::channel(Levels::default()).0,
        };
        let (runtime, mut ears) = Runtime::new(parts, inbox, tells);
        // The machine's own network may change at any moment.
        ears.network = None;
        Self {
            runtime,
            ears,
            alarm,
            _requests: requests,
        }
    }

    /// Lets the runtime take its turns until `outcome` is there.
    async fn until<T>(&mut self, outcome: impl Future<Output = T>) -> T {
        let mut outcome = std::pin::pin!(outcome);
        loop {
            tokio::select! {
                outcome = &mut outcome => return outcome,
                is_running = self.runtime.turn(&mut self.ears, &mut self.alarm) => assert!(is_running),
            }
        }
    }

    fn command(&mut self, command: Command) -> oneshot::Receiver<Result<Accepted, Refused>> {
        let (reply, answer) = oneshot::channel();
        self.runtime.handle_request(Request::Command(command, reply));
        answer
    }
}

/// A microphone that shouts.
struct Sound(PathBuf);

impl Sound {
    fn loud() -> Self {
        let folder = std::env::temp_dir().join(format!("toestel-runtime-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 8_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut wav = hound::WavWriter::create(folder.join("loud.wav"), spec).unwrap();
        for sample in 0..30 * 8_000 {
            let is_high = sample / 8 % 2 == 0;
            wav.write_sample(if is_high { 16_000_i16 } else { -16_000 }).unwrap();
        }
        wav.finalize().unwrap();
        Self(folder)
    }

    fn spec(&self) -> AudioSpec {
        AudioSpec::File {
            play: self.0.join("loud.wav"),
            record: self.0.join("heard.wav"),
        }
    }
}

impl Drop for Sound {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
