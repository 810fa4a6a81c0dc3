//! What a PBX tells of the lines of others: dialog-info, presence, lists, waiting messages, and how a transfer goes.
//!
//! The first byte says which document it is: `d`, `p`, `r`, `m` or `s`. An input is accepted if the document is.

use std::sync::LazyLock;
use toestel_proto::lines::dialog_info::{self, Dialogs};
use toestel_proto::lines::{message_summary, pidf, rlmi};
use toestel_proto::random::Random;
use toestel_proto::sip::msg::{ContentType, Replaces};
use toestel_proto::sip::transfer::status_of;

use crate::mutate::text::Grammar;

const LIST_TYPE: &str = "multipart/related;type=\"application/rlmi+xml\";boundary=b";

/// Runs one input; whether it was accepted.
pub fn run(input: &[u8]) -> bool {
    let Some((kind, body)) = input.split_first() else {
        return false;
    };
    match kind {
        b'd' => dialogs(body),
        b'p' => pidf::read(body).is_ok(),
        b'r' => list(body),
        b'm' => message_summary::read(body).is_ok(),
        b's' => status_of(body).is_some(),
        _ => false,
    }
}

/// The same document twice leaves the same lamp, and what it names for a pickup is what is written and read again.
fn dialogs(body: &[u8]) -> bool {
    let Ok(info) = dialog_info::read(body) else {
        return false;
    };
    let mut known = Dialogs::default();
    known.apply(info.clone());
    let (once, _) = known.lamp();
    if info.full {
        known.apply(info);
        assert_eq!(known.lamp().0, once);
    }
    if let Some(replaces) = known.to_take().and_then(|dialog| dialog.replaces.as_ref())
        && let Ok(read) = replaces.to_string().parse::<Replaces>()
    {
        assert_eq!(&read, replaces);
    }
    true
}

/// No part is longer than the whole, and whatever is told of somebody can be handed to its own reader.
fn list(body: &[u8]) -> bool {
    let content_type: ContentType = LIST_TYPE.parse().expect("a type of our own");
    let Ok(listed) = rlmi::read(&content_type, body) else {
        return false;
    };
    for (_, instance) in &listed.resources {
        if let rlmi::Instance::Told { body: part, .. } = instance {
            assert!(part.len() < body.len());
            let _ = dialog_info::read(part);
        }
    }
    true
}

/// `input` with an edit.
pub fn edit(input: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    static GRAMMAR: LazyLock<Grammar> = LazyLock::new(|| Grammar::new(&seeds(), None));
    Some(GRAMMAR.edit(input, random))
}

/// Documents as exchanges send them, and some that are broken.
pub fn seeds() -> Vec<Vec<u8>> {
    let told = dialog_info("full", CALLS);
    let list = format!(
        "r--b\r\nContent-Type: application/rlmi+xml\r\n\r\n\
         <list xmlns=\"urn:ietf:params:xml:ns:rlmi\" uri=\"sip:all@x\" version=\"1\" fullState=\"true\">\
         <resource uri=\"sip:2@x\"><name>Anna</name><instance id=\"i\" state=\"active\" cid=\"c@x\"/></resource>\
         <resource uri=\"sip:3@x\"><instance id=\"j\" state=\"terminated\" reason=\"rejected\"/></resource></list>\r\n\
         --b\r\nContent-Type: application/dialog-info+xml\r\nContent-ID: <c@x>\r\n\r\n{}\r\n--b--\r\n",
        told.get(1..).unwrap_or_default()
    );
    let mut seeds: Vec<String> = DOCUMENTS.iter().map(|text| (*text).to_owned()).collect();
    seeds.push(dialog_info(
        "partial",
        "<dialog id=\"x\"><state>terminated</state></dialog>",
    ));
    seeds.push(told.replace("full", "neither"));
    seeds.push(told.replace("<dialog-info", "<!DOCTYPE a [<!ENTITY b \"c\">]><dialog-info"));
    seeds.push(told.replace("</dialog-info>", ""));
    seeds.push(list.replace("rlmi+xml\r\n", "xml\r\n"));
    seeds.extend([told, list]);
    seeds.into_iter().map(String::into_bytes).collect()
}

fn dialog_info(state: &str, dialogs: &str) -> String {
    format!(
        "d<?xml version=\"1.0\"?>\r\n<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"7\" \
         state=\"{state}\" entity=\"sip:2@x\">{dialogs}</dialog-info>"
    )
}

const CALLS: &str = "<dialog id=\"a\" call-id=\"c@x\" local-tag=\"l\" remote-tag=\"r\" direction=\"recipient\">\
    <state event=\"remote-bye\" code=\"200\">early</state><remote><identity display=\"A &amp; B\">sip:5@x</identity>\
    <target uri=\"sip:5@y\"/></remote></dialog><dialog id=\"b\" direction=\"initiator\"><state>confirmed</state>\
    <local><target uri=\"sip:2@x\"><param pname=\"+sip.rendering\" pval=\"no\"/></target></local></dialog>";

const DOCUMENTS: [&str; 8] = [
    "p<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"pres:2@x\"><tuple id=\"t\"><status><basic>open</basic>\
     </status><note>On the phone</note></tuple></presence>",
    "p<presence xmlns=\"urn:ietf:params:xml:ns:pidf\"><tuple id=\"t\"><status><basic>closed</basic></status></tuple>\
     <dm:person xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\"><rpid:activities \
     xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\"><rpid:away/></rpid:activities></dm:person></presence>",
    "mMessages-Waiting: yes\r\nMessage-Account: sip:*97@x\r\nVoice-Message: 2/8 (1/2)\r\n",
    "mMessages-Waiting: no\r\n",
    "mVoice-Message: 1/0\r\n",
    "sSIP/2.0 180 Ringing\r\n",
    "sSIP/2.0 603 Decline\r\nReason: Q.850;cause=21\r\n\r\n",
    "sBYE sip:2@x SIP/2.0\r\n",
];
