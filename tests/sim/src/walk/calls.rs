//! What the users do with calls, and what must come of it.

use super::{SOON, Transition, Walk};
use crate::model::Call;
use crate::numbers;
use std::time::Duration;
use toestel_proto::phone::{Command, Others};

const ANSWER: Command = Command::Answer {
    call: None,
    others: Others::Hold,
};
const HANG_UP: Command = Command::Hangup { call: None };
const HOLD: Command = Command::Hold { call: None };
const RESUME: Command = Command::Resume { call: None };

impl Walk {
    pub(super) fn perform(&mut self, transition: Transition) {
        match &self.model.call {
            Call::None | Call::WithExchange { .. } => self.perform_without_call(transition),
            Call::Ringing { caller, callees } => {
                let (caller, callees) = (*caller, callees.clone());
                self.perform_while_ringing(transition, caller, &callees);
            }
            Call::Talking { ends, .. } => {
                let ends = *ends;
                self.perform_while_talking(transition, ends);
            }
        }
    }

    pub(super) fn perform_dial(&mut self, transition: Transition) {
        match transition {
            Transition::Dial => self.dial_other(),
            Transition::DialOnASlowPath => {
                self.world.path_delay = Duration::from_secs(3);
                self.dial_other();
                let Call::Ringing { callees, .. } = self.model.call.clone() else {
                    return;
                };
                self.answer(callees[0]);
                self.world.path_delay = Duration::from_millis(5);
            }
            Transition::DialWithAnOldNonce => {
                self.world.exchange.expire_nonces();
                self.dial_other();
            }
            Transition::DialEverybody => {
                let caller = self.pair().0;
                self.dial(caller, numbers::EVERYBODY);
                let callees = self.registered().into_iter().filter(|phone| *phone != caller).collect();
                self.model.call = Call::Ringing { caller, callees };
                self.agree(SOON);
            }
            Transition::DialBusy => self.dial_in_vain(numbers::BUSY, 486, SOON),
            Transition::DialNoAnswer => self.dial_in_vain(numbers::NO_ANSWER, 480, Duration::from_secs(230)),
            Transition::DialWrong => self.dial_in_vain(numbers::WRONG, 404, SOON),
            Transition::DialUnregistered => {
                let absent = self.model.registered.iter().position(|registered| !registered);
                self.dial_in_vain(&Self::extension(absent.unwrap_or(0)), 480, SOON);
            }
            Transition::DialAndHangUpAtOnce => {
                let (caller, callee) = self.pair();
                self.dial(caller, &Self::extension(callee));
                let patience = self.random.duration(Duration::ZERO, Duration::from_millis(300));
                self.world.run(patience);
                self.command(caller, HANG_UP);
                // The INVITE may be under way, and rings until the CANCEL comes after it: on either side of the exchange
                // a stream repeats what was lost for 4 s at most.
                self.world.run_until(SOON, |world| world.hosts[caller].phone.is_quiet());
                self.world.run(Duration::from_secs(5));
                self.agree(SOON);
            }
            _ => self.perform_with_exchange(transition),
        }
    }

    fn dial_other(&mut self) {
        let (caller, callee) = self.pair();
        self.dial_to(caller, &Self::extension(callee), callee);
    }

    /// A phone dials what leads to another.
    pub(super) fn dial_to(&mut self, caller: usize, target: &str, callee: usize) {
        self.dial(caller, target);
        let callees = vec![callee];
        self.model.call = Call::Ringing { caller, callees };
        self.agree(SOON);
    }

    /// A call that ends by itself, with this status.
    pub(super) fn dial_in_vain(&mut self, target: &str, status: u16, limit: Duration) {
        let all = self.registered();
        let caller = self.pick(&all);
        let Some(call) = self.dial(caller, target) else { return };
        self.world
            .run_until(limit, |world| world.hosts[caller].endings.contains_key(&call));
        self.agree(limit);
        let ending = self.world.hosts[caller].endings.get(&call).cloned();
        if ending.as_ref().and_then(|(code, _)| *code) != Some(status) {
            self.world
                .complain(format!("a call to {target} ended with {ending:?} and not {status}"));
        }
    }

    fn perform_while_ringing(&mut self, transition: Transition, caller: usize, callees: &[usize]) {
        let callee = self.pick(callees);
        match transition {
            Transition::Answer => self.answer(callee),
            Transition::RejectBusy => self.reject(caller, callees, callee, 486),
            Transition::RejectNotNow => self.reject(caller, callees, callee, 480),
            Transition::RejectDeclined => self.reject(caller, callees, callee, 603),
            Transition::Cancel => {
                self.command(caller, HANG_UP);
                self.no_call(SOON);
            }
            Transition::AnswerRacesCancel => {
                let first = self.random.below(2) == 0;
                self.in_turn(first, [(callee, ANSWER), (caller, HANG_UP)]);
                self.no_call(SOON);
            }
            Transition::BothAnswer => self.both_answer(caller, callees),
            Transition::FlowResetWhileRinging => {
                let unlucky = self.pick(&[caller, callee]);
                self.world.reset_flow(unlucky);
                self.model.call = Call::None;
                let limit = self.recovery();
                self.agree(limit);
            }
            _ => {}
        }
    }

    fn answer(&mut self, callee: usize) {
        let Call::Ringing { caller, .. } = self.model.call else {
            return;
        };
        self.command(callee, ANSWER);
        self.model.call = Call::Talking {
            ends: [caller, callee],
            holds: [false; 2],
            muted: [false; 2],
        };
        self.agree(SOON);
    }

