use super::*;
use crate::sip::msg::{HeaderName, Method, NameAddr, StatusCode, Via};
use crate::sip::transactions::tests::{first_word, millis};

const NEAR: &str = "192.0.2.1:5060";
const FAR: &str = "198.51.100.9:5060";

/// An endpoint, its flow to the far end, and what came out of it.
struct Phone {
    endpoint: Endpoint,
    flow: Flow,
    random: Random,
}

impl Phone {
    fn new(transport: Transport) -> Self {
        let mut random = Random::seeded(42);
        Self {
            endpoint: Endpoint::new(Timers::default(), &mut random),
            flow: Flow::new(FlowId(1), transport, NEAR.parse().unwrap(), FAR.parse().unwrap()),
            random,
        }
    }

    fn send(&mut self, request: Request, at: u64) -> ClientKey {
        self.endpoint
            .send_request(request, &self.flow, millis(at), &mut self.random)
            .unwrap()
    }

    fn hear(&mut self, message: Message, at: u64) {
        self.endpoint.handle_message(&self.flow, message, millis(at));
    }

    fn hear_request(&mut self, request: &Request, at: u64) {
        self.hear(Message::Request(request.clone()), at);
    }

    fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.endpoint.poll_output()).collect()
    }

    /// What came out, a word for each: `>INVITE` is sent, `INVITE` is told.
    fn words(&mut self) -> Vec<String> {
        self.outputs().iter().map(word).collect()
    }

    /// Runs every timer up to `until`, with the time of each output.
    fn run(&mut self, until: u64) -> Vec<(u64, String)> {
        let mut log = Vec::new();
        while let Some(wake) = self.endpoint.poll_wake().filter(|wake| wake.at <= millis(until)) {
            self.endpoint.handle_timeout(wake.at);
            let at = u64::try_from(wake.at.since_origin().as_millis()).unwrap();
            log.extend(self.words().into_iter().map(|word| (at, word)));
        }
        log
    }

    fn answer(&mut self, key: ServerKey, request: &Request, status: u16, at: u64) -> Result<(), RespondError> {
        let response = Response::to(request, StatusCode::new(status).unwrap()).with_to_tag("ours");
        self.endpoint.respond(&key, &response, millis(at))
    }
}

fn word(output: &Output) -> String {
    match output {
        Output::Transmit { bytes, .. } => format!(">{}", first_word(&String::from_utf8_lossy(bytes))),
        Output::Request { request, .. } => request.method.to_string(),
        Output::Response { response, .. } => response.status.to_string(),
        Output::Failed { why, .. } => format!("{why:?}"),
        Output::Ack { .. } => "ACK".to_owned(),
        Output::Cancelled { .. } => "cancelled".to_owned(),
        Output::Stranded { .. } => "stranded".to_owned(),
    }
}

