//! One lamp: what the documents say, as long as it counts, and what is shown instead when it does not.

use super::dialog_info::{Applied, DialogInfo, Dialogs};
use super::pidf::Presence;
use crate::call::shown;
use crate::ids::AccountId;
use crate::sip::msg::{NameAddr, Replaces};
use crate::view::{LampKind, LampState, LampView};

/// See the module.
#[derive(Clone, Default, Debug)]
pub(super) struct Lamp {
    known: Known,
    dialogs: Dialogs,
    presence: Option<Presence>,
    reason: Option<String>,
    shown: Option<Shown>,
}

/// How much the documents count.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Known {
    /// The account is not registered.
    #[default]
    Unconnected,
    /// Nothing was told, or nothing that can be read.
    Untold,
    /// What was told last holds.
    Told,
    /// It held, and has run out.
    Stale,
}

/// What people see of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Shown {
    pub state: LampState,
    pub remote: Option<String>,
    pub reason: Option<String>,
}

impl Lamp {
    /// The account is registered: what the PBX says is awaited.
    pub fn connect(&mut self) {
        if self.known == Known::Unconnected {
            self.forget(Known::Untold, None);
        }
    }

    /// The account is not registered.
    pub fn disconnect(&mut self) {
        self.forget(Known::Unconnected, None);
    }

    /// The PBX does not say, for the reason that the sentence gives.
    pub fn lose(&mut self, reason: String) {
        self.forget(Known::Untold, Some(reason));
    }

    /// What was told has run out.
    pub fn expire(&mut self) {
        if self.known == Known::Told {
            self.known = Known::Stale;
        }
    }

    /// A new subscription begins: what partial documents of the last one built on is gone.
    pub fn begin(&mut self) {
        self.dialogs = Dialogs::default();
    }

    pub fn take_dialogs(&mut self, info: DialogInfo) -> Applied {
        let applied = self.dialogs.apply(info);
        if applied == Applied::Taken {
            (self.known, self.reason) = (Known::Told, None);
        }
        applied
    }

    pub fn take_presence(&mut self, presence: Presence) {
        self.presence = Some(presence);
        (self.known, self.reason) = (Known::Told, None);
    }

    /// What a pickup or a pull takes over, and where to.
    pub fn to_take(&self) -> Option<(&Replaces, Option<&NameAddr>)> {
        let dialog = self.dialogs.to_take().filter(|_| self.known == Known::Told)?;
        Some((dialog.replaces.as_ref()?, dialog.remote.as_ref()))
    }

    pub fn show(&self) -> Shown {
        let (state, remote, note) = match self.known {
            Known::Unconnected => (LampState::NotConnected, None, None),
            Known::Untold => (LampState::Unknown, None, self.reason.clone()),
            Known::Stale => (LampState::Stale, None, self.reason.clone()),
            Known::Told => match &self.presence {
                Some(presence) => (presence.state, None, presence.note.clone()),
                None => {
                    let (state, dialog) = self.dialogs.lamp();
                    (state, dialog.and_then(|dialog| dialog.remote.as_ref()).map(shown), None)
                }
            },
        };
        Shown {
            state,
            remote,
            reason: note,
        }
    }

    /// What is shown, if that is news.
    pub fn news(&mut self) -> Option<Shown> {
        let shown = self.show();
        let is_news = self.shown.as_ref() != Some(&shown);
        is_news.then(|| {
            self.shown = Some(shown.clone());
            shown
        })
    }

    fn forget(&mut self, known: Known, reason: Option<String>) {
        self.known = known;
        self.reason = reason;
        self.dialogs = Dialogs::default();
        self.presence = None;
    }
}

impl Shown {
    pub fn view(self, account: AccountId, kind: LampKind, target: String) -> LampView {
        LampView {
            account,
            kind,
            target,
            state: self.state,
            remote: self.remote,
            reason: self.reason,
        }
    }
}
