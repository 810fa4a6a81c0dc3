//! Connections that come and go under calls and registrations.

use super::*;

#[test]
fn a_call_survives_the_loss_of_its_flow_and_hangs_up_by_the_next_one() {
    let (mut bench, call, dialog) = talking();
    let before = bench.flow;
    bench.lose_flow();
    assert_eq!(bench.call(call).state, CallState::Active);
    bench.run(SECOND * 2);
    assert!(bench.flow > before && bench.phone.view(bench.now).registered);
    let info = bench.inside(Method::Options, &dialog, 1);
    bench.said.clear();
    bench.ask(&info);
    assert_eq!(bench.final_response().status, StatusCode::OK);
    bench.command(Command::Hangup { call: Some(call) }).unwrap();
    let (bye, flow) = bench.request_and_flow(Method::Bye);
    assert_eq!(flow, bench.flow);
    bench.reply(&bye, 200, "b", None);
    bench.run(SECOND * 60);
    assert_eq!(bench.phone.load(), Load::default());
}

#[test]
fn after_a_flow_is_lost_the_far_end_is_told_where_the_call_is_now() {
    let (mut bench, _, _) = talking();
    let before = bench.contact();
    bench.lose_flow();
    bench.run(SECOND * 2);
    assert_ne!(bench.contact(), before);
    let refresh = bench.request(Method::Invite);
    assert_eq!(refresh.headers.contacts().first().unwrap().uri, bench.contact());
}

#[test]
fn a_hang_up_while_the_connection_is_gone_is_said_when_it_is_back() {
    let (mut bench, call, _) = talking();
    bench.lose_flow_for_good();
    bench.command(Command::Hangup { call: Some(call) }).unwrap();
    assert_eq!(bench.call(call).state, CallState::Ended);
    bench.reachable = vec![Transport::Tls];
    bench.input(Input::NetworkChanged);
    bench.run(SECOND * 5);
    let (bye, flow) = bench.request_and_flow(Method::Bye);
    assert_eq!(flow, bench.flow);
    bench.reply(&bye, 200, "b", None);
    bench.run(SECOND * 60);
    assert_eq!(bench.phone.load(), Load::default());
}

#[test]
fn no_call_can_be_placed_while_there_is_no_connection_and_the_refusal_says_why() {
    let mut bench = Bench::new();
    bench.lose_flow_for_good();
    bench.run(SECOND * 2);
    let target = "1002".to_owned();
    let refused = bench.command(Command::Dial { target, account: None }).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "There is no connection to the PBX. The server refused the connection. Call again when it is back."
    );
    assert_eq!(refused.code(), "not_connected");
}

#[test]
fn after_sleep_and_after_a_change_of_network_a_new_flow_is_registered_at_once() {
    for input in [Input::Slept(SECOND * 36_000), Input::NetworkChanged] {
        let mut bench = Bench::new();
        let (flow, registers) = (bench.flow, bench.registers.len());
        bench.input(input);
        assert!(bench.flow > flow && !bench.flows.contains_key(&flow));
        assert!(bench.registers.len() > registers);
        assert!(bench.phone.view(bench.now).registered);
    }
}

#[test]
fn a_second_change_of_network_within_a_minute_is_followed_at_once_too() {
    let mut bench = Bench::new();
    for _ in 0..4 {
        let flow = bench.flow;
        bench.run(SECOND);
        bench.input(Input::NetworkChanged);
        assert!(bench.flow > flow, "the loss was ours: the server is not spared");
    }
}

#[test]
fn a_connection_that_is_being_made_over_the_old_network_is_begun_anew() {
    let mut bench = Bench::unregistered();
    bench.silent = true;
    bench.add(plain(), AccountMemory::default());
    assert_eq!(bench.count(|wish| matches!(wish, Output::OpenFlow { .. })), 1);
    bench.input(Input::NetworkChanged);
    assert_eq!(bench.count(|wish| matches!(wish, Output::OpenFlow { .. })), 2);
}

#[test]
fn an_account_is_unregistered_and_registered_again_as_asked() {
    let mut bench = Bench::new();
    bench.command(Command::Unregister { account: None }).unwrap();
    assert!(!bench.phone.view(bench.now).registered);
    let last = bench.registers.last().unwrap();
    assert_eq!(last.headers.contacts().first().unwrap().expires(), Some(0));
    assert!(matches!(
        bench.events.as_slice(),
        [Event::Unregistered { retry_in_ms: None, .. }]
    ));
    bench.run(SECOND * 3_600);
    assert!(!bench.phone.view(bench.now).registered);
    bench.command(Command::Register { account: None }).unwrap();
    assert!(bench.phone.view(bench.now).registered);
}

