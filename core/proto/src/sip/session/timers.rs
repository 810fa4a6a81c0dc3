//! Session timers (RFC 4028): a call whose other side has silently gone does not last for ever.

use std::time::Duration;

use super::leg::{Flow, Leg, Over, Wanted};
use super::outbox::Outbox;
use super::output::{Ended, EndedBy};
use super::settings::Settings;
use crate::sip::msg::{HeaderName, Headers, Refresher, Request, Response, SessionExpires, StatusCode};
use crate::sip::offer_answer::Side;
use crate::time::{Instant, Wake};

/// The shortest pause before a refresh that failed is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// A session timer that runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct SessionTimer {
    seconds: u32,
    refresher: Side,
    refresh_at: Instant,
    expires_at: Instant,
}

impl SessionTimer {
    /// Starts at `now`. Whoever refreshes does so at half the interval; the end comes a little before the interval is
    /// over, so that the BYE still finds its way (RFC 4028 10).
    fn start(seconds: u32, refresher: Side, now: Instant) -> Self {
        let early = (seconds / 3).min(32);
        Self {
            seconds,
            refresher,
            refresh_at: now + Duration::from_secs((seconds / 2).into()),
            expires_at: now + Duration::from_secs(seconds.saturating_sub(early).into()),
        }
    }

    pub(super) fn wake(&self) -> Wake {
        let expiry = Wake::new(self.expires_at, "session expires");
        match self.refresher {
            Side::Us if self.refresh_at < self.expires_at => Wake::new(self.refresh_at, "session refresh"),
            Side::Us | Side::Them => expiry,
        }
    }
}

impl Leg {
    /// Writes Session-Expires and Min-SE into our INVITE or UPDATE; who refreshes stays as it is (RFC 4028 7.4).
    pub(super) fn ask_session_timer(&self, settings: &Settings, headers: &mut Headers) {
        let refresher = self.timer.as_ref().map(|timer| match timer.refresher {
            Side::Us => Refresher::Uac,
            Side::Them => Refresher::Uas,
        });
        let running = self.timer.as_ref().map(|timer| timer.seconds);
        if let Some(seconds) = running.or_else(|| settings.interval_seconds()) {
            write_session_timer(settings, headers, seconds, self.min_se, refresher);
        }
    }

    /// A 422 says what is long enough; whether we learnt something by it.
    pub(super) fn learn_min_se(&mut self, response: &Response) -> bool {
        let demanded = response.headers.min_se().filter(|min| Some(*min) > self.min_se);
        self.min_se = demanded.or(self.min_se);
        if let (Some(timer), Some(min)) = (&mut self.timer, demanded) {
            timer.seconds = timer.seconds.max(min);
        }
        demanded.is_some()
    }

    /// The other side's 2xx says whether there is a timer, and who refreshes.
    pub(super) fn adopt_session_timer(&mut self, response: &Response, now: Instant) {
        self.timer = response.headers.session_expires().map(|granted| {
            let refresher = match granted.refresher {
                Some(Refresher::Uas) => Side::Them,
                Some(Refresher::Uac) | None => Side::Us,
            };
            SessionTimer::start(granted.interval.max(MIN_SECONDS), refresher, now)
        });
    }

    /// 422 if the other side asks for a shorter interval than we take, and knows what that means (RFC 4028 9).
    pub(super) fn session_too_small(&self, settings: &Settings, request: &Request) -> Option<Response> {
        too_small(settings, request).map(|response| response.with_to_tag(self.dialog.id().local_tag))
    }

    /// Decides on the timer that the other side's INVITE or UPDATE asks for, and writes it into our 2xx.
    pub(super) fn grant_session_timer(
        &mut self,
        settings: &Settings,
        request: &Request,
        response: &mut Response,
        now: Instant,
    ) {
        let headers = &request.headers;
        let supported = headers.supports("timer");
        let asked = headers.session_expires();
        let ours = settings.interval_seconds().filter(|_| supported);
        let Some(seconds) = shorter(asked.map(|asked| asked.interval), ours) else {
            self.timer = None;
            return;
        };
        let seconds = seconds
            .max(settings.min_se_seconds())
            .max(headers.min_se().unwrap_or(0));
        let refresher = self.choose_refresher(asked.and_then(|asked| asked.refresher), supported);
        self.timer = Some(SessionTimer::start(seconds, refresher, now));
        let named = match refresher {
            Side::Us => Refresher::Uas,
            Side::Them => Refresher::Uac,
        };
        let granted = SessionExpires {
            interval: seconds,
            refresher: Some(named),
        };
        response.headers.set(HeaderName::SessionExpires, granted);
        if supported {
            response.headers.push(HeaderName::Require, "timer");
        }
    }

