//! The registrar: which phones an address of record rings at (RFC 3261 10.3, RFC 5626 6, RFC 3327).
//!
//! A binding belongs to the flow that it was made on and ends with it: the exchange never opens a flow itself. With
//! outbound, instance and reg-id name a binding however its address changes; else the Contact's URI does.

use crate::ids::FlowId;
use crate::random::Random;
use crate::sip::msg::{Contacts, HeaderName, NameAddr, Request, Response, StatusCode, Uri};
use crate::time::{Instant, Wake};
use std::collections::BTreeMap;
use std::time::Duration;

/// The shortest registration, in seconds.
pub const SHORTEST: u32 = 60;
/// The longest registration, in seconds.
pub const LONGEST: u32 = 3_600;
/// What a phone gets that does not ask.
const USUAL: u32 = 600;
/// More phones than one person has.
const MOST_BINDINGS: usize = 16;

/// Where one phone is.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    pub contact: Uri,
    pub flow: FlowId,
    /// What calls go through before they reach the phone.
    pub path: Vec<NameAddr>,
    /// Instance and reg-id, where outbound was agreed.
    outbound: Option<(String, String)>,
    call_id: String,
    cseq: u32,
    expires_at: Instant,
}

/// What a REGISTER came to.
#[derive(Debug)]
pub(super) struct Verdict {
    pub response: Response,
    /// The first binding of its kind: the phone does not know yet what waits for it.
    pub is_new: bool,
}

/// A REGISTER, and what is known of its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub request: &'a Request,
    pub flow: FlowId,
    /// The address of record's user part: who has proven the password.
    pub user: &'a str,
}

/// The bindings of all addresses of record, by user part.
#[derive(Debug)]
pub(super) struct Registrar {
    bindings: BTreeMap<String, Vec<Binding>>,
    /// How often a phone must be heard from, in seconds; told where outbound is agreed.
    flow_timer: Option<u32>,
}

impl Registrar {
    pub const fn new(flow_timer: Option<u32>) -> Self {
        Self {
            bindings: BTreeMap::new(),
            flow_timer,
        }
    }

    /// The phones of `user`, the latest to register last.
    pub fn bindings(&self, user: &str) -> &[Binding] {
        self.bindings.get(user).map_or(&[], Vec::as_slice)
    }

    /// The flow is gone, and with it every phone behind it.
    pub fn handle_flow_lost(&mut self, flow: FlowId) {
        self.keep(|binding| binding.flow != flow);
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        self.keep(|binding| binding.expires_at > now);
    }

    pub fn poll_wake(&self) -> Option<Wake> {
        let all = self.bindings.values().flatten();
        let first = all.map(|binding| binding.expires_at).min()?;
        Some(Wake::new(first, "a registration runs out"))
    }

    fn keep(&mut self, which: impl Fn(&Binding) -> bool) {
        for bindings in self.bindings.values_mut() {
            bindings.retain(&which);
        }
        self.bindings.retain(|_, bindings| !bindings.is_empty());
    }

    /// Carries a REGISTER out, wholly or not at all (10.3 item 7).
    pub fn register(&mut self, asked: Asked<'_>, now: Instant, random: &mut Random) -> Verdict {
        self.handle_timeout(now);
        let before = self.bindings(asked.user).to_vec();
        let wanted = match change(&before, asked, now) {
            Ok(wanted) => wanted,
            Err(refusal) => {
                return Verdict {
                    response: refusal.response(asked.request, random),
                    is_new: false,
                };
            }
        };
        let is_new = wanted
            .iter()
            .any(|binding| !before.iter().any(|old| old.is_same(binding)));
        let response = self.accepted(asked.request, &wanted, now, random);
        self.bindings.insert(asked.user.to_owned(), wanted);
        self.keep(|_| true);
        Verdict { response, is_new }
    }

    fn accepted(&self, request: &Request, bindings: &[Binding], now: Instant, random: &mut Random) -> Response {
        let mut response = Response::to(request, StatusCode::OK).with_to_tag(random.token(8));
        for binding in bindings {
            response.headers.push(HeaderName::Contact, binding.value(now));
        }
        response.headers.copy_from(&request.headers, HeaderName::Path);
        response.headers.push(HeaderName::Supported, "path, outbound");
        if bindings.iter().any(|binding| binding.outbound.is_some()) {
            response.headers.push(HeaderName::Require, "outbound");
            if let Some(seconds) = self.flow_timer {
                response.headers.push(HeaderName::FlowTimer, seconds);
            }
        }
        response
    }
}

