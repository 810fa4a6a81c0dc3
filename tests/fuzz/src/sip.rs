//! One datagram: what is accepted is written and read again as the same, and every typed field can be asked for.

use std::sync::LazyLock;
use toestel_proto::random::Random;
use toestel_proto::sip::admission::{Capabilities, admit};
use toestel_proto::sip::msg::{HeaderName, Message, Response, StatusCode};
use toestel_proto::sip::parse::{self, multipart};
use toestel_proto::sip::probe;

use crate::mutate::text::{Grammar, with_right_lengths};
use crate::planted;

/// Runs one input; whether it was accepted.
pub fn run(input: &[u8]) -> bool {
    probe::datagram(input);
    let message = match parse::datagram(input) {
        Ok(message) => message,
        Err(refusal) => {
            refusal.response("tag");
            return false;
        }
    };
    assert_eq!(parse::datagram(&message.to_bytes()).as_ref(), Ok(&message));
    ask_everything(&message);
    if let Message::Request(request) = &message {
        let answer = match admit(request, &Capabilities::PHONE) {
            Ok(()) => {
                planted::in_admitted(request);
                Response::to(request, StatusCode::OK).with_to_tag("tag")
            }
            Err(rejection) => rejection.response(request, "tag"),
        };
        assert!(
            parse::datagram(&answer.to_bytes()).is_ok(),
            "our own answer cannot be read"
        );
    }
    true
}

fn ask_everything(message: &Message) {
    let headers = message.headers();
    headers.contacts();
    headers.routes();
    headers.service_routes();
    headers.asserted_identities();
    headers.refer_to();
    headers.expires();
    headers.retry_after();
    headers.session_expires();
    headers.min_se();
    headers.rack();
    headers.reasons();
    headers.warnings();
    headers.event();
    headers.subscription_state();
    headers.replaces();
    headers.supports("timer");
    headers.get(HeaderName::AlertInfo);
    let body = match message {
        Message::Request(request) => &request.body,
        Message::Response(response) => &response.body,
    };
    if let Some(kind) = headers.content_type() {
        multipart::parts(&kind, body);
    }
    for via in message.vias() {
        via.received();
        via.rport();
        via.sent_by();
    }
}

/// `input` with an edit, and mostly with the right length.
pub fn edit(input: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    static GRAMMAR: LazyLock<Grammar> = LazyLock::new(|| Grammar::new(&seeds(), None));
    let edited = GRAMMAR.edit(input, random);
    let is_mended = random.below(8) > 0;
    Some(if is_mended { with_right_lengths(&edited) } else { edited })
}

/// Messages of every kind that a phone meets, whole and broken.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = METHODS
        .iter()
        .map(|(method, more)| request(method, more, "").into())
        .collect();
    seeds.extend(RESPONSES.iter().map(|(start, more)| response(start, more).into()));
    let sdp = "v=0\r\no=- 1 1 IN IP6 ::1\r\ns=-\r\nc=IN IP6 ::1\r\nt=0 0\r\nm=audio 4000 RTP/SAVP 111 101\r\n";
    seeds.push(request("INVITE", "Content-Type: application/sdp\r\n", sdp).into());
    let parts = format!("--b\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n--b\r\n\r\nhello\r\n--b--\r\n");
    seeds.push(request("INVITE", "c: multipart/mixed;boundary=\"b\"\r\n", &parts).into());
    seeds.extend(INVITES.iter().map(|more| request("INVITE", more, "").into()));
    seeds.extend(
        BROKEN
            .iter()
            .map(|(from, to)| request("INVITE", "", "").replacen(from, to, 1).into()),
    );
    seeds
}

const METHODS: [(&str, &str); 14] = [
    (
        "INVITE",
        "Supported: timer, 100rel\r\nx: 90;refresher=uac\r\nMin-SE: 90\r\nAlert-Info: <http://a/>;info=x\r\n",
    ),
    ("ACK", "Route: <sip:p.nl;lr>, <sip:q.nl;lr>\r\n"),
    ("BYE", "Reason: SIP;cause=200;text=\"a, b\", Q.850;cause=16\r\n"),
    ("CANCEL", "Reason: SIP;cause=200\r\n"),
    ("REGISTER", "m: *\r\nExpires: 0\r\nPath: <sip:p.nl;lr;ob>\r\n"),
    ("OPTIONS", "Accept: application/sdp, */*;q=0.1\r\n"),
    ("INFO", "Content-Type: application/dtmf-relay\r\n"),
    ("PRACK", "RAck: 1 2 INVITE\r\n"),
    ("UPDATE", "Session-Expires: 1800;refresher=uas\r\n"),
    (
        "REFER",
        "Refer-To: <sip:c@h.nl?Replaces=c%40h%3Bto-tag%3Da%3Bfrom-tag%3Db>\r\nReferred-By: <sip:b@h.nl>\r\n",
    ),
    (
        "NOTIFY",
        "o: dialog;id=1\r\nSubscription-State: active;expires=60;reason=x;retry-after=5\r\n",
    ),
    ("SUBSCRIBE", "Event: message-summary\r\nExpires: 3600\r\n"),
    (
        "MESSAGE",
        "Content-Type: text/plain\r\nP-Asserted-Identity: \"A\" <sip:a@h.nl>, <tel:+31-20-1;ext=1>\r\n",
    ),
    (
        "ODD",
        "Subject: a\r\n\tb\r\nX-Unknown: ;;,\"\r\nDate: Sat, 15 Oct 2005 04:44:56 GMT\r\n",
    ),
];

