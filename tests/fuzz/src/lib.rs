//! What no input may do: crash, hang, or be read in two ways.
//!
//! Each target is a module with `run(input)`, which panics where a promise is broken and tells whether the input was
//! accepted, and `seeds()`, the inputs that a fuzzer starts from. A new target is one module, one row in [`TARGETS`]
//! and four lines in `fuzz_targets/`. The tests replay all seeds, and what `kept/NAME/` holds: inputs that once broke
//! something.

pub mod dialog;
pub mod digest;
mod media;
pub mod rtcp;
pub mod rtp;
pub mod sdp;
pub mod sip;
pub mod sip_stream;
pub mod srtp;
pub mod stun;

/// One target.
pub struct Target {
    /// The name on cargo-fuzz's command line.
    pub name: &'static str,
    /// Runs one input; whether it was accepted.
    pub run: fn(&[u8]) -> bool,
    /// Inputs to start from, at least half of them accepted.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target {
        name: "dialog",
        run: dialog::run,
        seeds: dialog::seeds,
    },
    Target {
        name: "digest",
        run: digest::run,
        seeds: digest::seeds,
    },
    Target {
        name: "rtcp",
        run: rtcp::run,
        seeds: rtcp::seeds,
    },
    Target {
        name: "rtp",
        run: rtp::run,
        seeds: rtp::seeds,
    },
    Target {
        name: "sdp",
        run: sdp::run,
        seeds: sdp::seeds,
    },
    Target {
        name: "sip",
        run: sip::run,
        seeds: sip::seeds,
    },
    Target {
        name: "sip_stream",
        run: sip_stream::run,
        seeds: sip_stream::seeds,
    },
    Target {
        name: "srtp",
        run: srtp::run,
        seeds: srtp::seeds,
    },
    Target {
        name: "stun",
        run: stun::run,
        seeds: stun::seeds,
    },
];

/// Whether the fuzzer is to keep an input that showed it something new. What is refused leads nowhere sooner than what
/// is accepted, and there is far more of it: one in 32 is kept.
pub fn is_worth_keeping(accepted: bool, input: &[u8]) -> bool {
    let sum = input
        .iter()
        .fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(*byte));
    accepted || sum.is_multiple_of(32)
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
    fn what_once_broke_something_no_longer_does() {
        let kept = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("kept");
        for target in TARGETS {
            let Ok(folder) = std::fs::read_dir(kept.join(target.name)) else {
                continue;
            };
            for entry in folder {
                let input = std::fs::read(entry.unwrap().path()).unwrap();
                (target.run)(&input);
            }
        }
    }
}
