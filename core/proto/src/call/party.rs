//! Who the far end is, as people may be shown it: by P-Asserted-Identity (RFC 3325), Remote-Party-ID, or From, and by
//! whom the call was sent on (Diversion, RFC 5806; History-Info, RFC 7044).
//!
//! What a PBX asserts is believed because nothing but the account's own PBX speaks on its flow. All of it is text from
//! outside: control characters, direction marks and zero-width characters are taken out before anyone sees it, and a
//! name never stands without its number (a name alone can be anyone's). Who wants to stay unnamed stays so (RFC 3323).

use super::{Call, Output};
use crate::event::Event;
use crate::sip::msg::{HeaderName, Headers, NameAddr, Request};

/// The longest name that is shown.
const NAME_LIMIT: usize = 128;

/// The most stations that are shown of a call that was sent on.
const VIA_LIMIT: usize = 5;

/// What is shown of a party that wants to stay unnamed.
const WITHHELD: &str = "Anonymous";

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Party {
    /// A name with its number or address.
    pub shown: String,
    /// It wants to stay unnamed.
    pub is_withheld: bool,
}

impl Party {
    /// Whom we call, as dialled.
    pub const fn dialled(shown: String) -> Self {
        Self {
            shown,
            is_withheld: false,
        }
    }

    /// Who calls with `invite`.
    pub fn caller(invite: &Request) -> Self {
        Self::asserted(&invite.headers).unwrap_or_else(|| {
            if is_private(&invite.headers) || is_anonymous(&invite.from) {
                Self::withheld()
            } else {
                Self::dialled(shown(&invite.from))
            }
        })
    }

    /// Whom the PBX says the far end to be, in a request or response of the call.
    pub fn asserted(headers: &Headers) -> Option<Self> {
        let party = |address: &NameAddr, is_withheld: bool| {
            if is_withheld || is_private(headers) || is_anonymous(address) {
                Self::withheld()
            } else {
                Self::dialled(shown(address))
            }
        };
        if let Some(address) = headers.asserted_identities().first() {
            return Some(party(address, false));
        }
        let remote = headers.addresses(HeaderName::RemotePartyId);
        let address = remote.first()?;
        let privacy = address.params.get("privacy").unwrap_or("off");
        Some(party(address, !privacy.eq_ignore_ascii_case("off")))
    }

    fn withheld() -> Self {
        Self {
            shown: WITHHELD.to_owned(),
            is_withheld: true,
        }
    }
}

impl Call {
    /// A request or response of the dialog came: the far end may be another one now, by a transfer or a pickup.
    pub(super) fn hear_of_party(&mut self, headers: &Headers) {
        let Some(party) = Party::asserted(headers).filter(|party| *party != self.party) else {
            return;
        };
        self.party = party;
        if self.is_known && self.is_live() {
            self.outputs.push_back(Output::Event(Event::Remote {
                call: self.id,
                remote: self.party.shown.clone(),
                withheld: self.party.is_withheld,
            }));
        }
    }
}

/// Who sent the call on before it came here, the last one first. `own` is the user part of the account's address.
pub fn via(headers: &Headers, own: &str) -> Vec<String> {
    let diversions = headers.addresses(HeaderName::Diversion);
    let stations = if diversions.is_empty() {
        history(headers)
    } else {
        diversions
    };
    let mut names: Vec<String> = Vec::new();
    for station in stations
        .iter()
        .filter(|station| station.uri.user().as_deref() != Some(own))
    {
        let is_private = station
            .params
            .get("privacy")
            .is_some_and(|privacy| !privacy.eq_ignore_ascii_case("off"));
        let name = if is_private || is_anonymous(station) {
            WITHHELD.to_owned()
        } else {
            shown(station)
        };
        if !names.contains(&name) && names.len() < VIA_LIMIT {
            names.push(name);
        }
    }
    names
}

/// The entries of History-Info from which the call was sent on: all but the last, which is where it is now.
fn history(headers: &Headers) -> Vec<NameAddr> {
    let mut entries = headers.addresses(HeaderName::HistoryInfo);
    entries.pop();
    entries.reverse();
    // A Reason in the URI's headers says why it went on (RFC 7044 5.1); who only passed it through has none.
    entries.retain(|entry| entry.uri.headers().any(|(name, _)| name.eq_ignore_ascii_case("reason")));
    entries
}

/// Privacy (RFC 3323) asks not to show who it is.
fn is_private(headers: &Headers) -> bool {
    let wishes = headers
        .all(HeaderName::Privacy)
        .flat_map(|line| line.split([';', ',']))
        .map(str::trim);
    wishes.into_iter().any(|wish| {
        ["id", "user", "header"]
            .iter()
            .any(|private| wish.eq_ignore_ascii_case(private))
    })
}

