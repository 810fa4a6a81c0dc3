//! A whole phone in a conversation: whatever the exchange, the media, the user and the clock do, it neither breaks nor
//! hangs, keeps its media policy, sends nothing that cannot be read, and comes to rest when it is told to.
//!
//! The input is one byte of settings (see [`world::Settings`]) and then steps, a byte 255 between them. A step's first
//! byte says what it is:
//!
//! - `<` the exchange sends what follows; short control bytes stand for what it learnt (see [`exchange`]);
//! - `!` the user does something: a letter, a digit for which call, and the rest (see [`World::command`]);
//! - `*` a media packet comes, protected if the call has keys; `#` one comes as it is;
//! - `?` the server answers the last STUN request: success or error, and the attributes;
//! - `+` time passes: to the next timer, or as long as [`JUMPS`] says;
//! - `@` something happens to the machine: a path, the flow, the network, sleep (see [`World::fact`]).
//!
//! The phone is registered before the first step. An input is accepted if a call was answered in it.

mod exchange;
mod seeds;
mod world;

pub use seeds::seeds;

use std::sync::LazyLock;
use std::time::Duration;
use toestel_proto::random::Random;
use world::World;

use crate::mutate::text::Grammar;

/// Between two steps.
const SEPARATOR: u8 = 0xff;
/// More steps than any seed has.
const MOST_STEPS: usize = 40;
/// How long a step of time is.
const JUMPS: [Duration; 12] = [
    Duration::ZERO,
    Duration::from_millis(20),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(4),
    Duration::from_secs(12),
    Duration::from_secs(33),
    Duration::from_secs(61),
    Duration::from_secs(95),
    Duration::from_secs(600),
    Duration::from_secs(3_600),
    Duration::from_secs(86_400),
];

/// Runs one input; whether a call was answered in it.
pub fn run(input: &[u8]) -> bool {
    let Some((settings, steps)) = input.split_first() else {
        return false;
    };
    let mut world = World::new(*settings);
    for step in steps.split(|byte| *byte == SEPARATOR).take(MOST_STEPS) {
        if let Some((kind, rest)) = step.split_first() {
            take(&mut world, *kind, rest);
        }
    }
    world.rest()
}

/// `input` with an edit: of its steps, and of what is said in them.
pub fn edit(input: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    static GRAMMAR: LazyLock<Grammar> = LazyLock::new(|| Grammar::new(&seeds(), Some(SEPARATOR)));
    Some(GRAMMAR.edit(input, random))
}

fn take(world: &mut World, kind: u8, rest: &[u8]) {
    match kind {
        b'<' => world.receive(rest),
        b'!' => world.command(rest),
        b'*' => world.media(rest, true),
        b'#' => world.media(rest, false),
        b'?' => world.stun_answer(rest),
        b'@' => world.fact(rest.first().copied().unwrap_or(0)),
        b'+' => match rest.first() {
            None | Some(0) => world.run_next_timer(),
            Some(index) => world.pass(JUMPS[usize::from(*index) % JUMPS.len()]),
        },
        _ => {}
    }
}
