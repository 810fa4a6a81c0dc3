//! What a phone wants done, done as this world does it.

use super::{Happening, SILENCE, World};
use std::net::SocketAddr;
use std::time::Duration;
use toestel_proto::phone::Output;

impl World {
    pub(super) fn carry_out(&mut self, host: usize, output: Output) {
        match output {
            Output::Resolve { .. } => self.later(Duration::from_millis(10), Happening::Resolved { host }),
            Output::OpenFlow { flow, target, .. } => self.open(host, flow, target),
            Output::CloseFlow(flow) => self.close(host, flow),
            Output::Transmit { flow, bytes } => self.transmit(host, flow, bytes),
            Output::OpenPath { call, .. } => {
                let machine = &mut self.hosts[host];
                let rtp = SocketAddr::new(machine.ip, machine.port());
                machine.paths.insert(call, rtp);
                self.later(self.path_delay, Happening::PathReady { host, call });
            }
            Output::ClosePath(call) => self.hosts[host].close_path(call),
            Output::Media { call, plan } => {
                if !self.hosts[host].plans.contains_key(&call) {
                    self.later(SILENCE, Happening::Listen { host, call });
                }
                if let Some(complaint) = self.hosts[host].adopt(call, *plan) {
                    self.complain(format!("phone {host}: {complaint}"));
                }
            }
            Output::Digit { call, digit } | Output::Tone { call, digit } => {
                if let Some((host, call)) = self.talker(host, call) {
                    self.later(Duration::from_millis(120), Happening::Tone { host, call, digit });
                }
            }
            Output::Remember { memory, .. } => self.hosts[host].memory = *memory,
            Output::Event(event) => {
                if self.traced {
                    self.note(format!("phone {host}: {event:?}"));
                }
                self.hosts[host].hear(event);
            }
            Output::Mute { .. } | Output::Conference(_) | Output::Sound { .. } => {}
        }
    }
}