#[test]
fn the_farewell_hangs_up_unregisters_and_is_quiet_when_both_are_answered() {
    let (mut bench, _, _) = talking();
    bench.registrar = false;
    bench.phone.say_farewell(bench.now);
    bench.drain();
    let bye = bench.request(Method::Bye);
    assert!(!bench.phone.is_quiet());
    bench.reply(&bye, 200, "b", None);
    assert!(!bench.phone.is_quiet());
    let unregister = bench.registers.last().unwrap().clone();
    let ok = Response::to(&unregister, StatusCode::OK).with_to_tag("r");
    bench.deliver(&ok.to_bytes());
    assert!(bench.phone.is_quiet());
}

#[test]
fn an_account_that_is_taken_away_unregisters_and_is_gone() {
    let (mut bench, call, _) = talking();
    let account = bench.account;
    bench.phone.remove_account(account, bench.now);
    bench.drain();
    let bye = bench.request(Method::Bye);
    bench.reply(&bye, 200, "b", None);
    bench.run(SECOND * 60);
    assert!(bench.phone.view(bench.now).accounts.is_empty());
    assert!(bench.flows.is_empty(), "its flow is closed");
    assert!(!bench.phone.view(bench.now).calls.iter().any(|view| view.id == call));
    assert_eq!(bench.phone.poll_wake(), None);
}

#[test]
fn the_last_bye_of_an_account_that_is_taken_away_ends_every_other_question() {
    let mut bench = Bench::new();
    let invite = bench.invite("in", Some(ANSWER));
    bench.ask(&invite);
    bench
        .command(Command::Answer {
            call: None,
            others: Others::Hold,
        })
        .unwrap();
    let call = CallId(1);
    bench.run(SECOND);
    let fact = MediaFact::NothingFor(SECOND * 60);
    bench.input(Input::Media { call, fact });
    bench.request(Method::Options);
    bench.phone.remove_account(bench.account, bench.now);
    bench.drain();
    assert!(bench.says_nothing(), "BYE waits for the ACK (RFC 3261 15)");
    bench.run(SECOND * 63 / 2);
    let bye = bench.request(Method::Bye);
    bench.reply(&bye, 200, "b", None);
    assert!(bench.flows.is_empty(), "the account is gone, and its flow with it");
    assert!(bench.phone.is_quiet(), "OPTIONS cannot be answered any more");
    assert_eq!(bench.phone.load(), Load::default());
}

mod datagrams {
    use super::*;

    fn udp() -> AccountConfig {
        let mut config = plain();
        config.transport = Transport::Udp;
        // Longer than what goes by datagram.
        config.display_name = Some("x".repeat(1_200));
        config
    }

    fn short() -> AccountConfig {
        let mut config = udp();
        config.display_name = None;
        config
    }

    /// Registered before the name grew: the registrations themselves stay small.
    fn bench() -> Bench {
        let mut bench = Bench::unregistered();
        bench.add(short(), AccountMemory::default());
        bench
    }

    fn long_call(bench: &mut Bench) -> CallId {
        bench.dial(&format!("sip:{}@pbx.example", "x".repeat(200)))
    }

    #[test]
    fn a_request_that_fits_goes_by_datagram() {
        let mut bench = bench();
        bench.dial("1002");
        let (invite, flow) = bench.request_and_flow(Method::Invite);
        assert_eq!(bench.flows[&flow].0, Transport::Udp);
        assert!(invite.to_bytes().len() <= 1_300, "{}", invite.to_bytes().len());
    }

    #[test]
    fn a_request_that_is_too_large_goes_by_tcp_and_its_call_goes_on() {
        let mut bench = bench();
        long_call(&mut bench);
        let (invite, flow) = bench.request_and_flow(Method::Invite);
        assert_eq!(bench.flows[&flow].0, Transport::Tcp);
        assert_eq!(invite.top_via().unwrap().transport.as_str(), "TCP");
        let ok = reply(&invite, 200, "b", Some(ANSWER)).to_bytes();
        bench.input(Input::Received { flow, bytes: &ok });
        assert_eq!(bench.call(CallId(1)).state, CallState::Active);
        bench.command(Command::Hangup { call: None }).unwrap();
        bench.request(Method::Bye);
    }

