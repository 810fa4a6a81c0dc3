//! Connections as the world carries them: look-ups, opening, bytes both ways, closing.

use super::{Happening, SERVERS, Server, World};
use crate::exchange;
use crate::network::{Connection, Fate};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use toestel_proto::account::Target;
use toestel_proto::account_config::Transport as ConfigTransport;
use toestel_proto::ids::FlowId;
use toestel_proto::phone::Input;
use toestel_proto::sip::endpoint::Flow;
use toestel_proto::sip::msg::Transport;

impl World {
    /// The DNS answers with both addresses of the exchange.
    pub(super) fn resolve(&mut self, host: usize) {
        let (account, transport) = (self.hosts[host].account, self.hosts[host].config.transport);
        let port = if transport == ConfigTransport::Tls { 5061 } else { 5060 };
        let targets = SERVERS.map(|ip| Target {
            transport,
            address: SocketAddr::from((ip, port)),
        });
        let found = Ok(targets.to_vec());
        self.tell(host, Input::Resolved { account, found });
    }

    pub(super) fn open(&mut self, host: usize, flow: FlowId, target: Target) {
        let index = usize::from(target.address.ip() != IpAddr::from(SERVERS[0]));
        let reliable = target.transport != ConfigTransport::Udp;
        // A stream needs a round trip, and TLS another.
        let open_after = if reliable {
            self.weather.delay.1 * 4
        } else {
            Duration::ZERO
        };
        match (self.servers[index], reliable) {
            (Server::Refuses, true) => {
                let why = "The server refused the connection.";
                return self.later(open_after, Happening::ClosedAtPhone { host, flow, why });
            }
            (Server::Silent, true) => return,
            _ => {}
        }
        let machine = &mut self.hosts[host];
        let local = SocketAddr::new(machine.ip, machine.port());
        let public = SocketAddr::new(machine.public_ip(), local.port());
        self.last_flow += 1;
        let id = FlowId(self.last_flow);
        let mut connection = Connection::new(host, flow, id, (public, target.address), self.now);
        connection.reliable = reliable;
        self.introduce(&connection);
        self.connections.insert(id, connection);
        self.later(open_after, Happening::Opened { host, flow, local });
    }

    /// The exchange learns of a connection, or hears a new address.
    pub(super) fn introduce(&mut self, connection: &Connection) {
        // A phone that speaks UDP takes TCP for what is too long.
        let transport = match self.setup.transport {
            ConfigTransport::Tls => Transport::Tls,
            ConfigTransport::Tcp => Transport::Tcp,
            ConfigTransport::Udp if connection.reliable => Transport::Tcp,
            ConfigTransport::Udp => Transport::Udp,
        };
        let flow = Flow::new(connection.exchange, transport, connection.server, connection.public);
        self.exchange.handle_opened(flow);
    }

    /// A phone gives a flow up; what is on its way is lost.
    pub(super) fn close(&mut self, host: usize, flow: FlowId) {
        let delay = self.weather.delay.1;
        let gone: Vec<FlowId> = self
            .connections
            .values()
            .filter(|connection| (connection.host, connection.flow) == (host, flow))
            .map(|connection| connection.exchange)
            .collect();
        self.hosts[host].audit.excuse_refresh();
        for id in gone {
            let connection = self.connections.remove(&id);
            if connection.is_some_and(|connection| connection.reliable && !connection.dead) {
                self.later(delay, Happening::ClosedAtExchange { flow: id });
            }
        }
    }

    pub(super) fn transmit(&mut self, host: usize, flow: FlowId, bytes: Vec<u8>) {
        let now = self.now;
        let machine = &mut self.hosts[host];
        let bytes = match &mut machine.interposer {
            Some(interposer) => interposer.sends(bytes),
            None => Some(bytes),
        };
        let Some(bytes) = bytes else { return };
        machine.audit.sent(&bytes, now);
        self.trace(host, "sends", &bytes);
        let machine = &self.hosts[host];
        let (nat, public) = (machine.nat, machine.public_ip());
        let Some(connection) = self
            .connections
            .values_mut()
            .find(|connection| (connection.host, connection.flow) == (host, flow))
        else {
            return self.complain(format!("phone {host}: bytes for {flow}, which is not open"));
        };
        if !connection.reliable && !connection.is_mapped(nat, now) {
            self.remap(host, flow, public);
        }
        self.send_up(host, flow, bytes);
    }

