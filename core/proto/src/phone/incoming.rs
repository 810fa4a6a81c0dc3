//! Calls that come in: whether anybody is rung, how it sounds, and who it is.

use super::{CALL_LIMIT, Event, Output, Phone};
use crate::account::Account;
use crate::account_config::AutoAnswer;
use crate::call::{Call, Elsewhere, Invite, Turn, alert};
use crate::event::RingKind;
use crate::ids::{AccountId, CallId};
use crate::policy::reach::{ForwardWhen, Verdict};
use crate::sip::endpoint::ServerKey;
use crate::sip::msg::{HeaderName, Headers, NameAddr, Request, Response, StatusCode};
use crate::time::Instant;
use std::time::Duration;

/// After so many diversions a call is rung for, and not sent on: somebody forwards in a circle.
const DIVERSIONS: usize = 5;

/// What the INVITE asks of the phone itself.
struct Alert {
    ring: Option<RingKind>,
    /// It answers itself after that, with or without a microphone.
    answers: Option<(Duration, bool)>,
    /// It goes elsewhere after that.
    leaves: Option<(Duration, Elsewhere)>,
}

impl Phone {
    pub(super) fn handle_invite(&mut self, account: AccountId, key: ServerKey, request: Request, now: Instant) {
        if self.live_calls() >= CALL_LIMIT {
            return self.answer(&key, &request, StatusCode::BUSY_HERE, now);
        }
        let replaces = match self.replaced_by(&request, account) {
            Ok(replaces) => replaces,
            Err(status) => return self.answer(&key, &request, status, now),
        };
        let verdict = self.judge(account, &request, replaces);
        let leaves = match verdict {
            Verdict::Ring(leaves) => leaves,
            Verdict::Refuse(code) => return self.turn_away(account, &key, &request, code, now),
            Verdict::Forward(when, to) => return self.forward(account, (&key, &request), when, &to, now),
        };
        let is_alone = self.live_calls() == 0;
        let Some(known) = self.accounts.get(&account) else {
            return;
        };
        let Some(settings) = known.session_settings() else {
            return self.answer(&key, &request, StatusCode::TEMPORARILY_UNAVAILABLE, now);
        };
        let alert = Alert {
            ring: alert::ring_kind(&request.headers),
            answers: wants_answer(known, &request.headers).filter(|_| is_alone),
            leaves: leaves
                .and_then(|(after, to)| Some((after, elsewhere(known, &request.headers, ForwardWhen::NoAnswer, &to)?))),
        };
        let profile = known.call_profile();
        self.last_call = self.last_call.saturating_add(1);
        let id = CallId(self.last_call);
        self.ringing.insert(key, id);
        let mut turn = Turn {
            now,
            random: &mut self.random,
        };
        let invite = Invite { settings, key, request };
        let call = Call::incoming(id, account, invite, profile, &mut turn);
        let is_live = call.is_live();
        self.calls.insert(id, call);
        if is_live {
            self.announce_incoming(id, replaces, alert, now);
        }
    }

    fn announce_incoming(&mut self, id: CallId, replaces: Option<CallId>, alert: Alert, now: Instant) {
        let Some(call) = self.calls.get(&id) else { return };
        self.outputs.push_back(Output::Event(Event::Incoming {
            call: id,
            account: call.account(),
            from: call.party().shown.clone(),
            withheld: call.party().is_withheld,
            via: call.via().to_vec(),
            ring: alert.ring,
            answers_itself: alert.answers.is_some() && replaces.is_none(),
            replaces,
        }));
        if let Some(old) = replaces {
            return self.hand_over(old, id, now);
        }
        self.with_call(id, now, |call, turn| {
            call.set_ring(alert.ring);
            if let Some((after, elsewhere)) = alert.leaves {
                call.leave_after(after, elsewhere, turn.now);
            }
            if let Some((after, is_muted)) = alert.answers {
                call.answer_by_itself(after, is_muted, turn);
            }
        });
    }

