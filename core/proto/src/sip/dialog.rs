//! Dialogs (RFC 3261 section 12): who talks to whom, along which route, and in which order.
//!
//! A [`Dialog`] is created early by a 1xx with a To tag or confirmed by a 2xx; an INVITE that forks makes one for each
//! To tag. It builds the requests inside it (12.2.1.1, strict routers included), judges the order of those received
//! (12.2.2) and follows the remote target (12.2.1.2). What the requests are for is the usage's business.

use super::msg::{HeaderName, Method, NameAddr, Request, Response, Uri};

/// What makes a dialog the one it is (RFC 3261 12), seen from this side.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DialogId {
    /// The Call-ID.
    pub call_id: String,
    /// Our tag.
    pub local_tag: String,
    /// The other side's tag.
    pub remote_tag: String,
}

/// Why an INVITE makes no dialog. The peer erred; the same message will not do later either.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoDialog {
    /// Without a tag there is no dialog, only a transaction.
    #[error("the INVITE has no tag of the caller")]
    NoTag,
    /// Without a Contact the dialog would have no remote target.
    #[error("the INVITE has no usable Contact")]
    NoContact,
}

/// A request came with a lower CSeq than one before it: 500 (RFC 3261 12.2.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("CSeq {received} after {known}")]
pub struct OutOfOrder {
    /// The CSeq that the request has.
    pub received: u32,
    /// The highest CSeq seen in this dialog.
    pub known: u32,
}

/// One dialog.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dialog {
    call_id: String,
    local: NameAddr,
    remote: NameAddr,
    local_cseq: u32,
    remote_cseq: Option<u32>,
    routes: Vec<NameAddr>,
    target: Uri,
}

impl Dialog {
    /// The caller's dialog, from its INVITE and a 1xx or 2xx (12.1.2). A response without tag is from before RFC 3261;
    /// one without Contact is wrong, but its ACK or BYE still has to go somewhere: where the INVITE went.
    pub fn uac(request: &Request, response: &Response) -> Self {
        let contacts = response.headers.contacts();
        let target = contacts.first().map_or(&request.uri, |contact| &contact.uri).clone();
        let mut dialog = Self {
            call_id: request.call_id.clone(),
            local: request.from.clone(),
            remote: response.to.clone(),
            local_cseq: request.cseq,
            remote_cseq: None,
            routes: Vec::new(),
            target,
        };
        dialog.learn_routes(response);
        dialog
    }

    /// The callee's dialog, from the INVITE and our own tag (12.1.1).
    pub fn uas(request: &Request, local_tag: &str) -> Result<Self, NoDialog> {
        request.from.tag().ok_or(NoDialog::NoTag)?;
        let target = request
            .headers
            .contacts()
            .first()
            .ok_or(NoDialog::NoContact)?
            .uri
            .clone();
        Ok(Self {
            call_id: request.call_id.clone(),
            local: request.to.clone().with_tag(local_tag),
            remote: request.from.clone(),
            local_cseq: 0,
            remote_cseq: Some(request.cseq),
            routes: request.headers.record_routes(),
            target,
        })
    }

    /// The subscriber's dialog, from a NOTIFY that overtook the 2xx (RFC 6665 4.4.1). `cseq` is that of the SUBSCRIBE.
    pub fn subscriber(notify: &Request, cseq: u32) -> Result<Self, NoDialog> {
        let tag = notify.to.tag().ok_or(NoDialog::NoTag)?.to_owned();
        let mut dialog = Self::uas(notify, &tag)?;
        dialog.local_cseq = cseq;
        Ok(dialog)
    }

    /// Its identity.
    pub fn id(&self) -> DialogId {
        let tag = |address: &NameAddr| address.tag().unwrap_or_default().to_owned();
        DialogId {
            call_id: self.call_id.clone(),
            local_tag: tag(&self.local),
            remote_tag: tag(&self.remote),
        }
    }

    /// Our address, with our tag.
    pub fn local(&self) -> &NameAddr {
        &self.local
    }

    /// The other side's address, with its tag.
    pub fn remote(&self) -> &NameAddr {
        &self.remote
    }

    /// Where requests go: the other side's Contact.
    pub fn target(&self) -> &Uri {
        &self.target
    }

    /// The CSeq number of the last request that we made here.
    pub fn local_cseq(&self) -> u32 {
        self.local_cseq
    }

