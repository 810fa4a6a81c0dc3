//! Other people's lines, and what waits in the mailbox.

use super::*;

const DIALOG_INFO: &str = "application/dialog-info+xml";
const SUMMARY: &str = "application/simple-message-summary";

/// A subscription as the PBX knows it.
struct Watched {
    subscribe: Request,
    dialog: Dialog,
    cseq: u32,
}

impl Bench {
    fn watch(&mut self, kind: LampKind, target: &str) -> Result<Accepted, Refused> {
        let target = Some(target.to_owned());
        self.command(Command::Subscribe {
            kind,
            target,
            account: None,
        })
    }

    fn unwatch(&mut self, kind: LampKind, target: &str) -> Result<Accepted, Refused> {
        let target = Some(target.to_owned());
        self.command(Command::Unsubscribe {
            kind,
            target,
            account: None,
        })
    }

    /// The phone's next SUBSCRIBE, granted.
    fn grant(&mut self, seconds: u32) -> Watched {
        let subscribe = self.request(Method::Subscribe);
        self.grant_to(&subscribe, seconds);
        Watched {
            dialog: Dialog::placed(&subscribe, "notifier"),
            subscribe,
            cseq: 0,
        }
    }

    fn grant_to(&mut self, subscribe: &Request, seconds: u32) {
        let mut response = reply(subscribe, 200, "notifier", None);
        response.headers.push(HeaderName::Expires, seconds);
        self.deliver(&response.to_bytes());
    }

    fn notify(&mut self, watched: &mut Watched, state: &str, body: Option<(&str, &str)>) -> u16 {
        watched.cseq += 1;
        let mut request = self.inside(Method::Notify, &watched.dialog, watched.cseq);
        let package = watched.subscribe.headers.get(HeaderName::Event).unwrap().to_owned();
        request.headers.push(HeaderName::Event, package);
        request.headers.push(HeaderName::SubscriptionState, state);
        if let Some((kind, body)) = body {
            if kind == RELATED {
                request.headers.push(HeaderName::Require, "eventlist");
            }
            request.set_body(kind, body.to_owned());
        }
        self.ask(&request);
        self.final_response().status.code()
    }

    fn tell_lamp(&mut self, watched: &mut Watched, dialogs: &str) -> u16 {
        let body = dialog_info(watched.cseq, "full", dialogs);
        self.notify(watched, "active;expires=3600", Some((DIALOG_INFO, &body)))
    }

    fn lamp(&self, target: &str) -> LampState {
        let lamps = self.phone.view(self.now).lamps;
        let found = lamps.iter().find(|lamp| lamp.target == target);
        found.unwrap_or_else(|| panic!("{lamps:?}")).state
    }

    /// The changes of lamps since the last look.
    fn lamp_events(&mut self) -> Vec<(String, LampState)> {
        let events = std::mem::take(&mut self.events);
        let lamps = events.into_iter().filter_map(|event| match event {
            Event::Lamp { target, state, .. } => Some((target, state)),
            _ => None,
        });
        lamps.collect()
    }

    fn message_events(&mut self) -> Vec<Messages> {
        let events = std::mem::take(&mut self.events);
        let messages = events.into_iter().filter_map(|event| match event {
            Event::Messages { messages, .. } => Some(messages),
            _ => None,
        });
        messages.collect()
    }

    fn says(&mut self, method: Method) -> bool {
        self.said
            .iter()
            .any(|said| matches!(&said.message, Message::Request(request) if request.method == method))
    }

    /// Lets time pass until the phone asks, and tells how much did.
    fn run_until_asked(&mut self, limit: Duration) -> Duration {
        let begin = self.now;
        while !self.says(Method::Subscribe) && self.now - begin < limit {
            self.run(SECOND);
        }
        self.now - begin
    }

