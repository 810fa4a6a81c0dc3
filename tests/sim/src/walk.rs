//! Random walks: one transition after the other, each followed by a comparison with the model.
//!
//! A transition is something that a user, a network or a server does. What must come of it is written into the model
//! first; then time passes until the world shows the same, or for as long as it may take, and what still differs is a
//! complaint.

mod calls;
mod exchange;
mod transition;
mod troubles;

pub use transition::Transition;

use crate::model::{Call, Model};
use crate::numbers;
use crate::world::{Setup, World};
use std::collections::BTreeMap;
use std::time::Duration;
use toestel_proto::account_config::Transport;
use toestel_proto::codec::MediaPolicy;
use toestel_proto::ids::CallId;
use toestel_proto::phone::Command;
use toestel_proto::random::Random;
use toestel_proto::time::Instant;

use crate::network::Weather;

/// How long an answer, a hold or a hang-up may take to be seen by all: what was lost is sent again within 32 s.
const SOON: Duration = Duration::from_secs(40);

/// How often what takes long is done in one walk: often enough, and a day has time for calls too.
const LONG_ONES: u64 = 7;

/// Of how many that are drawn the rarest is taken.
const DRAWS: usize = 8;

/// What a walk did.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// How often each transition was taken.
    pub transitions: BTreeMap<Transition, u64>,
    /// Calls that were placed.
    pub calls: u64,
    /// REGISTERs that were sent, repetitions not counted.
    pub registers: u64,
    /// Simulated time.
    pub time: Duration,
}

impl Tally {
    /// Adds another walk.
    pub fn add(&mut self, other: &Self) {
        for (transition, count) in &other.transitions {
            *self.transitions.entry(*transition).or_default() += count;
        }
        self.calls += other.calls;
        self.registers += other.registers;
        self.time += other.time;
    }
}

/// See the module.
#[derive(Debug)]
pub struct Walk {
    /// Where it walks.
    pub world: World,
    model: Model,
    random: Random,
    tally: Tally,
}

impl Walk {
    /// A walk in the world that belongs to a seed.
    pub fn new(seed: u64) -> Self {
        Self::within(seed, setup_of(seed))
    }

    /// A walk in a world of this kind.
    pub fn within(seed: u64, setup: Setup) -> Self {
        let phones = setup.phones;
        let mut walk = Self {
            world: World::new(seed, setup),
            model: Model::new(phones),
            random: Random::seeded(seed ^ 0x7761_6c6b),
            tally: Tally::default(),
        };
        walk.agree(Duration::from_secs(60));
        walk
    }

    /// Walks until this much time has passed, or something is wrong.
    pub fn run(&mut self, time: Duration) {
        while self.world.now < Instant::ORIGIN + time && self.world.complaints().is_empty() {
            self.step();
        }
        self.finish();
    }

    /// What was done.
    pub fn tally(&self) -> Tally {
        let registers = self.world.hosts.iter().map(|host| host.audit.registers).sum();
        Tally {
            registers,
            time: self.world.now.since_origin(),
            ..self.tally.clone()
        }
    }

    /// One transition that is possible now.
    pub fn step(&mut self) {
        let possible: Vec<Transition> = Transition::ALL
            .into_iter()
            .filter(|transition| transition.is_possible(&self.model, &self.world.setup))
            .filter(|transition| !transition.is_long() || self.taken(*transition) < LONG_ONES)
            .flat_map(|transition| std::iter::repeat_n(transition, transition.weight()))
            .collect();
        // What was taken least is the likelier of several.
        let drawn = [(); DRAWS].map(|()| self.pick(&possible));
        let transition = drawn.into_iter().min_by_key(|transition| self.taken(*transition));
        if let Some(transition) = transition {
            self.take(transition);
        }
    }

    fn taken(&self, transition: Transition) -> u64 {
        self.tally.transitions.get(&transition).copied().unwrap_or(0)
    }

    /// Takes a transition that is possible now.
    pub fn take(&mut self, transition: Transition) {
        self.world.note(format!("{transition:?} from {:?}", self.model.call));
        *self.tally.transitions.entry(transition).or_default() += 1;
        self.perform(transition);
    }

    /// Ends what is under way and looks for what is left.
    fn finish(&mut self) {
        if !self.world.complaints().is_empty() {
            return;
        }
        self.end_call();
        self.look_for_leftovers();
    }

    fn end_call(&mut self) {
        match self.model.call {
            Call::None => {}
            Call::WithExchange { phone: caller, .. } | Call::Ringing { caller, .. } => {
                self.command(caller, Command::Hangup { call: None });
            }
            Call::Talking { ends, .. } => self.command(ends[0], Command::Hangup { call: None }),
        }
        self.model.call = Call::None;
        self.agree(SOON);
    }

