//! The verdicts, in the order of the RFC and written from its prose.

use std::collections::BTreeSet;

use toestel_proto::sip::parse;
use toestel_torture::Verdict::{Admitted, Answered, Dropped, Ignored, Refused};
use toestel_torture::{Row, Verdict, judge};

use super::{MESSAGES, bytes};

const fn row(name: &'static str, section: &'static str, verdict: Verdict, because: &'static str) -> Row {
    Row {
        name,
        section,
        verdict,
        because,
    }
}

#[rustfmt::skip]
const VALID: [Row; 13] = [
    row("wsinv", "3.1.1.1", Admitted, "all elements should treat this as a well-formed request"),
    row("intmeth", "3.1.1.2", Answered(501), "endpoints will generate a 501 listing the methods they understand"),
    row("esc01", "3.1.1.3", Admitted, "a parser must accept this as a well-formed message"),
    row("escnull", "3.1.1.4", Answered(405), "well formed; a REGISTER, which an endpoint that is no registrar answers as in 3.3.7"),
    row("esc02", "3.1.1.5", Answered(501), "well formed; an endpoint would reject this message with a 501"),
    row("lwsdisp", "3.1.1.6", Admitted, "elements should accept this request as well formed"),
    row("longreq", "3.1.1.7", Admitted, "well formed with many and very long values"),
    row("dblreq", "3.1.1.8", Answered(405), "octets after the body are ignored; what is left is a REGISTER (3.3.7)"),
    row("semiuri", "3.1.1.9", Admitted, "receiving elements will accept this as a well-formed message"),
    row("transports", "3.1.1.10", Admitted, "parsers must accept this message as well formed"),
    row("mpart01", "3.1.1.11", Answered(405), "parsers must accept it; MESSAGE is a method that the phone does not take"),
    row("unreason", "3.1.1.12", Admitted, "this response is well formed, a parser must accept it"),
    row("noreason", "3.1.1.13", Admitted, "well formed without a reason phrase"),
];

#[rustfmt::skip]
const INVALID: [Row; 12] = [
    row("badinv01", "3.1.2.1", Refused(400), "extra semicolons and commas in Via: should respond with a 400"),
    row("clerr", "3.1.2.2", Refused(400), "Content-Length beyond the datagram: should respond with a 400"),
    row("ncl", "3.1.2.3", Refused(400), "negative Content-Length: should respond with an error"),
    row("scalar02", "3.1.2.4", Refused(400), "a 400 due to the CSeq above 2^32-1"),
    row("scalarlg", "3.1.2.5", Dropped, "a response with an overlarge CSeq: simply discard it"),
    row("quotbal", "3.1.2.6", Refused(400), "an unterminated quote: should return a 400"),
    row("ltgtruri", "3.1.2.7", Refused(400), "a Request-URI in <>: reasonable always to reject with a 400"),
    row("lwsruri", "3.1.2.8", Refused(400), "LWS within the Request-URI: should respond with a 400"),
    row("badvers", "3.1.2.16", Refused(505), "an unknown version: should respond with a 505"),
    row("mismatch01", "3.1.2.17", Refused(400), "the start line and CSeq name two methods: will respond with a 400"),
    row("mismatch02", "3.1.2.18", Refused(501), "an unknown method that CSeq does not repeat: should respond with a 501"),
    row("bigcode", "3.1.2.19", Dropped, "a response code above 699: should simply drop it"),
];

/// Where the RFC calls the message malformed and lets the receiver choose.
#[rustfmt::skip]
const JUDGED: [Row; 8] = [
    row("lwsstart", "3.1.2.9", Refused(400), "acceptable to reject: the start line is what framing and routing rest on, so it is read strictly"),
    row("trws", "3.1.2.10", Refused(400), "acceptable to reject, as 3.1.2.9"),
    row("escruri", "3.1.2.11", Refused(400), "acceptable to reject: headers in a Request-URI have no meaning that could be followed (RFC 3261 19.1.1)"),
    row("baddate", "3.1.2.12", Admitted, "an element should not reject it unless Date matters to it; here it does not"),
    row("regbadct", "3.1.2.13", Refused(400), "reasonable to reject: brackets cannot be inferred in general (RFC 3261 20.10)"),
    row("badaspec", "3.1.2.14", Refused(400), "reasonable to reject: no sender is known that does this"),
    row("baddn", "3.1.2.15", Admitted, "liberal: PBXs send names with commas without quotes, and a lost call is worse; written back with quotes"),
    row("badbranch", "3.2.1", Answered(400), "a bare magic cookie would match any other: rejected statelessly"),
];