    /// Grants what is asked for within a second; how much that is.
    fn grant_for_a_second(&mut self) -> usize {
        let mut asked = 0;
        for _ in 0..10 {
            self.run(SECOND / 10);
            while self.says(Method::Subscribe) {
                let mut watched = self.grant(3_600);
                self.tell_lamp(&mut watched, "");
                asked += 1;
            }
        }
        asked
    }

    fn unsolicited(&mut self, body: &str) -> u16 {
        let id = self.branch;
        let mut request = self.outside(Method::Notify, &format!("unasked-{id}"));
        request.headers.push(HeaderName::Event, "message-summary");
        request.headers.push(HeaderName::SubscriptionState, "active");
        request.set_body(SUMMARY, body.to_owned());
        self.ask(&request);
        self.final_response().status.code()
    }
}

fn dialog_info(version: u32, state: &str, dialogs: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"{version}\" \
         state=\"{state}\" entity=\"sip:1002@pbx.example\">{dialogs}</dialog-info>"
    )
}

fn one(state: &str) -> String {
    format!("<dialog id=\"1002\" direction=\"recipient\"><state>{state}</state></dialog>")
}

/// A lamp that shows 1002 as free.
fn watching() -> (Bench, Watched) {
    let mut bench = Bench::new();
    bench.watch(LampKind::Dialog, "1002").unwrap();
    let mut watched = bench.grant(3_600);
    assert_eq!(bench.tell_lamp(&mut watched, ""), 200);
    assert_eq!(bench.lamp("1002"), LampState::Idle);
    bench.events.clear();
    (bench, watched)
}

fn asking() -> AccountConfig {
    let mut config = plain();
    config.message_waiting = MessageWaiting::Auto;
    config
}

#[test]
fn a_lamp_follows_what_the_pbx_tells() {
    let mut bench = Bench::new();
    bench.watch(LampKind::Dialog, "1002").unwrap();
    assert_eq!(bench.lamp("1002"), LampState::Unknown, "asked, and nothing heard");
    let mut watched = bench.grant(3_600);
    let subscribe = &watched.subscribe;
    assert_eq!(subscribe.uri.to_string(), "sip:1002@pbx.example");
    assert_eq!(subscribe.headers.get(HeaderName::Event), Some("dialog"));
    assert_eq!(subscribe.headers.get(HeaderName::Expires), Some("3600"));
    assert_eq!(subscribe.headers.contacts().first().unwrap().uri, bench.contact());
    for (state, shown) in [
        ("early", LampState::Ringing),
        ("confirmed", LampState::Busy),
        ("terminated", LampState::Idle),
    ] {
        assert_eq!(bench.tell_lamp(&mut watched, &one(state)), 200);
        assert_eq!(bench.lamp("1002"), shown);
    }
    let shown = [LampState::Unknown, LampState::Ringing, LampState::Busy, LampState::Idle];
    assert_eq!(bench.lamp_events(), shown.map(|state| ("1002".to_owned(), state)));
}

#[test]
fn the_same_again_is_no_event() {
    let (mut bench, mut watched) = watching();
    bench.tell_lamp(&mut watched, &one("early"));
    bench.tell_lamp(&mut watched, &one("early"));
    assert_eq!(bench.lamp_events().len(), 1);
}

#[test]
fn a_notify_before_the_answer_makes_the_dialog() {
    let mut bench = Bench::new();
    bench.watch(LampKind::Dialog, "1002").unwrap();
    let subscribe = bench.request(Method::Subscribe);
    let mut watched = Watched {
        dialog: Dialog::placed(&subscribe, "notifier"),
        subscribe: subscribe.clone(),
        cseq: 0,
    };
    assert_eq!(bench.tell_lamp(&mut watched, &one("early")), 200);
    assert_eq!(bench.lamp("1002"), LampState::Ringing);
    bench.grant_to(&subscribe, 600);
    bench.run(SECOND * 600);
    let refresh = bench.request(Method::Subscribe);
    assert_eq!((refresh.to.tag(), refresh.cseq), (Some("notifier"), 2));
}