    /// What becomes of the call by the user's rules. Whoever takes the place of another one was wanted already.
    fn judge(&self, account: AccountId, request: &Request, replaces: Option<CallId>) -> Verdict {
        let Some(account) = self.accounts.get(&account).filter(|_| replaces.is_none()) else {
            return Verdict::Ring(None);
        };
        account
            .rules()
            .judge(self.live_calls() > 0)
            .unless_circling(request, account)
    }

    fn live_calls(&self) -> usize {
        self.calls.values().filter(|call| call.is_live()).count()
    }

    /// Nobody is to be disturbed.
    fn turn_away(&mut self, account: AccountId, key: &ServerKey, request: &Request, code: u16, now: Instant) {
        let status = StatusCode::new(code).unwrap_or(StatusCode::BUSY_HERE);
        self.answer(key, request, status, now);
        self.tell_turned_away(account, request, status, None);
    }

    /// The call goes elsewhere at once. A target that no longer is one is busy.
    fn forward(
        &mut self,
        account: AccountId,
        (key, request): (&ServerKey, &Request),
        when: ForwardWhen,
        to: &str,
        now: Instant,
    ) {
        let known = self.accounts.get(&account);
        let Some(elsewhere) = known.and_then(|account| elsewhere(account, &request.headers, when, to)) else {
            return self.turn_away(account, key, request, StatusCode::BUSY_HERE.code(), now);
        };
        let mut response = Response::to(request, StatusCode::MOVED_TEMPORARILY).with_to_tag(self.random.token(8));
        for (name, value) in elsewhere.headers.iter() {
            response.headers.push(name.clone(), value);
        }
        let _ = self.endpoint.respond(key, &response, now);
        self.tell_turned_away(account, request, StatusCode::MOVED_TEMPORARILY, Some(elsewhere.shown));
    }

    fn tell_turned_away(&mut self, account: AccountId, request: &Request, status: StatusCode, to: Option<String>) {
        let Some(known) = self.accounts.get(&account) else {
            return;
        };
        let party = crate::call::Party::caller(request);
        self.outputs.push_back(Output::Event(Event::TurnedAway {
            account,
            from: party.shown,
            withheld: party.is_withheld,
            via: crate::call::via(&request.headers, &known.config().user),
            code: status.code(),
            to,
        }));
    }
}

impl Verdict {
    /// A call that comes round in circles is rung for.
    fn unless_circling(self, request: &Request, account: &Account) -> Self {
        let diversions = request.headers.addresses(HeaderName::Diversion);
        let was_here = |station: &NameAddr| station.uri.user().as_deref() == Some(account.config().user.as_str());
        let is_circling = diversions.len() >= DIVERSIONS || diversions.iter().any(was_here);
        match self {
            Self::Forward(..) | Self::Ring(_) if is_circling => Self::Ring(None),
            other => other,
        }
    }
}

/// Whether the call is to answer itself, and with a closed microphone: only where the account's policy says so.
fn wants_answer(account: &Account, headers: &Headers) -> Option<(Duration, bool)> {
    let is_muted = match account.config().auto_answer {
        AutoAnswer::Off => return None,
        AutoAnswer::Muted => true,
        AutoAnswer::TwoWay => false,
    };
    alert::answer_after(headers).map(|after| (after, is_muted))
}

/// What a 302 says; `None` for a target that cannot be called.
fn elsewhere(account: &Account, asked: &Headers, when: ForwardWhen, to: &str) -> Option<Elsewhere> {
    let (uri, shown) = super::place::forward_target(account, to).ok()?;
    let mut headers = Headers::new();
    headers.push(HeaderName::Contact, NameAddr::new(uri));
    let by = NameAddr::new(account.address());
    headers.push(
        HeaderName::Diversion,
        format!("{by};reason={};counter=1", when.diversion()),
    );
    headers.copy_from(asked, HeaderName::Diversion);
    Some(Elsewhere { headers, shown })
}
