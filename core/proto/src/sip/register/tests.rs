use super::*;
use crate::secret::Secret;
use crate::sip::auth::{Algorithm, Challenge, Credentials, Memory, Qop};
use crate::sip::msg::{Contacts, HeaderName, Host, Transport, Via};
use std::collections::BTreeMap;

const HOUR: u64 = 3_600;

/// A registrar behind a flow: what it does is set by its fields, what it saw is in `bindings` and `log`.
struct Registrar {
    password: &'static str,
    challenges: bool,
    /// At most this is granted.
    grants: u32,
    min_expires: u32,
    outbound: bool,
    extra: Vec<(&'static str, &'static str)>,
    /// Answered instead, as often as listed.
    refusals: VecDeque<(u16, &'static str)>,
    /// Contact and when it runs out.
    bindings: BTreeMap<String, Instant>,
    log: Vec<Request>,
}

impl Registrar {
    fn handle(&mut self, request: &Request, now: Instant) -> Response {
        self.log.push(request.clone());
        if let Some((status, header)) = self.refusals.pop_front() {
            return with(Response::to(request, StatusCode::new(status).unwrap()), header);
        }
        let given = request
            .headers
            .get(HeaderName::Authorization)
            .and_then(Credentials::parse);
        let proven = given.is_some_and(|given| given.prove(&Secret::new(self.password), "REGISTER", b""));
        if self.challenges && !proven {
            let challenge = Challenge {
                realm: "asterisk".to_owned(),
                nonce: format!("n{}", self.log.len()),
                opaque: None,
                algorithm: Algorithm::Sha256,
                qop: Some(Qop::Auth),
                stale: false,
            };
            let mut response = Response::to(request, StatusCode::UNAUTHORIZED);
            response.headers.push(HeaderName::WwwAuthenticate, challenge);
            return response;
        }
        self.bind(request, now)
    }

    fn bind(&mut self, request: &Request, now: Instant) -> Response {
        let Contacts::List(contacts) = request.headers.contacts() else {
            panic!()
        };
        let asked = |contact: &NameAddr| contact.expires().unwrap();
        if contacts
            .iter()
            .any(|contact| (1..self.min_expires).contains(&asked(contact)))
        {
            let response = Response::to(request, StatusCode::INTERVAL_TOO_BRIEF);
            return with(response, &format!("Min-Expires: {}", self.min_expires));
        }
        for contact in &contacts {
            match asked(contact) {
                0 => self.bindings.remove(&contact.uri.to_string()),
                seconds => {
                    let granted = Duration::from_secs(seconds.min(self.grants).into());
                    self.bindings.insert(contact.uri.to_string(), now + granted)
                }
            };
        }
        self.bindings.retain(|_, expires_at| *expires_at > now);
        let mut response = Response::to(request, StatusCode::OK);
        // A device of somebody else comes first, with a validity that is not ours.
        response
            .headers
            .push(HeaderName::Contact, "<sip:desk@192.0.2.77>;expires=7");
        for (name, value) in &self.extra {
            response.headers.push(HeaderName::new(name), value);
        }
        for (uri, expires_at) in &self.bindings {
            let seconds = (*expires_at - now).as_secs();
            response
                .headers
                .push(HeaderName::Contact, format!("<{uri}>;expires={seconds}"));
        }
        if self.outbound {
            response = with(response, "Require: outbound");
        }
        response
    }
}

fn with(mut response: Response, header: &str) -> Response {
    if let Some((name, value)) = header.split_once(": ") {
        response.headers.push(HeaderName::new(name), value);
    }
    response
}

/// A phone, its registrar, and the network between them.
struct World {
    registration: Registration,
    authenticator: Authenticator,
    registrar: Registrar,
    random: Random,
    now: Instant,
    flows: u32,
    flow: Option<Flow>,
    /// Whether a new flow can be opened.
    reachable: bool,
    /// Whether the registrar answers.
    silent: bool,
    /// The address behind which the phone is.
    nat: Option<SocketAddr>,
    stored: Vec<Uri>,
    events: Vec<String>,
}

impl World {
    fn new() -> Self {
        Self::with_config(config())
    }

    fn with_config(config: Config) -> Self {
        Self::with_seed(config, 11)
    }

    fn with_seed(config: Config, seed: u64) -> Self {
        let mut random = Random::seeded(seed);
        Self {
            stored: config.stale_contacts.clone(),
            registration: Registration::new(config, &mut random),
            authenticator: Authenticator::new("100", Secret::new("right"), "pbx.example", Memory::default()),
            registrar: Registrar {
                password: "right",
                challenges: true,
                grants: u32::MAX,
                min_expires: 0,
                outbound: false,
                extra: Vec::new(),
                refusals: VecDeque::new(),
                bindings: BTreeMap::new(),
                log: Vec::new(),
            },
            random,
            now: Instant::from_millis(1_000_000),
            flows: 0,
            flow: None,
            reachable: true,
            silent: false,
            nat: None,
            events: Vec::new(),
        }
    }

