//! Two media engines that talk to each other over UDP on loopback, without signalling.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use toestel_core::audio::device::AudioSpec;
use toestel_core::audio::{AudioEvent, MediaEngine};
use toestel_core::clock::Clock;
use toestel_core::net::udp::{DEFAULT_PORTS, MediaSocket};
use toestel_proto::codec::{Codec, Direction, Suite};
use toestel_proto::ids::CallId;
use toestel_proto::media::plan::{MasterKey, MediaPlan, OpusOptions, RemoteRtcp, SendFormat, SrtpKeys};
use toestel_proto::random::Random;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// One side.
pub struct Side {
    /// Its engine.
    pub engine: MediaEngine,
    /// What its engine says.
    pub events: UnboundedReceiver<AudioEvent>,
}

impl Side {
    /// An engine on `spec`.
    pub fn new(spec: AudioSpec) -> Self {
        let (sender, events) = unbounded_channel();
        let engine = MediaEngine::new(spec, Clock::start(), sender);
        Self { engine, events }
    }

    /// Everything that was said so far.
    pub fn heard(&mut self) -> Vec<AudioEvent> {
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }

    /// Waits for the event that `wanted` recognises.
    pub fn wait(&mut self, within: Duration, wanted: impl Fn(&AudioEvent) -> bool) -> AudioEvent {
        let started = std::time::Instant::now();
        let mut seen = Vec::new();
        while started.elapsed() < within {
            match self.events.try_recv() {
                Ok(event) if wanted(&event) => return event,
                Ok(event) => seen.push(event),
                Err(_) => std::thread::sleep(Duration::from_millis(2)),
            }
        }
        panic!("it did not happen within {within:?}; what did: {seen:?}");
    }
}

/// Connects `a` and `b` by `codec`, with SRTP if there is a suite.
pub fn connect(a: &Side, b: &Side, call: CallId, codec: Codec, suite: Option<Suite>) {
    let seed = u64::from(call.0) * 2 + 1;
    let mut random = Random::seeded(seed ^ u64::from(std::process::id()));
    let local = IpAddr::from(Ipv4Addr::LOCALHOST);
    let mut bind = || MediaSocket::bind(local, DEFAULT_PORTS, true, &mut random).expect("loopback has free ports");
    let (socket_a, socket_b) = (bind(), bind());
    let keys = suite.map(|suite| (suite, key(suite, 1), key(suite, 2)));
    let plan = |remote, ours: bool| MediaPlan {
        remote_rtp: remote,
        remote_rtcp: RemoteRtcp::Mux,
        direction: Direction::SendRecv,
        send: SendFormat {
            codec,
            payload_type: codec.static_payload_type().unwrap_or(111),
            ptime: Duration::from_millis(20),
            opus: OpusOptions {
                fec: true,
                ..OpusOptions::default()
            },
        },
        receive: BTreeMap::from([(codec.static_payload_type().unwrap_or(111), codec)]),
        send_events: BTreeMap::from([(8_000, 101), (48_000, 110)]),
        receive_events: BTreeMap::from([(101, 8_000), (110, 48_000)]),
        comfort_noise: false,
        srtp: keys.clone().map(|(suite, first, second)| {
            let (local, remote) = if ours { (first, second) } else { (second, first) };
            SrtpKeys::new(suite, local, remote).expect("the keys have the suite's length")
        }),
        ssrc: if ours { 0x1111_1111 } else { 0x2222_2222 },
        cname: "test".into(),
    };
    let (plan_a, plan_b) = (plan(socket_b.rtp_address(), true), plan(socket_a.rtp_address(), false));
    b.engine.start(call, plan_b, socket_b, Random::seeded(seed));
    a.engine.start(call, plan_a, socket_a, Random::seeded(seed + 1));
}

fn key(suite: Suite, fill: u8) -> MasterKey {
    MasterKey::from_inline(suite, &vec![fill; suite.key_len() + suite.salt_len()]).expect("the length is the suite's")
}