/// What exchanges put into the INVITEs that they send: of these a phone reads the most.
const INVITES: [&str; 5] = [
    "Contact: <sip:asterisk@h.nl:5061;transport=TLS>\r\nAllow: OPTIONS, REGISTER, INVITE, ACK, BYE, PRACK\r\n\
     Supported: 100rel, timer, replaces, norefersub\r\nSession-Expires: 1800\r\nMin-SE: 90\r\n\
     P-Asserted-Identity: \"Anna\" <sip:1002@h.nl>\r\nUser-Agent: PBX\r\n",
    "Record-Route: <sip:p.nl;transport=tls;lr;r2=on>, <sip:p.nl:5060;lr>\r\nContact: <sip:gw@h.nl;gr=u>\r\n\
     Diversion: <sip:300@h.nl>;reason=unconditional;counter=1\r\n\
     History-Info: <sip:300@h.nl>;index=1, <sip:400@h.nl;cause=302>;index=1.1\r\n",
    "Contact: <sip:1002@192.0.2.1>;+sip.instance=\"<urn:uuid:1>\"\r\nAlert-Info: <urn:alert:source:internal>\r\n\
     Call-Info: <sip:h.nl>;answer-after=0\r\nPriority: normal\r\nRequire: 100rel\r\n",
    "Contact: <sip:1002@h.nl>\r\nReplaces: c@h;to-tag=2;from-tag=1;early-only\r\nReferred-By: <sip:b@h.nl>\r\n\
     Privacy: id\r\nRemote-Party-ID: \"A\" <sip:a@h.nl>;party=calling;screen=yes;privacy=off\r\n",
    "m: <sip:1002@h.nl>\r\nk: timer\r\nx: 1800;refresher=uac\r\nExpires: 120\r\nTimestamp: 5.4\r\n\
     Date: Sat, 15 Oct 2005 04:44:56 GMT\r\nAccept: application/sdp\r\nSubject: Lunch\r\n",
];

const RESPONSES: [(&str, &str); 6] = [
    ("100 Trying", ""),
    (
        "183 Session Progress",
        "Require: 100rel\r\nRSeq: 1\r\nRecord-Route: <sip:p.nl;lr>\r\n",
    ),
    (
        "200 OK",
        "Contact: <sip:b@[::1]:5;ob>;+sip.instance=\"<urn:uuid:1>\";reg-id=1;expires=60;q=0.5\r\nFlow-Timer: 30\r\n",
    ),
    (
        "302 Moved",
        "Contact: <sip:1@h.nl>;q=1.0, \"x, \\\"y\" <sip:2@h.nl>\r\n",
    ),
    (
        "401 Unauthorized",
        "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"\r\n",
    ),
    (
        "503 ",
        "Retry-After: 5 (comment);duration=9\r\nWarning: 399 h.nl \"text\"\r\n",
    ),
];

/// What is replaced in a good request to break it.
const BROKEN: [(&str, &str); 8] = [
    ("SIP/2.0", "SIP/7.0"),
    ("From: ", "From: \""),
    ("From: <", "From: \\<"),
    ("Content-Length: 0", "Content-Length: -1"),
    ("Content-Length: 0", "l: 0\r\nl: 0"),
    ("CSeq: 1", "CSeq: 4294967296"),
    ("sip:a@", "sip:%zz@"),
    ("\r\nTo:", "\nTo:"),
];

pub(crate) fn request(method: &str, more: &str, body: &str) -> String {
    format!(
        "{method} sip:a%20b;x@h.nl:5060;transport=tls SIP/2.0\r\n{}",
        rest(method, more, body)
    )
}

pub(crate) fn response(start: &str, more: &str) -> String {
    format!("SIP/2.0 {start}\r\n{}", rest("INVITE", more, ""))
}

fn rest(method: &str, more: &str, body: &str) -> String {
    format!(
        "Via: SIP/2.0/TLS [2001:db8::1]:5061;branch=z9hG4bK1;rport=1;received=[::1]\r\nFrom: <sip:b@h.nl>;tag=1\r\n\
         To: \"A \\\"B\\\"\" <sips:a@1.2.3.4>;tag=2\r\nCall-ID: c@h\r\nCSeq: 1 {method}\r\nMax-Forwards: 70\r\n{more}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
