//! Requests on their way: forked, forwarded, cancelled, and their best answer (RFC 3261 16.6 to 16.10).

use super::code;
use std::collections::BTreeMap;
use std::time::Duration;
use toestel_proto::random::Random;
use toestel_proto::sip::endpoint::{ClientKey, Endpoint, Failure, Flow, ServerKey};
use toestel_proto::sip::msg::{HeaderName, Method, Request, Response, Uri};
use toestel_proto::time::{Instant, Wake, earliest};

/// RFC 3261 16.6 item 11: how long a phone may ring.
const TIMER_C: Duration = Duration::from_secs(181);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Proxy {
    forwarded: BTreeMap<ServerKey, Forwarded>,
}

/// One request that came in, and where it went.
#[derive(Debug)]
struct Forwarded {
    request: Request,
    branches: Vec<Branch>,
    /// Its sender wants no answer any more, or had a 2xx.
    decided: bool,
    timer_c: Option<Instant>,
    /// When nothing more can come back.
    forget_at: Option<Instant>,
}

#[derive(Debug)]
struct Branch {
    client: ClientKey,
    outcome: Option<Response>,
}

impl Proxy {
    pub(super) fn len(&self) -> usize {
        self.forwarded.len()
    }

    pub(super) fn forward(
        &mut self,
        endpoint: &mut Endpoint,
        random: &mut Random,
        key: ServerKey,
        request: Request,
        targets: Vec<(Uri, Flow)>,
        now: Instant,
    ) {
        let mut branches = Vec::new();
        for (uri, mut flow) in targets {
            let mut copy = request.clone();
            copy.uri = uri;
            // As a back-to-back agent does: the way back is remembered here.
            copy.vias.clear();
            flow.datagram_limit = usize::MAX;
            if let Ok(client) = endpoint.send_request(copy, &flow, now, random) {
                branches.push(Branch { client, outcome: None });
            }
        }
        let rings = request.method == Method::Invite;
        self.forwarded.insert(
            key,
            Forwarded {
                request,
                branches,
                decided: false,
                timer_c: rings.then_some(now + TIMER_C),
                forget_at: None,
            },
        );
    }

    /// A call that nobody will answer.
    pub(super) fn wait(&mut self, key: ServerKey, request: Request, now: Instant) {
        self.forwarded.insert(
            key,
            Forwarded {
                request,
                branches: Vec::new(),
                decided: false,
                timer_c: Some(now + TIMER_C),
                forget_at: None,
            },
        );
    }

    pub(super) fn handle_response(
        &mut self,
        endpoint: &mut Endpoint,
        client: ClientKey,
        mut response: Response,
        now: Instant,
    ) {
        let Some((key, forwarded)) = self.of(client) else {
            return;
        };
        response.vias.clone_from(&forwarded.request.vias);
        if response.status.is_provisional() {
            if response.status.code() != 100 && !forwarded.decided {
                let _ = endpoint.respond(&key, &response, now);
            }
            return;
        }
        if response.status.is_success() {
            forwarded.decided = true;
            let _ = endpoint.respond(&key, &response, now);
            let elsewhere = "SIP;cause=200;text=\"Call completed elsewhere\"";
            forwarded.cancel_others(endpoint, Some(client), Some(elsewhere), now);
        }
        forwarded.conclude(client, response);
        self.finish(endpoint, key, now);
    }

    pub(super) fn handle_failed(&mut self, endpoint: &mut Endpoint, client: ClientKey, why: Failure, now: Instant) {
        let Some((key, forwarded)) = self.of(client) else {
            return;
        };
        let status = match why {
            Failure::Timeout => 408,
            Failure::FlowLost => 480,
        };
        let mut response = Response::to(&forwarded.request, code(status)).with_to_tag("exchange");
        response.headers.remove(HeaderName::RecordRoute);
        forwarded.conclude(client, response);
        self.finish(endpoint, key, now);
    }