impl Binding {
    /// Whether one takes the other's place (RFC 5626 6).
    fn is_same(&self, other: &Self) -> bool {
        match (&self.outbound, &other.outbound) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => self.contact.equivalent(&other.contact),
        }
    }

    /// As the answer to a REGISTER lists it.
    fn value(&self, now: Instant) -> NameAddr {
        let mut value = NameAddr::new(self.contact.clone());
        if let Some((instance, reg_id)) = &self.outbound {
            value.params.set_quoted("+sip.instance", instance);
            value.params.set("reg-id", reg_id);
        }
        let left = self.expires_at.since(now).as_secs();
        value.params.set("expires", left.to_string());
        value
    }
}

/// Why a REGISTER changes nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Refused {
    /// `*` with anything else, or without Expires 0 (10.3 item 6).
    Malformed,
    /// 423.
    TooBrief,
    /// Overtaken by a later one of the same phone (10.3 item 7).
    OutOfOrder,
    /// More phones than anyone has.
    TooMany,
}

impl Refused {
    fn response(self, request: &Request, random: &mut Random) -> Response {
        let status = match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::TooBrief => StatusCode::INTERVAL_TOO_BRIEF,
            Self::OutOfOrder => StatusCode::SERVER_INTERNAL_ERROR,
            Self::TooMany => StatusCode::FORBIDDEN,
        };
        let mut response = Response::to(request, status).with_to_tag(random.token(8));
        if self == Self::TooBrief {
            response.headers.push(HeaderName::MinExpires, SHORTEST);
        }
        response
    }
}

/// The bindings after the REGISTER.
fn change(before: &[Binding], asked: Asked<'_>, now: Instant) -> Result<Vec<Binding>, Refused> {
    let request = asked.request;
    let overtaken = |binding: &Binding| binding.call_id == request.call_id && binding.cseq >= request.cseq;
    let contacts = match request.headers.contacts() {
        Contacts::List(contacts) => contacts,
        Contacts::All if request.headers.expires() != Some(0) => return Err(Refused::Malformed),
        Contacts::All if before.iter().any(overtaken) => return Err(Refused::OutOfOrder),
        Contacts::All => return Ok(Vec::new()),
    };
    let mut after = before.to_vec();
    for contact in &contacts {
        let seconds = contact.expires().or_else(|| request.headers.expires()).unwrap_or(USUAL);
        if (1..SHORTEST).contains(&seconds) {
            return Err(Refused::TooBrief);
        }
        let lasts = Duration::from_secs(u64::from(seconds.min(LONGEST)));
        let binding = Binding {
            contact: contact.uri.clone(),
            flow: asked.flow,
            path: request.headers.paths(),
            outbound: outbound(request, contact),
            call_id: request.call_id.clone(),
            cseq: request.cseq,
            expires_at: now + lasts,
        };
        if after.iter().any(|old| old.is_same(&binding) && overtaken(old)) {
            return Err(Refused::OutOfOrder);
        }
        after.retain(|old| !old.is_same(&binding));
        if seconds > 0 {
            after.push(binding);
        }
    }
    if after.len() > MOST_BINDINGS {
        return Err(Refused::TooMany);
    }
    Ok(after)
}

