use super::*;

fn account() -> AccountConfig {
    AccountConfig::new("pbx.example.com", "100")
}

fn problem(change: impl FnOnce(&mut AccountConfig)) -> AccountError {
    let mut account = account();
    change(&mut account);
    account.validate().unwrap_err()
}

#[test]
fn an_account_of_a_domain_and_a_user_is_valid_and_asks_for_encryption() {
    let account = account();
    assert_eq!(account.validate(), Ok(()));
    assert_eq!(account.transport, Transport::Tls);
    assert_eq!(account.media, MediaPolicy::Required);
    assert!(account.warnings().is_empty());
}

#[test]
fn hosts_are_names_or_addresses_and_nothing_else() {
    for host in [
        "pbx",
        "pbx.example.com",
        "pbx.example.com.",
        "192.0.2.1",
        "[2001:db8::1]",
        "_sip.a-b.nl",
    ] {
        assert_eq!(check_host("domain", host), Ok(()), "{host}");
    }
    let long_label = "a".repeat(64);
    let long_name = ["abcdefg"; 40].join(".");
    for host in [
        "sip:pbx",
        "a@b",
        "2001:db8::1",
        "[192.0.2.1]",
        "192.0.2.256",
        "1.2.3",
        "a..b",
        "-a.nl",
        "a-.nl",
        "a b",
        "a\r\nb",
        "pbx.example.com:5061",
        "[::1",
        "é.nl",
        ".",
        &long_label,
        &long_name,
    ] {
        assert!(
            matches!(check_host("domain", host), Err(AccountError::BadHost { .. })),
            "{host}"
        );
    }
    assert_eq!(problem(|a| a.domain.clear()), AccountError::Empty { field: "domain" });
}

#[test]
fn a_server_is_read_with_and_without_port_and_written_back_the_same() {
    for (text, host, port) in [
        ("pbx.example.com", "pbx.example.com", None),
        ("pbx.example.com:5061", "pbx.example.com", Some(5061)),
        ("192.0.2.1:65535", "192.0.2.1", Some(65_535)),
        ("[2001:db8::1]", "[2001:db8::1]", None),
        ("[2001:db8::1]:1", "[2001:db8::1]", Some(1)),
    ] {
        let read: HostPort = text.parse().unwrap();
        assert_eq!((read.host.as_str(), read.port), (host, port));
        assert_eq!(read.to_string(), text);
    }
    for text in ["pbx:0", "pbx:65536", "pbx:", "pbx:sip", "[::1]:", "pbx:-1"] {
        assert!(
            matches!(text.parse::<HostPort>(), Err(AccountError::BadPort { .. })),
            "{text}"
        );
    }
    for text in ["::1", "", "[::1]x", "a:b:5060"] {
        assert!(text.parse::<HostPort>().is_err(), "{text}");
    }
}

#[test]
fn nothing_that_could_break_a_header_passes() {
    for found in ['\r', '\n', '\0', '\u{7f}', '\u{85}'] {
        let text = format!("a{found}b");
        for change in [
            (|a: &mut AccountConfig, t| a.user = t) as fn(&mut AccountConfig, String),
            |a, t| a.auth_user = Some(t),
            |a, t| a.display_name = Some(t),
            |a, t| a.voicemail = Some(format!("sip:{t}")),
        ] {
            assert!(matches!(
                problem(|a| change(a, text.clone())),
                AccountError::BadCharacter { .. }
            ));
        }
    }
    assert_eq!(
        problem(|a| a.user = "a@b".into()),
        AccountError::BadCharacter {
            field: "user",
            found: '@'
        }
    );
    assert_eq!(
        problem(|a| a.user = "x".repeat(129)),
        AccountError::TooLong { field: "user" }
    );
    assert_eq!(
        problem(|a| a.display_name = Some(String::new())),
        AccountError::Empty { field: "display name" }
    );
}

