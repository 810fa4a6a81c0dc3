use super::*;
use crate::account_config::Feature;
use crate::probe::Verdict;
use proptest::prelude::*;

fn plan() -> DialPlan {
    DialPlan {
        domain: Some("pbx.example".to_owned()),
        feature_codes: vec!["*8".to_owned(), "*21".to_owned(), "#1".to_owned()],
        ..DialPlan::of_country("NL")
    }
}

fn nl(text: &str) -> Dialled {
    dial(text, &plan()).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

fn kind_and_target(text: &str) -> (DialKind, String) {
    let dialled = nl(text);
    (dialled.kind, dialled.target)
}

fn number(target: &str) -> (DialKind, String) {
    (DialKind::Number, target.to_owned())
}

#[test]
fn pasted_decoration_falls_off() {
    for text in [
        "+31201234567",
        " +31 20 123 45 67\n",
        "+31 (0)20 123 4567",
        "+31 (0) 20-123.45.67",
        "(+31) (0)20/1234567",
        "\u{202a}+31\u{a0}20\u{2011}1234567\u{202c}",
        "\u{feff}+31\u{200b}201234567\u{200f}",
        "＋３１ ２０ １２３４５６７",
        "+٣١ ٢٠ ١٢٣٤٥٦٧",
        "+31 20 123\u{2013}4567",
        "tel:+31-20-1234567",
        "tel:+31%2020%201234567",
        "TEL://+31201234567",
        "tel:201234567;phone-context=+31",
        "tel:+31201234567;ext=12",
        "callto:+31201234567",
        "callto://+31201234567",
        "sip:+31201234567@pbx.example",
        "sip:+31-20-1234567@elsewhere.example;user=phone",
        "sip:+31201234567;phone-context=x@PBX.example",
    ] {
        assert_eq!(kind_and_target(text), number("+31201234567"), "{text:?}");
    }
}

#[test]
fn a_number_keeps_the_form_in_which_it_was_written() {
    assert_eq!(kind_and_target("020-1234567"), number("0201234567"));
    assert_eq!(kind_and_target("(020) 123 45 67"), number("0201234567"));
    assert_eq!(kind_and_target("0031 (0)20 1234567"), number("0031201234567"));
    assert_eq!(kind_and_target("0800-BELGRATIS"), number("0800235472847"));
    assert_eq!(kind_and_target("116000"), number("116000"));
}

#[test]
fn short_numbers_and_names_are_extensions() {
    for text in ["6", "600", "1001", "12345", "alice", "jan-de.vries_2"] {
        assert_eq!(kind_and_target(text), (DialKind::Extension, text.to_owned()));
    }
    assert_eq!(
        kind_and_target("sip:600@pbx.example"),
        (DialKind::Extension, "600".to_owned())
    );
    assert_eq!(kind_and_target("sip:600"), (DialKind::Extension, "600".to_owned()));
}

#[test]
fn emergency_is_never_asked_about_however_it_is_reached() {
    for text in ["112", "1 1 2", "tel:112", "sip:112@pbx.example", "１１２"] {
        let dialled = nl(text);
        assert_eq!(
            (dialled.kind, dialled.target.as_str()),
            (DialKind::Emergency, "112"),
            "{text}"
        );
        assert!(dialled.confirm.is_empty());
    }
    let behind_prefix = DialPlan {
        outside_prefix: Some("0".to_owned()),
        ..plan()
    };
    for text in ["112", "0112"] {
        let dialled = dial(text, &behind_prefix).unwrap();
        assert_eq!((dialled.kind, dialled.target.as_str()), (DialKind::Emergency, text));
    }
    for (country, text) in [("GB", "999"), ("DE", "110"), ("US", "911"), ("FR", "15"), ("ZZ", "112")] {
        assert_eq!(
            dial(text, &DialPlan::of_country(country)).unwrap().kind,
            DialKind::Emergency,
            "{country}"
        );
    }
    assert_eq!(
        nl("911").kind,
        DialKind::Extension,
        "not an emergency number in the Netherlands"
    );
}

#[test]
fn what_costs_money_is_confirmed_in_every_spelling() {
    for (text, reason) in [
        ("0900-1234", Confirm::Premium),
        ("0906 1234", Confirm::Premium),
        ("09091234", Confirm::Premium),
        ("+31 900 1234", Confirm::Premium),
        ("+31 (0)900 1234", Confirm::Premium),
        ("+3109001234", Confirm::Premium),
        ("0031906 1234", Confirm::Premium),
        ("1850", Confirm::Premium),
        ("+1 900 555 1234", Confirm::Premium),
        ("+44 909 123 4567", Confirm::Premium),
        ("+979 1 2345 6789", Confirm::Premium),
        ("+881 6 2345 6789", Confirm::Satellite),
        ("00882 16 12345", Confirm::Satellite),
        ("+870 773 123456", Confirm::Satellite),
        ("+1234567890123456", Confirm::Long),
        ("0201234567890123", Confirm::Long),
        ("tel:0900-1234", Confirm::Premium),
        ("sip:09001234@pbx.example", Confirm::Premium),
        ("sip:+319001234@elsewhere.example", Confirm::Premium),
        ("*218090", Confirm::Code),
        ("*8 0900 1234", Confirm::Premium),
    ] {
        let confirm = nl(text).confirm;
        if reason == Confirm::Code {
            assert!(confirm.is_empty(), "{text}: a feature code with a harmless argument");
        } else {
            assert_eq!(confirm, [reason], "{text}");
        }
    }
    for text in [
        "0201234567",
        "+3222345678",
        "+12125551234",
        "0880123456",
        "0612345678",
        "600",
    ] {
        assert!(nl(text).confirm.is_empty(), "{text}");
    }
}

#[test]
fn codes_ask_unless_the_account_knows_them() {
    for (text, asks) in [
        ("*8", false),
        ("#1", false),
        ("*21 0201234567", false),
        ("*21*0201234567#", true),
        ("*97", true),
        ("##002#", true),
        ("＊97", true),
    ] {
        let dialled = nl(text);
        assert_eq!(dialled.kind, DialKind::Code, "{text}");
        assert_eq!(
            dialled.confirm,
            if asks { vec![Confirm::Code] } else { vec![] },
            "{text}"
        );
    }
    assert_eq!(nl("#1").request_uri("pbx.example"), "sip:%231@pbx.example");
}

#[test]
fn sip_addresses_lose_everything_but_whom_to_call() {
    for (text, target) in [
        ("alice@example.com", "sip:alice@example.com"),
        ("SIP:alice@example.com", "sip:alice@example.com"),
        ("sips:alice@example.com:5061", "sips:alice@example.com:5061"),
        ("sip:alice@[2001:db8::1]:5060", "sip:alice@[2001:db8::1]:5060"),
        ("sip:alice@192.0.2.1", "sip:alice@192.0.2.1"),
        ("sip:example.com", "sip:example.com"),
        (
            "sip:alice@example.com;transport=TLS;maddr=192.0.2.66;method=BYE",
            "sip:alice@example.com;transport=tls",
        ),
        (
            "sip:alice@example.com?Replaces=1&Route=%3Csip:evil%3E",
            "sip:alice@example.com",
        ),
        ("callto:alice@example.com", "sip:alice@example.com"),
    ] {
        assert_eq!(kind_and_target(text), (DialKind::Uri, target.to_owned()), "{text}");
    }
}

#[test]
fn what_cannot_be_called_is_refused_with_its_reason() {
    use DialError::*;
    for (text, error) in [
        ("", Empty),
        (" \u{200b}\r\n", Empty),
        ("020\r\n1234567", Control),
        ("020\0", Control),
        ("020\u{2028}123", Control),
        ("tel:020%0d%0aX:1", Control),
        ("sip:a%00b@example.com", Control),
        ("javascript:alert(1)", ForeignScheme),
        ("http://example.com", ForeignScheme),
        ("mailto:a@example.com", ForeignScheme),
        ("file:///etc/passwd", ForeignScheme),
        ("data:text/html,x", ForeignScheme),
        ("tel:alice!", NotANumber),
        ("tel:%zz", NotANumber),
        ("+", NotANumber),
        ("*", NotANumber),
        ("--", NotANumber),
        ("+31*20", NotANumber),
        ("020+1234567", NotANumber),
        ("020,,extension", NotANumber),
        (",12", NotANumber),
        ("020 €1", NotANumber),
        ("bad name", NotANumber),
        ("<sip:a@example.com>", NotAnAddress),
        ("@example.com", NotAnAddress),
        ("alice@", NotAnAddress),
        ("sip:", NotAnAddress),
        ("sip:alice", NotAnAddress),
        ("sip:a@exa mple.com", NotAnAddress),
        ("sip:a@-x.com", NotAnAddress),
        ("sip:a@example.com:0", NotAnAddress),
        ("sip:a@example.com:99999", NotAnAddress),
        ("sip:a@999.1.1.1", NotAnAddress),
        ("sip:a@[::x]", NotAnAddress),
        ("sip:alice:secret@example.com", Password),
    ] {
        assert_eq!(dial(text, &plan()), Err(error), "{text:?}");
    }
    assert_eq!(dial(&"1".repeat(33), &plan()), Err(TooLong));
    assert_eq!(dial(&" ".repeat(257), &plan()), Err(TooLong));
    assert_eq!(dial(&"a".repeat(65), &plan()), Err(TooLong));
}

#[test]
fn an_outside_line_prefix_goes_before_outside_numbers_only() {
    let plan = DialPlan {
        outside_prefix: Some("0".to_owned()),
        ..plan()
    };
    for (text, target) in [
        ("0201234567", "00201234567"),
        ("+31201234567", "00201234567"),
        ("+3222345678", "0003222345678"),
        ("003222345678", "0003222345678"),
        ("600", "600"),
        ("123456", "123456"),
        ("*97", "*97"),
        ("alice@example.com", "sip:alice@example.com"),
    ] {
        assert_eq!(dial(text, &plan).unwrap().target, target, "{text}");
    }
    let dialled_along = dial("009001234", &plan).unwrap();
    assert_eq!(dialled_along.confirm, [Confirm::Premium], "0 for a line, then 0900");
}

#[test]
fn the_plan_of_an_account_has_its_country_prefix_codes_and_mailbox() {
    let mut account = AccountConfig::new("pbx.example", "100");
    account.country = "DE".to_owned();
    account.outside_line_prefix = Some("9".to_owned());
    account.voicemail = Some("*97".to_owned());
    account.feature_codes.insert(Feature::GroupPickup, "*8".to_owned());
    let plan = DialPlan::of_account(&account);
    assert!(dial("*97", &plan).unwrap().confirm.is_empty());
    assert!(dial("*8", &plan).unwrap().confirm.is_empty());
    assert_eq!(dial("030 1234567", &plan).unwrap().target, "90301234567");
    assert_eq!(dial("110", &plan).unwrap().kind, DialKind::Emergency);
}

#[test]
fn the_probe_accepts_with_reasons_and_rejects_what_cannot_be_called() {
    let report = probe::probe("*97");
    assert_eq!(report.verdict, Verdict::Accept);
    assert_eq!(report.decoded.unwrap().confirm, [Confirm::Code]);
    assert_eq!(probe::probe("javascript:1").verdict, Verdict::Reject);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    /// Nothing that could break a request line ever becomes a target, and what was accepted is accepted again.
    #[test]
    fn every_target_is_plain_and_stable(text in "\\PC{0,40}|(tel|sip|callto):[ -~]{0,30}|[0-9+*#() -]{0,40}") {
        if let Ok(dialled) = dial(&text, &plan()) {
            let uri = dialled.request_uri("pbx.example");
            prop_assert!(uri.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"#".contains(&byte)), "{}", uri);
            prop_assert_eq!(dial(&dialled.target, &plan()).map(|again| again.target), Ok(dialled.target));
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        let _ = dial(&text, &plan());
    }
}
