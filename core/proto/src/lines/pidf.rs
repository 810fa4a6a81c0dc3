//! Whether somebody is there: `application/pidf+xml` (RFC 3863), with what RPID (RFC 4480) adds.

#![warn(clippy::arithmetic_side_effects)]

use super::xml::{self, Element, Unreadable};
use crate::view::LampState;

/// The document's type.
pub const TYPE: &str = "application/pidf+xml";

/// The longest note that is shown.
const NOTE_LIMIT: usize = 128;

/// What somebody's presence says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Presence {
    /// For the lamp.
    pub state: LampState,
    /// In their own words.
    pub note: Option<String>,
}

/// Reads a document. One device that is open is enough; a call on any goes before that.
///
/// # Errors
/// What is wrong with it.
pub fn read(body: &[u8]) -> Result<Presence, Unreadable> {
    let root = xml::read(body, "presence")?;
    let mut basics = root.all("tuple").filter_map(basic).peekable();
    let is_told = basics.peek().is_some();
    let is_open = basics.any(|basic| basic == "open");
    let state = match activity(&root) {
        Some(state) if is_open || state != LampState::Busy => state,
        _ if !is_told => LampState::Unknown,
        _ if is_open => LampState::Idle,
        Some(state) => state,
        None => LampState::Away,
    };
    Ok(Presence {
        state,
        note: note(&root),
    })
}

fn basic(tuple: &Element) -> Option<&str> {
    Some(tuple.child("status")?.child("basic")?.text())
}

/// The first activity that concerns a phone.
fn activity(root: &Element) -> Option<LampState> {
    let of_person = root.all("person").flat_map(|person| {
        person
            .children()
            .chain(person.all("status").flat_map(Element::children))
    });
    let of_tuple = root
        .all("tuple")
        .flat_map(|tuple| tuple.all("status"))
        .flat_map(Element::children);
    let activities = of_person.chain(of_tuple).filter(|child| child.name == "activities");
    activities
        .flat_map(Element::children)
        .find_map(|activity| match activity.name.as_str() {
            "on-the-phone" | "busy" => Some(LampState::Busy),
            "away" | "vacation" | "holiday" | "permanent-absence" | "sleeping" => Some(LampState::Away),
            _ => None,
        })
}

fn note(root: &Element) -> Option<String> {
    let own = root.all("note");
    let inner = root
        .all("tuple")
        .chain(root.all("person"))
        .flat_map(|holder| holder.all("note"));
    let text = own.chain(inner).map(Element::text).find(|text| !text.is_empty())?;
    Some(text.chars().filter(|c| !c.is_control()).take(NOTE_LIMIT).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presence(inside: &str) -> Presence {
        let text = format!(
            "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" xmlns:pp=\"urn:ietf:params:xml:ns:pidf:person\" \
             entity=\"sip:1002@pbx.example\">{inside}</presence>"
        );
        read(text.as_bytes()).unwrap()
    }

    fn tuple(basic: &str) -> String {
        format!("<tuple id=\"1002\"><status><basic>{basic}</basic></status></tuple>")
    }

    fn person(activity: &str) -> String {
        format!("<pp:person><status><ep:activities><ep:{activity}/></ep:activities></status></pp:person>")
    }

    #[test]
    fn open_is_free_and_closed_is_away() {
        assert_eq!(presence(&tuple("open")).state, LampState::Idle);
        assert_eq!(presence(&tuple("closed")).state, LampState::Away);
        assert_eq!(presence(&(tuple("closed") + &tuple("open"))).state, LampState::Idle);
        assert_eq!(
            presence("").state,
            LampState::Unknown,
            "nothing is said, so nothing is known"
        );
    }

    #[test]
    fn an_activity_says_more_than_open_or_closed() {
        assert_eq!(
            presence(&(person("on-the-phone") + &tuple("open"))).state,
            LampState::Busy
        );
        assert_eq!(presence(&(person("busy") + &tuple("closed"))).state, LampState::Busy);
        assert_eq!(presence(&(person("away") + &tuple("open"))).state, LampState::Away);
        assert_eq!(presence(&(person("reading") + &tuple("open"))).state, LampState::Idle);
    }

    #[test]
    fn a_note_is_shown_without_what_could_harm() {
        let noted = presence(&format!("<note>Back at\n{}</note>{}", "9".repeat(500), tuple("open")));
        let note = noted.note.unwrap();
        assert!(
            note.starts_with("Back at9") && note.chars().count() == NOTE_LIMIT,
            "{note}"
        );
    }
}
