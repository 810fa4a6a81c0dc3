//! The whole engine against the practice exchange: TLS, registration, calls, sound and the end, on loopback.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on must fail and say why, and prints what it measured"
)]

use std::path::{Path, PathBuf};
use std::time::Duration;
use toestel_core::practice::EXTENSIONS;
use toestel_core::{
    AudioSpec, CallId, CallState, Codec, Command, Engine, Event, Events, Others, Parts, Practice, Secret,
};
use toestel_sound::{score, stage};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// An engine with files for a sound card.
struct Handset {
    engine: Engine,
    events: Events,
    recording: PathBuf,
}

impl Handset {
    fn start(test: &str, name: &str, voice: &[i16]) -> Self {
        let play = stage::file(test, &format!("{name}-says.wav"));
        let recording = stage::file(test, &format!("{name}-hears.wav"));
        score::write(&play, 48_000, voice);
        let audio = AudioSpec::File {
            play,
            record: recording.clone(),
        };
        let (engine, events) = Engine::start(Parts::forgetful(audio)).expect("a thread");
        Self {
            engine,
            events,
            recording,
        }
    }

    /// Registers `extension`, and waits until that is done.
    async fn register(&mut self, practice: &Practice, extension: &str) {
        let setup = practice.account(extension);
        self.engine.add_account(setup).await.expect("the account is valid");
        self.wait("registered", |event| matches!(event, Event::Registered { .. }))
            .await;
    }

    /// Waits for the event that `wanted` recognises.
    async fn wait(&mut self, what: &str, wanted: impl Fn(&Event) -> bool) -> Event {
        let mut seen = Vec::new();
        let search = async {
            loop {
                let event = self.events.next().await.expect("the engine runs");
                if wanted(&event) {
                    return event;
                }
                seen.push(event);
            }
        };
        match tokio::time::timeout(PATIENCE, search).await {
            Ok(event) => event,
            Err(_) => panic!("not {what} within {PATIENCE:?}; what happened: {seen:?}"),
        }
    }

    async fn wait_for(&mut self, call: CallId, wanted: CallState) {
        let what = format!("{wanted:?}");
        self.wait(
            &what,
            |event| matches!(event, Event::Call { call: other, state, .. } if *other == call && *state == wanted),
        )
        .await;
    }

    async fn call(&mut self, number: &str) -> CallId {
        let call = self.engine.dial(None, number).await.expect("a call can be placed");
        self.wait_for(call, CallState::Active).await;
        call
    }
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("an event loop").block_on(test);
}

/// How many of the pieces that were said are in the recording, and of how many.
fn pieces(said: &[i16], recording: &Path, alike: f64) -> (usize, usize) {
    let delays = score::delays(said, &score::read(recording), 600);
    println!("{delays:?}");
    let found = delays.iter().filter(|(_, likeness)| *likeness >= alike).count();
    (found, delays.len())
}

#[test]
fn what_is_said_to_600_comes_back_encrypted_and_the_phone_leaves_cleanly() {
    let name = "what_is_said_to_600_comes_back_encrypted_and_the_phone_leaves_cleanly";
    stage::alone(name, false, || {
        run(async {
            let practice = Practice::start().expect("loopback has a port");
            let voice = score::babble(7, 4.0);
            let mut phone = Handset::start("echo", "phone", &voice);
            phone.register(&practice, "1001").await;
            let call = phone.call("600").await;
            tokio::time::sleep(Duration::from_millis(4_800)).await;
            let stats = phone.engine.stats(Some(call)).await.expect("the call has sound");
            println!("{stats:?}");
            assert_eq!(stats.codec, Codec::Opus);
            assert!(stats.suite.is_some(), "encrypted");
            assert!(stats.media.received > 190 && stats.media.lost <= 2, "{stats:?}");
            let round_trip = stats.media.round_trip_ms.expect("a report answered ours");
            assert!(round_trip < 100.0, "{round_trip} ms on loopback");
            phone.engine.hang_up(call).await.expect("the call is there");
            phone.wait_for(call, CallState::Ended).await;
            let recording = phone.recording.clone();
            phone.engine.clone().shut_down().await;
            drop(phone);
            let (found, all) = pieces(&voice, &recording, 0.75);
            assert!(
                all >= 10 && found + all / 4 + 1 >= all,
                "{found} of {all} pieces came back"
            );
        });
    });
}