    /// A world whose phone just registered.
    fn registered() -> Self {
        let mut world = Self::new();
        world.start();
        assert_eq!(world.take_events(), ["registered 3600"]);
        world
    }

    fn start(&mut self) {
        self.registration.start();
        self.settle();
    }

    fn settle(&mut self) {
        while let Some(output) = self.registration.poll_output() {
            match output {
                Output::NeedFlow if self.reachable => self.open_flow(),
                Output::NeedFlow => self.registration.handle_flow_failed(self.now, &mut self.random),
                Output::CloseFlow(flow) => {
                    assert_eq!(self.flow.take().map(|known| known.id), Some(flow));
                    self.events.push("closed".to_owned());
                }
                Output::Send { flow, request } => self.send(flow, request),
                Output::Registered(registered) => {
                    self.events
                        .push(format!("registered {}", registered.expires_in.as_secs()));
                }
                Output::Unregistered { reason, retry_in } => {
                    let retry = retry_in.map_or("never".to_owned(), |wait| wait.as_secs().to_string());
                    self.events.push(format!("unregistered, {reason}, retry {retry}"));
                }
                Output::StoreContacts(contacts) => self.stored = contacts,
            }
        }
    }

    fn open_flow(&mut self) {
        self.flows += 1;
        let local = format!("10.0.0.5:{}", 40_000 + self.flows);
        let flow = Flow::new(
            FlowId(self.flows),
            Transport::Tls,
            local.parse().unwrap(),
            "192.0.2.10:5061".parse().unwrap(),
        );
        self.registration.register(&flow);
        self.flow = Some(flow);
    }

    fn send(&mut self, flow: FlowId, mut request: Request) {
        let known = self
            .flow
            .clone()
            .filter(|known| known.id == flow)
            .expect("a flow that is open");
        self.authenticator.authorise(&mut request, &mut self.random);
        let host = Host::from(known.local.ip());
        let mut via = Via::new(known.transport, host, Some(known.local.port()), "z9hG4bK1");
        let seen = self.nat.unwrap_or(known.local);
        via.params.set("rport", seen.port().to_string());
        via.params.set("received", seen.ip().to_string());
        request.vias.push(via);
        if self.silent {
            self.now += Duration::from_secs(32);
            self.registration
                .handle_failed(&request, Failure::Timeout, self.now, &mut self.random);
            return;
        }
        let response = self.registrar.handle(&request, self.now);
        self.registration
            .handle_response(&request, &response, &mut self.authenticator, self.now, &mut self.random);
    }

    fn lose_flow(&mut self) {
        let flow = self.flow.take().unwrap().id;
        self.registration.handle_flow_lost(flow, self.now, &mut self.random);
        self.settle();
    }

    /// Runs the machine for `seconds`, waking it whenever it asks.
    fn run(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        while let Some(wake) = self.registration.poll_wake().filter(|wake| wake.at <= until) {
            self.now = self.now.max(wake.at);
            self.registration.handle_timeout(self.now);
            self.settle();
        }
        self.now = self.now.max(until);
    }

    /// The lid is closed for `seconds`: no timer runs.
    fn sleep(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.registration.handle_timeout(self.now);
        self.settle();
    }

    fn take_events(&mut self) -> Vec<String> {
        std::mem::take(&mut self.events)
    }

    fn next_wake(&self) -> Duration {
        self.registration.poll_wake().unwrap().at - self.now
    }

    fn last(&self) -> &Request {
        self.registrar.log.last().unwrap()
    }