#[test]
fn a_notify_out_of_order_or_from_a_stranger_changes_nothing() {
    let (mut bench, mut watched) = watching();
    bench.tell_lamp(&mut watched, &one("early"));
    watched.cseq -= 2;
    assert_eq!(bench.tell_lamp(&mut watched, &one("confirmed")), 500);
    watched.cseq = 9;
    watched.dialog.pbx = watched.dialog.pbx.clone().without_tag().with_tag("fork");
    assert_eq!(bench.tell_lamp(&mut watched, &one("confirmed")), 481);
    watched.dialog.call_id = "guessed".to_owned();
    assert_eq!(bench.tell_lamp(&mut watched, &one("confirmed")), 481);
    assert_eq!(bench.lamp("1002"), LampState::Ringing);
}

#[test]
fn a_subscription_is_refreshed_between_half_and_four_fifths_of_its_time() {
    let (mut bench, mut watched) = watching();
    let waited = bench.run_until_asked(SECOND * 3_600);
    assert!((SECOND * 1_800..=SECOND * 2_881).contains(&waited), "{waited:?}");
    let refresh = bench.grant(3_600).subscribe;
    assert_eq!(refresh.call_id, watched.subscribe.call_id);
    bench.tell_lamp(&mut watched, "");
    assert_eq!(bench.lamp_events(), []);
}

#[test]
fn what_is_not_renewed_in_time_is_stale() {
    let (mut bench, mut watched) = watching();
    bench.tell_lamp(&mut watched, &one("confirmed"));
    bench.notify(&mut watched, "active;expires=60", None);
    bench.events.clear();
    bench.run(SECOND * 59);
    assert_eq!(
        bench.lamp("1002"),
        LampState::Busy,
        "the refresh is not answered, and what was told still holds"
    );
    bench.run(SECOND);
    assert_eq!(bench.lamp_events(), [("1002".to_owned(), LampState::Stale)]);
}

#[test]
fn a_dead_connection_darkens_the_lamp_and_a_new_one_asks_anew() {
    let (mut bench, watched) = watching();
    bench.lose_flow();
    assert_eq!(bench.lamp_events(), [("1002".to_owned(), LampState::NotConnected)]);
    bench.run(SECOND * 5);
    let again = bench.grant(3_600);
    assert_ne!(again.subscribe.call_id, watched.subscribe.call_id);
    assert_eq!(again.subscribe.to.tag(), None);
    assert_eq!(bench.lamp("1002"), LampState::Unknown, "what was before may be over");
}

#[test]
fn a_dialog_that_the_pbx_forgot_is_made_anew() {
    let (mut bench, watched) = watching();
    bench.run_until_asked(SECOND * 3_600);
    let refresh = bench.request(Method::Subscribe);
    bench.reply(&refresh, 481, "notifier", None);
    bench.run(SECOND);
    let anew = bench.request(Method::Subscribe);
    assert_ne!(anew.call_id, watched.subscribe.call_id);
    assert_eq!(
        bench.lamp("1002"),
        LampState::Idle,
        "what was told holds as long as it was granted"
    );
}

#[test]
fn a_package_that_the_pbx_does_not_know_is_never_asked_for_again() {
    for status in [489, 405, 501] {
        let mut bench = Bench::new();
        bench.watch(LampKind::Presence, "1002").unwrap();
        let subscribe = bench.request(Method::Subscribe);
        bench.reply(&subscribe, status, "x", None);
        assert_eq!(bench.lamp("1002"), LampState::Unknown);
        bench.run(SECOND * 86_400);
        assert!(!bench.says(Method::Subscribe), "{status}");
    }
}

