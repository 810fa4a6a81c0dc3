//! The decoded fields of the valid messages.

use toestel_proto::sip::admission::{Capabilities, admit};
use toestel_proto::sip::msg::{Contacts, HeaderName, Host, Method, Scheme, StatusCode, Transport, Uri};

use super::{request, response};

fn uri(text: &str) -> Uri {
    text.parse().unwrap()
}

#[test]
fn wsinv_is_read_through_all_its_folds() {
    let wsinv = request("wsinv");
    assert_eq!((&wsinv.method, wsinv.cseq), (&Method::Invite, 9));
    assert_eq!(wsinv.uri.to_string(), "sip:vivekg@chair-dnrc.example.com;unknownparam");
    assert_eq!(wsinv.to.tag(), Some("1918181833n"));
    assert_eq!(wsinv.from.display.as_deref(), Some("J Rosenberg \\\""));
    assert_eq!(wsinv.from.tag(), Some("98asjd8"));
    assert_eq!(wsinv.call_id, "wsinv.ndaksdj@192.0.2.1");
    assert_eq!(wsinv.headers.max_forwards(), Some(68));
    let sent_by: Vec<String> = wsinv
        .vias
        .iter()
        .map(|via| format!("{} {}", via.transport, via.host))
        .collect();
    assert_eq!(
        sent_by,
        ["UDP 192.0.2.2", "TCP spindle.example.com", "UDP 192.168.255.111"]
    );
    let branches: Vec<_> = wsinv.vias.iter().map(|via| via.branch().unwrap()).collect();
    assert_eq!(branches, ["390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"]);
    assert_eq!(wsinv.headers.get(HeaderName::Subject), Some(""));
    assert_eq!(
        wsinv.headers.get(HeaderName::from("UNKNOWNHeaderWithUnusualValue")),
        Some(";;,,;;,;")
    );
    let folded = "newfangled value continued newfangled value";
    assert_eq!(wsinv.headers.get(HeaderName::from("NewFangledHeader")), Some(folded));
    let contacts = wsinv.headers.contacts();
    let contact = contacts.first().unwrap();
    assert_eq!(contact.display.as_deref(), Some("Quoted string \"\""));
    assert_eq!(
        (contact.params.get("newparam"), contact.q()),
        (Some("newvalue"), Some(330))
    );
    assert!(contact.params.has("secondparam") && contact.params.get("secondparam").is_none());
    let routes = wsinv.headers.routes();
    assert!(routes[0].uri.is_loose_router() && routes[0].uri.params().has("unknown-no-value"));
    assert_eq!(wsinv.headers.content_type().unwrap().essence, "application/sdp");
    assert_eq!(wsinv.body.len(), 150);
}

#[test]
fn intmeth_keeps_every_legal_character() {
    let intmeth = request("intmeth");
    assert_eq!(
        intmeth.method,
        Method::Other("!interesting-Method0123456789_*+`.%indeed'~".to_owned())
    );
    assert_eq!(intmeth.cseq, 139_122_385);
    assert_eq!(
        intmeth.uri.user().unwrap(),
        "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
    );
    assert_eq!(intmeth.uri.host(), Some(&Host::Name("example.com".to_owned())));
    assert!(
        intmeth
            .uri
            .to_string()
            .contains(":&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@")
    );
    assert!(
        !format!("{:?}", intmeth.uri).contains("weird"),
        "a password is never shown"
    );
    assert_eq!(intmeth.branch(), Some("z9hG4bK-.!%66*_+`'~"));
    assert_eq!(intmeth.to.display.as_deref(), Some("BEL:\u{7} NUL:\0 DEL:\u{7f}"));
    assert_eq!(intmeth.from.display.as_deref(), Some("token1~` token2'+_ token3*%!.-"));
    assert_eq!(intmeth.from.params.get("fromParam''~+*_!.-%"), Some("работающий"));
    assert_eq!(intmeth.from.tag(), Some("_token~1'+`*%!-."));
    assert_eq!(intmeth.call_id, "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{");
    assert_eq!(intmeth.headers.max_forwards(), Some(255));
    assert_eq!(
        intmeth.headers.get(HeaderName::from("extensionHeader-!.%*+_`'~")),
        Some("\u{feff}大停電")
    );
    let rejection = admit(&intmeth, &Capabilities::PHONE).unwrap_err();
    assert!(rejection.headers.get(HeaderName::Allow).unwrap().contains("INVITE"));
}