    fn contacts(&self) -> Vec<String> {
        self.last()
            .headers
            .all(HeaderName::Contact)
            .map(str::to_owned)
            .collect()
    }
}

fn config() -> Config {
    Config {
        aor: NameAddr::new("sip:100@pbx.example".parse().unwrap()).with_display("Anna"),
        registrar: "sip:pbx.example".parse().unwrap(),
        route: Vec::new(),
        contact_user: "k3j9x".to_owned(),
        instance: "urn:uuid:00000000-0000-1000-8000-000a95a0e128".to_owned(),
        reg_id: 1,
        expires: 3_600,
        outbound: true,
        user_agent: "Toestel".to_owned(),
        stale_contacts: Vec::new(),
    }
}

#[test]
fn the_register_says_all_that_the_rfcs_want() {
    let mut world = World::new();
    world.registrar.challenges = false;
    world.start();
    let text = String::from_utf8(world.last().to_bytes().to_vec()).unwrap();
    for line in [
        "REGISTER sip:pbx.example SIP/2.0",
        "To: <sip:100@pbx.example>",
        "Contact: <sip:k3j9x@10.0.0.5:40001;transport=tls>;\
         +sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000a95a0e128>\";reg-id=1;expires=3600",
        "Expires: 3600",
        "Supported: path, outbound, gruu",
        "CSeq: 1 REGISTER",
    ] {
        assert!(
            text.split("\r\n").any(|there| there == line),
            "{line} is not in\n{text}"
        );
    }
    assert!(text.contains("From: \"Anna\" <sip:100@pbx.example>;tag="), "{text}");
}

#[test]
fn call_id_and_from_tag_stay_while_cseq_rises_by_one_each_time() {
    let mut world = World::registered();
    world.run(24 * HOUR);
    world.lose_flow();
    let log = &world.registrar.log;
    assert!(log.len() > 30);
    for (before, after) in log.iter().zip(&log[1..]) {
        assert_eq!((&before.call_id, before.from.tag()), (&after.call_id, after.from.tag()));
        assert_eq!(after.cseq, before.cseq + 1);
    }
}

#[test]
fn it_refreshes_between_50_and_80_percent_of_what_was_granted_to_our_contact() {
    let mut world = World::registered();
    world.registrar.grants = 600;
    world.start();
    let mut shares = Vec::new();
    for _ in 0..200 {
        let share = world.next_wake().as_secs_f64() / 600.0;
        assert!((0.5..=0.8).contains(&share), "{share}");
        shares.push(share);
        world.now += world.next_wake();
        world.registration.handle_timeout(world.now);
        world.settle();
    }
    let spread = shares.iter().copied().fold(0.0, f64::max) - shares.iter().copied().fold(1.0, f64::min);
    assert!(spread > 0.25, "not always the same moment: {spread}");
    assert!(
        !world
            .take_events()
            .iter()
            .any(|event| event.starts_with("unregistered"))
    );
}

#[test]
fn the_validity_comes_from_our_contact_then_from_expires_then_from_what_was_asked() {
    let granted = |headers: &[&str]| {
        let mut world = World::new();
        world.registrar.challenges = false;
        world.registration.start();
        let Some(Output::NeedFlow) = world.registration.poll_output() else {
            panic!()
        };
        world.open_flow();
        let (mut request, mut told) = (None, None);
        while let Some(output) = world.registration.poll_output() {
            if let Output::Send { request: sent, .. } = output {
                request = Some(sent);
            }
        }
        let request = request.unwrap();
        let response = headers
            .iter()
            .fold(Response::to(&request, StatusCode::OK), |response, header| {
                with(response, header)
            });
        world.registration.handle_response(
            &request,
            &response,
            &mut world.authenticator,
            world.now,
            &mut world.random,
        );
        while let Some(output) = world.registration.poll_output() {
            if let Output::Registered(registered) = output {
                told = Some(registered.expires_in.as_secs());
            }
        }
        told
    };
    let ours = "Contact: <sip:k3j9x@10.0.0.5:40001;transport=TLS>;expires=120";
    assert_eq!(
        granted(&["Contact: <sip:x@h>;expires=60", ours, "Expires: 90"]),
        Some(120)
    );
    let rewritten = "Contact: <sip:k3j9x@203.0.113.4:9999>;expires=77, <sip:y@h>;expires=5";
    assert_eq!(granted(&[rewritten]), Some(77));
    let instance = "Contact: <sip:z@h>;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000A95A0E128>\";expires=44";
    assert_eq!(granted(&[instance]), Some(44));
    assert_eq!(granted(&["Contact: <sip:x@h>;expires=60", "Expires: 90"]), Some(90));
    assert_eq!(granted(&[]), Some(3_600));
    assert_eq!(granted(&["Contact: <sip:k3j9x@10.0.0.5:40001>;expires=0"]), None);
}

#[test]
fn a_423_is_obeyed_at_once_but_not_followed_up_a_staircase() {
    let mut world = World::new();
    world.registrar.min_expires = 7_200;
    world.start();
    assert_eq!(world.take_events(), ["registered 7200"]);

    let mut greedy = World::new();
    greedy.registrar.refusals = (1..10).map(|_| (423, "Min-Expires: 86400")).collect();
    greedy.start();
    assert_eq!(greedy.registrar.log.len(), 2);
    assert!(greedy.take_events()[0].starts_with("unregistered, the server refused the registration: 423"));
}

#[test]
fn a_wrong_password_stops_and_asks_and_start_tries_again() {
    let mut world = World::new();
    world.registrar.password = "other";
    world.start();
    assert_eq!(
        world.take_events(),
        ["unregistered, the server refused the user name or the password, retry never"]
    );
    world.run(48 * HOUR);
    assert_eq!(world.registrar.log.len(), 2, "one challenge and one digest");
    world.start();
    assert_eq!(world.registrar.log.len(), 4);
}

#[test]
fn a_password_that_was_right_is_tried_after_5_15_and_60_minutes_one_digest_each() {
    let mut world = World::registered();
    world.registrar.password = "changed";
    world.run(2_881);
    let waits: Vec<u64> = world
        .take_events()
        .iter()
        .map(|event| event.rsplit(' ').next().unwrap().parse().unwrap())
        .collect();
    assert!(
        (270..=330).contains(&waits[0]) && (810..=990).contains(&waits[1]),
        "{waits:?}"
    );
    let digests = world
        .registrar
        .log
        .iter()
        .filter(|request| request.headers.has(HeaderName::Authorization))
        .count();
    world.run(6 * HOUR);
    let later = world
        .registrar
        .log
        .iter()
        .filter(|request| request.headers.has(HeaderName::Authorization))
        .count();
    assert!((5..=7).contains(&(later - digests)), "{}", later - digests);
    world.registrar.password = "right";
    world.run(2 * HOUR);
    assert!(world.take_events().contains(&"registered 3600".to_owned()));
}

#[test]
fn a_403_counts_as_a_refused_login() {
    let mut world = World::new();
    world.registrar.refusals = VecDeque::from([(403, "")]);
    world.start();
    assert_eq!(
        world.take_events(),
        ["unregistered, the server forbids this login, retry never"]
    );
}

#[test]
fn refusals_are_retried_with_a_growing_pause_on_the_same_flow() {
    for status in [302, 404, 480, 500, 503, 603] {
        let mut world = World::new();
        world.registrar.refusals = VecDeque::from([(status, ""); 4]);
        world.start();
        world.run(20 * 60);
        let events = world.take_events();
        assert_eq!(events.len(), 5, "{events:?}");
        assert_eq!(events[4], "registered 3600");
        assert!(events[0].contains(&format!(": {status} ")), "{events:?}");
        let waits: Vec<u64> = events[..4]
            .iter()
            .map(|event| event.rsplit(' ').next().unwrap().parse().unwrap())
            .collect();
        for (wait, upper) in waits.iter().zip([60, 120, 240, 480]) {
            assert!((upper / 2..=upper).contains(wait), "{waits:?}");
        }
        assert_eq!(world.flows, 1);
    }
}

#[test]
fn retry_after_is_obeyed() {
    let mut world = World::new();
    world.registrar.refusals = VecDeque::from([(503, "Retry-After: 200")]);
    world.start();
    let wait = world.next_wake().as_secs();
    assert!((200..=220).contains(&wait), "{wait}");
    let mut at_once = World::new();
    at_once.registrar.refusals = VecDeque::from([(503, "Retry-After: 0")]);
    at_once.start();
    at_once.run(0);
    assert_eq!(at_once.take_events().last().unwrap(), "registered 3600");
}

#[test]
fn a_refused_refresh_does_not_end_a_binding_that_still_holds() {
    let mut world = World::registered();
    world.registrar.refusals = VecDeque::from([(503, "")]);
    world.run(3_000);
    assert_eq!(world.take_events(), ["registered 3600"]);
    assert!(world.registration.is_registered(world.now));
}

#[test]
fn a_439_registers_without_outbound() {
    let mut world = World::new();
    world.registrar.challenges = false;
    world.registrar.refusals = VecDeque::from([(439, "")]);
    world.start();
    assert_eq!(world.take_events(), ["registered 3600"]);
    assert!(!world.contacts()[0].contains("reg-id"));
    assert_eq!(world.last().headers.get(HeaderName::Supported), Some("path, gruu"));
}

#[test]
fn a_registrar_that_does_not_answer_costs_the_flow_and_is_asked_again_later() {
    let mut world = World::new();
    world.silent = true;
    world.start();
    let events = world.take_events();
    assert_eq!(events[0], "closed");
    assert!(
        events[1].starts_with("unregistered, the server does not answer, retry "),
        "{events:?}"
    );
    world.silent = false;
    world.run(60);
    assert_eq!(world.take_events(), ["registered 3600"]);
    assert_eq!(world.flows, 2);
}

#[test]
fn an_unreachable_server_is_tried_for_ever_with_at_most_half_an_hour_between() {
    let mut world = World::new();
    world.reachable = false;
    world.start();
    world.run(24 * HOUR);
    let events = world.take_events();
    assert!((50..=120).contains(&events.len()), "{}", events.len());
    world.reachable = true;
    world.run(1_800);
    assert_eq!(world.take_events().last().unwrap(), "registered 3600");
}

#[test]
fn a_change_of_network_ends_the_pause() {
    let mut world = World::new();
    world.reachable = false;
    world.start();
    world.run(HOUR);
    world.take_events();
    world.reachable = true;
    world.registration.handle_network_changed(None, world.now);
    world.settle();
    assert_eq!(world.take_events(), ["registered 3600"]);
}

/// The PBX restarts: every connection breaks in the same moment, and again after each time that it came back.
#[test]
fn phones_that_lose_their_flow_at_once_do_not_come_back_in_one_herd() {
    const PHONES: u64 = 500;
    let mut phones: Vec<World> = (0..PHONES).map(|seed| World::with_seed(config(), seed)).collect();
    for phone in &mut phones {
        phone.start();
        phone.run(120);
    }
    for (restart, (from, to)) in [(0, 2_000), (0, 2_000), (2_000, 4_000), (4_000, 8_000)]
        .into_iter()
        .enumerate()
    {
        let mut moments: Vec<u128> = Vec::new();
        for phone in &mut phones {
            phone.lose_flow();
            moments.push(phone.next_wake().as_millis());
            phone.run(to / 1_000 + 1);
            assert_eq!(phone.take_events().last().unwrap(), "registered 3600");
        }
        moments.sort_unstable();
        assert!(
            moments
                .iter()
                .all(|moment| (u128::from(from)..=u128::from(to)).contains(moment)),
            "{moments:?}"
        );
        // Spread evenly a tenth of the time would see 50 of them.
        let tenth = u128::from((to - from) / 10);
        let crowd = moments.iter().map(|first| {
            moments
                .iter()
                .filter(|at| (*first..*first + tenth).contains(at))
                .count()
        });
        assert!(crowd.max().unwrap() < 90, "restart {restart}: {moments:?}");
    }
}

#[test]
fn a_lost_flow_is_soon_replaced_and_the_old_contact_removed() {
    let mut world = World::registered();
    world.run(120);
    world.lose_flow();
    world.run(2);
    assert_eq!(
        world.take_events(),
        [
            "unregistered, the connection to the server was lost, retry 0",
            "registered 3600"
        ]
    );
    assert_eq!(
        world.contacts()[1],
        "<sip:k3j9x@10.0.0.5:40001;transport=tls>;expires=0"
    );
    assert_eq!(world.registrar.bindings.len(), 1);
    assert_eq!(world.stored.len(), 1);
}

#[test]
fn with_outbound_the_registrar_replaces_the_binding_by_itself() {
    let mut world = World::new();
    world.registrar.outbound = true;
    world.start();
    world.run(120);
    world.lose_flow();
    assert_eq!(world.contacts().len(), 1);
}

#[test]
fn a_flow_lost_while_registering_counts_as_a_failure() {
    let mut world = World::new();
    world.registration.start();
    let Some(Output::NeedFlow) = world.registration.poll_output() else {
        panic!()
    };
    world.open_flow();
    world.lose_flow_unanswered();
    let events = world.take_events();
    assert!(
        events[0].starts_with("unregistered, the connection to the server was lost, retry "),
        "{events:?}"
    );
    assert!(world.next_wake() >= Duration::from_secs(30));
}

impl World {
    /// Loses the flow while its REGISTER is unanswered.
    fn lose_flow_unanswered(&mut self) {
        while !matches!(self.registration.poll_output(), Some(Output::Send { .. })) {}
        self.lose_flow();
    }
}

#[test]
fn behind_a_nat_the_address_that_the_far_end_sees_is_registered_once_per_change() {
    let mut world = World::new();
    world.nat = Some("203.0.113.7:61000".parse().unwrap());
    world.start();
    assert_eq!(world.take_events(), ["registered 3600", "registered 3600"]);
    let contacts = world.contacts();
    assert!(
        contacts[0].starts_with("<sip:k3j9x@203.0.113.7:61000;transport=tls>;"),
        "{contacts:?}"
    );
    assert_eq!(contacts[1], "<sip:k3j9x@10.0.0.5:40001;transport=tls>;expires=0");
    assert_eq!(world.registrar.bindings.len(), 1);
    let sent = world.registrar.log.len();
    world.run(2_881);
    assert_eq!(world.registrar.log.len(), sent + 1, "a refresh, no second repair");
    assert!(world.contacts()[0].contains("203.0.113.7:61000"));

    world.nat = Some("203.0.113.7:62222".parse().unwrap());
    world.run(2_881);
    assert_eq!(
        world.registrar.bindings.keys().collect::<Vec<_>>(),
        ["sip:k3j9x@203.0.113.7:62222;transport=tls"]
    );
}

#[test]
fn with_outbound_or_gruu_the_address_in_contact_does_not_matter() {
    let mut outbound = World::new();
    outbound.nat = Some("203.0.113.7:61000".parse().unwrap());
    outbound.registrar.outbound = true;
    outbound.start();
    assert_eq!(outbound.take_events(), ["registered 3600"]);

    let mut gruu = World::new();
    gruu.nat = Some("203.0.113.7:61000".parse().unwrap());
    gruu.registrar.challenges = false;
    gruu.registrar.extra = vec![(
        "Contact",
        "<sip:k3j9x@10.0.0.5:40001;transport=tls>;pub-gruu=\"sip:100@pbx.example;gr=1\"",
    )];
    gruu.start();
    assert_eq!(gruu.registrar.log.len(), 1);
}

#[test]
fn a_nat_that_changes_with_every_packet_does_not_make_it_loop() {
    let mut world = World::new();
    for port in 1..=20 {
        world.nat = Some(SocketAddr::new("203.0.113.7".parse().unwrap(), 50_000 + port));
        let sent = world.registrar.log.len();
        world.registration.start();
        world.settle();
        assert!(world.registrar.log.len() - sent <= 3);
    }
    assert_eq!(world.registrar.bindings.len(), 1);
}

#[test]
fn a_refused_repair_keeps_the_binding_and_is_not_tried_again() {
    let mut world = World::new();
    world.registrar.challenges = false;
    world.start();
    world.take_events();
    world.nat = Some("203.0.113.7:61000".parse().unwrap());
    let before = world.registrar.log.len();
    world.registration.start();
    // The refresh passes, the repair is refused.
    let Some(Output::Send { flow, request }) = world.registration.poll_output() else {
        panic!()
    };
    world.send(flow, request);
    world.registrar.refusals.push_back((403, ""));
    world.settle();
    assert_eq!(world.take_events(), ["registered 3600"]);
    assert_eq!(world.registrar.log.len(), before + 2);
    world.run(2_881);
    assert_eq!(world.registrar.log.len(), before + 3);
    assert_eq!(world.contacts().len(), 1);
    assert!(world.contacts()[0].contains("10.0.0.5:40001"));
}

#[test]
fn the_contact_of_a_crashed_run_is_removed() {
    let stale: Uri = "sip:k3j9x@10.0.0.9:5555;transport=tls".parse().unwrap();
    let mut world = World::with_config(Config {
        stale_contacts: vec![stale.clone()],
        ..config()
    });
    world.registrar.bindings.insert(stale.to_string(), Instant::NEVER);
    world.start();
    assert_eq!(world.take_events(), ["registered 3600"]);
    assert_eq!(
        world.registrar.bindings.keys().collect::<Vec<_>>(),
        ["sip:k3j9x@10.0.0.5:40001;transport=tls"]
    );
    assert_eq!(
        world.stored,
        ["sip:k3j9x@10.0.0.5:40001;transport=tls".parse::<Uri>().unwrap()]
    );
}

#[test]
fn what_may_be_bound_is_stored_before_the_register_goes_out() {
    let stale: Uri = "sip:k3j9x@10.0.0.9:5555".parse().unwrap();
    let mut world = World::with_config(Config {
        stale_contacts: vec![stale.clone()],
        ..config()
    });
    world.registration.start();
    assert_eq!(world.registration.poll_output(), Some(Output::NeedFlow));
    world.open_flow();
    let Some(Output::StoreContacts(stored)) = world.registration.poll_output() else {
        panic!()
    };
    assert_eq!((stored.len(), &stored[0]), (2, &stale));
    assert!(matches!(world.registration.poll_output(), Some(Output::Send { .. })));
}

#[test]
fn a_registrar_that_cannot_remove_and_add_at_once_is_not_asked_to() {
    let mut world = World::with_config(Config {
        stale_contacts: vec!["sip:old@h".parse().unwrap()],
        ..config()
    });
    world.registrar.refusals = VecDeque::from([(400, "")]);
    world.start();
    assert_eq!(world.take_events(), ["registered 3600"]);
    assert_eq!(world.contacts().len(), 1);
}

#[test]
fn unregistering_removes_the_binding_and_ends() {
    let mut world = World::registered();
    world.registration.unregister();
    world.settle();
    assert_eq!(
        world.take_events(),
        ["unregistered, unregistered as asked, retry never"]
    );
    assert_eq!(world.registrar.bindings.len(), 0);
    assert_eq!(world.stored, []);
    assert_eq!(world.last().headers.get(HeaderName::Expires), Some("0"));
    world.run(24 * HOUR);
    assert_eq!(world.registration.poll_wake(), None);

    world.start();
    assert_eq!(world.take_events(), ["registered 3600"]);
}

#[test]
fn unregistering_while_the_address_is_repaired_removes_the_new_one_too() {
    let mut world = World::new();
    world.nat = Some("203.0.113.7:61000".parse().unwrap());
    world.registrar.challenges = false;
    world.registration.start();
    let (flow, repair) = loop {
        match world.registration.poll_output().unwrap() {
            Output::NeedFlow => world.open_flow(),
            Output::Send { flow, request } if world.registrar.log.is_empty() => world.send(flow, request),
            Output::Send { flow, request } => break (flow, request),
            _ => {}
        }
    };
    world.registration.unregister();
    world.send(flow, repair);
    assert_eq!(world.registrar.bindings.len(), 1, "its answer comes too late to matter");
    world.settle();
    assert_eq!(world.registrar.bindings.len(), 0);
    assert_eq!(world.stored, []);
}

impl World {
    /// The REGISTER that is to go out now, and nothing after it.
    fn take_register(&mut self) -> (FlowId, Request) {
        loop {
            if let Output::Send { flow, request } = self.registration.poll_output().unwrap() {
                return (flow, request);
            }
        }
    }