#[test]
fn nobody_of_that_name_is_said_and_asked_for_again_after_an_hour() {
    let mut bench = Bench::new();
    bench.watch(LampKind::Dialog, "nobody").unwrap();
    let subscribe = bench.request(Method::Subscribe);
    bench.reply(&subscribe, 404, "x", None);
    let lamps = bench.phone.view(bench.now).lamps;
    assert_eq!(lamps[0].reason.as_deref(), Some("The PBX knows nobody of that name."));
    bench.run(SECOND * 3_599);
    assert!(!bench.says(Method::Subscribe));
    bench.run(SECOND * 721);
    bench.request(Method::Subscribe);
}

#[test]
fn the_pbx_may_want_a_login_and_a_longer_time() {
    let mut bench = Bench::new();
    bench.watch(LampKind::Dialog, "1002").unwrap();
    let first = bench.request(Method::Subscribe);
    let mut challenge = reply(&first, 401, "x", None);
    let digest = "Digest realm=\"pbx.example\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"";
    challenge.headers.push(HeaderName::WwwAuthenticate, digest);
    bench.deliver(&challenge.to_bytes());
    bench.run(SECOND);
    let second = bench.request(Method::Subscribe);
    assert!(second.headers.has(HeaderName::Authorization));
    assert_eq!((second.cseq, &second.call_id), (2, &first.call_id));
    let mut brief = reply(&second, 423, "x", None);
    brief.headers.push(HeaderName::MinExpires, 7_200);
    bench.deliver(&brief.to_bytes());
    bench.run(SECOND);
    let third = bench.request(Method::Subscribe);
    assert_eq!(third.headers.expires(), Some(7_200));
    let mut brief = reply(&third, 423, "x", None);
    brief.headers.push(HeaderName::MinExpires, 90_000);
    bench.deliver(&brief.to_bytes());
    bench.run(SECOND * 60);
    assert!(
        !bench.says(Method::Subscribe),
        "a PBX that goes on raising is left alone for long"
    );
}

#[test]
fn the_end_of_a_subscription_is_taken_by_its_reason() {
    for (ending, (soonest, latest)) in [
        ("deactivated", (0, 1)),
        ("timeout", (0, 1)),
        ("probation;retry-after=120", (120, 133)),
        ("giveup", (30, 61)),
        ("noresource", (3_600, 4_321)),
        ("rejected", (0, 0)),
        ("invariant", (0, 0)),
    ] {
        let (mut bench, mut watched) = watching();
        bench.run(SECOND * 100);
        bench.said.clear();
        assert_eq!(
            bench.notify(&mut watched, &format!("terminated;reason={ending}"), None),
            200
        );
        if soonest > 0 {
            bench.run(SECOND * (soonest - 1));
            assert!(!bench.says(Method::Subscribe), "{ending}");
        }
        bench.run(SECOND * (latest - u32::min(latest, soonest) + 1));
        assert_eq!(bench.says(Method::Subscribe), latest > 0, "{ending}");
        if latest == 0 {
            bench.run(SECOND * 100_000);
            assert!(!bench.says(Method::Subscribe), "{ending}");
        }
    }
}

#[test]
fn two_machines_that_make_and_end_subscriptions_come_to_rest() {
    let mut bench = Bench::new();
    bench.watch(LampKind::Dialog, "1002").unwrap();
    let mut asked = 0;
    for _ in 0..3_600 {
        bench.run(SECOND);
        if bench.says(Method::Subscribe) {
            asked += 1;
            let mut watched = bench.grant(3_600);
            bench.notify(&mut watched, "terminated;reason=deactivated", None);
        }
    }
    assert!(asked <= 9, "{asked} in an hour");
}

#[test]
fn a_lamp_that_nobody_wants_is_taken_back() {
    let (mut bench, mut watched) = watching();
    bench.unwatch(LampKind::Dialog, "1002").unwrap();
    bench.run(SECOND);
    let end = bench.grant(0).subscribe;
    assert_eq!(
        (end.headers.expires(), &end.call_id),
        (Some(0), &watched.subscribe.call_id)
    );
    assert_eq!(bench.phone.view(bench.now).lamps, []);
    assert_eq!(bench.notify(&mut watched, "terminated;reason=timeout", None), 200);
    assert_eq!(bench.phone.subscriptions(), 0);
    let refused = bench.unwatch(LampKind::Dialog, "1002").unwrap_err();
    assert_eq!(refused.code(), "not_subscribed");
}