#[test]
fn escapes_are_undone_once_and_only_in_uris() {
    let esc01 = request("esc01");
    assert_eq!(esc01.uri.user().unwrap(), "sips:user@example.com");
    assert_eq!(esc01.uri.host().unwrap().to_string(), "example.net");
    assert!(esc01.to.uri.equivalent(&uri("sip:user@example.com")));
    assert_eq!(esc01.from.uri.user().unwrap(), "I have spaces");
    let contacts = esc01.headers.contacts();
    let contact = &contacts.first().unwrap().uri;
    assert!(contact.equivalent(&uri("sip:caller@host5.example.net;lr;name=value%2541")));
    assert!(!contact.equivalent(&uri("sip:caller@host5.example.net;lr;name=valueA")));

    let esc02 = request("esc02");
    assert_eq!(esc02.method, Method::Other("RE%47IST%45R".to_owned()));
    assert_eq!(esc02.to.display.as_deref(), Some("%Z%45"));
    assert_eq!(esc02.headers.contacts().as_slice().len(), 2, "C%6Fntact is not Contact");
    assert_eq!(esc02.branch(), Some("z9hG4bK209%fzsnel234"));
}

#[test]
fn escaped_nulls_do_not_shorten_names() {
    let escnull = request("escnull");
    assert_eq!(escnull.to.uri.user().unwrap(), "null-\0-null");
    let contacts = escnull.headers.contacts();
    let users: Vec<_> = contacts
        .as_slice()
        .iter()
        .map(|contact| contact.uri.user().unwrap().into_owned())
        .collect();
    assert_eq!(users, ["\0", "\0\0"]);
    assert!(!contacts.as_slice()[0].uri.equivalent(&contacts.as_slice()[1].uri));
}

#[test]
fn lwsdisp_has_a_name_without_a_space_behind_it() {
    let lwsdisp = request("lwsdisp");
    assert_eq!(lwsdisp.from.display.as_deref(), Some("caller"));
    assert_eq!((lwsdisp.from.tag(), lwsdisp.cseq), (Some("323"), 60));
    assert_eq!(lwsdisp.from.uri, uri("sip:caller@example.com"));
}

#[test]
fn longreq_loses_nothing_of_its_length() {
    let longreq = request("longreq");
    assert_eq!(longreq.vias.len(), 34);
    assert_eq!(longreq.top_via().unwrap().host.to_string(), "sip33.example.com");
    assert_eq!(
        longreq.vias[33].branch().unwrap(),
        format!("very{}branchvalue", "long".repeat(50))
    );
    assert_eq!(longreq.vias[33].received().unwrap().to_string(), "192.0.2.5");
    assert_eq!(longreq.from.tag().unwrap(), format!("12{}424", "982".repeat(50)));
    assert_eq!(longreq.call_id, format!("longreq.one{}longcallid", "really".repeat(20)));
    let name = format!("I have a user name of {} proportion", "extreme".repeat(10));
    assert_eq!((longreq.to.display, longreq.to.uri.port()), (Some(name), Some(6000)));
    let value = format!("very{}value", "long".repeat(20));
    assert_eq!(longreq.to.uri.param("unknownparam1").unwrap(), value);
    let user = "amazinglylongcallername".repeat(5);
    assert_eq!(longreq.headers.contacts().first().unwrap().uri.user().unwrap(), user);
    assert_eq!(longreq.body.len(), 150);
}

#[test]
fn dblreq_ends_where_its_length_says() {
    let dblreq = request("dblreq");
    assert_eq!(
        (dblreq.method, dblreq.body.len(), dblreq.cseq),
        (Method::Register, 0, 8)
    );
    assert_eq!(dblreq.call_id, "dblreq.0ha0isndaksdj99sdfafnl3lk233412");
    assert_eq!(dblreq.vias.len(), 1, "the INVITE behind it is noise");
    assert_eq!(dblreq.headers.content_type(), None);
}