    fn has_register(&mut self) -> bool {
        std::iter::from_fn(|| self.registration.poll_output()).any(|output| matches!(output, Output::Send { .. }))
    }
}

#[test]
fn one_register_at_a_time_whatever_the_user_wants() {
    let mut world = World::registered();
    world.registration.start();
    let (flow, refresh) = world.take_register();
    world.registration.unregister();
    assert!(!world.has_register(), "the answer to the refresh comes first");
    world.send(flow, refresh);
    let (flow, removal) = world.take_register();
    world.registration.start();
    assert!(!world.has_register(), "the answer to the removal comes first");
    world.send(flow, removal);
    assert_eq!(world.registrar.bindings.len(), 0);
    world.settle();
    assert_eq!(
        world.take_events(),
        ["unregistered, unregistered as asked, retry never", "registered 3600"]
    );
    assert_eq!(world.registrar.bindings.len(), 1);
}

#[test]
fn who_changes_their_mind_before_the_answer_stays_registered() {
    let mut world = World::registered();
    world.registration.start();
    let (flow, refresh) = world.take_register();
    world.registration.unregister();
    world.registration.start();
    world.send(flow, refresh);
    world.settle();
    assert_eq!(world.take_events(), ["registered 3600"]);
}

#[test]
fn a_first_register_that_is_refused_after_it_was_taken_back_leaves_nothing_to_remove() {
    let mut world = World::new();
    world.registration.start();
    world.open_flow();
    let (flow, first) = world.take_register();
    world.registration.unregister();
    world.send(flow, first);
    world.settle();
    assert_eq!(world.registrar.log.len(), 1, "challenged, and not answered");
    assert_eq!(
        world.take_events(),
        ["unregistered, unregistered as asked, retry never"]
    );
}

#[test]
fn a_removal_that_the_loss_of_its_flow_cut_short_is_followed_by_what_is_wanted_since() {
    let mut world = World::registered();
    world.registration.unregister();
    let _ = world.take_register();
    world.registration.start();
    world.lose_flow();
    assert_eq!(
        world.take_events(),
        ["unregistered, unregistered as asked, retry never", "registered 3600"]
    );
}

mod new_ports {
    use super::*;