    fn reject(&mut self, caller: usize, callees: &[usize], callee: usize, code: u16) {
        let code = Some(code);
        self.command(callee, Command::Reject { call: None, code });
        let callees: Vec<usize> = callees.iter().copied().filter(|other| *other != callee).collect();
        self.model.call = if callees.is_empty() {
            Call::None
        } else {
            Call::Ringing { caller, callees }
        };
        self.agree(SOON);
    }

    /// Exactly one of them gets the call; which one is the network's choice.
    fn both_answer(&mut self, caller: usize, callees: &[usize]) {
        for callee in callees {
            self.command(*callee, ANSWER);
        }
        let talks = |walk: &Self, callee: usize| {
            let call = walk.world.hosts[caller].only_call(walk.world.now)?;
            walk.world
                .talker(caller, call.id)
                .filter(|(talker, _)| *talker == callee)
        };
        self.world.run(Duration::from_secs(36));
        let winner = callees.iter().copied().find(|callee| talks(self, *callee).is_some());
        match winner {
            Some(winner) => {
                self.model.call = Call::Talking {
                    ends: [caller, winner],
                    holds: [false; 2],
                    muted: [false; 2],
                };
                self.agree(SOON);
            }
            None => self.world.complain("two phones answered, and neither got the call"),
        }
    }

    fn perform_while_talking(&mut self, transition: Transition, ends: [usize; 2]) {
        match transition {
            Transition::HangUpByCaller => self.hang_up(ends[0]),
            Transition::HangUpByCallee => self.hang_up(ends[1]),
            Transition::HangUpByBoth => {
                self.in_turn(true, [(ends[0], HANG_UP), (ends[1], HANG_UP)]);
                self.no_call(SOON);
            }
            Transition::HoldRacesHangUp => self.hold_races_hang_up(ends),
            Transition::Hold => self.hold_one(true),
            Transition::Resume => self.hold_one(false),
            Transition::HoldGlare => self.hold_both(true),
            Transition::ResumeGlare => self.hold_both(false),
            Transition::HoldAndResumeAtOnce => self.hold_and_resume(),
            Transition::Mute => self.mute(),
            Transition::Dtmf => self.dtmf(ends),
            _ => self.perform_trouble_in_call(transition, ends),
        }
    }

    fn hang_up(&mut self, phone: usize) {
        self.command(phone, HANG_UP);
        self.no_call(SOON);
    }

    fn hold_races_hang_up(&mut self, ends: [usize; 2]) {
        let Call::Talking { holds, .. } = &self.model.call else {
            return;
        };
        let wish = if holds[0] { RESUME } else { HOLD };
        self.in_turn(true, [(ends[0], wish), (ends[1], HANG_UP)]);
        self.no_call(SOON);
    }

    /// One side that does not hold yet holds, or one that does takes back.
    fn hold_one(&mut self, on: bool) {
        let Call::Talking { ends, holds, .. } = self.model.call.clone() else {
            return;
        };
        let sides: Vec<usize> = (0..2).filter(|side| holds[*side] != on).collect();
        let side = self.pick(&sides);
        self.command(ends[side], if on { HOLD } else { RESUME });
        self.set_hold(side, on);
        self.agree(SOON);
    }

    fn hold_both(&mut self, on: bool) {
        let Call::Talking { ends, .. } = self.model.call.clone() else {
            return;
        };
        for (side, phone) in ends.into_iter().enumerate() {
            self.command(phone, if on { HOLD } else { RESUME });
            self.set_hold(side, on);
        }
        self.agree(SOON);
    }

    fn hold_and_resume(&mut self) {
        let Call::Talking { ends, holds, .. } = self.model.call.clone() else {
            return;
        };
        let sides: Vec<usize> = (0..2).filter(|side| !holds[*side]).collect();
        let phone = ends[self.pick(&sides)];
        self.in_turn(true, [(phone, HOLD), (phone, RESUME)]);
        self.world.run(Duration::from_secs(2));
        self.agree(SOON);
    }

    fn set_hold(&mut self, side: usize, on: bool) {
        if let Call::Talking { holds, .. } = &mut self.model.call {
            holds[side] = on;
        }
    }

    fn mute(&mut self) {
        let side = self.pick(&[0, 1]);
        let Call::Talking { ends, muted, .. } = &mut self.model.call else {
            return;
        };
        muted[side] = !muted[side];
        let (phone, on) = (ends[side], muted[side]);
        self.command(phone, Command::Mute { call: None, on });
        self.agree(SOON);
    }

    fn dtmf(&mut self, ends: [usize; 2]) {
        let side = self.pick(&[0, 1]);
        let (near, far) = (ends[side], ends[1 - side]);
        self.world.hosts[far].digits.clear();
        let digits = "1590*#".to_owned();
        self.command(near, Command::Dtmf { call: None, digits });
        self.world.run(Duration::from_secs(2));
        if self.world.hosts[far].digits != ['1', '5', '9', '0', '*', '#'] {
            let heard = self.world.hosts[far].digits.clone();
            self.world.complain(format!("phone {far} heard the tones {heard:?}"));
        }
        self.agree(SOON);
    }

    /// Two commands, with less time between them than a message needs. A phone may refuse the second: the call may
    /// have ended by then.
    fn in_turn(&mut self, forwards: bool, commands: [(usize, Command); 2]) {
        let mut commands = commands.to_vec();
        if !forwards {
            commands.reverse();
        }
        for (phone, command) in commands {
            let _ = self.world.command(phone, command);
            let pause = self.random.duration(Duration::ZERO, Duration::from_millis(60));
            self.world.run(pause);
        }
    }

    pub(super) fn no_call(&mut self, limit: Duration) {
        self.model.call = Call::None;
        self.agree(limit);
    }
}
