//! The address under which the far end sees us: behind a NAT it is another than ours, and it may change under a flow.
//!
//! A registrar that knows flows (RFC 5626) needs no address in Contact, but it sends by the address that the REGISTER
//! came from. A NAT that forgot its mapping gives the same socket another one: for the server that is another flow, and
//! the old one has failed (4.4.2), but for us it is the same and works both ways. So the same flow is registered anew at
//! once, with all that is under way on it; closing it would cost the call that is being set up.

use super::{Next, Purpose, Registration, State};
use std::net::SocketAddr;

impl Registration {
    /// The server sees the flow under `address`, where it saw it under `before` the last time that it was asked.
    pub fn handle_mapped(&mut self, address: SocketAddr, before: Option<SocketAddr>) {
        let (Some(flow), Some(binding)) = (&self.flow, &mut self.binding) else {
            return;
        };
        // What the registrar saw; where an ALG hides that from us, what was seen before.
        let known = binding.seen_as.filter(|seen| *seen != flow.local).or(before);
        if known.is_none_or(|known| known == address) {
            return;
        }
        tracing::debug!("the network changed our address: registering again on the same flow");
        binding.doubtful = true;
        match &mut self.state {
            // It may have been sent before the change, or after it: its answer tells.
            State::Asking(pending) if pending.purpose != Purpose::Unbind => {
                pending.next.get_or_insert(Next::Seen(address));
            }
            State::Resting { .. } => self.send(Purpose::Bind),
            State::Asking(_) | State::Idle | State::WithoutFlow { .. } => {}
        }
    }

    /// The same flow, under the address that the far end sees; the binding under the old one is removed.
    pub(super) fn repair(&mut self, address: SocketAddr) {
        tracing::debug!("the far end sees us under another address: registering that one");
        if let Some(binding) = &self.binding {
            let old = binding.contact.clone();
            self.add_leftover(old);
        }
        self.repaired = Some(address);
        self.repair_tried = Some(address);
        self.send(Purpose::Repair);
    }
}