#[test]
fn an_account_that_goes_takes_its_subscriptions_back() {
    let (mut bench, watched) = watching();
    let account = bench.account;
    bench.phone.remove_account(account, bench.now);
    bench.drain();
    let end = bench.grant(0).subscribe;
    assert_eq!(
        (end.headers.expires(), end.call_id),
        (Some(0), watched.subscribe.call_id)
    );
    bench.run(SECOND * 40);
    assert_eq!(bench.phone.view(bench.now).accounts, []);
    assert_eq!((bench.phone.load(), bench.phone.subscriptions()), (Load::default(), 0));
}

#[test]
fn a_target_that_is_none_is_refused() {
    let mut bench = Bench::new();
    for target in ["", " ", "a b", "tel:112", "<sip:1@h>", "1002;x", "a\r\nVia: x"] {
        let refused = bench.watch(LampKind::Dialog, target).unwrap_err();
        assert_eq!(refused.code(), "lamp_target", "{target}");
    }
    let kind = LampKind::Dialog;
    let nobody = bench.command(Command::Subscribe {
        kind,
        target: None,
        account: None,
    });
    assert!(nobody.is_err() && bench.says_nothing());
}

#[test]
fn five_hundred_lamps_ask_five_times_a_second_and_have_one_timer() {
    let mut bench = Bench::new();
    for target in 0..500 {
        bench.watch(LampKind::Dialog, &format!("2{target:03}")).unwrap();
    }
    let (mut most, mut granted) = (0, 0);
    for _ in 0..110 {
        let asked = bench.grant_for_a_second();
        most = most.max(asked);
        granted += asked;
    }
    assert_eq!(granted, 500);
    assert!(most <= 6, "{most} in one second");
    // Until half of the time is over nothing but the registration and its keep-alive wakes the phone.
    let until = bench.now + SECOND * 600;
    let mut wakes = 0;
    while let Some(wake) = bench.phone.poll_wake().filter(|wake| wake.at <= until) {
        assert!(!wake.why.contains("subscription"), "{wake:?}");
        bench.run(wake.at - bench.now);
        wakes += 1;
    }
    assert!(wakes < 60, "{wakes} in ten minutes");
    let mut refreshes = 0;
    for _ in 0..2_400 {
        let asked = bench.grant_for_a_second();
        refreshes += asked;
        assert!(asked <= 6, "{asked} in one second");
    }
    assert!(refreshes >= 500);
}

#[test]
fn a_gap_between_partial_documents_is_filled_by_asking_for_all() {
    let (mut bench, mut watched) = watching();
    let body = dialog_info(9, "partial", &one("early"));
    bench.notify(&mut watched, "active;expires=3600", Some((DIALOG_INFO, &body)));
    assert_eq!(bench.lamp("1002"), LampState::Idle);
    bench.run(SECOND);
    let refresh = bench.grant(3_600).subscribe;
    assert_eq!(refresh.call_id, watched.subscribe.call_id);
    let body = dialog_info(10, "full", &one("early"));
    bench.notify(&mut watched, "active;expires=3600", Some((DIALOG_INFO, &body)));
    assert_eq!(bench.lamp("1002"), LampState::Ringing);
}

#[test]
fn a_document_that_cannot_be_read_makes_the_lamp_unknown() {
    let (mut bench, mut watched) = watching();
    for (kind, body) in [
        (DIALOG_INFO, "<dialog-info"),
        ("text/plain", "busy"),
        (
            DIALOG_INFO,
            "<!DOCTYPE x [<!ENTITY a \"b\">]><dialog-info version=\"1\" state=\"full\"/>",
        ),
    ] {
        bench.tell_lamp(&mut watched, "");
        assert_eq!(bench.lamp("1002"), LampState::Idle);
        assert_eq!(
            bench.notify(&mut watched, "active;expires=3600", Some((kind, body))),
            200
        );
        assert_eq!(bench.lamp("1002"), LampState::Unknown, "{body}");
    }
}