fn is_anonymous(address: &NameAddr) -> bool {
    let is_named_so = address
        .uri
        .user()
        .is_some_and(|user| user.eq_ignore_ascii_case("anonymous"));
    let is_there = address
        .uri
        .host()
        .is_some_and(|host| host.to_string().eq_ignore_ascii_case("anonymous.invalid"));
    is_named_so || is_there
}

/// A name with its number or address: `Anna de Vries <1002>`.
pub fn shown(address: &NameAddr) -> String {
    let number = match (address.uri.user(), address.uri.host()) {
        (Some(user), _) => clean(&user),
        (None, Some(host)) => clean(&host.to_string()),
        (None, None) => clean(&address.uri.to_string()),
    };
    let name = address
        .display
        .as_deref()
        .map(clean)
        .filter(|name| !name.is_empty() && *name != number);
    match name {
        Some(name) => format!("{name} <{number}>"),
        None => number,
    }
}

/// Text from outside, without what could hide or turn round the text beside it.
fn clean(text: &str) -> String {
    let visible = text.chars().filter(|c| !c.is_control() && !is_invisible(*c));
    visible.take(NAME_LIMIT).collect::<String>().trim().to_owned()
}

const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> NameAddr {
        text.parse().unwrap()
    }

    fn headers(lines: &[(&str, &str)]) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in lines {
            headers.push(HeaderName::new(name), value);
        }
        headers
    }

    #[test]
    fn a_name_never_stands_without_its_number() {
        assert_eq!(
            shown(&address("\"Anna de Vries\" <sip:1002@pbx.example>")),
            "Anna de Vries <1002>"
        );
        assert_eq!(shown(&address("<sip:1002@pbx.example>")), "1002");
        assert_eq!(shown(&address("\"1002\" <sip:1002@pbx.example>")), "1002");
    }

    #[test]
    fn direction_marks_and_zero_width_characters_are_not_shown() {
        let hostile = "\"Ban\u{200b}k\u{202e}lla\u{feff}\" <sip:0900@pbx.example>";
        assert_eq!(shown(&address(hostile)), "Banklla <0900>");
        let sent_on = headers(&[("Diversion", &format!("{hostile};reason=unconditional"))]);
        assert_eq!(via(&sent_on, "1001"), ["Banklla <0900>"]);
    }

    #[test]
    fn the_asserted_identity_goes_before_the_remote_party() {
        let rpid = (
            "Remote-Party-ID",
            "\"Rob\" <sip:1004@pbx.example>;party=calling;privacy=off",
        );
        let pai = ("P-Asserted-Identity", "\"Piet\" <sip:1003@pbx.example>");
        let name = |lines: &[(&str, &str)]| Party::asserted(&headers(lines)).map(|party| party.shown);
        assert_eq!(name(&[rpid, pai]).as_deref(), Some("Piet <1003>"));
        assert_eq!(name(&[rpid]).as_deref(), Some("Rob <1004>"));
        assert_eq!(name(&[]), None);
    }

    #[test]
    fn who_wants_to_stay_unnamed_stays_so_whatever_else_is_said() {
        let pai = ("P-Asserted-Identity", "\"Piet\" <sip:1003@pbx.example>");
        for lines in [
            vec![pai, ("Privacy", "id;critical")],
            vec![pai, ("Privacy", "user")],
            vec![("Remote-Party-ID", "\"Rob\" <sip:1004@pbx.example>;privacy=full")],
            vec![("P-Asserted-Identity", "<sip:anonymous@pbx.example>")],
        ] {
            let party = Party::asserted(&headers(&lines)).unwrap();
            assert_eq!((party.shown.as_str(), party.is_withheld), (WITHHELD, true), "{lines:?}");
        }
        assert!(
            !Party::asserted(&headers(&[pai, ("Privacy", "none")]))
                .unwrap()
                .is_withheld
        );
    }

    #[test]
    fn history_names_those_that_sent_the_call_on_and_not_where_it_is() {
        let entries = "<sip:0201234567@pbx.example?Reason=SIP%3Bcause%3D302>;index=1, \
                       <sip:proxy@pbx.example>;index=1.1, <sip:1001@192.0.2.9>;index=1.2";
        assert_eq!(via(&headers(&[("History-Info", entries)]), "1001"), ["0201234567"]);
    }

    #[test]
    fn a_chain_of_diversions_is_shown_nearest_first_and_has_an_end() {
        let two = headers(&[
            ("Diversion", "\"Desk\" <sip:1005@pbx.example>;reason=no-answer"),
            (
                "Diversion",
                "<sip:0201234567@pbx.example>;reason=unconditional, <sip:1001@pbx.example>",
            ),
        ]);
        assert_eq!(via(&two, "1001"), ["Desk <1005>", "0201234567"]);
        let many: Vec<String> = (0..100).map(|n| format!("<sip:{n}@pbx.example>")).collect();
        assert_eq!(
            via(&headers(&[("Diversion", &many.join(", "))]), "1001").len(),
            VIA_LIMIT
        );
    }
}