    pub(super) fn handle_cancelled(&mut self, endpoint: &mut Endpoint, key: ServerKey, cancel: &Request, now: Instant) {
        let Some(forwarded) = self.forwarded.get_mut(&key) else {
            return;
        };
        let reason = cancel.headers.get(HeaderName::Reason);
        forwarded.cancel_others(endpoint, None, reason, now);
        if !forwarded.decided {
            forwarded.decided = true;
            let response = Response::to(&forwarded.request, code(487)).with_to_tag("exchange");
            let _ = endpoint.respond(&key, &response, now);
        }
        self.finish(endpoint, key, now);
    }

    /// Whoever asked cannot be told any more.
    pub(super) fn handle_stranded(&mut self, endpoint: &mut Endpoint, key: ServerKey, now: Instant) {
        if let Some(forwarded) = self.forwarded.get_mut(&key) {
            forwarded.decided = true;
            forwarded.cancel_others(endpoint, None, None, now);
            self.finish(endpoint, key, now);
        }
    }

    pub(super) fn handle_timeout(&mut self, endpoint: &mut Endpoint, now: Instant) {
        let due: Vec<ServerKey> = self
            .forwarded
            .iter()
            .filter(|(_, forwarded)| forwarded.timer_c.is_some_and(|at| at <= now))
            .map(|(key, _)| *key)
            .collect();
        for key in due {
            if let Some(forwarded) = self.forwarded.get_mut(&key) {
                forwarded.timer_c = None;
                forwarded.cancel_others(endpoint, None, None, now);
                if !forwarded.decided {
                    forwarded.decided = true;
                    let response = Response::to(&forwarded.request, code(480)).with_to_tag("exchange");
                    let _ = endpoint.respond(&key, &response, now);
                }
            }
            self.finish(endpoint, key, now);
        }
        self.forwarded
            .retain(|_, forwarded| forwarded.forget_at.is_none_or(|at| now < at));
    }

    pub(super) fn poll_wake(&self) -> Option<Wake> {
        earliest(self.forwarded.values().flat_map(|forwarded| {
            [
                forwarded.timer_c.map(|at| Wake::new(at, "timer C")),
                forwarded.forget_at.map(|at| Wake::new(at, "late 2xx")),
            ]
        }))
    }

    fn of(&mut self, client: ClientKey) -> Option<(ServerKey, &mut Forwarded)> {
        self.forwarded
            .iter_mut()
            .find(|(_, forwarded)| forwarded.branches.iter().any(|branch| branch.client == client))
            .map(|(key, forwarded)| (*key, forwarded))
    }

    /// All branches have ended: the best answer goes back, unless one has.
    fn finish(&mut self, endpoint: &mut Endpoint, key: ServerKey, now: Instant) {
        let Some(forwarded) = self.forwarded.get_mut(&key) else {
            return;
        };
        if forwarded.branches.iter().any(|branch| branch.outcome.is_none()) {
            return;
        }
        forwarded.timer_c = None;
        if !forwarded.decided {
            forwarded.decided = true;
            if let Some(best) = forwarded.best() {
                let _ = endpoint.respond(&key, best, now);
            }
        }
        if forwarded.request.method == Method::Invite {
            // A 2xx is repeated until its ACK comes, for 32 s at most.
            forwarded.forget_at.get_or_insert(now + Duration::from_secs(34));
        } else {
            self.forwarded.remove(&key);
        }
    }
}

impl Forwarded {
    fn conclude(&mut self, client: ClientKey, response: Response) {
        if let Some(branch) = self.branches.iter_mut().find(|branch| branch.client == client)
            && branch.outcome.is_none()
        {
            branch.outcome = Some(response);
        }
    }

    fn cancel_others(&self, endpoint: &mut Endpoint, but: Option<ClientKey>, reason: Option<&str>, now: Instant) {
        for branch in self.branches.iter().filter(|branch| branch.outcome.is_none()) {
            if Some(branch.client) != but && self.request.method == Method::Invite {
                endpoint.cancel(&branch.client, reason.map(str::to_owned), now);
            }
        }
    }

    /// RFC 3261 16.7 item 6: a 6xx, else the lowest class.
    fn best(&self) -> Option<&Response> {
        let outcomes = self.branches.iter().filter_map(|branch| branch.outcome.as_ref());
        outcomes.min_by_key(|response| match response.status.class() {
            6 => (0, response.status.code()),
            class => (class, response.status.code()),
        })
    }
}
