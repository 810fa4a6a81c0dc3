//! The lines of others, as the phone asks for them: by which account, and who hears of what comes back.

use super::{Asker, Event, Output, Phone, Refused};
use crate::account::Account;
use crate::account_config::MessageWaiting;
use crate::ids::AccountId;
use crate::lines::{self, LineId, Watcher};
use crate::sip::endpoint::ServerKey;
use crate::sip::msg::{Method, Request, Response, StatusCode};
use crate::sip::subscribe::Way;
use crate::time::Instant;
use crate::view::{AccountView, LampKind};

impl Phone {
    /// The user wants to know what somebody does.
    pub(super) fn subscribe(
        &mut self,
        kind: LampKind,
        target: Option<&str>,
        account: Option<AccountId>,
        now: Instant,
    ) -> Result<(), Refused> {
        let watcher = self.watcher(account)?;
        self.lines.subscribe(&watcher, kind, target, now, &mut self.random)?;
        Ok(())
    }

    /// The user does not want to know it any more.
    pub(super) fn unsubscribe(
        &mut self,
        kind: LampKind,
        target: Option<&str>,
        account: Option<AccountId>,
        now: Instant,
    ) -> Result<(), Refused> {
        let watcher = self.watcher(account)?;
        self.lines.unsubscribe(&watcher, kind, target, now)?;
        Ok(())
    }

    /// A new account, with what its settings want to be known.
    pub(super) fn watch_for(&mut self, id: AccountId) {
        if let Some(account) = self.accounts.get(&id) {
            let config = account.config();
            let asks = config.message_waiting == MessageWaiting::Auto;
            self.lines
                .add_account(&watcher(account), asks, config.lamp_list.as_deref());
        }
    }

    /// The user takes registrations back: what is known by them is given up in time.
    pub(super) fn leave_lines(&mut self, named: Option<AccountId>, now: Instant) {
        for id in self
            .accounts
            .keys()
            .filter(|id| named.is_none_or(|named| named == **id))
        {
            self.lines.take_leave(*id, now);
        }
    }

    /// The account is reached at another Contact.
    pub(super) fn move_lines(&mut self, id: AccountId, now: Instant) {
        let way = self.accounts.get(&id).and_then(Account::way);
        if let Some(way) = way.filter(|_| !self.leaving.contains(&id)) {
            let way = Way {
                contact: way.settings.contact,
                routes: way.routes,
            };
            self.lines.connect(id, &way, now, &mut self.random);
        }
    }

    /// The account is registered, or is not any more.
    pub(super) fn light_or_darken(&mut self, event: &Event, now: Instant) {
        match event {
            Event::Registered { account } => self.move_lines(*account, now),
            Event::Unregistered { account, .. } => self.lines.disconnect(*account),
            _ => {}
        }
    }

    pub(super) fn handle_lines(&mut self, output: lines::Output, now: Instant) {
        match output {
            lines::Output::Send {
                line,
                account,
                mut request,
            } => {
                if let Some(account) = self.accounts.get_mut(&account) {
                    account.authorise(&mut request, &mut self.random);
                }
                self.ask(Asker::Line(line), account, *request, now);
            }
            lines::Output::Respond { key, response } => {
                let _ = self.endpoint.respond(&key, &response, now);
            }
            lines::Output::Event(event) => self.outputs.push_back(Output::Event(event)),
        }
    }

    pub(super) fn handle_line_response(&mut self, line: LineId, sent: &Request, response: &Response, now: Instant) {
        let account = self.lines.account_of(line);
        let retry = match account.and_then(|account| self.accounts.get_mut(&account)) {
            Some(account) if matches!(response.status.code(), 401 | 407) => {
                account.credentials(sent, response, &mut self.random)
            }
            _ => None,
        };
        let answer = (sent, response, retry.as_ref());
        self.lines.handle_response(line, answer, now, &mut self.random);
    }

    /// Whether a request within a dialog is a NOTIFY of one of our subscriptions, and was taken as that.
    pub(super) fn is_for_lines(
        &mut self,
        account: Option<AccountId>,
        key: ServerKey,
        request: &Request,
        now: Instant,
    ) -> bool {
        let Some(account) = account.filter(|_| request.method == Method::Notify) else {
            return false;
        };
        self.lines.handle_notify(account, key, request, now, &mut self.random)
    }

    /// Many PBXs tell of waiting messages without being asked; every other unasked NOTIFY is refused.
    pub(super) fn answer_notify(&mut self, account: AccountId, key: &ServerKey, request: &Request, now: Instant) {
        let package = request.headers.event().map(|event| event.package);
        let status = match package.as_deref() {
            Some("message-summary") => self.lines.handle_unsolicited(account, request, now),
            _ => StatusCode::NO_SUCH_CALL,
        };
        self.answer(key, request, status, now);
    }

    pub(super) fn account_view(&self, account: &Account, now: Instant) -> AccountView {
        AccountView {
            messages: self.lines.messages(account.id()),
            ..account.view(now)
        }
    }

    fn watcher(&self, named: Option<AccountId>) -> Result<Watcher, Refused> {
        let account = match named {
            Some(id) => self.accounts.get(&id).ok_or(Refused::UnknownAccount(id))?,
            None => self.accounts.values().next().ok_or(Refused::NoAccount)?,
        };
        Ok(watcher(account))
    }
}

fn watcher(account: &Account) -> Watcher {
    Watcher {
        account: account.id(),
        address: account.address(),
        domain: account.config().domain.clone(),
    }
}