#[test]
fn a_wrong_password_says_so_and_a_stranger_s_root_is_not_trusted() {
    let name = "a_wrong_password_says_so_and_a_stranger_s_root_is_not_trusted";
    stage::alone(name, false, || {
        run(async {
            let (practice, other) = (Practice::start().unwrap(), Practice::start().unwrap());
            let mut phone = Handset::start("refused", "phone", &[0; 480]);
            let mut setup = practice.account(EXTENSIONS[0]);
            setup.password = Secret::new("wrong");
            phone.engine.add_account(setup).await.unwrap();
            let refused = phone
                .wait("refused", |event| matches!(event, Event::Unregistered { .. }))
                .await;
            assert!(
                matches!(&refused, Event::Unregistered { reason, retry_in_ms: None, .. } if reason.contains("password")),
                "{refused:?}"
            );
            let mut setup = practice.account(EXTENSIONS[1]);
            setup.config.roots = other.account(EXTENSIONS[1]).config.roots;
            phone.engine.add_account(setup).await.unwrap();
            let refused = phone
                .wait("refused", |event| matches!(event, Event::Unregistered { .. }))
                .await;
            assert!(
                matches!(&refused, Event::Unregistered { reason, .. } if reason.contains("certificate")),
                "{refused:?}"
            );
        });
    });
}

#[test]
fn two_engines_talk_through_the_exchange_and_each_hears_the_other() {
    let name = "two_engines_talk_through_the_exchange_and_each_hears_the_other";
    stage::alone(name, false, || {
        run(async {
            let practice = Practice::start().unwrap();
            let voices = [score::babble(11, 3.0), score::babble(22, 3.0)];
            let mut alice = Handset::start("two", "alice", &voices[0]);
            let mut bob = Handset::start("two", "bob", &voices[1]);
            alice.register(&practice, "1001").await;
            bob.register(&practice, "1002").await;
            let call = alice.engine.dial(None, "1002").await.unwrap();
            let incoming = bob
                .wait("called", |event| matches!(event, Event::Incoming { .. }))
                .await;
            let Event::Incoming { call: theirs, from, .. } = incoming else {
                unreachable!()
            };
            assert!(from.contains("1001"), "{from}");
            bob.engine
                .command(Command::Answer {
                    call: Some(theirs),
                    others: Others::Hold,
                })
                .await
                .unwrap();
            alice.wait_for(call, CallState::Active).await;
            tokio::time::sleep(Duration::from_millis(3_800)).await;
            bob.engine.hang_up(theirs).await.unwrap();
            alice.wait_for(call, CallState::Ended).await;
            let recordings = [alice.recording.clone(), bob.recording.clone()];
            alice.engine.clone().shut_down().await;
            bob.engine.clone().shut_down().await;
            drop((alice, bob));
            for (voice, recording) in voices.iter().zip([&recordings[1], &recordings[0]]) {
                let (found, all) = pieces(voice, recording, 0.7);
                assert!(
                    all >= 7 && found + all / 4 + 1 >= all,
                    "{found} of {all} pieces crossed"
                );
            }
        });
    });
}

#[test]
fn one_phone_has_accounts_at_two_exchanges_and_calls_and_is_called_on_both() {
    let name = "one_phone_has_accounts_at_two_exchanges_and_calls_and_is_called_on_both";
    stage::alone(name, false, || {
        run(async {
            let exchanges = [Practice::start().unwrap(), Practice::start().unwrap()];
            let mut phone = Handset::start("accounts", "phone", &score::babble(5, 2.0));
            let mut accounts = Vec::new();
            for practice in &exchanges {
                let setup = practice.account("1001");
                accounts.push(phone.engine.add_account(setup).await.unwrap());
            }
            // In whichever order.
            for _ in &accounts {
                phone
                    .wait("registered", |event| matches!(event, Event::Registered { .. }))
                    .await;
            }
            let mut calls = Vec::new();
            for account in &accounts {
                let call = phone.engine.dial(Some(*account), "600").await.unwrap();
                phone.wait_for(call, CallState::Active).await;
                // The next one puts it on hold.
                tokio::time::sleep(Duration::from_secs(1)).await;
                calls.push(call);
            }
            for call in calls {
                let stats = phone.engine.stats(Some(call)).await.expect("both have sound");
                assert!(stats.media.received > 20, "{stats:?}");
                phone.engine.hang_up(call).await.unwrap();
                phone.wait_for(call, CallState::Ended).await;
            }
            for account in &accounts {
                let asked = phone.engine.dial(Some(*account), "601").await.unwrap();
                phone.wait_for(asked, CallState::Ended).await;
                let called = phone.wait("called", |event| matches!(event, Event::Incoming { .. }));
                let Event::Incoming { call, .. } = called.await else {
                    unreachable!()
                };
                let view = phone.engine.view().await.unwrap();
                let listed = view.calls.iter().find(|other| other.id == call).expect("it rings");
                assert_eq!(listed.account, *account);
                phone.engine.hang_up(call).await.unwrap();
                phone.wait_for(call, CallState::Ended).await;
            }
            phone.engine.clone().shut_down().await;
        });
    });
}