    const FIRST: &str = "203.0.113.7:61000";
    const SECOND: &str = "203.0.113.7:62000";

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// Registered with RFC 5626 behind a NAT.
    fn world() -> World {
        let mut world = World::new();
        world.registrar.outbound = true;
        world.nat = Some(address(FIRST));
        world.start();
        world.take_events();
        world
    }

    fn seen_at(world: &mut World, now: &str, before: Option<&str>) {
        world.registration.handle_mapped(address(now), before.map(address));
        world.settle();
    }

    #[test]
    fn a_new_port_is_registered_at_once_on_the_same_flow() {
        let mut world = world();
        let sent = world.registrar.log.len();
        seen_at(&mut world, FIRST, None);
        assert_eq!(world.registrar.log.len(), sent, "nothing is new");
        world.nat = Some(address(SECOND));
        seen_at(&mut world, SECOND, Some(FIRST));
        assert_eq!((world.registrar.log.len(), world.flows), (sent + 1, 1));
        assert_eq!(world.take_events(), ["registered 3600"]);
    }

    #[test]
    fn a_port_that_the_registrar_has_seen_needs_nothing() {
        let mut world = world();
        world.nat = Some(address(SECOND));
        world.start();
        let sent = world.registrar.log.len();
        seen_at(&mut world, SECOND, Some(FIRST));
        assert_eq!(world.registrar.log.len(), sent);
    }

