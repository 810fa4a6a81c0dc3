//! Who is in which call: `application/dialog-info+xml` (RFC 4235), and what follows for a lamp.
//!
//! A full document replaces what was known; a partial one adds to it and must be the next in order, or else the whole is
//! asked for again (4.3). PBXs differ in what they leave out: many send nothing but a state.

#![warn(clippy::arithmetic_side_effects)]

use super::xml::{self, Element, Unreadable};
use crate::sip::msg::{NameAddr, Replaces, Uri};
use crate::view::LampState;
use std::collections::BTreeMap;

/// The document's type.
pub const TYPE: &str = "application/dialog-info+xml";

/// More calls than one extension has; the rest is not kept.
const DIALOG_LIMIT: usize = 64;

/// One document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DialogInfo {
    /// Counts the documents of one subscription.
    pub version: u32,
    /// Whether it holds all dialogs.
    pub full: bool,
    /// Whose they are.
    pub entity: String,
    /// The dialogs, by their `id`.
    pub dialogs: Vec<(String, Dialog)>,
}

/// One call of theirs, or more exactly the dialog of one of their phones.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dialog {
    /// How far it is.
    pub state: DialogState,
    /// Whether they were called; `None` where the PBX does not say.
    pub is_called: Option<bool>,
    /// They put it on hold.
    pub is_held: bool,
    /// Who is at the other end: name and address.
    pub remote: Option<NameAddr>,
    /// What names the dialog for a pickup (RFC 3891), seen from whoever takes it over.
    pub replaces: Option<Replaces>,
}

/// How far a dialog is (RFC 4235 3.7.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum DialogState {
    /// Over.
    Terminated,
    /// Asked for.
    Trying,
    /// On its way.
    Proceeding,
    /// It rings.
    Early,
    /// They talk.
    Confirmed,
}

/// Reads a document.
///
/// # Errors
/// What is wrong with it.
pub fn read(body: &[u8]) -> Result<DialogInfo, Unreadable> {
    let root = xml::read(body, "dialog-info")?;
    let version = root.attribute("version").and_then(|text| text.trim().parse().ok());
    let full = match root.attribute("state") {
        Some("full") => true,
        Some("partial") => false,
        _ => return Err(Unreadable::Incomplete),
    };
    Ok(DialogInfo {
        version: version.ok_or(Unreadable::Incomplete)?,
        full,
        entity: root.attribute("entity").unwrap_or_default().to_owned(),
        dialogs: root.all("dialog").take(DIALOG_LIMIT).filter_map(dialog).collect(),
    })
}

fn dialog(element: &Element) -> Option<(String, Dialog)> {
    let state = match element.child("state")?.text() {
        "trying" => DialogState::Trying,
        "proceeding" => DialogState::Proceeding,
        "early" => DialogState::Early,
        "confirmed" => DialogState::Confirmed,
        "terminated" => DialogState::Terminated,
        _ => return None,
    };
    let is_called = match element.attribute("direction") {
        Some("recipient") => Some(true),
        Some("initiator") => Some(false),
        _ => None,
    };
    let dialog = Dialog {
        state,
        is_called,
        is_held: element.child("local").is_some_and(is_held),
        remote: element.child("remote").and_then(identity),
        replaces: replaces(element, state),
    };
    Some((element.attribute("id").unwrap_or_default().to_owned(), dialog))
}

/// `+sip.rendering` is `no` where they hear nothing of the call (RFC 5359 2.1).
fn is_held(local: &Element) -> bool {
    let params = local.child("target").into_iter().flat_map(|target| target.all("param"));
    params.into_iter().any(|param| {
        param.attribute("pname") == Some("+sip.rendering") && matches!(param.attribute("pval"), Some("no" | "unknown"))
    })
}

fn identity(remote: &Element) -> Option<NameAddr> {
    let element = remote.child("identity")?;
    let uri: Uri = element.text().parse().ok()?;
    let name = element.attribute("display").filter(|name| !name.is_empty());
    Some(match name {
        Some(name) => NameAddr::new(uri).with_display(name),
        None => NameAddr::new(uri),
    })
}