#[test]
fn semiuri_has_a_parameter_in_its_user_part() {
    let semiuri = request("semiuri");
    assert_eq!(semiuri.uri.user().unwrap(), "user;par=u@example.net");
    assert_eq!(semiuri.uri.host().unwrap().to_string(), "example.com");
    assert!(semiuri.uri.params().is_empty());
    let accepted: Vec<_> = semiuri.headers.values(HeaderName::Accept).collect();
    assert_eq!(accepted.len(), 6);
    assert_eq!(accepted[5], "message/sipfrag");
}

#[test]
fn transports_are_read_whatever_they_are() {
    let request = request("transports");
    let transports: Vec<_> = request.vias.iter().map(|via| via.transport.as_str()).collect();
    assert_eq!(transports, ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]);
    assert_eq!(request.top_via().unwrap().transport, Transport::Udp);
    assert_eq!(request.branch(), Some("z9hG4bKkdjuw"));
}

#[test]
fn mpart01_is_framed_around_its_nulls() {
    let mpart01 = request("mpart01");
    assert_eq!((&mpart01.method, mpart01.body.len()), (&Method::Message, 553));
    assert!(mpart01.body.ends_with(b"--7a9cbec02ceef655--\r\n"));
    let kind = mpart01.headers.content_type().unwrap();
    let parts = toestel_proto::sip::parse::multipart::parts(&kind, &mpart01.body);
    let kinds: Vec<_> = parts.iter().map(|part| part.content_type.as_str()).collect();
    assert_eq!(kinds, ["text/plain", "application/octet-stream"]);
    assert_eq!(parts[0].body, b"Hello");
    assert!(parts[1].body.starts_with(&[0x30, 0x82, 0x01, 0x52]) && parts[1].body.contains(&0));
    let via = mpart01.top_via().unwrap();
    assert!(via.params.has("rport") && via.rport().is_none());
    assert_eq!(via.port, Some(5070));
    assert_eq!(mpart01.headers.routes()[0].uri.port(), Some(5080));
}

#[test]
fn reason_phrases_may_be_anything_or_nothing() {
    let unreason = response("unreason");
    assert_eq!(unreason.status, StatusCode::OK);
    assert_eq!(unreason.reason, "= 2**3 * 5**2 но сто девяносто девять - простое");
    assert_eq!(
        (unreason.to.tag(), unreason.cseq.to_string()),
        (Some("2229"), "35 INVITE".to_owned())
    );
    assert_eq!(unreason.body.len(), 154);
    let noreason = response("noreason");
    assert_eq!((noreason.status, noreason.reason.as_str()), (StatusCode::TRYING, ""));
    assert_eq!(noreason.branch(), Some("z9hG4bK2398ndaoe"));
    assert_eq!(
        noreason.headers.contacts().first().unwrap().uri,
        uri("sip:user@host105.example.com")
    );
}

#[test]
fn unknown_schemes_are_kept_to_be_answered() {
    let unkscm = request("unkscm");
    assert_eq!(unkscm.uri.scheme(), &Scheme::Other("nobodyknowsthisscheme".to_owned()));
    assert_eq!(unkscm.uri.user().unwrap(), "totallyopaquecontent");
    let novelsc = request("novelsc");
    assert_eq!(novelsc.uri.to_string(), "soap.beep://192.0.2.103:3002");
    let unksm2 = request("unksm2");
    assert_eq!(unksm2.to.uri.to_string(), "isbn:2983792873");
    assert_eq!(
        (unksm2.from.uri.to_string().as_str(), unksm2.from.tag()),
        ("http://www.example.com", Some("3234233"))
    );
    assert_eq!(
        unksm2.headers.contacts().first().unwrap().uri.to_string(),
        "name:John_Smith"
    );
}

