//! What happens to machines and networks: restarts, resets, silence, forgetful NATs, sleep, other networks, crashes.

use super::{Happening, PASSWORD, Server, World};
use std::net::IpAddr;
use std::time::Duration;
use toestel_proto::account_config::Transport;
use toestel_proto::ids::{CallId, FlowId};
use toestel_proto::phone::Input;

/// How long the exchange's system tries to reach a phone that is gone before it gives the connection up.
const GIVES_UP: Duration = Duration::from_secs(90);

impl World {
    /// The exchange is killed, and is back after `down`.
    pub fn restart_exchange(&mut self, down: Duration) {
        self.exchange.restart();
        self.servers = [Server::Refuses; 2];
        let all: Vec<_> = self.connections.values().cloned().collect();
        for connection in all {
            if connection.reliable {
                let (host, flow) = (connection.host, connection.flow);
                let why = "The server closed the connection.";
                let delay = self.weather.delay.1;
                if !connection.dead {
                    self.later(delay, Happening::ClosedAtPhone { host, flow, why });
                }
            } else {
                self.introduce(&connection);
            }
        }
        self.later(down, Happening::ServerBack);
    }

    /// The exchange calls a phone, and leaves the first offer to it.
    pub fn exchange_calls(&mut self, host: usize) {
        let user = self.hosts[host].config.user.clone();
        self.exchange.call_without_offer(&user, self.now);
        self.pump();
    }

    /// The exchange answers a phone that hears its announcement.
    pub fn exchange_picks_up(&mut self, host: usize) {
        let user = self.hosts[host].config.user.clone();
        self.exchange.pick_up(&user, self.now);
        self.pump();
    }

    /// The exchange ends its own call with a phone.
    pub fn exchange_hangs_up(&mut self, host: usize) {
        let user = self.hosts[host].config.user.clone();
        self.exchange.hang_up(&user, self.now);
        self.pump();
    }

    /// A phone's connection is reset, and both ends know it.
    pub fn reset_flow(&mut self, host: usize) {
        for (exchange, flow) in self.ids_of(host) {
            let why = "The connection was reset.";
            self.later(Duration::from_millis(1), Happening::ClosedAtPhone { host, flow, why });
            self.later(Duration::from_millis(1), Happening::ClosedAtExchange { flow: exchange });
        }
    }

    /// A phone's connection leads nowhere from now on, and nobody says so.
    pub fn silence_flow(&mut self, host: usize) {
        for (exchange, _) in self.ids_of(host) {
            if let Some(connection) = self.connections.get_mut(&exchange) {
                connection.dead = true;
            }
            self.later(GIVES_UP, Happening::ClosedAtExchange { flow: exchange });
        }
    }

    /// The NAT in front of a phone forgets what its account's own connection needs.
    pub fn forget_nat(&mut self, host: usize) {
        let by_stream = self.setup.transport != Transport::Udp;
        for connection in self.connections.values_mut() {
            if connection.host == host && connection.reliable == by_stream {
                connection.forgotten = true;
            }
        }
    }

    /// A machine sleeps.
    pub fn sleep(&mut self, host: usize, duration: Duration) {
        self.silence_flow(host);
        self.hosts[host].audit.excuse_refresh();
        self.hosts[host].asleep_until = Some(self.now + duration);
        self.later(duration, Happening::Wakes { host, slept: duration });
    }

    /// A machine is on another network from now on.
    pub fn change_network(&mut self, host: usize) {
        self.silence_flow(host);
        let machine = &mut self.hosts[host];
        machine.audit.excuse_refresh();
        machine.ip = neighbour(machine.ip);
        if let Some(nat) = &mut machine.nat {
            nat.public = neighbour(nat.public);
        }
        let calls: Vec<CallId> = machine.paths.keys().copied().collect();
        self.tell(host, Input::NetworkChanged);
        for call in calls {
            self.later(Duration::from_millis(30), Happening::PathChanged { host, call });
        }
        self.pump();
    }

    /// A call's media path gets another address.
    pub fn move_path(&mut self, host: usize, call: CallId) {
        self.later(Duration::ZERO, Happening::PathChanged { host, call });
    }

    /// A phone's program dies and is started again.
    pub fn crash(&mut self, host: usize) {
        self.start_anew(host, PASSWORD);
    }

    /// The same, and its user has entered a password.
    pub fn start_anew(&mut self, host: usize, password: &str) {
        for (exchange, _) in self.ids_of(host) {
            let connection = self.connections.remove(&exchange);
            if connection.is_some_and(|connection| connection.reliable && !connection.dead) {
                self.later(self.weather.delay.1, Happening::ClosedAtExchange { flow: exchange });
            }
        }
        // What was meant for the dead program does not reach the new one.
        self.happenings.retain(|_, happening| match happening {
            Happening::Opened { host: of, .. }
            | Happening::ClosedAtPhone { host: of, .. }
            | Happening::PathReady { host: of, .. }
            | Happening::PathChanged { host: of, .. }
            | Happening::Tone { host: of, .. }
            | Happening::Listen { host: of, .. }
            | Happening::Resolved { host: of } => *of != host,
            _ => true,
        });
        let seed = self.random.u64();
        self.hosts[host].crash(password, seed, self.now);
        self.pump();
    }

    /// A phone's program is asked to end.
    pub fn farewell(&mut self, host: usize) {
        self.hosts[host].audit.excuse_refresh();
        self.hosts[host].phone.say_farewell(self.now);
        self.pump();
    }

    /// Whether a phone is registered, has one binding, and that leads to it.
    pub fn is_reachable(&self, host: usize) -> bool {
        let machine = &self.hosts[host];
        if machine.asleep_until.is_some() || !machine.is_registered(self.now) {
            return false;
        }
        let bindings = self.exchange.bindings(&machine.config.user, self.now);
        let [binding] = bindings.as_slice() else { return false };
        self.connections.get(&binding.flow).is_some_and(|connection| {
            connection.host == host && !connection.dead && connection.is_mapped(machine.nat, self.now)
        })
    }

    fn ids_of(&self, host: usize) -> Vec<(FlowId, FlowId)> {
        let own = self.connections.values().filter(|connection| connection.host == host);
        own.map(|connection| (connection.exchange, connection.flow)).collect()
    }
}

/// Another address, as another network gives it.
fn neighbour(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            IpAddr::from([a, b, c ^ 0x80, d])
        }
        IpAddr::V6(_) => ip,
    }
}