/// Seen from the other end of the dialog, to whom the INVITE goes that takes it over: `to-tag` is its own, and the phone
/// that is watched has the other. An early dialog can be taken from nobody but its caller (RFC 3891 3).
fn replaces(element: &Element, state: DialogState) -> Option<Replaces> {
    let text = |name| element.attribute(name).filter(|text| !text.is_empty());
    let is_early = state != DialogState::Confirmed;
    Replaces::new(text("call-id")?, text("remote-tag")?, text("local-tag")?, is_early).ok()
}

/// What became of a document.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Applied {
    /// It was taken in.
    Taken,
    /// Something before it is missing: the whole must be asked for.
    Gap,
}

/// All dialogs of one entity, document after document.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Dialogs {
    version: Option<u32>,
    known: BTreeMap<String, Dialog>,
}

impl Dialogs {
    /// Takes a document in. They come in the order of their NOTIFYs, so a full one holds whatever its number.
    pub fn apply(&mut self, info: DialogInfo) -> Applied {
        if info.full {
            self.known.clear();
        } else if self.version.and_then(|version| version.checked_add(1)) != Some(info.version) {
            return match self.version {
                Some(known) if info.version <= known => Applied::Taken,
                _ => Applied::Gap,
            };
        }
        self.version = Some(info.version);
        for (id, dialog) in info.dialogs {
            if dialog.state == DialogState::Terminated {
                self.known.remove(&id);
            } else if self.known.len() < DIALOG_LIMIT || self.known.contains_key(&id) {
                self.known.insert(id, dialog);
            }
        }
        Applied::Taken
    }

    /// What the lamp shows, and of which dialog.
    pub fn lamp(&self) -> (LampState, Option<&Dialog>) {
        let shown = self.known.values().max_by_key(|dialog| rank(lamp_of(dialog)));
        (shown.map_or(LampState::Idle, lamp_of), shown)
    }

    /// The dialog that rings, or else one that is spoken in: what a pickup or a pull takes over.
    pub fn to_take(&self) -> Option<&Dialog> {
        self.lamp().1.filter(|dialog| dialog.replaces.is_some())
    }
}

/// Of several dialogs the one that somebody could still do something about is shown.
const fn rank(state: LampState) -> u8 {
    match state {
        LampState::Ringing => 3,
        LampState::Busy => 2,
        LampState::Held => 1,
        _ => 0,
    }
}

