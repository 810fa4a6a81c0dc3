//! What happened in the world, and what was wrong with it: a failure prints the last pages and the seed.

use super::World;

impl World {
    /// Writes into the diary.
    pub fn note(&mut self, text: impl Into<String>) {
        let at = self.now.since_origin().as_secs_f64();
        self.diary.push(format!("{at:>10.3} s  {}", text.into()));
    }

    /// Something is wrong.
    pub fn complain(&mut self, text: impl Into<String>) {
        let at = self.now.since_origin().as_secs_f64();
        self.complaints.push(format!("at {at:.3} s: {}", text.into()));
    }

    /// All that is wrong so far.
    pub fn complaints(&mut self) -> &[String] {
        self.gather();
        &self.complaints
    }

    /// Fails with the seed, the last pages of the diary and what is wrong, if anything is.
    ///
    /// # Panics
    /// If there is a complaint.
    pub fn assert_sound(&mut self) {
        self.gather();
        if !self.complaints.is_empty() {
            let pages = if self.traced { 400 } else { 30 };
            let from = self.diary.len().saturating_sub(pages);
            panic!(
                "seed {}: {:#?}\nsetup: {:?}\ndiary:\n{}",
                self.seed,
                self.complaints,
                self.setup,
                self.diary[from..].join("\n")
            );
        }
    }

    pub(super) fn gather(&mut self) {
        let now = self.now;
        let mut found: Vec<String> = self.exchange.take_complaints();
        found.extend(self.errors.take().into_iter().map(|error| format!("ERROR {error}")));
        for (index, host) in self.hosts.iter_mut().enumerate() {
            if host.asleep_until.is_none() {
                host.audit.check_refresh(now);
            }
            let own = host.audit.take_complaints();
            found.extend(own.into_iter().map(|text| format!("phone {index}: {text}")));
        }
        for text in found {
            self.complain(text);
        }
    }
}