#[test]
fn a_document_of_a_megabyte_costs_neither_the_connection_nor_the_other_lamps() {
    let (mut bench, mut watched) = watching();
    bench.watch(LampKind::Dialog, "1003").unwrap();
    bench.run(SECOND);
    let mut other = bench.grant(3_600);
    let dialogs = one("early").repeat(1024 * 1024 / one("early").len());
    let flow = bench.flow;
    assert_eq!(bench.tell_lamp(&mut watched, &dialogs), 413);
    assert_eq!(bench.lamp("1002"), LampState::Unknown);
    assert_eq!(bench.tell_lamp(&mut other, &one("early")), 200);
    assert_eq!((bench.lamp("1003"), bench.flow), (LampState::Ringing, flow));
    assert_eq!(bench.tell_lamp(&mut watched, &one("confirmed")), 200);
    assert_eq!(bench.lamp("1002"), LampState::Busy);
}

#[test]
fn a_flood_of_news_is_answered_unread_and_the_whole_is_asked_for_when_it_is_over() {
    let (mut bench, mut watched) = watching();
    for round in 0..5_000 {
        let state = if round % 2 == 0 { "early" } else { "confirmed" };
        assert_eq!(bench.tell_lamp(&mut watched, &one(state)), 200);
    }
    assert!(bench.lamp_events().len() <= 50);
    bench.run(SECOND * 11);
    assert_eq!(bench.request(Method::Subscribe).call_id, watched.subscribe.call_id);
}

#[test]
fn presence_is_shown_with_its_note() {
    let mut bench = Bench::new();
    bench.watch(LampKind::Presence, "1002").unwrap();
    let mut watched = bench.grant(3_600);
    assert_eq!(watched.subscribe.headers.get(HeaderName::Event), Some("presence"));
    let body = "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"sip:1002@pbx.example\"><note>At lunch</note>\
         <tuple id=\"1\"><status><basic>closed</basic></status></tuple></presence>";
    bench.notify(&mut watched, "active", Some(("application/pidf+xml", body)));
    let lamps = bench.phone.view(bench.now).lamps;
    assert_eq!(
        (lamps[0].state, lamps[0].reason.as_deref()),
        (LampState::Away, Some("At lunch"))
    );
}

fn list(version: u32, members: &[(&str, &str)]) -> String {
    let (mut resources, mut parts) = (String::new(), String::new());
    for (name, dialogs) in members {
        resources += &format!(
            "<resource uri=\"sip:{name}@pbx.example\"><instance id=\"1\" state=\"active\" cid=\"{name}@pbx\"/></resource>"
        );
        let document = dialog_info(version, "full", dialogs);
        parts += &format!("--b\r\nContent-ID: <{name}@pbx>\r\nContent-Type: {DIALOG_INFO}\r\n\r\n{document}\r\n");
    }
    format!(
        "--b\r\nContent-ID: <list@pbx>\r\nContent-Type: application/rlmi+xml\r\n\r\n<list uri=\"sip:all@pbx.example\" \
         version=\"{version}\" fullState=\"true\">{resources}</list>\r\n{parts}--b--\r\n"
    )
}

const RELATED: &str = "multipart/related;type=\"application/rlmi+xml\";boundary=\"b\"";