const fn lamp_of(dialog: &Dialog) -> LampState {
    match (dialog.state, dialog.is_called) {
        (DialogState::Terminated, _) => LampState::Idle,
        (DialogState::Confirmed, _) if dialog.is_held => LampState::Held,
        // An early dialog of unknown direction rings: PBXs that say only a state mean that.
        (DialogState::Early, None)
        | (DialogState::Trying | DialogState::Proceeding | DialogState::Early, Some(true)) => LampState::Ringing,
        _ => LampState::Busy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(version: u32, state: &str, dialogs: &str) -> DialogInfo {
        let text = format!(
            "<?xml version=\"1.0\"?>\n<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"{version}\" \
             state=\"{state}\" entity=\"sip:1002@pbx.example\">{dialogs}</dialog-info>"
        );
        read(text.as_bytes()).unwrap()
    }

    fn lamp(dialogs: &str) -> LampState {
        let mut known = Dialogs::default();
        assert_eq!(known.apply(document(0, "full", dialogs)), Applied::Taken);
        known.lamp().0
    }

    #[test]
    fn a_lamp_shows_what_the_dialogs_say() {
        let with =
            |id, direction, state: &str| format!("<dialog id=\"{id}\"{direction}><state>{state}</state></dialog>");
        let called = " direction=\"recipient\"";
        let calling = " direction=\"initiator\"";
        assert_eq!(lamp(""), LampState::Idle);
        assert_eq!(lamp(&with(1, "", "terminated")), LampState::Idle);
        assert_eq!(lamp(&with(1, "", "early")), LampState::Ringing);
        assert_eq!(lamp(&with(1, called, "trying")), LampState::Ringing);
        assert_eq!(lamp(&with(1, calling, "early")), LampState::Busy);
        assert_eq!(lamp(&with(1, "", "trying")), LampState::Busy);
        assert_eq!(lamp(&with(1, called, "confirmed")), LampState::Busy);
        assert_eq!(lamp(&with(1, "", "nonsense")), LampState::Idle);
        let both = with(1, calling, "confirmed") + &with(2, called, "early");
        assert_eq!(lamp(&both), LampState::Ringing, "what can be picked up goes first");
    }

    #[test]
    fn a_call_that_renders_nothing_is_on_hold() {
        let held = "<dialog id=\"1\"><state>confirmed</state><local><target uri=\"sip:1002@pbx.example\">\
             <param pname=\"+sip.rendering\" pval=\"no\"/></target></local></dialog>";
        assert_eq!(lamp(held), LampState::Held);
        assert_eq!(lamp(&held.replace("\"no\"", "\"yes\"")), LampState::Busy);
    }

    #[test]
    fn a_dialog_whose_names_could_add_to_a_header_cannot_be_taken() {
        for (call_id, tag) in [
            ("c", "r;x"),
            ("c", "r&#13;&#10;X: y"),
            ("c d", "r"),
            ("c;to-tag=x", "r"),
            ("c", "\u{e9}"),
        ] {
            let dialogs = format!(
                "<dialog id=\"x\" call-id=\"{call_id}\" local-tag=\"l\" remote-tag=\"{tag}\"><state>early</state></dialog>"
            );
            let mut known = Dialogs::default();
            known.apply(document(3, "full", &dialogs));
            assert_eq!(known.to_take(), None, "{call_id} {tag}");
        }
    }

    #[test]
    fn a_ringing_dialog_names_what_a_pickup_needs() {
        let info = document(
            3,
            "full",
            "<dialog id=\"x\" call-id=\"c\" local-tag=\"l\" remote-tag=\"r\" direction=\"recipient\"><state>early</state>\
             <remote><identity display=\"Anna\">sip:1003@pbx.example</identity></remote></dialog>",
        );
        let mut known = Dialogs::default();
        known.apply(info);
        let dialog = known.to_take().unwrap();
        assert_eq!(dialog.remote.as_ref().unwrap().display.as_deref(), Some("Anna"));
        let replaces = dialog.replaces.as_ref().unwrap();
        assert_eq!(replaces.to_string(), "c;to-tag=r;from-tag=l;early-only");
    }

    #[test]
    fn partial_documents_add_up_and_a_gap_is_noticed() {
        let dialog = |id, state| format!("<dialog id=\"{id}\"><state>{state}</state></dialog>");
        let mut known = Dialogs::default();
        assert_eq!(
            known.apply(document(1, "partial", "")),
            Applied::Gap,
            "nothing to build on"
        );
        known.apply(document(4, "full", &dialog(1, "confirmed")));
        assert_eq!(known.apply(document(5, "partial", &dialog(2, "early"))), Applied::Taken);
        assert_eq!(known.lamp().0, LampState::Ringing);
        known.apply(document(5, "partial", &dialog(1, "terminated")));
        assert_eq!(
            known.apply(document(6, "partial", &dialog(2, "terminated"))),
            Applied::Taken
        );
        assert_eq!(known.lamp().0, LampState::Busy, "the repeated number changed nothing");
        assert_eq!(
            known.apply(document(8, "partial", &dialog(1, "terminated"))),
            Applied::Gap
        );
        assert_eq!(known.lamp().0, LampState::Busy);
        known.apply(document(0, "full", ""));
        assert_eq!(
            known.lamp().0,
            LampState::Idle,
            "a full document holds whatever its number"
        );
    }

    #[test]
    fn one_entity_cannot_fill_the_memory() {
        let many: String = (0..500)
            .map(|id| format!("<dialog id=\"{id}\"><state>early</state></dialog>"))
            .collect();
        let mut known = Dialogs::default();
        known.apply(document(0, "full", &many));
        assert_eq!(known.known.len(), DIALOG_LIMIT);
        known.apply(document(1, "partial", &many.replace("id=\"", "id=\"x")));
        assert_eq!(known.known.len(), DIALOG_LIMIT);
    }

    #[test]
    fn a_document_without_number_or_state_is_refused() {
        for text in [
            "<dialog-info state=\"full\"/>",
            "<dialog-info version=\"1\"/>",
            "<dialog-info version=\"-1\" state=\"full\"/>",
            "<dialog-info version=\"1\" state=\"half\"/>",
            "<presence/>",
        ] {
            assert_eq!(read(text.as_bytes()), Err(Unreadable::Incomplete), "{text}");
        }
    }
}