    /// Who refreshes when we answer (RFC 4028 9, table 2): as asked, else as before, else the one who asks.
    fn choose_refresher(&self, asked: Option<Refresher>, supported: bool) -> Side {
        let before = self.timer.as_ref().map(|timer| timer.refresher);
        match asked {
            _ if !supported => Side::Us,
            Some(Refresher::Uac) => Side::Them,
            Some(Refresher::Uas) => Side::Us,
            None => before.unwrap_or(Side::Them),
        }
    }

    /// Refreshes at half the interval, and ends the call when nothing was refreshed in time.
    pub(super) fn run_session_timer(&mut self, out: &mut Outbox, now: Instant) -> Flow {
        let Some(timer) = &mut self.timer else {
            return Flow::Continue(());
        };
        if timer.expires_at <= now {
            return Over::with_bye(Ended::by(EndedBy::Expired));
        }
        if timer.refresher == Side::Us && timer.refresh_at <= now {
            let pause = Duration::from_secs((timer.seconds / 10).into()).max(TRY_AGAIN);
            timer.refresh_at = now + pause;
            self.refresh(out, now);
        }
        Flow::Continue(())
    }

    /// UPDATE where the other side takes it, else an INVITE that offers what holds already. An INVITE or UPDATE that is
    /// in progress refreshes as well.
    fn refresh(&mut self, out: &mut Outbox, now: Instant) {
        if self.invite_out.is_some() || self.update_out.is_some() || self.wanted.is_some() {
            return;
        }
        if self.peer.allows_update {
            self.send_refresh(out);
        } else {
            self.wanted = Some(Wanted::new(None, now));
        }
    }

    /// Our refresh by UPDATE was refused: an INVITE may do better, a longer interval too; else it is tried again.
    pub(super) fn refresh_refused(&mut self, response: &Response, now: Instant) {
        match response.status {
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => self.peer.allows_update = false,
            StatusCode::SESSION_INTERVAL_TOO_SMALL if self.learn_min_se(response) => {}
            _ => return,
        }
        if let Some(timer) = &mut self.timer {
            timer.refresh_at = now;
        }
    }
}

/// No timer runs shorter than this, whatever the other side says (RFC 4028 5).
const MIN_SECONDS: u32 = 90;

/// Writes Session-Expires and Min-SE.
pub(super) fn write_session_timer(
    settings: &Settings,
    headers: &mut Headers,
    seconds: u32,
    demanded: Option<u32>,
    refresher: Option<Refresher>,
) {
    let min_se = settings.min_se_seconds().max(demanded.unwrap_or(0));
    let asked = SessionExpires {
        interval: seconds.max(min_se),
        refresher,
    };
    headers.set(HeaderName::SessionExpires, asked);
    headers.set(HeaderName::MinSe, min_se);
}

/// The 422 that a request deserves, if it does.
pub(super) fn too_small(settings: &Settings, request: &Request) -> Option<Response> {
    let asked = request.headers.session_expires()?;
    let min_se = settings.min_se_seconds();
    if asked.interval >= min_se || !request.headers.supports("timer") {
        return None;
    }
    let mut response = Response::to(request, StatusCode::SESSION_INTERVAL_TOO_SMALL);
    response.headers.push(HeaderName::MinSe, min_se);
    Some(response)
}

fn shorter(asked: Option<u32>, ours: Option<u32>) -> Option<u32> {
    match (asked, ours) {
        (Some(asked), Some(ours)) => Some(asked.min(ours)),
        (asked, ours) => asked.or(ours),
    }
}