#[test]
fn one_list_tells_of_all_its_members_and_nobody_is_asked_for_twice() {
    let mut config = plain();
    config.lamp_list = Some("all".to_owned());
    let mut bench = Bench::with(config);
    bench.watch(LampKind::Dialog, "1002").unwrap();
    bench.watch(LampKind::Dialog, "1009").unwrap();
    let mut watched = bench.grant(3_600);
    assert_eq!(watched.subscribe.uri.to_string(), "sip:all@pbx.example");
    assert_eq!(watched.subscribe.headers.get(HeaderName::Supported), Some("eventlist"));
    bench.run(SECOND * 2);
    assert!(!bench.says(Method::Subscribe), "the list is waited for");
    let body = list(0, &[("1002", &one("early")), ("1003", "")]);
    assert_eq!(
        bench.notify(&mut watched, "active;expires=3600", Some((RELATED, &body))),
        200
    );
    assert_eq!(bench.lamp("1002"), LampState::Ringing);
    assert_eq!(bench.lamp("1003"), LampState::Idle);
    bench.run(SECOND * 2);
    let single = bench.request(Method::Subscribe);
    assert_eq!(single.uri.to_string(), "sip:1009@pbx.example");
    assert!(!bench.says(Method::Subscribe));
    let names: Vec<String> = bench
        .phone
        .view(bench.now)
        .lamps
        .into_iter()
        .map(|lamp| lamp.target)
        .collect();
    assert_eq!(names, ["1002", "1003", "1009"]);
}

#[test]
fn a_list_that_the_pbx_does_not_have_is_asked_for_one_by_one() {
    let mut config = plain();
    config.lamp_list = Some("all".to_owned());
    let mut bench = Bench::with(config);
    bench.watch(LampKind::Dialog, "1002").unwrap();
    let refused = bench.request(Method::Subscribe);
    bench.reply(&refused, 489, "x", None);
    bench.run(SECOND);
    assert_eq!(bench.request(Method::Subscribe).uri.to_string(), "sip:1002@pbx.example");
}

#[test]
fn messages_that_the_pbx_tells_by_itself_are_not_asked_for() {
    let mut bench = Bench::with(asking());
    assert_eq!(
        bench.unsolicited("Messages-Waiting: yes\r\nVoice-Message: 2/1 (1/0)\r\n"),
        200
    );
    let expected = Messages {
        waiting: true,
        new: 2,
        old: 1,
        urgent: 1,
    };
    assert_eq!(bench.message_events(), [expected]);
    assert_eq!(bench.phone.view(bench.now).accounts[0].messages, Some(expected));
    bench.run(SECOND * 300);
    assert!(!bench.says(Method::Subscribe));
    assert_eq!(
        bench.unsolicited("Messages-Waiting: yes\r\nVoice-Message: 2/1 (1/0)\r\n"),
        200
    );
    assert_eq!(bench.message_events(), [], "the same again is no news");
    assert_eq!(bench.unsolicited("nonsense"), 400);
}

#[test]
fn messages_are_asked_for_where_the_pbx_says_nothing_and_count_once() {
    let mut bench = Bench::with(asking());
    bench.run(SECOND * 5);
    let mut watched = bench.grant(3_600);
    assert_eq!(watched.subscribe.uri.to_string(), "sip:1001@pbx.example");
    assert_eq!(
        watched.subscribe.headers.get(HeaderName::Event),
        Some("message-summary")
    );
    let body = "Messages-Waiting: yes\r\nVoice-Message: 3/0\r\n";
    assert_eq!(
        bench.notify(&mut watched, "active;expires=3600", Some((SUMMARY, body))),
        200
    );
    assert_eq!(bench.unsolicited(body), 200);
    let told = bench.message_events();
    assert_eq!(
        told.iter().map(|told| told.new).collect::<Vec<_>>(),
        [3],
        "the same messages, told twice"
    );
    bench.run(SECOND);
    let end = bench.request(Method::Subscribe);
    assert_eq!(
        end.headers.expires(),
        Some(0),
        "what comes unasked need not be asked for"
    );
    assert_eq!(bench.phone.view(bench.now).lamps, []);
}

