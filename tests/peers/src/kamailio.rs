//! Kamailio 5.6 as registrar and edge, with outbound, Path, GRUU and flow timer (`tests/peers/kamailio`).

use std::process::Command;
use std::time::Duration;

use crate::cache;
use crate::lab::{Lab, PROXY, write};
use crate::process::{Log, Process};

/// The domain that the certificate names.
pub const DOMAIN: &str = "sip.test";

const CONFIGURATION: &str = include_str!("../kamailio/kamailio.cfg");
const TLS: &str = "[server:default]\nmethod = TLSv1.2+\nverify_certificate = no\nrequire_certificate = no\n\
    certificate = @LAB@/server.crt\nprivate_key = @LAB@/server.key\n";

/// A running Kamailio.
pub struct Kamailio {
    process: Process,
    control: String,
}

impl Kamailio {
    /// Starts it in the lab's namespace for it, and waits until it answers.
    pub fn start(lab: &Lab) -> Self {
        let folder = lab.folder("kamailio");
        let place = folder.display().to_string();
        let values = [
            ("LAB", place.as_str()),
            ("ADDRESS", PROXY),
            ("ARCH", &cache::architecture()),
        ];
        write(&folder.join("kamailio.cfg"), CONFIGURATION, &values);
        write(&folder.join("kamailio-tls.cfg"), TLS, &values);
        // linphone is told an address and checks that.
        lab.authority.certify(&folder, DOMAIN, Some(PROXY));
        let mut command = lab.proxy.command("kamailio");
        command
            .arg("-f")
            .arg(folder.join("kamailio.cfg"))
            .args(["-DD", "-E", "-m", "32", "-M", "4"]);
        command.arg("-Y").arg(&folder).arg("-P").arg(folder.join("pid"));
        let process = Process::start("kamailio", &mut command, &folder.join("log"));
        let mut kamailio = Self {
            process,
            control: format!("unix:{place}/kamailio.ctl"),
        };
        let mut look = kamailio.remote("core.uptime");
        kamailio.process.ready(Duration::from_secs(15), || {
            look.output().is_ok_and(|output| output.status.success())
        });
        kamailio
    }

    /// Who is registered, as Kamailio's own control tool shows it.
    pub fn registrations(&self) -> String {
        cache::output(&mut self.remote("ul.dump"))
    }

    /// Its log, with a line for every request, from now on.
    pub fn log(&self) -> Log {
        Log::from_now(&self.process.log)
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    fn remote(&self, command: &str) -> Command {
        let mut tool = Command::new("kamcmd");
        tool.args(["-s", &self.control, command]);
        tool
    }
}