#[rustfmt::skip]
const APPLICATION: [Row; 16] = [
    row("insuf", "3.3.1", Refused(400), "no Call-ID, From and To: ideally a 400"),
    row("unkscm", "3.3.2", Answered(416), "a parser must accept it, an element will reject it with a 416"),
    row("novelsc", "3.3.3", Answered(416), "a scheme that is never accepted here: appropriate to return a 416"),
    row("unksm2", "3.3.4", Answered(405), "parsers must not fail; the 400 is a registrar's, an endpoint takes no REGISTER"),
    row("bext01", "3.3.5", Answered(420), "any element will respond with a 420 that lists the features"),
    row("invut", "3.3.6", Answered(415), "an endpoint would reject it with a 415"),
    row("regaut01", "3.3.7", Answered(405), "endpoints that are no registrar: a 405 is appropriate"),
    row("multi01", "3.3.8", Refused(400), "several Call-ID, To, From, Max-Forwards, CSeq: would respond with a 400"),
    row("mcl01", "3.3.9", Refused(400), "conflicting Content-Length: should respond with an error"),
    row("bcast", "3.3.10", Ignored, "well formed; an endpoint should simply discard it (RFC 3261 8.1.3.3)"),
    row("zeromf", "3.3.11", Admitted, "an endpoint should process it as if Max-Forwards were still positive"),
    row("cparam01", "3.3.12", Answered(405), "well formed; succeeds at a registrar, which a phone is not"),
    row("cparam02", "3.3.13", Answered(405), "well formed; succeeds at a registrar, which a phone is not"),
    row("regescrt", "3.3.14", Answered(405), "well formed; succeeds at a registrar, which a phone is not"),
    row("sdp01", "3.3.15", Answered(406), "could respond with a 406 and Warning 399"),
    row("inv2543", "3.4.1", Admitted, "should be accepted for backwards compatibility: no branch, no From tag, no length"),
];

fn rows() -> impl Iterator<Item = &'static Row> {
    VALID.iter().chain(&INVALID).chain(&JUDGED).chain(&APPLICATION)
}

#[test]
fn every_message_gets_the_verdict_of_the_rfc() {
    let wrong: Vec<String> = rows()
        .filter_map(|row| {
            let verdict = judge(bytes(row.name));
            (verdict != row.verdict).then(|| format!("{row:?} but {verdict:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_message_is_left_out() {
    let judged: BTreeSet<&str> = rows().map(|row| row.name).collect();
    // The archive has one file of which the RFC says nothing: a fragment without a version in its first line.
    let archived: BTreeSet<&str> = MESSAGES
        .keys()
        .map(String::as_str)
        .filter(|name| *name != "test")
        .collect();
    assert_eq!(judged, archived);
    assert_eq!(judge(bytes("test")), Dropped);
}

#[test]
fn an_answer_to_a_malformed_request_repeats_what_the_sender_knows_it_by() {
    let answers = rows().filter(|row| matches!(row.verdict, Refused(_)));
    for row in answers {
        let answer = parse::datagram(bytes(row.name)).unwrap_err().response("t1").unwrap();
        let answer = String::from_utf8(answer.to_vec()).unwrap();
        let Refused(code) = row.verdict else { unreachable!() };
        assert!(answer.starts_with(&format!("SIP/2.0 {code} ")), "{answer}");
        assert!(answer.contains("\r\nVia: "), "{answer}");
        assert!(answer.ends_with("\r\n\r\n"), "{answer}");
        assert_eq!(answer.contains("\r\nCall-ID: "), row.name != "insuf", "{answer}");
    }
}