    #[test]
    fn a_new_port_is_noticed_even_where_an_alg_hides_it_and_not_before_there_is_one() {
        let mut world = world();
        world.nat = None;
        world.start();
        let sent = world.registrar.log.len();
        seen_at(&mut world, FIRST, None);
        assert_eq!(world.registrar.log.len(), sent);
        seen_at(&mut world, SECOND, Some(FIRST));
        assert_eq!(world.registrar.log.len(), sent + 1);
    }

    #[test]
    fn a_register_that_was_on_its_way_is_repeated_if_it_went_out_by_the_old_port() {
        for (seen, repeated) in [(FIRST, 1), (SECOND, 0)] {
            let mut world = world();
            world.registration.start();
            let (flow, refresh) = world.take_register();
            world.registration.handle_mapped(address(SECOND), Some(address(FIRST)));
            assert!(!world.has_register());
            let sent = world.registrar.log.len();
            world.nat = Some(address(seen));
            world.send(flow, refresh);
            world.nat = Some(address(SECOND));
            world.settle();
            assert_eq!(world.registrar.log.len(), sent + 1 + repeated, "seen at {seen}");
        }
    }

    #[test]
    fn a_binding_at_a_port_that_is_not_ours_any_more_is_not_counted_on_once_the_new_one_was_refused() {
        let mut world = world();
        world.registrar.refusals.push_back((503, "Retry-After: 40"));
        world.nat = Some(address(SECOND));
        seen_at(&mut world, SECOND, Some(FIRST));
        assert!(!world.registration.is_registered(world.now));
        assert_eq!(world.take_events().len(), 1);
        world.run(45);
        assert_eq!(world.take_events(), ["registered 3600"]);
    }
}

#[test]
fn unregistering_ends_even_if_nobody_answers_or_there_is_no_flow() {
    let mut silent = World::registered();
    silent.silent = true;
    silent.registration.unregister();
    silent.settle();
    assert_eq!(
        silent.take_events(),
        ["unregistered, unregistered as asked, retry never"]
    );
    assert_eq!(silent.stored.len(), 1, "it may still be bound");

    let mut alone = World::new();
    alone.reachable = false;
    alone.start();
    alone.take_events();
    alone.registration.unregister();
    alone.settle();
    assert_eq!(
        alone.take_events(),
        ["unregistered, unregistered as asked, retry never"]
    );
    alone.run(HOUR);
    assert_eq!(alone.take_events(), [""; 0]);
}

#[test]
fn after_a_long_sleep_the_lost_binding_is_told_and_renewed_at_once() {
    let mut world = World::registered();
    world.sleep(6 * HOUR);
    assert_eq!(
        world.take_events(),
        ["unregistered, the registration ran out, retry 0", "registered 3600"]
    );
    let mut nap = World::registered();
    nap.sleep(3_000);
    assert_eq!(
        nap.take_events(),
        ["registered 3600"],
        "past the refresh, before the expiry"
    );
}

#[test]
fn what_the_registrar_tells_is_passed_on() {
    let mut world = World::new();
    world.registrar.challenges = false;
    world.registrar.outbound = true;
    world.registrar.extra = vec![
        ("Service-Route", "<sip:edge1.example;lr>, <sip:edge2.example;lr>"),
        ("Flow-Timer", "25"),
    ];
    world.nat = Some("203.0.113.7:61000".parse().unwrap());
    world.registration.start();
    let mut told = None;
    while let Some(output) = world.registration.poll_output() {
        match output {
            Output::NeedFlow => world.open_flow(),
            Output::Send { flow, request } => world.send(flow, request),
            Output::Registered(registered) => told = Some(registered),
            _ => {}
        }
    }
    let told = told.unwrap();
    assert_eq!(told.service_route.len(), 2);
    assert_eq!(told.flow_timer, Some(Duration::from_secs(25)));
    assert!(told.outbound);
    assert_eq!(told.seen_as, world.nat);
    assert_eq!(world.registration.last_proven(), Some(world.now));
}

#[test]
fn a_gruu_is_read_from_our_contact() {
    let contact: NameAddr =
        "<sip:a@h>;pub-gruu=\"sip:100@pbx.example;gr=urn:uuid:1\";temp-gruu=\"sip:tgruu.7hs@pbx.example;gr\""
            .parse()
            .unwrap();
    let gruu = super::answers::gruu(&contact).unwrap();
    assert_eq!(gruu.public.to_string(), "sip:100@pbx.example;gr=urn:uuid:1");
    assert_eq!(gruu.temporary.unwrap().to_string(), "sip:tgruu.7hs@pbx.example;gr");
}

#[test]
fn an_answer_to_another_register_is_ignored() {
    let mut world = World::registered();
    let mut late = world.last().clone();
    late.cseq -= 1;
    let response = Response::to(&late, StatusCode::FORBIDDEN);
    world
        .registration
        .handle_response(&late, &response, &mut world.authenticator, world.now, &mut world.random);
    world
        .registration
        .handle_failed(&late, Failure::Timeout, world.now, &mut world.random);
    world.settle();
    assert_eq!(world.take_events(), [""; 0]);
}

#[test]
fn a_day_behind_a_nat_that_moves_leaves_one_binding_and_no_gap_but_for_lost_flows() {
    for seed in 1..=20 {
        let mut world = World::new();
        world.random = Random::seeded(seed);
        world.registrar.grants = 600;
        world.start();
        for hour in 0_u16..24 {
            world.nat = Some(SocketAddr::new("203.0.113.7".parse().unwrap(), 40_000 + hour));
            let nap = 1_700 + world.random.below(200);
            world.run(nap);
            if world.random.below(3) == 0 {
                world.lose_flow();
            }
            world.run(1_800);
            let proven = world.registration.is_registered(world.now);
            assert!(
                proven && world.registrar.bindings.len() == 1,
                "seed {seed}, hour {hour}: {:?}",
                world.registrar.bindings
            );
        }
        let is_short = |event: &str| event.ends_with("retry 0") || event.ends_with("retry 1");
        let bad = world
            .take_events()
            .into_iter()
            .find(|event| event.starts_with("unregistered") && !is_short(event));
        assert_eq!(bad, None, "seed {seed}");
    }
}
