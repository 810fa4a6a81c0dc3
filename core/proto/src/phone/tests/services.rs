//! Features of the PBX by their codes, voicemail, and calls for help.

use super::*;
use crate::account_config::Feature;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as NoFeature, StrDeserializer};

/// An account with these codes.
fn bench_with(codes: &[(Feature, &str)]) -> Bench {
    let mut config = plain();
    for (feature, code) in codes {
        config.feature_codes.insert(*feature, (*code).to_owned());
    }
    Bench::with(config)
}

fn feature(name: Feature, argument: Option<&str>) -> Command {
    Command::Feature {
        name,
        argument: argument.map(str::to_owned),
        account: None,
        call: None,
    }
}

impl Bench {
    /// Whom the next INVITE calls.
    fn called_user(&mut self) -> String {
        self.request(Method::Invite).uri.user().unwrap().into_owned()
    }
}

#[test]
fn a_colleagues_or_the_groups_ringing_call_is_picked_up_by_the_accounts_codes() {
    let mut bench = bench_with(&[(Feature::DirectedPickup, "*8{}#"), (Feature::GroupPickup, "*81")]);
    let target = Some("1003".to_owned());
    let account = None;
    bench.command(Command::Pickup { target, account }).unwrap();
    assert_eq!(bench.called_user(), "*81003#");
    bench.command(Command::Hangup { call: None }).unwrap();
    let target = None;
    bench.command(Command::Pickup { target, account }).unwrap();
    assert_eq!(bench.called_user(), "*81");
}

#[test]
fn a_call_is_parked_by_keys_or_by_transfer_as_the_code_is() {
    let park = Command::Park { call: None, slot: None };
    let (mut bench, ..) = talking_on(bench_with(&[(Feature::Park, "#72")]));
    bench.command(park.clone()).unwrap();
    bench.run(SECOND);
    assert_eq!(bench.count(|wish| matches!(wish, Output::Digit { .. })), 3);
    let (mut bench, ..) = talking_on(bench_with(&[(Feature::Park, "700")]));
    bench.command(park.clone()).unwrap();
    let hold = bench.request(Method::Invite);
    bench.reply(&hold, 200, "b", Some(&described("recvonly")));
    let refer = bench.request(Method::Refer);
    assert_eq!(refer.headers.get(HeaderName::ReferTo), Some("<sip:700@pbx.example>"));
    let mut idle = bench_with(&[(Feature::Park, "700")]);
    assert_eq!(idle.command(park), Err(Refused::NoCall));
}

#[test]
fn every_other_feature_calls_its_code() {
    let mut bench = bench_with(&[
        (Feature::Retrieve, "*85"),
        (Feature::QueueSignIn, "*60"),
        (Feature::ForwardOn, "*21*{}#"),
    ]);
    for (name, argument, dialled) in [
        (Feature::Retrieve, Some("701"), "*85701"),
        (Feature::QueueSignIn, None, "*60"),
        (Feature::ForwardOn, Some("+31 20 1234567"), "*21*0031201234567#"),
    ] {
        bench.command(feature(name, argument)).unwrap();
        assert_eq!(bench.called_user(), dialled);
        bench.command(Command::Hangup { call: None }).unwrap();
    }
}

#[test]
fn what_the_account_has_no_code_for_is_refused_with_what_is_missing() {
    let mut bench = Bench::new();
    let refused = bench.command(feature(Feature::QueuePause, None)).unwrap_err();
    assert_eq!(refused.code(), "feature");
    assert!(refused.to_string().contains("queue_pause"), "{refused}");
    let account = None;
    let refused = bench.command(Command::Voicemail { account }).unwrap_err();
    assert_eq!(refused, Refused::NoVoicemail);
    assert!(bench.says_nothing());
}

#[test]
fn one_command_calls_the_mailbox() {
    let mut config = plain();
    config.voicemail = Some("*97".to_owned());
    let mut bench = Bench::with(config);
    bench.command(Command::Voicemail { account: None }).unwrap();
    assert_eq!(bench.called_user(), "*97");
}

#[test]
fn every_feature_is_named_in_commands_as_in_settings() {
    for text in [
        "group_pickup",
        "retrieve",
        "queue_resume",
        "call_completion",
        "forward_no_answer_off",
        "move",
    ] {
        let word: StrDeserializer<'_, NoFeature> = text.into_deserializer();
        let name = Feature::deserialize(word).unwrap();
        assert_eq!(name.name(), text);
    }
}

fn help(bench: &mut Bench, target: &str) -> Result<Accepted, Refused> {
    let target = target.to_owned();
    bench.command(Command::Dial { target, account: None })
}

#[test]
fn help_is_called_as_typed_with_and_without_the_outside_prefix_and_nothing_longer_is_help() {
    let mut config = plain();
    config.outside_line_prefix = Some("0".to_owned());
    config.country = "DE".to_owned();
    for (typed, dialled, is_help) in [
        ("112", "112", true),
        ("0112", "0112", true),
        ("1 1 0", "110", true),
        ("0110", "0110", true),
        ("1120", "1120", false),
        ("01122", "001122", false),
    ] {
        let mut bench = Bench::with(config.clone());
        help(&mut bench, typed).unwrap();
        assert_eq!(bench.called_user(), dialled, "{typed}");
        bench.lose_flow_for_good();
        let refused = help(&mut bench, typed);
        let told = matches!(refused, Err(Refused::UseAMobile(_)));
        assert_eq!(told, is_help, "{typed}: {refused:?}");
    }
}

#[test]
fn without_any_connection_help_is_refused_at_once_with_what_to_do() {
    let mut bench = Bench::new();
    bench.lose_flow_for_good();
    let refused = help(&mut bench, "112").unwrap_err();
    assert_eq!(
        refused.to_string(),
        "There is no connection to any PBX. Call 112 with a mobile, now."
    );
    let mut none = Bench::unregistered();
    assert_eq!(help(&mut none, "112"), Err(Refused::UseAMobile("112".to_owned())));
    assert_eq!(help(&mut none, "1002"), Err(Refused::NoAccount));
}

#[test]
fn help_goes_by_any_account_that_is_connected_registered_or_not() {
    let mut config = plain();
    config.outside_line_prefix = Some("0".to_owned());
    let mut bench = Bench::with(config);
    let first = bench.account;
    bench.lose_flow_for_good();
    bench.reachable = vec![Transport::Udp];
    bench.registrar = false;
    let mut other = AccountConfig::new("other.example", "2001");
    other.media = MediaPolicy::Off;
    other.transport = Transport::Udp;
    bench.add(other, AccountMemory::default());
    assert!(!bench.phone.view(bench.now).registered);
    for typed in ["112", "0112"] {
        let (target, account) = (typed.to_owned(), Some(first));
        bench.command(Command::Dial { target, account }).unwrap();
        let invite = bench.request(Method::Invite);
        assert_eq!(invite.uri.to_string(), "sip:112@other.example", "{typed}");
    }
}

#[test]
fn neither_a_rule_nor_the_number_of_calls_keeps_anyone_from_help() {
    let mut bench = Bench::new();
    let (on, code, account) = (true, None, None);
    bench.command(Command::Dnd { on, code, account }).unwrap();
    for number in 0..CALL_LIMIT {
        bench.dial(&format!("{}", 1100 + number));
    }
    assert!(matches!(help(&mut bench, "1002"), Err(Refused::TooManyCalls(_))));
    bench.said.clear();
    help(&mut bench, "112").unwrap();
    assert_eq!(bench.called_user(), "112");
}