    fn send_up(&mut self, host: usize, flow: FlowId, bytes: Vec<u8>) {
        let (now, weather, nat) = (self.now, self.weather, self.hosts[host].nat);
        let Some(connection) = self
            .connections
            .values_mut()
            .find(|connection| (connection.host, connection.flow) == (host, flow))
        else {
            return;
        };
        let (exchange, reliable) = (connection.exchange, connection.reliable);
        let index = usize::from(connection.server.ip() != IpAddr::from(SERVERS[0]));
        match connection.carry(true, weather, nat, &mut self.random, now) {
            Fate::Forgotten => {
                // Half of all NATs say so, the others swallow it.
                connection.dead = true;
                if self.random.below(2) == 0 {
                    let why = "The connection was reset.";
                    self.later(Duration::from_millis(2), Happening::ClosedAtPhone { host, flow, why });
                }
            }
            // A stream outlives a short silence.
            Fate::Arrives(_) if self.servers[index] != Server::Up && !reliable => {}
            Fate::Arrives(moments) => {
                for moment in moments {
                    let bytes = bytes.clone();
                    self.at(moment, Happening::AtExchange { exchange, bytes });
                }
            }
        }
    }

    /// The NAT gives a socket another port, because it has forgotten the first.
    fn remap(&mut self, host: usize, flow: FlowId, public: IpAddr) {
        let port = self.hosts[host].port();
        self.last_flow += 1;
        let id = FlowId(self.last_flow);
        let old = self
            .connections
            .iter()
            .find(|(_, connection)| (connection.host, connection.flow) == (host, flow))
            .map(|(old, _)| *old);
        if let Some(mut connection) = old.and_then(|old| self.connections.remove(&old)) {
            connection.remap(SocketAddr::new(public, port), id, self.now);
            self.introduce(&connection);
            self.connections.insert(id, connection);
        }
    }

    pub(super) fn carry_from_exchange(&mut self, output: exchange::Output) {
        let (now, weather) = (self.now, self.weather);
        match output {
            exchange::Output::Transmit(exchange, bytes) => {
                let Some(connection) = self.connections.get_mut(&exchange) else {
                    return;
                };
                let nat = self.hosts[connection.host].nat;
                if let Fate::Arrives(moments) = connection.carry(false, weather, nat, &mut self.random, now) {
                    for moment in moments {
                        let bytes = bytes.clone();
                        self.at(moment, Happening::AtPhone { exchange, bytes });
                    }
                }
            }
            exchange::Output::Close(exchange) => {
                if let Some(connection) = self.connections.get(&exchange) {
                    let (host, flow) = (connection.host, connection.flow);
                    let why = "The server closed the connection.";
                    self.later(weather.delay.1, Happening::ClosedAtPhone { host, flow, why });
                }
            }
        }
    }

    pub(super) fn arrive_at_phone(&mut self, exchange: FlowId, bytes: Vec<u8>) {
        let Some((host, flow)) = self
            .connections
            .get(&exchange)
            .filter(|connection| !connection.dead)
            .map(|connection| (connection.host, connection.flow))
        else {
            return;
        };
        let machine = &mut self.hosts[host];
        if machine.asleep_until.is_some() {
            return;
        }
        machine.audit.received(&bytes, self.now);
        self.trace(host, "gets", &bytes);
        let machine = &self.hosts[host];
        let bytes = match &machine.interposer {
            Some(interposer) => interposer.receives(bytes),
            None => bytes,
        };
        self.tell(host, Input::Received { flow, bytes: &bytes });
    }

    /// The connections of a phone.
    pub fn flows_of(&self, host: usize) -> Vec<&Connection> {
        self.connections
            .values()
            .filter(|connection| connection.host == host)
            .collect()
    }
}
