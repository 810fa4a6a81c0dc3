//! What happens to registrations, machines, networks and servers, and what must come of it: everybody can be reached
//! again, and a call goes on unless one of its ends is gone.

use super::{SOON, Transition, Walk};
use crate::model::Call;
use crate::world::{PASSWORD, Server};
use std::time::Duration;
use toestel_proto::account::AccountMemory;
use toestel_proto::account_config::Transport;
use toestel_proto::phone::Command;

const REGISTER: Command = Command::Register { account: None };
const UNREGISTER: Command = Command::Unregister { account: None };

impl Walk {
    pub(super) fn perform_without_call(&mut self, transition: Transition) {
        let phone = self.any_phone();
        match transition {
            Transition::FlowReset => self.world.reset_flow(phone),
            Transition::FlowSilent => self.world.silence_flow(phone),
            Transition::NatForgets => self.world.forget_nat(phone),
            Transition::ServerRestart => {
                let down = self.seconds(1, 90);
                self.world.restart_exchange(down);
            }
            Transition::ServerFailover => return self.fail_over(),
            Transition::RegistrarOverloaded => return self.overload(phone),
            Transition::NetworkChange => self.world.change_network(phone),
            Transition::Sleep => {
                let night = self.seconds(120, 9_000);
                self.world.sleep(phone, night);
                self.world.run(night);
            }
            Transition::Crash => self.world.crash(phone),
            Transition::NonceExpiry => {
                self.world.exchange.expire_nonces();
                self.register_again();
            }
            Transition::ChallengeChange => {
                let status = self.pick(&[None, Some(401), Some(407)]);
                self.world.exchange.rules.challenge_calls = status;
            }
            Transition::PasswordRefused => return self.refuse_password(phone),
            Transition::WrongPassword => return self.start_with_wrong_password(phone),
            Transition::Unregister => {
                let all = self.registered();
                let phone = self.pick(&all);
                self.command(phone, UNREGISTER);
                self.model.registered[phone] = false;
            }
            Transition::Register => {
                let absent = self.model.registered.iter().position(|registered| !registered);
                let phone = absent.unwrap_or(0);
                self.command(phone, REGISTER);
                self.model.registered[phone] = true;
            }
            Transition::Quiet => {
                self.world.run(Duration::from_secs(300));
                self.look_for_leftovers();
            }
            _ => return self.perform_dial(transition),
        }
        self.recover();
    }

    pub(super) fn perform_trouble_in_call(&mut self, transition: Transition, ends: [usize; 2]) {
        // What was agreed last has been acknowledged by then, whatever was lost.
        self.world.run(Duration::from_secs(8));
        let phone = self.pick(&ends);
        let call = self.world.hosts[phone].only_call(self.world.now).map(|call| call.id);
        match (transition, call) {
            (Transition::PathChange, Some(call)) => self.world.move_path(phone, call),
            (Transition::PathChangeGlare, _) => {
                for end in ends {
                    if let Some(call) = self.world.hosts[end].only_call(self.world.now) {
                        self.world.move_path(end, call.id);
                    }
                }
            }
            (Transition::TalkForLong, _) => self.world.run(Duration::from_secs(1_900)),
            (Transition::FlowResetInCall, _) => self.world.reset_flow(phone),
            (Transition::FlowSilentInCall, _) => self.world.silence_flow(phone),
            (Transition::NatForgetsInCall, _) => self.world.forget_nat(phone),
            (Transition::ServerRestartInCall, _) => {
                let down = self.seconds(1, 20);
                self.world.restart_exchange(down);
            }
            (Transition::NetworkChangeInCall, _) => self.world.change_network(phone),
            (Transition::SleepInCall, _) => {
                let nap = self.seconds(300, 2_400);
                self.world.sleep(phone, nap);
                self.world.run(nap);
                self.either_survived_or_not(ends);
            }
            (Transition::CrashInCall, _) => {
                self.world.crash(phone);
                self.model.call = Call::None;
            }
            _ => {}
        }
        // By datagram and without RFC 5626 nobody notices before the next refresh: until then a request from the far
        // end gets no answer, and costs the call.
        let is_deaf = self.world.setup.transport == Transport::Udp && !self.world.setup.outbound;
        if is_deaf && matches!(transition, Transition::FlowSilentInCall | Transition::NatForgetsInCall) {
            self.either_survived_or_not(ends);
        }
        self.recover();
    }

