//! Edits that know what an input is made of, beside libFuzzer's own, which know only bytes.
//!
//! Without a sanitizer libFuzzer does not see what strings are compared with, and a byte changed at random mostly makes
//! a message that nothing looks into. So a text is edited by its numbers, words, lines and steps ([`text`]), an RTCP
//! compound by its packets ([`rtcp`]) and a STUN message by its attributes, signed anew ([`stun`]). One change in
//! four is still libFuzzer's own.

pub mod rtcp;
pub mod stun;
pub mod text;

use toestel_proto::random::Random;

/// Numbers at which something overflows, ends or begins.
const TURNING_POINTS: [u64; 16] = [
    0,
    1,
    2,
    100,
    127,
    128,
    255,
    256,
    65_535,
    65_536,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    u64::MAX,
];

/// An index below `length`, which must not be 0.
fn index(random: &mut Random, length: usize) -> usize {
    usize::try_from(random.below(length as u64)).unwrap_or(0)
}

/// One of `choices`, if there are any.
fn choice<'a, T>(random: &mut Random, choices: &'a [T]) -> Option<&'a T> {
    choices.get(index(random, choices.len()))
}

/// A number as protocols have them: mostly small, often round, sometimes a turning point or next to `old`.
fn number(random: &mut Random, old: u64) -> u64 {
    match random.below(9) {
        0..=3 => random.below(100),
        4 => random.below(1_000),
        5 => 10 * random.below(100),
        6 => random.below(65_536),
        7 => old.wrapping_add(1).wrapping_sub(2 * random.below(2)),
        _ => TURNING_POINTS[index(random, TURNING_POINTS.len())],
    }
}

/// Takes a piece away, doubles it, puts it elsewhere, or puts one of `others` before it or in its place.
fn rearrange<T: Clone>(random: &mut Random, pieces: &mut Vec<T>, others: &[T]) {
    let other = choice(random, others).cloned();
    if pieces.is_empty() {
        pieces.extend(other);
        return;
    }
    let (from, to) = (index(random, pieces.len()), index(random, pieces.len()));
    match (random.below(6), other) {
        (0, _) => drop(pieces.remove(from)),
        (1, _) => pieces.swap(from, to),
        (2, _) | (_, None) => {
            let piece = pieces[from].clone();
            pieces.insert(to, piece);
        }
        (3, Some(other)) => pieces[from] = other,
        (4, Some(other)) => pieces.push(other),
        (_, Some(other)) => pieces.insert(to, other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TARGETS;

    #[test]
    fn a_quarter_of_the_edits_of_what_is_accepted_is_accepted_too() {
        for target in TARGETS {
            let seeds = (target.seeds)();
            let accepted: Vec<_> = seeds.iter().filter(|seed| (target.run)(seed)).collect();
            let (mut good, mut all) = (0_u32, 0_u32);
            for round in 0..8 {
                for seed in &accepted {
                    let edited = (target.edit)(seed, &mut Random::seeded(round));
                    let Some(edited) = edited else { continue };
                    all += 1;
                    good += u32::from((target.run)(&edited));
                }
            }
            println!("{}: {good} of {all} edits accepted", target.name);
            assert!(
                good * 4 >= all,
                "{}: only {good} of {all} edits are accepted",
                target.name
            );
        }
    }

    #[test]
    fn an_edit_is_the_same_for_the_same_seed() {
        for target in TARGETS {
            let seed = (target.seeds)().remove(0);
            let edit = || (target.edit)(&seed, &mut Random::seeded(7));
            assert_eq!(edit(), edit(), "{}", target.name);
        }
    }
}