fn text(output: &Output) -> String {
    match output {
        Output::Transmit { bytes, .. } => String::from_utf8(bytes.to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn request(method: Method) -> Request {
    let address = |text: &str| NameAddr::new(text.parse().unwrap());
    Request::new(
        method,
        "sip:200@pbx.example".parse().unwrap(),
        address("sip:100@pbx.example").with_tag("near"),
        address("sip:200@pbx.example"),
        "call-1",
        17,
    )
}

/// A request as the far end sends it.
fn incoming(method: Method, branch: &str) -> Request {
    let mut request = request(method);
    let via = format!("SIP/2.0/UDP 198.51.100.9;branch={branch};rport");
    request.vias.push(via.parse().unwrap());
    request
}

/// What the far end answers to the request that `output` transmits or names.
fn answer_to(request: &Request, status: u16) -> Message {
    Message::Response(Response::to(request, StatusCode::new(status).unwrap()).with_to_tag("far"))
}

fn request_of(output: &Output) -> (ServerKey, Request) {
    match output {
        Output::Request { key, request, .. } => (*key, request.clone()),
        other => panic!("{other:?}"),
    }
}

fn last_asked(phone: &Phone) -> Request {
    Request::clone(&phone.endpoint.clients.values().last().unwrap().request)
}

#[test]
fn a_request_gets_a_fresh_via_with_rport_and_max_forwards() {
    let mut phone = Phone::new(Transport::Tls);
    let mut bare = request(Method::Options);
    bare.headers.remove(HeaderName::MaxForwards);
    phone.send(bare, 0);
    phone.send(request(Method::Options), 0);
    let outputs = phone.outputs();
    assert!(text(&outputs[0]).contains("\r\nVia: SIP/2.0/TLS 192.0.2.1:5060;branch=z9hG4bK"));
    assert!(text(&outputs[0]).contains(";rport\r\n"));
    assert!(text(&outputs[0]).contains("\r\nMax-Forwards: 70\r\n"));
    assert_ne!(text(&outputs[0]), text(&outputs[1]), "a branch is never used twice");
}

#[test]
fn a_response_finds_its_request_and_shows_the_learnt_address() {
    let mut phone = Phone::new(Transport::Udp);
    let key = phone.send(request(Method::Options), 0);
    phone.outputs();
    let mut asked = last_asked(&phone);
    asked.vias[0].params.set("rport", "40123");
    asked.vias[0].params.set("received", "203.0.113.5");
    phone.hear(answer_to(&asked, 200), 30);
    let outputs = phone.outputs();
    let [
        Output::Response {
            key: heard,
            request,
            response,
        },
    ] = outputs.as_slice()
    else {
        panic!("{outputs:?}");
    };
    assert_eq!(*heard, key);
    assert_eq!(request.method, Method::Options);
    let via = response.top_via().unwrap();
    assert_eq!(
        (via.rport(), via.received()),
        (Some(40_123), Some("203.0.113.5".parse().unwrap()))
    );
}

#[test]
fn a_response_that_answers_nothing_of_ours_is_discarded() {
    let mut phone = Phone::new(Transport::Udp);
    phone.send(request(Method::Options), 0);
    phone.outputs();
    let mut asked = last_asked(&phone);
    asked.vias[0].params.set("branch", "z9hG4bKguessed");
    phone.hear(answer_to(&asked, 200), 1);
    let mut asked = last_asked(&phone);
    asked.vias.push(asked.vias[0].clone());
    phone.hear(answer_to(&asked, 200), 1);
    assert_eq!(phone.words(), [""; 0]);
}

#[test]
fn nothing_is_left_of_a_thousand_finished_transactions() {
    let mut phone = Phone::new(Transport::Udp);
    for n in 0..1_000 {
        phone.send(request(if n % 2 == 0 { Method::Invite } else { Method::Options }), 0);
        let asked = last_asked(&phone);
        phone.hear(answer_to(&asked, if n % 3 == 0 { 200 } else { 404 }), 1);
    }
    phone.run(120_000);
    assert_eq!(phone.endpoint.transactions(), (0, 0));
    assert!(phone.endpoint.client_matches.is_empty());
    assert_eq!(phone.endpoint.poll_wake(), None);
}

#[test]
fn an_unanswered_request_fails_with_a_timeout_on_each_transport() {
    for transport in [Transport::Udp, Transport::Tls] {
        for method in [Method::Invite, Method::Register] {
            let mut phone = Phone::new(transport.clone());
            phone.send(request(method), 0);
            phone.outputs();
            let log = phone.run(60_000);
            assert_eq!(log.last().unwrap(), &(32_000, "Timeout".to_owned()));
            assert_eq!(log.len() == 1, transport == Transport::Tls, "{log:?}");
        }
    }
}

#[test]
fn a_lost_flow_fails_what_is_undecided_on_it_and_nothing_else() {
    let mut phone = Phone::new(Transport::Tls);
    phone.send(request(Method::Invite), 0);
    phone.send(request(Method::Register), 0);
    let other = Flow {
        id: FlowId(2),
        ..phone.flow.clone()
    };
    phone
        .endpoint
        .send_request(request(Method::Options), &other, millis(0), &mut phone.random)
        .unwrap();
    let accepted = phone.send(request(Method::Invite), 0);
    let asked = last_asked(&phone);
    phone.hear(answer_to(&asked, 200), 1);
    phone.hear_request(&incoming(Method::Invite, "z9hG4bKa"), 2);
    phone.outputs();

    phone.endpoint.handle_flow_lost(FlowId(1), millis(10));
    let outputs = phone.outputs();
    let words: Vec<_> = outputs.iter().map(word).collect();
    assert_eq!(words, ["FlowLost", "FlowLost", "stranded"]);
    assert!(
        !outputs
            .iter()
            .any(|output| matches!(output, Output::Failed { key, .. } if *key == accepted))
    );
    assert_eq!(phone.endpoint.transactions(), (1, 0));
}

#[test]
fn a_request_over_1300_bytes_is_refused_a_datagram_but_not_a_stream() {
    let mut large = request(Method::Invite);
    large.set_body("application/sdp", vec![b'x'; 1_200]);
    let mut phone = Phone::new(Transport::Udp);
    let refused = phone
        .endpoint
        .send_request(large.clone(), &phone.flow, millis(0), &mut phone.random);
    assert!(
        matches!(refused, Err(TooLarge { size, limit: 1_300 }) if size > 1_300),
        "{refused:?}"
    );
    assert_eq!(phone.endpoint.transactions(), (0, 0));
    let ack = Request {
        method: Method::Ack,
        ..large.clone()
    };
    assert!(phone.endpoint.send_ack(ack, &phone.flow, &mut phone.random).is_err());

    phone.flow.datagram_limit = usize::MAX;
    phone.send(large.clone(), 0);
    let mut stream = Phone::new(Transport::Tcp);
    stream.send(large, 0);
    assert_eq!(stream.words(), [">INVITE"]);
}

#[test]
fn an_ack_to_a_2xx_has_a_branch_of_its_own_and_no_transaction() {
    let mut phone = Phone::new(Transport::Udp);
    phone
        .endpoint
        .send_ack(request(Method::Ack), &phone.flow, &mut phone.random)
        .unwrap();
    assert_eq!(phone.words(), [">ACK"]);
    assert_eq!(phone.endpoint.transactions(), (0, 0));
}

#[test]
fn cancel_waits_for_a_provisional_response_and_goes_once() {
    let mut phone = Phone::new(Transport::Udp);
    let mut invite = request(Method::Invite);
    invite.headers.push(HeaderName::Route, "<sip:edge.example;lr>");
    invite.headers.push(HeaderName::Require, "100rel");
    let key = phone.send(invite, 0);
    let asked = last_asked(&phone);
    phone.outputs();

    phone
        .endpoint
        .cancel(&key, Some("SIP;cause=487".to_owned()), millis(100));
    phone.endpoint.cancel(&key, None, millis(150));
    assert_eq!(phone.words(), [""; 0]);
    phone.hear(answer_to(&asked, 100), 200);
    let outputs = phone.outputs();
    assert_eq!(outputs.iter().map(word).collect::<Vec<_>>(), ["100", ">CANCEL"]);
    phone.hear(answer_to(&asked, 180), 300);
    phone.endpoint.cancel(&key, None, millis(310));
    assert_eq!(phone.words(), ["180"]);

    let cancel = text(&outputs[1]);
    assert!(cancel.contains(&format!("Via: {}\r\n", asked.vias[0])), "{cancel}");
    assert_eq!(cancel.matches("Via:").count(), 1);
    assert!(cancel.contains("CSeq: 17 CANCEL\r\n"));
    assert!(cancel.contains("Route: <sip:edge.example;lr>\r\n"));
    assert!(cancel.contains("Reason: SIP;cause=487\r\n"));
    assert!(
        cancel.contains("To: <sip:200@pbx.example>\r\n"),
        "the To of the request, without tag"
    );
    assert!(!cancel.contains("Require:"));
}

#[test]
fn the_outcome_of_a_cancel_is_that_of_its_invite() {
    let mut phone = Phone::new(Transport::Tls);
    let key = phone.send(request(Method::Invite), 0);
    let asked = last_asked(&phone);
    phone.hear(answer_to(&asked, 180), 100);
    phone.endpoint.cancel(&key, None, millis(200));
    phone.outputs();
    let cancel = Request {
        method: Method::Cancel,
        ..asked.clone()
    };
    phone.hear(answer_to(&cancel, 200), 210);
    assert_eq!(phone.words(), [""; 0], "the 200 to the CANCEL is nobody's business");
    phone.hear(answer_to(&asked, 487), 220);
    assert_eq!(phone.words(), [">ACK", "487"]);
}

#[test]
fn a_2xx_that_crosses_the_cancel_wins() {
    let mut phone = Phone::new(Transport::Tls);
    let key = phone.send(request(Method::Invite), 0);
    let asked = last_asked(&phone);
    phone.hear(answer_to(&asked, 180), 100);
    phone.endpoint.cancel(&key, None, millis(200));
    phone.outputs();
    phone.hear(answer_to(&asked, 200), 201);
    assert_eq!(phone.words(), ["200"]);
    let log = phone.run(60_000);
    assert_eq!(log, [], "no failure follows: {log:?}");
}

#[test]
fn a_cancel_is_not_sent_when_the_final_response_comes_first() {
    let mut phone = Phone::new(Transport::Tls);
    let key = phone.send(request(Method::Invite), 0);
    let asked = last_asked(&phone);
    phone.endpoint.cancel(&key, None, millis(10));
    phone.hear(answer_to(&asked, 200), 20);
    phone.endpoint.cancel(&key, None, millis(30));
    assert_eq!(phone.words(), [">INVITE", "200"]);
}

#[test]
fn a_lost_cancel_is_repeated_and_an_ignored_one_ends_the_invite_after_64_t1() {
    let mut phone = Phone::new(Transport::Udp);
    let key = phone.send(request(Method::Invite), 0);
    let asked = last_asked(&phone);
    phone.hear(answer_to(&asked, 180), 100);
    phone.endpoint.cancel(&key, None, millis(1_000));
    phone.outputs();
    let log = phone.run(60_000);
    assert_eq!(log[0], (1_500, ">CANCEL".to_owned()));
    let failed: Vec<_> = log.iter().filter(|(_, word)| word == "Timeout").collect();
    assert_eq!(failed, [&(33_000, "Timeout".to_owned())]);
    assert_eq!(phone.endpoint.transactions(), (0, 0));
}

#[test]
fn an_invite_gets_its_100_at_once_and_repetitions_are_absorbed() {
    let mut phone = Phone::new(Transport::Udp);
    let invite = incoming(Method::Invite, "z9hG4bKa");
    phone.hear_request(&invite, 0);
    let outputs = phone.outputs();
    assert_eq!(outputs.iter().map(word).collect::<Vec<_>>(), [">100", "INVITE"]);
    let (key, request) = request_of(&outputs[1]);
    phone.hear_request(&invite, 500);
    assert_eq!(phone.words(), [">100"]);
    phone.answer(key, &request, 180, 600).unwrap();
    phone.hear_request(&invite, 700);
    assert_eq!(phone.words(), [">180", ">180"]);
}

#[test]
fn a_refusal_is_repeated_until_its_ack_which_is_not_told() {
    let mut phone = Phone::new(Transport::Udp);
    let invite = incoming(Method::Invite, "z9hG4bKa");
    phone.hear_request(&invite, 0);
    let (key, request) = request_of(&phone.outputs()[1]);
    phone.answer(key, &request, 486, 0).unwrap();
    assert_eq!(phone.words(), [">486"]);
    assert_eq!(phone.run(1_600), [(500, ">486".to_owned()), (1_500, ">486".to_owned())]);
    phone.hear_request(
        &Request {
            method: Method::Ack,
            ..invite
        },
        1_700,
    );
    assert_eq!(phone.run(60_000), []);
    assert_eq!(phone.endpoint.transactions(), (0, 0));
}

#[test]
fn an_ack_to_a_2xx_is_told_whatever_its_branch() {
    let mut phone = Phone::new(Transport::Tls);
    let invite = incoming(Method::Invite, "z9hG4bKa");
    phone.hear_request(&invite, 0);
    let (key, request) = request_of(&phone.outputs()[1]);
    phone.answer(key, &request, 200, 0).unwrap();
    phone.answer(key, &request, 200, 500).unwrap();
    assert_eq!(phone.words(), [">200", ">200"], "the dialog repeats its 2xx");
    phone.hear_request(&incoming(Method::Ack, "z9hG4bKother"), 600);
    phone.hear_request(
        &Request {
            method: Method::Ack,
            ..invite
        },
        700,
    );
    assert_eq!(phone.words(), ["ACK", "ACK"]);
    assert_eq!(phone.answer(key, &request, 486, 800), Err(RespondError::Answered));
    phone.run(60_000);
    assert_eq!(phone.answer(key, &request, 200, 60_000), Err(RespondError::Gone));
}

#[test]
fn a_cancel_is_answered_and_told_while_the_invite_is_undecided() {
    let mut phone = Phone::new(Transport::Tls);
    let invite = incoming(Method::Invite, "z9hG4bKa");
    phone.hear_request(&invite, 0);
    let (key, request) = request_of(&phone.outputs()[1]);
    phone.answer(key, &request, 180, 10).unwrap();
    phone.outputs();
    let mut cancel = Request {
        method: Method::Cancel,
        ..invite
    };
    cancel
        .headers
        .push(HeaderName::Reason, "SIP;cause=200;text=\"elsewhere\"");
    phone.hear_request(&cancel, 20);
    let outputs = phone.outputs();
    assert_eq!(outputs.iter().map(word).collect::<Vec<_>>(), [">200", "cancelled"]);
    assert!(
        text(&outputs[0]).contains(";tag=ours\r\n"),
        "the tag of the 180: {}",
        text(&outputs[0])
    );
    let Output::Cancelled { key: cancelled, cancel } = &outputs[1] else {
        panic!()
    };
    assert_eq!(*cancelled, key);
    assert_eq!(cancel.headers.reasons().len(), 1);
    phone.answer(key, &request, 487, 30).unwrap();
    assert_eq!(phone.words(), [">487"]);
}

#[test]
fn a_late_cancel_changes_nothing_and_one_without_invite_gets_481() {
    let mut phone = Phone::new(Transport::Tls);
    let invite = incoming(Method::Invite, "z9hG4bKa");
    phone.hear_request(&invite, 0);
    let (key, request) = request_of(&phone.outputs()[1]);
    phone.answer(key, &request, 200, 10).unwrap();
    phone.outputs();
    phone.hear_request(
        &Request {
            method: Method::Cancel,
            ..invite
        },
        20,
    );
    assert_eq!(phone.words(), [">200"]);
    phone.hear_request(&incoming(Method::Cancel, "z9hG4bKnobody"), 30);
    let outputs = phone.outputs();
    assert_eq!(word(&outputs[0]), ">481");
    assert!(
        text(&outputs[0]).contains("To: <sip:200@pbx.example>;tag="),
        "{}",
        text(&outputs[0])
    );
}

#[test]
fn a_merged_request_gets_482() {
    let mut phone = Phone::new(Transport::Udp);
    phone.hear_request(&incoming(Method::Invite, "z9hG4bKa"), 0);
    phone.outputs();
    phone.hear_request(&incoming(Method::Invite, "z9hG4bKb"), 5);
    assert_eq!(phone.words(), [">100", ">482"]);
    let mut next = incoming(Method::Invite, "z9hG4bKc");
    next.cseq += 1;
    phone.hear_request(&next, 10);
    assert_eq!(phone.words(), [">100", "INVITE"], "another CSeq is another request");
    let mut within = incoming(Method::Info, "z9hG4bKd");
    within.to = within.to.with_tag("ours");
    phone.hear_request(&within, 11);
    within.vias[0].params.set("branch", "z9hG4bKe");
    phone.hear_request(&within, 12);
    assert_eq!(phone.words(), ["INFO", "INFO"], "requests in a dialog are not merged");
}

#[test]
fn the_65th_request_gets_503_while_a_bye_still_passes() {
    let mut phone = Phone::new(Transport::Tls);
    for n in 0..SERVER_LIMIT {
        let mut invite = incoming(Method::Invite, &format!("z9hG4bK{n}"));
        invite.call_id = format!("call-{n}");
        phone.hear_request(&invite, 0);
    }
    phone.outputs();
    let mut one_more = incoming(Method::Invite, "z9hG4bKmore");
    one_more.call_id = "call-more".to_owned();
    phone.hear_request(&one_more, 1);
    let outputs = phone.outputs();
    assert_eq!(outputs.iter().map(word).collect::<Vec<_>>(), [">503"]);
    assert!(text(&outputs[0]).contains("Retry-After: 5\r\n"));
    assert_eq!(phone.endpoint.transactions(), (0, SERVER_LIMIT));

    let mut bye = incoming(Method::Bye, "z9hG4bKbye");
    bye.to = bye.to.with_tag("ours");
    phone.hear_request(&bye, 2);
    phone.hear_request(&incoming(Method::Cancel, "z9hG4bK0"), 3);
    assert_eq!(phone.words(), ["BYE", ">200", "cancelled"]);
    for n in 0..2 * SERVER_LIMIT {
        bye.vias[0].params.set("branch", format!("z9hG4bKbye{n}"));
        phone.hear_request(&bye, 4);
    }
    assert_eq!(phone.endpoint.transactions(), (0, 2 * SERVER_LIMIT));
}

#[test]
fn the_source_of_a_request_is_noted_where_it_differs_or_is_asked_for() {
    let mut phone = Phone::new(Transport::Udp);
    let via_of = |phone: &mut Phone, via: &str| {
        let mut options = request(Method::Options);
        options.vias.push(via.parse().unwrap());
        phone.hear_request(&options, 0);
        let (key, request) = request_of(&phone.outputs()[0]);
        phone.answer(key, &request, 200, 0).unwrap();
        let to = match &phone.outputs()[0] {
            Output::Transmit { to, .. } => *to,
            other => panic!("{other:?}"),
        };
        phone.run(40_000);
        (Via::to_string(&request.vias[0]), to.map(|to| to.to_string()))
    };
    let (via, to) = via_of(&mut phone, "SIP/2.0/UDP 10.0.0.4:5062;branch=z9hG4bK1;rport");
    assert!(
        via.contains(";rport=5060") && via.ends_with(";received=198.51.100.9"),
        "{via}"
    );
    assert_eq!(to, None, "rport means: back where it came from");
    let (via, to) = via_of(&mut phone, "SIP/2.0/UDP 10.0.0.4:5062;branch=z9hG4bK2");
    assert!(
        via.ends_with(";received=198.51.100.9") && !via.contains("rport"),
        "{via}"
    );
    assert_eq!(
        to.as_deref(),
        Some("198.51.100.9:5062"),
        "without rport: the port of sent-by"
    );
    let (via, to) = via_of(&mut phone, "SIP/2.0/UDP 198.51.100.9;branch=z9hG4bK3");
    assert!(!via.contains("received"), "{via}");
    assert_eq!(to, None);
    let (_, to) = via_of(&mut phone, "SIP/2.0/UDP 198.51.100.9;maddr=239.1.2.3;branch=z9hG4bK4");
    assert_eq!(to.as_deref(), Some("239.1.2.3:5060"));
}

#[test]
fn answers_by_stream_go_back_by_that_stream_whatever_via_says() {
    let mut phone = Phone::new(Transport::Tls);
    let mut options = request(Method::Options);
    options.vias.push(
        "SIP/2.0/TLS 10.0.0.4:5062;maddr=239.1.2.3;branch=z9hG4bK1"
            .parse()
            .unwrap(),
    );
    phone.hear_request(&options, 0);
    let (key, request) = request_of(&phone.outputs()[0]);
    phone.answer(key, &request, 200, 0).unwrap();
    assert!(matches!(
        phone.outputs().as_slice(),
        [Output::Transmit {
            flow: FlowId(1),
            to: None,
            ..
        }]
    ));
    assert_eq!(phone.endpoint.transactions(), (0, 0), "timer J is zero");
}

#[test]
fn what_the_reader_refuses_is_answered_without_state_unless_it_is_no_request() {
    let mut phone = Phone::new(Transport::Udp);
    let wrong = "OPTIONS sip:a@h.nl SIP/2.0\r\nVia: SIP/2.0/UDP h.nl;branch=z9hG4bK1\r\nFrom: <sip:b@h.nl>;tag=1\r\n\
        To: <sip:a@h.nl>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\r\n";
    for (text, answer) in [
        (wrong.to_owned(), vec![">400"]),
        (wrong.replace("OPTIONS", "ACK"), vec![]),
    ] {
        let refusal = crate::sip::parse::datagram(text.as_bytes()).unwrap_err();
        phone.endpoint.handle_refusal(&phone.flow, &refusal);
        assert_eq!(phone.words(), answer);
    }
    assert_eq!(phone.endpoint.transactions(), (0, 0));
}