    /// A 2xx confirms an early dialog and settles its route set anew (RFC 3261 13.2.2.4).
    pub fn confirm(&mut self, response: &Response) {
        self.learn_routes(response);
    }

    /// Takes over the Contact of a target refresh; whether the remote target changed.
    pub fn refresh_target(&mut self, contact: Option<&NameAddr>) -> bool {
        match contact {
            Some(contact) if contact.uri != self.target => {
                self.target = contact.uri.clone();
                true
            }
            Some(_) | None => false,
        }
    }

    /// Whether a request that came in this dialog is in order; if so it is the newest from now on. ACK and CANCEL
    /// repeat the number of their INVITE and are not asked.
    pub fn accept_cseq(&mut self, request: &Request) -> Result<(), OutOfOrder> {
        match self.remote_cseq {
            Some(known) if request.cseq < known => Err(OutOfOrder {
                received: request.cseq,
                known,
            }),
            Some(_) | None => {
                self.remote_cseq = Some(request.cseq);
                Ok(())
            }
        }
    }

    /// The next request of this dialog; Via is left to the transaction layer.
    pub fn request(&mut self, method: Method) -> Request {
        self.local_cseq = self.local_cseq.saturating_add(1);
        self.build(method, self.local_cseq)
    }

    /// The same request once more with a new CSeq, as after a 401 or a 422.
    pub fn renew(&mut self, request: &Request) -> Request {
        self.local_cseq = self.local_cseq.saturating_add(1);
        Request {
            cseq: self.local_cseq,
            vias: Vec::new(),
            ..request.clone()
        }
    }

    /// The ACK of the 2xx to `invite`, with that INVITE's number and credentials (RFC 3261 13.2.2.4).
    pub fn ack(&self, invite: &Request) -> Request {
        let mut ack = self.build(Method::Ack, invite.cseq);
        ack.headers.copy_from(&invite.headers, HeaderName::Authorization);
        ack.headers.copy_from(&invite.headers, HeaderName::ProxyAuthorization);
        ack
    }

    /// Addresses a request as 12.2.1.1 says: through loose routers the target is the Request-URI, a strict router
    /// first takes that place and the target goes to the end of the route.
    fn build(&self, method: Method, cseq: u32) -> Request {
        let strict = self.routes.first().filter(|route| !route.uri.is_loose_router());
        let uri = strict
            .map_or(&self.target, |route| &route.uri)
            .clone()
            .without_headers();
        let (local, remote) = (self.local.clone(), self.remote.clone());
        let mut request = Request::new(method, uri, local, remote, self.call_id.clone(), cseq);
        for route in self.routes.iter().skip(usize::from(strict.is_some())) {
            request.headers.push(HeaderName::Route, route);
        }
        if strict.is_some() {
            request
                .headers
                .push(HeaderName::Route, NameAddr::new(self.target.clone()));
        }
        request
    }

