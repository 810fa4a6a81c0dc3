//! What is wanted while a REGISTER is on its way: it waits for the answer (RFC 3261 10.2). Two at a time may overtake
//! each other, and then the registrar keeps what was taken back.

use super::{Pending, Purpose, Reason, Registration, State};
use std::net::SocketAddr;

/// What follows a REGISTER that is on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// After a removal, a binding: the user changed their mind.
    Bind,
    /// No binding any more.
    Unbind,
    /// The binding again, unless the answer shows that the registrar saw us under this address.
    Seen(SocketAddr),
}

impl Pending {
    /// Whether nothing of it is wanted any more but that it is over.
    pub(super) fn is_unwanted(&self) -> bool {
        self.purpose == Purpose::Unbind || self.next == Some(Next::Unbind)
    }
}

impl Registration {
    /// The user wants to be registered, now: also ends any pause, and a stop after a refused login.
    pub fn start(&mut self) {
        match (&mut self.state, &self.flow) {
            (State::Asking(pending), _) if pending.purpose == Purpose::Unbind => pending.next = Some(Next::Bind),
            (State::Asking(pending), _) => drop(pending.next.take_if(|next| *next == Next::Unbind)),
            (State::WithoutFlow { ask_at: None }, _) => {}
            (_, Some(_)) => self.send(Purpose::Bind),
            (_, None) => self.need_flow(),
        }
    }

    /// Remove the binding. Ends in [`Output::Unregistered`](super::Output::Unregistered) with [`Reason::Asked`], at once
    /// where there is no flow, and after its answer where a REGISTER is on its way.
    pub fn unregister(&mut self) {
        if let State::Asking(pending) = &mut self.state {
            pending.next = (pending.purpose != Purpose::Unbind).then_some(Next::Unbind);
        } else if self.flow.is_some() && self.binding.is_some() {
            self.send(Purpose::Unbind);
        } else {
            self.end(Reason::Asked);
        }
    }

    /// What was not wanted any more is answered: the binding that it made, or that there was before, is removed.
    pub(super) fn take_back(&mut self, answered: Pending, granted: bool) {
        if granted {
            // It may have been made under another address than the one that was confirmed last.
            self.add_leftover(answered.contact);
        }
        if granted || self.binding.is_some() {
            self.send(Purpose::Unbind);
        } else {
            self.end(Reason::Asked);
        }
    }

    /// There is no binding to remove any more, or nobody who would remove it.
    pub(super) fn give_up(&mut self) {
        let is_wanted_again = matches!(&self.state, State::Asking(pending) if pending.next == Some(Next::Bind));
        if let State::Asking(pending) = &self.state
            && pending.purpose != Purpose::Unbind
        {
            let contact = pending.contact.clone();
            self.add_leftover(contact);
        }
        self.end(Reason::Asked);
        if is_wanted_again {
            self.start();
        }
    }
}