    /// After a minute without calls nobody keeps anything.
    fn look_for_leftovers(&mut self) {
        self.world.run(Duration::from_secs(70));
        let model = self.model.clone();
        // A refresh may be under way at the very moment.
        let is_clean = self
            .world
            .run_until(Duration::from_secs(60), |world| model.leftovers(world).is_empty());
        if !is_clean {
            for leftover in self.model.leftovers(&self.world) {
                self.world.complain(leftover);
            }
        }
    }

    /// Lets time pass until the world is as the model says and stays so, for `limit` at most.
    fn agree(&mut self, limit: Duration) {
        let model = self.model.clone();
        let until = self.world.now + limit;
        loop {
            self.world
                .run_until(until - self.world.now, |world| model.differences(world).is_empty());
            self.world.run(Duration::from_millis(150));
            let differences = self.model.differences(&self.world);
            if differences.is_empty() {
                return;
            }
            if self.world.now >= until {
                differences
                    .into_iter()
                    .for_each(|difference| self.world.complain(difference));
                return;
            }
        }
    }

    /// A command that must be taken.
    fn command(&mut self, phone: usize, command: Command) {
        self.command_on_call(phone, command);
    }

    /// The same; the call that it made.
    fn command_on_call(&mut self, phone: usize, command: Command) -> Option<CallId> {
        match self.world.command(phone, command.clone()) {
            Ok(call) => call,
            Err(refused) => {
                let complaint = format!("phone {phone} refused {command:?}: {refused}");
                self.world.complain(complaint);
                None
            }
        }
    }

    fn dial(&mut self, phone: usize, target: &str) -> Option<CallId> {
        self.tally.calls += 1;
        let target = target.to_owned();
        self.command_on_call(phone, Command::Dial { target, account: None })
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        let index = self.random.below(u64::try_from(of.len()).unwrap_or(1));
        of[usize::try_from(index).unwrap_or(0)]
    }

    fn seconds(&mut self, from: u64, to: u64) -> Duration {
        self.random.duration(Duration::from_secs(from), Duration::from_secs(to))
    }

    fn registered(&self) -> Vec<usize> {
        (0..self.model.registered.len())
            .filter(|phone| self.model.registered[*phone])
            .collect()
    }

    /// How long it may take until a phone can be reached after something broke: a refresh that goes unanswered, and
    /// the wait after it.
    fn recovery(&self) -> Duration {
        Duration::from_secs(u64::from(self.world.setup.expires) + 240)
    }

    /// One phone that is registered, and the number of another that is.
    fn pair(&mut self) -> (usize, usize) {
        let all = self.registered();
        let caller = self.pick(&all);
        let others: Vec<usize> = all.into_iter().filter(|phone| *phone != caller).collect();
        (caller, self.pick(&others))
    }

    fn extension(phone: usize) -> String {
        numbers::extension(phone)
    }
}

/// The kind of world that belongs to a seed: the kinds are dealt evenly.
pub fn setup_of(seed: u64) -> Setup {
    let millis = Duration::from_millis;
    let seconds = Duration::from_secs;
    let (transport, media) = *dealt(
        seed,
        &[
            (Transport::Tls, MediaPolicy::Required),
            (Transport::Udp, MediaPolicy::Off),
            (Transport::Tls, MediaPolicy::Preferred),
            (Transport::Tcp, MediaPolicy::Off),
        ],
    );
    let rainy = Weather {
        loss: 2,
        duplication: 1,
        delay: (millis(10), millis(80)),
    };
    let stormy = Weather {
        loss: 8,
        duplication: 3,
        delay: (millis(30), millis(300)),
    };
    // A stream's mapping is kept for minutes everywhere, a datagram's for less.
    let memories = match transport {
        Transport::Udp => [Some(seconds(40)), None, Some(seconds(300))],
        _ => [Some(seconds(150)), None, Some(seconds(300))],
    };
    Setup {
        phones: 3,
        transport,
        media,
        nat_memory: *dealt(seed, &memories),
        weather: *dealt(seed / 2, &[rainy, stormy, Weather::FINE]),
        expires: *dealt(seed / 3, &[60, 120, 180]),
        outbound: *dealt(seed / 4, &[true, false]),
        challenge_calls: *dealt(seed, &[Some(407), Some(401), None]),
        reliable: *dealt(seed / 5, &[false, true]),
    }
}

fn dealt<T>(seed: u64, of: &[T]) -> &T {
    let count = u64::try_from(of.len()).unwrap_or(1);
    &of[usize::try_from(seed % count).unwrap_or(0)]
}