/// Instance and reg-id, where the phone wants outbound and names both (RFC 5626 6).
fn outbound(request: &Request, contact: &NameAddr) -> Option<(String, String)> {
    let instance = contact.params.get("+sip.instance")?;
    let reg_id = contact.params.get("reg-id")?;
    request
        .headers
        .supports("outbound")
        .then(|| (instance.to_owned(), reg_id.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::msg::Method;

    const START: Instant = Instant::from_millis(1_000);

    fn register(cseq: u32, contacts: &[&str], headers: &[(HeaderName, &str)]) -> Request {
        let aor = NameAddr::new("sip:1001@practice.example".parse().unwrap());
        let registrar = "sip:practice.example".parse().unwrap();
        let mut request = Request::new(Method::Register, registrar, aor.clone().with_tag("a"), aor, "id", cseq);
        for contact in contacts {
            request.headers.push(HeaderName::Contact, contact);
        }
        for (name, value) in headers {
            request.headers.push(name.clone(), value);
        }
        request
    }

    /// The answer on flow `flow` at `now`.
    fn ask(registrar: &mut Registrar, request: &Request, flow: u32, now: Instant) -> Verdict {
        let asked = Asked {
            request,
            flow: FlowId(flow),
            user: "1001",
        };
        registrar.register(asked, now, &mut Random::seeded(1))
    }

    fn listed(verdict: &Verdict) -> Vec<(String, u32)> {
        let contacts = verdict.response.headers.contacts();
        let of = |contact: &NameAddr| (contact.uri.to_string(), contact.expires().unwrap());
        contacts.as_slice().iter().map(of).collect()
    }

    #[test]
    fn several_phones_are_bound_refreshed_and_removed_one_by_one() {
        let mut registrar = Registrar::new(None);
        let first = ask(&mut registrar, &register(1, &["<sip:a@10.0.0.1>"], &[]), 1, START);
        assert!(first.is_new);
        let both = ask(
            &mut registrar,
            &register(2, &["<sip:b@10.0.0.2>;expires=120"], &[]),
            2,
            START,
        );
        let expected = [("sip:a@10.0.0.1".to_owned(), 600), ("sip:b@10.0.0.2".to_owned(), 120)];
        assert_eq!(listed(&both), expected);
        let refreshed = ask(&mut registrar, &register(3, &["<sip:a@10.0.0.1>"], &[]), 1, START);
        assert!(!refreshed.is_new);
        let removed = ask(
            &mut registrar,
            &register(4, &["<sip:b@10.0.0.2>;expires=0"], &[]),
            2,
            START,
        );
        assert_eq!(listed(&removed), [("sip:a@10.0.0.1".to_owned(), 600)]);
        let all = register(5, &["*"], &[(HeaderName::Expires, "0")]);
        assert!(listed(&ask(&mut registrar, &all, 1, START)).is_empty());
        assert!(registrar.bindings("1001").is_empty());
    }

    #[test]
    fn too_short_a_time_is_refused_with_the_shortest_and_too_long_a_one_is_cut() {
        let mut registrar = Registrar::new(None);
        let brief = ask(
            &mut registrar,
            &register(1, &["<sip:a@10.0.0.1>;expires=59"], &[]),
            1,
            START,
        );
        assert_eq!(brief.response.status, StatusCode::INTERVAL_TOO_BRIEF);
        assert_eq!(brief.response.headers.min_expires(), Some(60));
        assert!(registrar.bindings("1001").is_empty());
        let long = ask(
            &mut registrar,
            &register(2, &["<sip:a@10.0.0.1>;expires=7200"], &[]),
            1,
            START,
        );
        assert_eq!(listed(&long), [("sip:a@10.0.0.1".to_owned(), 3_600)]);
    }

    #[test]
    fn with_outbound_a_moved_phone_replaces_itself_and_is_told_to_keep_its_flow() {
        let mut registrar = Registrar::new(Some(120));
        let of = |host: &str, cseq| {
            let contact = format!("<sip:a@{host}>;+sip.instance=\"<urn:uuid:1>\";reg-id=1");
            register(cseq, &[&contact], &[(HeaderName::Supported, "path, outbound")])
        };
        let first = ask(&mut registrar, &of("10.0.0.1", 1), 1, START);
        assert!(first.response.headers.requires("outbound"));
        assert_eq!(first.response.headers.flow_timer(), Some(120));
        let moved = ask(&mut registrar, &of("10.0.0.9", 2), 2, START);
        assert!(!moved.is_new);
        assert_eq!(listed(&moved), [("sip:a@10.0.0.9".to_owned(), 600)]);
        assert_eq!(registrar.bindings("1001")[0].flow, FlowId(2));
    }

    #[test]
    fn a_binding_ends_with_its_time_or_its_flow() {
        let mut registrar = Registrar::new(None);
        ask(
            &mut registrar,
            &register(1, &["<sip:a@10.0.0.1>;expires=60"], &[]),
            1,
            START,
        );
        ask(
            &mut registrar,
            &register(2, &["<sip:b@10.0.0.2>;expires=90"], &[]),
            2,
            START,
        );
        let wake = registrar.poll_wake().unwrap();
        assert_eq!(wake.at, START + Duration::from_secs(60));
        registrar.handle_timeout(wake.at);
        assert_eq!(registrar.bindings("1001").len(), 1);
        registrar.handle_flow_lost(FlowId(2));
        assert_eq!((registrar.bindings("1001").len(), registrar.poll_wake()), (0, None));
    }

    #[test]
    fn what_was_overtaken_or_makes_no_sense_changes_nothing() {
        let mut registrar = Registrar::new(None);
        ask(&mut registrar, &register(7, &["<sip:a@10.0.0.1>"], &[]), 1, START);
        let refused = |registrar: &mut Registrar, request| ask(registrar, &request, 1, START).response.status.code();
        assert_eq!(
            refused(&mut registrar, register(7, &["<sip:a@10.0.0.1>;expires=0"], &[])),
            500
        );
        assert_eq!(refused(&mut registrar, register(8, &["*"], &[])), 400);
        let contacts: Vec<String> = (0..17).map(|n| format!("<sip:x{n}@10.0.0.1>")).collect();
        let contacts: Vec<&str> = contacts.iter().map(String::as_str).collect();
        assert_eq!(refused(&mut registrar, register(9, &contacts, &[])), 403);
        assert_eq!(registrar.bindings("1001").len(), 1);
    }
}
