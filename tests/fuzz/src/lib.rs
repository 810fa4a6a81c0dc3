//! What no input may do: crash, hang, or be read in two ways.
//!
//! Each target is a module with `run(input)`, which panics where a promise is broken and tells whether the input was
//! accepted, `seeds()`, the inputs that a fuzzer starts from, and `edit(input)`, one change that knows what the input
//! is made of ([`mutate`]). A new target is one module, one name in [`TARGETS`] and one file in `fuzz_targets/`. The
//! tests replay all seeds, the corpus, and what `kept/NAME/` holds: inputs that once broke something.

pub mod dialog;
pub mod digest;
pub mod lines;
mod media;
pub mod mutate;
pub mod planted;
pub mod rtcp;
pub mod rtp;
pub mod sdp;
pub mod sip;
pub mod sip_stream;
pub mod srtp;
pub mod stun;

use toestel_proto::random::Random;

/// One target.
pub struct Target {
    /// The name on cargo-fuzz's command line.
    pub name: &'static str,
    /// Runs one input; whether it was accepted.
    pub run: fn(&[u8]) -> bool,
    /// An input with a change; nothing if libFuzzer's own changes are the better ones.
    pub edit: fn(&[u8], &mut Random) -> Option<Vec<u8>>,
    /// Inputs to start from, at least half of them accepted.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

macro_rules! targets {
    ($($name:ident)*) => {
        /// Every target.
        pub const TARGETS: &[Target] = &[$(Target {
            name: stringify!($name),
            run: $name::run,
            edit: $name::edit,
            seeds: $name::seeds,
        }),*];
    };
}

targets! { dialog digest lines rtcp rtp sdp sip sip_stream srtp stun }

/// The target of that name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Whether the fuzzer is to keep an input that showed it something new. What is refused leads nowhere sooner than what
/// is accepted, and there is far more of it: one in 32 is kept.
pub fn is_worth_keeping(accepted: bool, input: &[u8]) -> bool {
    let sum = input
        .iter()
        .fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(*byte));
    accepted || sum.is_multiple_of(32)
}

/// Changes the first `size` bytes of `data` to at most `longest`, and says how many there are then: three times in four
/// by `edit`, else by `generic`, libFuzzer's own way.
pub fn mutate(
    edit: fn(&[u8], &mut Random) -> Option<Vec<u8>>,
    (data, size, longest): (&mut [u8], usize, usize),
    seed: u32,
    generic: fn(&mut [u8], usize, usize) -> usize,
) -> usize {
    let mut random = Random::seeded(u64::from(seed));
    let edited = if random.below(4) < 3 {
        edit(&data[..size], &mut random)
    } else {
        None
    };
    match edited.filter(|edited| !edited.is_empty() && edited.len() <= longest) {
        Some(edited) => {
            data[..edited.len()].copy_from_slice(&edited);
            edited.len()
        }
        None => generic(data, size, longest),
    }
}

/// The whole of a file in `fuzz_targets/`.
#[cfg(feature = "libfuzzer")]
#[macro_export]
macro_rules! libfuzzer_target {
    ($name:ident) => {
        libfuzzer_sys::fuzz_target!(|input: &[u8]| -> libfuzzer_sys::Corpus {
            let accepted = $crate::$name::run(input);
            if $crate::is_worth_keeping(accepted, input) {
                libfuzzer_sys::Corpus::Keep
            } else {
                libfuzzer_sys::Corpus::Reject
            }
        });

        libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
            let generic = libfuzzer_sys::fuzzer_mutate;
            $crate::mutate($crate::$name::edit, (data, size, max_size), seed, generic)
        });
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_do_no_harm_and_half_of_them_are_accepted() {
        for target in TARGETS {
            let seeds = (target.seeds)();
            let accepted = seeds.iter().filter(|seed| (target.run)(seed)).count();
            println!("{}: {accepted} of {} seeds accepted", target.name, seeds.len());
            assert!(seeds.len() >= 8, "{}: too few seeds", target.name);
            assert!(
                accepted * 2 >= seeds.len(),
                "{}: only {accepted} of {} accepted",
                target.name,
                seeds.len()
            );
            assert!(
                accepted < seeds.len(),
                "{}: a target that accepts everything judges nothing",
                target.name
            );
        }
    }

    #[test]
    fn the_corpus_does_no_harm_and_half_of_it_is_accepted() {
        for target in TARGETS {
            let corpus = inputs("corpus", target.name);
            let accepted = corpus.iter().filter(|input| (target.run)(input)).count();
            println!("{}: {accepted} of {} inputs accepted", target.name, corpus.len());
            assert!(corpus.len() >= 50, "{}: where is its corpus?", target.name);
            assert!(
                accepted * 2 >= corpus.len(),
                "{}: only {accepted} of {} accepted",
                target.name,
                corpus.len()
            );
        }
    }

    #[test]
    fn what_once_broke_something_no_longer_does() {
        for target in TARGETS {
            for input in inputs("kept", target.name) {
                (target.run)(&input);
            }
        }
    }

    /// The committed inputs of a target; none where it has no such folder.
    fn inputs(folder: &str, target: &str) -> Vec<Vec<u8>> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(folder)
            .join(target);
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        entries
            .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
            .collect()
    }
}