    /// The caller's route set: the Record-Route of the response, last hop first.
    fn learn_routes(&mut self, response: &Response) {
        self.routes = response.headers.record_routes();
        self.routes.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::super::msg::StatusCode;
    use super::*;

    fn invite() -> Request {
        let from: NameAddr = "<sip:alice@example.org>;tag=a".parse().unwrap();
        let to: NameAddr = "<sip:bob@example.org>".parse().unwrap();
        let uri = "sip:bob@example.org".parse().unwrap();
        let mut request = Request::new(Method::Invite, uri, from, to, "call", 7);
        request.headers.push(HeaderName::Contact, "<sip:alice@192.0.2.1>");
        request
    }

    fn ringing(routes: &[&str]) -> Response {
        let mut response = Response::to(&invite(), StatusCode::RINGING).with_to_tag("b");
        for route in routes {
            response.headers.push(HeaderName::RecordRoute, route);
        }
        response
            .headers
            .push(HeaderName::Contact, "<sip:bob@192.0.2.2;transport=tls>");
        response
    }

    fn routes(request: &Request) -> Vec<String> {
        request.headers.all(HeaderName::Route).map(str::to_owned).collect()
    }

    #[test]
    fn the_callers_route_is_the_reversed_record_route() {
        let mut dialog = Dialog::uac(&invite(), &ringing(&["<sip:p2;lr>", "<sip:p1;lr>"]));
        let bye = dialog.request(Method::Bye);
        assert_eq!(bye.uri.to_string(), "sip:bob@192.0.2.2;transport=tls");
        assert_eq!(routes(&bye), ["<sip:p1;lr>", "<sip:p2;lr>"]);
        assert_eq!((bye.cseq, bye.to.tag(), bye.from.tag()), (8, Some("b"), Some("a")));
    }

    #[test]
    fn the_callees_route_is_the_record_route_as_it_came() {
        let mut request = invite();
        request
            .headers
            .push(HeaderName::RecordRoute, "<sip:p2;lr>, <sip:p1;lr>");
        let mut dialog = Dialog::uas(&request, "b").unwrap();
        let bye = dialog.request(Method::Bye);
        assert_eq!(routes(&bye), ["<sip:p2;lr>", "<sip:p1;lr>"]);
        assert_eq!(bye.uri.to_string(), "sip:alice@192.0.2.1");
        assert_eq!((bye.cseq, bye.to.tag(), bye.from.tag()), (1, Some("a"), Some("b")));
    }

    #[test]
    fn a_strict_router_becomes_the_request_uri_and_the_target_the_last_route() {
        let mut dialog = Dialog::uac(&invite(), &ringing(&["<sip:p2;lr>", "<sip:p1>"]));
        let bye = dialog.request(Method::Bye);
        assert_eq!(bye.uri.to_string(), "sip:p1");
        assert_eq!(routes(&bye), ["<sip:p2;lr>", "<sip:bob@192.0.2.2;transport=tls>"]);
    }

    #[test]
    fn a_2xx_settles_the_route_set_anew() {
        let mut dialog = Dialog::uac(&invite(), &ringing(&["<sip:old;lr>"]));
        dialog.confirm(&ringing(&["<sip:new;lr>"]));
        assert_eq!(routes(&dialog.request(Method::Bye)), ["<sip:new;lr>"]);
    }

    #[test]
    fn a_target_refresh_moves_the_requests_to_the_new_contact() {
        let mut dialog = Dialog::uac(&invite(), &ringing(&[]));
        let moved: NameAddr = "<sip:bob@192.0.2.9>".parse().unwrap();
        assert!(dialog.refresh_target(Some(&moved)));
        assert!(
            !dialog.refresh_target(Some(&moved)),
            "the same target again is no change"
        );
        assert!(!dialog.refresh_target(None));
        assert_eq!(dialog.request(Method::Info).uri.to_string(), "sip:bob@192.0.2.9");
    }

    #[test]
    fn a_lower_cseq_is_out_of_order_and_a_gap_is_not() {
        let mut dialog = Dialog::uas(&invite(), "b").unwrap();
        let mut request = invite();
        request.cseq = 20;
        assert_eq!(dialog.accept_cseq(&request), Ok(()));
        request.cseq = 19;
        assert_eq!(
            dialog.accept_cseq(&request),
            Err(OutOfOrder {
                received: 19,
                known: 20
            })
        );
    }

    #[test]
    fn the_ack_repeats_the_number_and_the_credentials_of_its_invite() {
        let mut dialog = Dialog::uac(&invite(), &ringing(&[]));
        dialog.request(Method::Prack);
        let mut authorised = invite();
        authorised
            .headers
            .push(HeaderName::ProxyAuthorization, "Digest username=\"alice\"");
        let ack = dialog.ack(&authorised);
        assert_eq!(ack.cseq, 7);
        assert_eq!(
            ack.headers.get(HeaderName::ProxyAuthorization),
            Some("Digest username=\"alice\"")
        );
    }

    #[test]
    fn an_invite_without_tag_or_contact_makes_no_dialog() {
        let mut tagless = invite();
        tagless.from = tagless.from.without_tag();
        assert_eq!(Dialog::uas(&tagless, "b"), Err(NoDialog::NoTag));
        let mut targetless = invite();
        targetless.headers.remove(HeaderName::Contact);
        assert_eq!(Dialog::uas(&targetless, "b"), Err(NoDialog::NoContact));
    }

    #[test]
    fn a_response_without_contact_is_answered_where_the_invite_went() {
        let mut targetless = ringing(&[]);
        targetless.headers.remove(HeaderName::Contact);
        let mut dialog = Dialog::uac(&invite(), &targetless);
        assert_eq!(dialog.request(Method::Bye).uri.to_string(), "sip:bob@example.org");
    }
}