#[test]
fn bext01_is_answered_with_what_it_required() {
    let bext01 = request("bext01");
    assert_eq!(
        bext01.headers.require(),
        ["nothingSupportsThis", "nothingSupportsThisEither"]
    );
    assert_eq!(bext01.headers.tokens(HeaderName::ProxyRequire).len(), 2);
    let answer = admit(&bext01, &Capabilities::PHONE).unwrap_err().response(&bext01, "t");
    let unsupported = answer.headers.get(HeaderName::Unsupported);
    assert_eq!(unsupported, Some("nothingSupportsThis, nothingSupportsThisEither"));
}

#[test]
fn invut_and_sdp01_name_what_would_do() {
    let invut = request("invut");
    assert_eq!(
        (invut.body.len(), invut.headers.content_type().unwrap().essence),
        (40, "application/unknownformat".to_owned())
    );
    let answer = admit(&request("invut"), &Capabilities::PHONE).unwrap_err();
    assert_eq!(answer.headers.get(HeaderName::Accept), Some("application/sdp"));
    let answer = admit(&request("sdp01"), &Capabilities::PHONE).unwrap_err();
    assert_eq!(answer.headers.warnings()[0].code, 399);
}

#[test]
fn regaut01_keeps_a_scheme_that_no_one_knows() {
    let regaut01 = request("regaut01");
    assert_eq!(
        regaut01.headers.get(HeaderName::Authorization),
        Some("NoOneKnowsThisScheme opaque-data=here")
    );
    assert_eq!((regaut01.cseq, regaut01.headers.max_forwards()), (9338, Some(8)));
}

#[test]
fn bcast_and_zeromf_are_well_formed() {
    let bcast = response("bcast");
    assert_eq!(bcast.vias[1].host.to_string(), "255.255.255.255");
    assert_eq!((bcast.status, bcast.vias.len()), (StatusCode::OK, 2));
    let zeromf = request("zeromf");
    assert_eq!((zeromf.headers.max_forwards(), zeromf.cseq), (Some(0), 39_234_321));
}

#[test]
fn parameters_belong_to_the_contact_or_to_its_uri() {
    let first = |name: &str| match request(name).headers.contacts() {
        Contacts::List(list) => list.into_iter().next().unwrap(),
        Contacts::All => panic!("{name}"),
    };
    let outside = first("cparam01");
    assert!(outside.params.has("unknownparam") && !outside.uri.params().has("unknownparam"));
    let inside = first("cparam02");
    assert!(!inside.params.has("unknownparam") && inside.uri.params().has("unknownparam"));
    let escaped = first("regescrt");
    let headers: Vec<_> = escaped.uri.headers().collect();
    assert_eq!(headers, [("Route".into(), "<sip:sip.example.com>".into())]);
    assert_eq!(
        escaped.uri.to_string(),
        "sip:user@example.com?Route=%3Csip:sip.example.com%3E"
    );
}

#[test]
fn inv2543_is_read_without_branch_tag_and_length() {
    let inv2543 = request("inv2543");
    assert_eq!(
        (inv2543.branch(), inv2543.from.tag(), inv2543.headers.max_forwards()),
        (None, None, None)
    );
    assert!(inv2543.body.starts_with(b"v=0\r\n") && inv2543.body.ends_with(b"RTP/AVP 0\r\n"));
    assert_eq!(
        inv2543.to.params.get("user"),
        Some("phone"),
        "outside brackets it is the header's"
    );
    assert_eq!(inv2543.from.uri.param("user").unwrap(), "phone");
    assert_eq!(
        inv2543.headers.record_routes()[0].uri.param("maddr").unwrap(),
        "ss1.example.com"
    );
}

#[test]
fn baddn_and_baddate_are_taken_and_baddn_is_written_back_with_quotes() {
    let baddn = request("baddn");
    assert_eq!(baddn.from.display.as_deref(), Some("Bell, Alexander"));
    assert!(
        baddn
            .from
            .to_string()
            .starts_with("\"Bell, Alexander\" <sip:a.g.bell@example.com>")
    );
    assert_eq!(
        request("baddate").headers.get(HeaderName::Date),
        Some("Fri, 01 Jan 2010 16:00:00 EST")
    );
}