#[test]
fn dialled_things_are_digits_stars_and_hashes() {
    let not_dialable = |error| matches!(error, AccountError::NotDialable { .. });
    assert!(not_dialable(problem(|a| a.outside_line_prefix = Some("0w".into()))));
    assert!(not_dialable(problem(|a| a.voicemail = Some("voice mail".into()))));
    assert!(not_dialable(problem(
        |a| a.caller_id = CallerId::Number("+31+20".into())
    )));
    assert!(not_dialable(
        problem(|a| a.caller_id = CallerId::Prefix("1".repeat(33)))
    ));
    assert!(not_dialable(problem(|a| {
        a.feature_codes.insert(Feature::Park, "park".into());
    })));
    let mut account = account();
    account.voicemail = Some("*97".into());
    account.caller_id = CallerId::Number("+31201234567".into());
    account.feature_codes = [(Feature::Park, "#72".into()), (Feature::GroupPickup, "*8".into())].into();
    assert_eq!(account.validate(), Ok(()));
    account.feature_codes.insert(Feature::Retrieve, "#72".into());
    assert_eq!(account.validate(), Err(AccountError::DoubleFeatureCode("#72".into())));
}

#[test]
fn each_remaining_rule_refuses_its_own_mistake() {
    assert_eq!(problem(|a| a.expires = 9), AccountError::BadExpires(9));
    assert_eq!(problem(|a| a.expires = 86_401), AccountError::BadExpires(86_401));
    assert_eq!(
        problem(|a| a.country = "nl".into()),
        AccountError::BadCountry("nl".into())
    );
    assert_eq!(
        problem(|a| a.country = "NLD".into()),
        AccountError::BadCountry("NLD".into())
    );
    assert_eq!(problem(|a| a.codecs.clear()), AccountError::NoCodec);
    assert_eq!(
        problem(|a| a.codecs.push(Codec::Opus)),
        AccountError::DoubleCodec("opus")
    );
    let unusable_pin = |a: &mut AccountConfig| {
        a.transport = Transport::Tcp;
        a.pins = vec![Pin([1; 32])];
    };
    assert_eq!(problem(unusable_pin), AccountError::PinsWithoutTls);
    let no_roots = AccountError::Empty {
        field: "list of trusted certificates",
    };
    assert_eq!(problem(|a| a.roots = Roots::Pem(" \n".into())), no_roots);
}

#[test]
fn required_encryption_without_tls_is_said_to_be_useless() {
    let mut account = account();
    account.transport = Transport::Udp;
    assert_eq!(account.validate(), Ok(()));
    assert!(account.warnings().contains(&AccountWarning::NoEncryptionWithoutTls));
    account.media = MediaPolicy::Off;
    assert_eq!(account.warnings(), [AccountWarning::ReadableSignalling]);
}

#[test]
fn a_server_is_connected_to_without_srv_and_a_proxy_or_domain_with_it() {
    let mut account = account();
    assert_eq!(account.destination().to_string(), "pbx.example.com");
    account.outbound_proxy = Some("edge.example.net".parse().unwrap());
    assert_eq!(account.destination().to_string(), "edge.example.net");
    account.server = Some("10.0.0.7".parse().unwrap());
    assert_eq!(account.destination().to_string(), "10.0.0.7:5061");
}

#[test]
fn the_certificate_must_name_what_the_person_configured() {
    let mut account = account();
    account.server = Some("10.0.0.7:5061".parse().unwrap());
    assert_eq!(account.certificate_name(), "pbx.example.com");
    account.outbound_proxy = Some("edge.example.net".parse().unwrap());
    assert_eq!(account.certificate_name(), "edge.example.net");
    account.tls_name = Some("sip.example.org".into());
    assert_eq!(account.certificate_name(), "sip.example.org");
}

#[test]
fn a_pin_is_read_with_or_without_colons_and_nothing_else_is_one() {
    let plain = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";
    let pin: Pin = plain.parse().unwrap();
    assert_eq!(pin.to_string(), plain.to_lowercase());
    let colons = plain
        .as_bytes()
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).unwrap())
        .collect::<Vec<_>>()
        .join(":");
    assert_eq!(colons.parse(), Ok(pin));
    for text in [
        "",
        "00",
        plain.strip_prefix('0').unwrap(),
        &format!("{plain}0"),
        &plain.replace('0', "g"),
    ] {
        assert!(text.parse::<Pin>().is_err(), "{text}");
    }
}