    #[test]
    fn where_tcp_is_refused_or_silent_it_goes_by_datagram_after_all() {
        for silent in [false, true] {
            let mut bench = bench();
            bench.reachable = vec![Transport::Udp];
            bench.silent = silent;
            let tcp = bench.flow;
            long_call(&mut bench);
            if silent {
                assert!(bench.says_nothing());
                bench.run(SECOND * 4);
            }
            let (invite, flow) = bench.request_and_flow(Method::Invite);
            assert_eq!((bench.flows[&flow].0, flow), (Transport::Udp, tcp));
            assert!(invite.to_bytes().len() > 1_300);
        }
    }

    #[test]
    fn a_short_request_does_not_overtake_a_long_one_of_its_dialog() {
        let mut bench = bench();
        let call = bench.dial("1002");
        let invite = bench.request(Method::Invite);
        let mut ok = reply(&invite, 200, "b", Some(ANSWER));
        let contact = format!("<sip:{}@pbx.example>", "x".repeat(400));
        ok.headers.set(HeaderName::Contact, contact);
        bench.deliver(&ok.to_bytes());
        bench.request(Method::Ack);
        bench.silent = true;
        bench.command(Command::Hold { call: None }).unwrap();
        let fact = MediaFact::NothingFor(SECOND * 60);
        bench.input(Input::Media { call, fact });
        assert!(
            bench.says_nothing(),
            "the re-INVITE waits for TCP, and OPTIONS for the re-INVITE"
        );
        bench.run(SECOND * 4);
        let sent = [Method::Invite, Method::Options].map(|method| bench.request(method).cseq);
        assert!(sent[0] < sent[1], "{sent:?}");
    }

    #[test]
    fn a_call_that_is_given_up_while_tcp_is_opened_is_never_placed() {
        let mut bench = bench();
        bench.silent = true;
        let call = long_call(&mut bench);
        bench.command(Command::Hangup { call: Some(call) }).unwrap();
        let opened = bench.wishes.iter().find_map(|wish| match wish {
            Output::OpenFlow { flow, .. } => Some(*flow),
            _ => None,
        });
        let udp = bench.flow;
        bench.open(opened.unwrap(), Transport::Tcp);
        bench.flow = udp;
        assert!(bench.says_nothing());
        bench.run(SECOND * 60);
        assert_eq!(bench.phone.load(), Load::default());
    }

    #[test]
    fn a_stream_that_nothing_needs_any_more_is_closed() {
        let mut bench = bench();
        long_call(&mut bench);
        let (invite, flow) = bench.request_and_flow(Method::Invite);
        let busy = reply(&invite, 486, "b", None).to_bytes();
        bench.input(Input::Received { flow, bytes: &busy });
        assert!(bench.flows.contains_key(&flow));
        bench.run(SECOND * 660);
        assert!(!bench.flows.contains_key(&flow));
        assert!(bench.phone.view(bench.now).registered);
    }
}

mod silence {
    use super::*;

    fn outbound() -> Bench {
        let mut bench = Bench::unregistered();
        bench.granted = vec![("Require", "outbound".to_owned())];
        bench.add(plain(), AccountMemory::default());
        bench
    }

    #[test]
    fn a_call_that_is_met_by_silence_costs_the_flow_after_a_ping_where_pongs_are_owed() {
        let mut bench = outbound();
        let before = bench.flow;
        bench.dial("1002");
        bench.deaf = true;
        bench.run(SECOND * 11);
        assert_eq!(bench.flow, before, "the pong has its 10 s");
        bench.deaf = false;
        bench.run(SECOND * 2);
        assert!(bench.flow > before && bench.phone.view(bench.now).registered);
    }

    #[test]
    fn a_call_that_got_lost_with_its_connection_goes_out_by_the_next_one() {
        let mut bench = outbound();
        let call = bench.dial("1002");
        let (first, before) = bench.request_and_flow(Method::Invite);
        bench.lose_flow();
        bench.run(SECOND * 3);
        let (second, flow) = bench.request_and_flow(Method::Invite);
        assert!(flow > before && second.body.starts_with(b"v=0"));
        assert_ne!(first.headers.contacts().first(), second.headers.contacts().first());
        assert_ne!(first.call_id, second.call_id);
        bench.reply(&second, 180, "b", None);
        assert_eq!(bench.call(call).state, CallState::Ringing);
        assert_eq!(bench.states(), [CallState::Dialing, CallState::Ringing]);
    }