#[test]
fn a_pbx_without_mailboxes_is_asked_once_and_nobody_is_bothered() {
    let mut bench = Bench::with(asking());
    bench.run(SECOND * 5);
    let subscribe = bench.request(Method::Subscribe);
    bench.reply(&subscribe, 489, "x", None);
    bench.run(SECOND * 86_400);
    assert!(!bench.says(Method::Subscribe));
    assert_eq!(bench.events, []);
}

#[test]
fn the_pbx_cannot_subscribe_to_us() {
    let mut bench = Bench::new();
    for round in 0..100 {
        let mut request = bench.outside(Method::Subscribe, &format!("loop-{round}"));
        request.headers.push(HeaderName::Event, "dialog");
        bench.ask(&request);
        assert_eq!(bench.final_response().status.code(), 405);
    }
    assert!(bench.phone.load().server_transactions <= 64);
}

#[test]
fn a_pbx_that_is_silent_on_subscriptions_keeps_its_flow() {
    let mut bench = Bench::new();
    let flow = bench.flow;
    bench.watch(LampKind::Dialog, "1002").unwrap();
    bench.request(Method::Subscribe);
    bench.run(SECOND * 60);
    assert_eq!(bench.flow, flow);
    assert!(bench.flows.contains_key(&flow));
    assert!(bench.phone.view(bench.now).registered);
}

/// A call of 1002 with somebody at 1005, whose dialog is told.
fn with_tags(state: &str, watched: &str) -> String {
    format!(
        "<dialog id=\"x\" call-id=\"their-call\" local-tag=\"phone\" remote-tag=\"caller\" direction=\"recipient\">\
         <state>{state}</state><remote><identity>sip:1005@pbx.example</identity></remote>\
         <local><identity>sip:{watched}@pbx.example</identity></local></dialog>"
    )
}

#[test]
fn what_rings_at_a_colleague_is_picked_up_from_its_caller_if_the_pbx_tells_its_dialog() {
    let (mut bench, mut watched) = watching();
    bench.tell_lamp(&mut watched, &with_tags("early", "1002"));
    let target = Some("1002".to_owned());
    bench.command(Command::Pickup { target, account: None }).unwrap();
    let invite = bench.request(Method::Invite);
    assert_eq!(invite.uri.to_string(), "sip:1005@pbx.example");
    assert_eq!(
        invite.headers.get(HeaderName::Replaces),
        Some("their-call;to-tag=caller;from-tag=phone;early-only")
    );
    assert!(invite.headers.requires("replaces"));
}

#[test]
fn a_colleagues_call_is_not_taken_once_it_was_answered() {
    let (mut bench, mut watched) = watching();
    bench.tell_lamp(&mut watched, &with_tags("confirmed", "1002"));
    let target = Some("1002".to_owned());
    let refused = bench.command(Command::Pickup { target, account: None });
    assert_eq!(refused.map_err(|refused| refused.code()), Err("feature"));
    assert_eq!(
        bench.command(Command::Pull { account: None }),
        Err(Refused::NothingToPull)
    );
}

#[test]
fn our_own_call_on_another_phone_is_pulled_from_whoever_is_at_its_other_end() {
    let mut bench = Bench::new();
    bench.watch(LampKind::Dialog, "1001").unwrap();
    let mut watched = bench.grant(3_600);
    bench.tell_lamp(&mut watched, &with_tags("early", "1001"));
    assert_eq!(
        bench.command(Command::Pull { account: None }),
        Err(Refused::NothingToPull)
    );
    bench.tell_lamp(&mut watched, &with_tags("confirmed", "1001"));
    bench.command(Command::Pull { account: None }).unwrap();
    let invite = bench.request(Method::Invite);
    assert_eq!(invite.uri.to_string(), "sip:1005@pbx.example");
    assert_eq!(
        invite.headers.get(HeaderName::Replaces),
        Some("their-call;to-tag=caller;from-tag=phone")
    );
}