    /// Whether a call outlives a nap of one end is the exchange's choice and the clock's; but both ends must agree.
    fn either_survived_or_not(&mut self, ends: [usize; 2]) {
        let limit = self.recovery();
        self.world.run(limit);
        let survived = ends
            .iter()
            .any(|end| self.world.hosts[*end].only_call(self.world.now).is_some());
        if !survived {
            self.model.call = Call::None;
        }
    }

    /// What broke is noticed, and then repaired.
    fn recover(&mut self) {
        self.world.run(Duration::from_millis(50));
        let limit = self.recovery();
        self.agree(limit);
    }

    fn any_phone(&mut self) -> usize {
        let all: Vec<usize> = (0..self.model.registered.len()).collect();
        self.pick(&all)
    }

    fn register_again(&mut self) {
        let all = self.registered();
        let phone = self.pick(&all);
        self.command(phone, REGISTER);
    }

    /// A phone whose server is out of reach takes the second one that the DNS names.
    fn fail_over(&mut self) {
        let phone = self.any_phone();
        let silent = self.random.below(2) == 0 && self.world.setup.transport != Transport::Udp;
        self.world.servers[0] = if silent { Server::Silent } else { Server::Refuses };
        if self.world.setup.transport == Transport::Udp {
            self.world.change_network(phone);
        } else {
            self.world.reset_flow(phone);
        }
        self.recover();
        self.world.servers = [Server::Up; 2];
        if self.world.setup.transport == Transport::Udp {
            // The others may have noticed the silence too, and go on leaving for a while.
            self.world.run(Duration::from_secs(100));
        }
        self.recover();
    }

    /// A registrar that says no for a while does not cost the binding that it gave before.
    fn overload(&mut self, phone: usize) {
        self.world.exchange.rules.refuse_register = Some(503);
        self.command(phone, REGISTER);
        self.world.hosts[phone].audit.excuse_refresh();
        self.world.run(Duration::from_secs(8));
        self.agree(SOON);
        self.world.exchange.rules.refuse_register = None;
        let limit = self.recovery();
        self.world.run(limit);
        self.agree(limit);
    }

    /// A password that was accepted before is tried again after minutes, and no sooner.
    fn refuse_password(&mut self, phone: usize) {
        let user = Self::extension(phone);
        let users = &mut self.world.exchange.rules.users;
        users.insert(user.clone(), "another".to_owned());
        self.world.hosts[phone].audit.excuse_refresh();
        let before = self.world.hosts[phone].audit.logins;
        self.command(phone, REGISTER);
        self.world.run(Duration::from_secs(200));
        let tried = self.world.hosts[phone].audit.logins - before;
        // The kept nonce, and the one of its challenge.
        if self.world.hosts[phone].is_registered(self.world.now) || tried > 2 {
            self.world
                .complain(format!("phone {phone} tried a refused password {tried} times in 200 s"));
        }
        self.world.exchange.rules.users.insert(user, PASSWORD.to_owned());
        self.agree(Duration::from_secs(600) + self.recovery());
    }

    /// A password that was never accepted is tried once.
    fn start_with_wrong_password(&mut self, phone: usize) {
        self.command(phone, UNREGISTER);
        self.model.registered[phone] = false;
        self.agree(SOON);
        self.world.hosts[phone].memory = AccountMemory::default();
        let before = self.world.hosts[phone].audit.logins;
        self.world.start_anew(phone, "a guess");
        self.world.run(Duration::from_secs(1_200));
        self.agree(SOON);
        let tried = self.world.hosts[phone].audit.logins - before;
        if tried != 1 {
            self.world
                .complain(format!("phone {phone} tried a wrong password {tried} times"));
        }
        self.world.hosts[phone].memory = AccountMemory::default();
        self.world.start_anew(phone, PASSWORD);
        self.model.registered[phone] = true;
        let limit = self.recovery();
        self.agree(limit);
    }
}