    #[test]
    fn a_call_that_anything_came_back_for_is_not_placed_twice_nor_one_that_was_lost_twice() {
        for tried in [true, false] {
            let mut bench = outbound();
            let call = bench.dial("1002");
            let invite = bench.request(Method::Invite);
            if tried {
                bench.reply(&invite, 100, "", None);
            } else {
                bench.lose_flow();
                bench.run(SECOND * 3);
                bench.request(Method::Invite);
            }
            bench.lose_flow();
            bench.run(SECOND);
            assert_eq!(bench.call(call).state, CallState::Ended);
            assert!(bench.end().1.unwrap().contains("was lost"));
            bench.run(SECOND * 60);
            assert!(bench.says_nothing());
            assert_eq!(bench.phone.load(), Load::default());
        }
    }

    #[test]
    fn a_call_waits_for_the_next_connection_and_not_longer_than_ten_seconds() {
        let mut bench = outbound();
        let call = bench.dial("1002");
        bench.registrar = false;
        bench.lose_flow();
        bench.run(SECOND * 9);
        assert_eq!(bench.call(call).state, CallState::Dialing);
        bench.run(SECOND);
        assert_eq!(bench.call(call).state, CallState::Ended);
    }

    #[test]
    fn a_call_does_not_wait_for_a_server_that_refuses_connections() {
        let mut bench = outbound();
        bench.dial("1002");
        bench.reachable.clear();
        bench.lose_flow();
        bench.run(SECOND * 3);
        assert_eq!(bench.states(), [CallState::Dialing, CallState::Ended]);
    }

    #[test]
    fn a_call_that_waits_for_a_connection_can_be_hung_up() {
        let mut bench = outbound();
        bench.dial("1002");
        bench.silent = true;
        bench.lose_flow();
        bench.command(Command::Hangup { call: None }).unwrap();
        assert_eq!(bench.states(), [CallState::Dialing, CallState::Ended]);
        bench.run(SECOND * 60);
        assert_eq!(bench.phone.load().calls, 0);
    }

    #[test]
    fn who_dials_before_the_lost_connection_is_back_is_called_through_when_it_is() {
        let mut bench = outbound();
        bench.silent = true;
        bench.lose_flow();
        bench.run(SECOND * 3);
        let call = bench.dial("1002");
        assert_eq!(bench.call(call).state, CallState::Dialing);
        let opening = bench.wishes.iter().find_map(|wish| match wish {
            Output::OpenFlow { flow, .. } => Some(*flow),
            _ => None,
        });
        bench.open(opening.unwrap(), Transport::Tls);
        let (_, flow) = bench.request_and_flow(Method::Invite);
        assert_eq!(flow, bench.flow);
    }

    #[test]
    fn who_dials_in_the_pause_after_a_loss_ends_it() {
        let mut bench = outbound();
        bench.lose_flow();
        let before = bench.flow;
        assert!(!bench.flows.contains_key(&before), "nothing is opened yet");
        bench.dial("1002");
        let (_, flow) = bench.request_and_flow(Method::Invite);
        assert!(flow > before, "in the same moment");
    }

    #[test]
    fn a_call_that_a_slow_server_does_not_answer_yet_keeps_the_flow_that_pongs() {
        let mut bench = outbound();
        let before = bench.flow;
        bench.dial("1002");
        bench.run(SECOND * 31);
        assert_eq!(bench.flow, before);
    }

    #[test]
    fn a_server_that_owes_no_pong_is_left_when_a_call_was_met_by_nothing_but_silence() {
        for transport in [Transport::Tls, Transport::Udp] {
            let mut bench = Bench::unregistered();
            let config = AccountConfig { transport, ..plain() };
            bench.add(config, AccountMemory::default());
            let before = bench.flow;
            let call = bench.dial("1002");
            bench.deaf = true;
            bench.run(SECOND * 32);
            assert_eq!(bench.call(call).state, CallState::Ended);
            bench.deaf = false;
            bench.run(SECOND * 2);
            assert!(bench.flow > before && bench.phone.view(bench.now).registered);
        }
    }

    #[test]
    fn a_call_that_was_only_tried_costs_nothing() {
        let mut bench = Bench::new();
        let before = bench.flow;
        bench.dial("1002");
        let invite = bench.request(Method::Invite);
        bench.reply(&invite, 100, "", None);
        bench.run(SECOND * 90);
        assert_eq!(bench.flow, before);
    }

    #[test]
    fn a_cancel_that_is_met_by_silence_costs_the_flow_too() {
        let mut bench = outbound();
        let before = bench.flow;
        let call = bench.dial("1002");
        let invite = bench.request(Method::Invite);
        bench.reply(&invite, 180, "b", None);
        bench.run(SECOND * 5);
        bench.deaf = true;
        bench.command(Command::Hangup { call: Some(call) }).unwrap();
        bench.run(SECOND * 12);
        assert!(!bench.flows.contains_key(&before));
    }
}
