//! Requests that are too long for a datagram (RFC 3261 18.1.1): they wait until their account knows a way for them.

use super::{Asker, Phone, Waiting};
use crate::account::LongWay;
use crate::ids::AccountId;
use crate::sip::endpoint::Failure;
use crate::sip::msg::{HeaderName, Request};
use crate::time::Instant;

impl Phone {
    /// Sends what did not fit the account's flow.
    pub(super) fn ask_by_long_way(&mut self, asker: Asker, account: AccountId, request: Request, now: Instant) {
        let way = match self.accounts.get_mut(&account) {
            Some(account) => account.long_way(&mut self.flows, now),
            None => LongWay::None,
        };
        match way {
            LongWay::By(flow) => match self
                .endpoint
                .send_request(request.clone(), &flow, now, &mut self.random)
            {
                Ok(key) => {
                    self.asked.insert(key, asker);
                    self.await_answer(account, Some(flow.id), now);
                }
                Err(_) => self.tell_failed(asker, &request, Failure::FlowLost, now),
            },
            LongWay::Later => self.wait_for_way(asker, account, request),
            LongWay::None => self.tell_failed(asker, &request, Failure::FlowLost, now),
        }
    }

    pub(super) fn wait_for_way(&mut self, asker: Asker, account: AccountId, request: Request) {
        self.waiting.push(Waiting {
            account,
            asker,
            request,
        });
    }

    /// Whether an earlier request of the same dialog still waits: one that overtook it would make it come out of order,
    /// which is answered 500 (RFC 3261 12.2.2).
    pub(super) fn must_queue(&self, account: AccountId, request: &Request) -> bool {
        self.waiting.iter().any(|waiting| {
            let earlier = &waiting.request;
            waiting.account == account && earlier.call_id == request.call_id && earlier.cseq < request.cseq
        })
    }

    /// The account knows its way now: what waited for it is asked again.
    pub(super) fn ask_waiting(&mut self, id: AccountId, now: Instant) {
        let (due, rest) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|waiting| waiting.account == id);
        self.waiting = rest;
        let due: Vec<Waiting> = due;
        for Waiting {
            account,
            asker,
            mut request,
        } in due
        {
            // Others may have gone out since it was signed, and a nonce is counted in the order of sending.
            if let Some(account) = self.accounts.get_mut(&account) {
                request.headers.remove(HeaderName::Authorization);
                request.headers.remove(HeaderName::ProxyAuthorization);
                account.authorise(&mut request, &mut self.random);
            }
            self.ask(asker, account, request, now);
        }
    }

    /// Nobody wants the request any more: it is never sent. Whether it waited at all.
    pub(super) fn forget_waiting(&mut self, asker: Asker, now: Instant) -> bool {
        let Some(at) = self.waiting.iter().position(|waiting| waiting.asker == asker) else {
            return false;
        };
        let request = self.waiting.remove(at).request;
        self.tell_failed(asker, &request, Failure::FlowLost, now);
        true
    }
}
