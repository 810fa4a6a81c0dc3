//! Edits of text: SIP, SDP, logins, and the conversations of `dialog`.
//!
//! An input is parts within parts, with one byte between them: the steps of a conversation and the lines of a message,
//! say. The dictionary is that of the seeds: their parts and their words.

use std::collections::BTreeSet;
use std::ops::Range;
use toestel_proto::random::Random;

use super::{choice, index, number, rearrange};

/// The last separator of every grammar.
const LINE: u8 = b'\n';
/// What stands before a word that is added, and what after it.
const FRAMES: [(&str, &str); 8] = [
    (";", ""),
    (";", "=1"),
    (";", "=\"\""),
    (", ", ""),
    (" ", ""),
    ("<", ">"),
    ("\"", "\""),
    ("(", ")"),
];

/// What a kind of input is made of.
pub struct Grammar {
    /// Between the parts, from the outermost in.
    separators: Vec<u8>,
    /// The parts that the seeds have, for each separator.
    parts: Vec<Vec<Vec<u8>>>,
    /// The words that the seeds have.
    words: Vec<Vec<u8>>,
}

impl Grammar {
    /// That of `seeds`, in which `outer` separates what consists of lines.
    pub fn new(seeds: &[Vec<u8>], outer: Option<u8>) -> Self {
        let separators: Vec<u8> = outer.into_iter().chain([LINE]).collect();
        let parts = |separator: &u8| {
            let parts: BTreeSet<_> = seeds.iter().flat_map(|seed| split(seed, *separator)).collect();
            parts.into_iter().collect()
        };
        let words: BTreeSet<_> = seeds
            .iter()
            .flat_map(|seed| words(seed).map(|word| seed[word].to_vec()))
            .collect();
        Self {
            parts: separators.iter().map(parts).collect(),
            words: words.into_iter().collect(),
            separators,
        }
    }

    /// `input` with one edit, or two.
    pub fn edit(&self, input: &[u8], random: &mut Random) -> Vec<u8> {
        let mut edited = input.to_vec();
        for _ in 0..=random.below(2) {
            self.edit_once(&mut edited, random);
        }
        edited
    }

    fn edit_once(&self, text: &mut Vec<u8>, random: &mut Random) {
        match random.below(8) {
            0..=3 => change_number(text, random),
            4 => self.change_word(text, a_line(text, random), random),
            5 => self.add_word(text, a_line(text, random), random),
            _ => self.rearrange(text, random),
        }
    }

    fn change_word(&self, text: &mut Vec<u8>, line: Range<usize>, random: &mut Random) {
        let found: Vec<_> = words(&text[line.clone()]).collect();
        if let (Some(place), Some(word)) = (choice(random, &found), choice(random, &self.words)) {
            text.splice(shifted(place, line.start), word.iter().copied());
        }
    }

    fn add_word(&self, text: &mut Vec<u8>, line: Range<usize>, random: &mut Random) {
        let ends = words(&text[line.clone()]).map(|word| line.start + word.end);
        let ends: Vec<_> = ends.collect();
        let (before, after) = FRAMES[index(random, FRAMES.len())];
        if let (Some(place), Some(word)) = (choice(random, &ends), choice(random, &self.words)) {
            let added = [before.as_bytes(), word, after.as_bytes()].concat();
            text.splice(*place..*place, added);
        }
    }

    fn rearrange(&self, text: &mut Vec<u8>, random: &mut Random) {
        let level = index(random, self.separators.len());
        let (separator, others) = (self.separators[level], &self.parts[level]);
        let mut parts = split(text, separator);
        rearrange(random, &mut parts, others);
        *text = parts.join(&separator);
    }
}

fn change_number(text: &mut Vec<u8>, random: &mut Random) {
    let is_digit = |byte: u8| byte.is_ascii_digit();
    let Some(line) = one_of_the_lines(text, random, |line| line.iter().any(u8::is_ascii_digit)) else {
        return;
    };
    let found: Vec<_> = runs(&text[line.clone()], is_digit).collect();
    let Some(place) = choice(random, &found) else { return };
    let place = shifted(place, line.start);
    let old = text[place.clone()].iter().fold(0_u64, |sum, digit| {
        sum.wrapping_mul(10).wrapping_add(u64::from(digit & 0x0f))
    });
    text.splice(place, number(random, old).to_string().into_bytes());
}

/// One of the lines, so that a long one is not edited more often than a short one.
fn a_line(text: &[u8], random: &mut Random) -> Range<usize> {
    one_of_the_lines(text, random, |_| true).unwrap_or(0..0)
}

fn one_of_the_lines(text: &[u8], random: &mut Random, is_fit: impl Fn(&[u8]) -> bool) -> Option<Range<usize>> {
    let lines = runs(text, |byte| byte != LINE).filter(|line| is_fit(&text[line.clone()]));
    choice(random, &lines.collect::<Vec<_>>()).cloned()
}

fn split(text: &[u8], separator: u8) -> Vec<Vec<u8>> {
    text.split(|byte| *byte == separator).map(<[u8]>::to_vec).collect()
}

fn words(text: &[u8]) -> impl Iterator<Item = Range<usize>> {
    runs(text, |byte| byte.is_ascii_alphanumeric() || b"-_.%+/*".contains(&byte))
}

/// Where the longest runs of bytes stand that are all of one kind.
fn runs(text: &[u8], is_of_kind: impl Fn(u8) -> bool) -> impl Iterator<Item = Range<usize>> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let start = from + text.get(from..)?.iter().position(|byte| is_of_kind(*byte))?;
        let rest = &text[start..];
        let length = rest.iter().position(|byte| !is_of_kind(*byte)).unwrap_or(rest.len());
        from = start + length;
        Some(start..from)
    })
}

fn shifted(place: &Range<usize>, by: usize) -> Range<usize> {
    place.start + by..place.end + by
}

/// SIP messages, one behind the other, each with the length that its body has: up to the next start line. An edit
/// would else mostly leave a message that is refused for its length alone.
pub fn with_right_lengths(stream: &[u8]) -> Vec<u8> {
    let mut right = Vec::with_capacity(stream.len() + 8);
    let mut rest = stream;
    while let Some(head_end) = position(rest, b"\r\n\r\n").map(|at| at + 4) {
        let (head, body) = rest.split_at(head_end);
        let (body, after) = body.split_at(start_of_message(body));
        let length = if body.iter().all(u8::is_ascii_whitespace) {
            0
        } else {
            body.len()
        };
        right.extend(with_length(head, length));
        right.extend(body);
        rest = after;
    }
    right.extend(rest);
    right
}

/// `head` with the first Content-Length in it, in either of its forms, set to `length`.
fn with_length(head: &[u8], length: usize) -> Vec<u8> {
    let mut lines = split(head, LINE);
    for line in &mut lines {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let name = line[..colon].trim_ascii();
        if name.eq_ignore_ascii_case(b"Content-Length") || name.eq_ignore_ascii_case(b"l") {
            line.truncate(colon);
            line.extend(format!(": {length}\r").bytes());
            break;
        }
    }
    lines.join(&LINE)
}

/// Where the next message begins in what may be a body and more; its end if nowhere.
fn start_of_message(text: &[u8]) -> usize {
    let is_start = |line: &[u8]| line.starts_with(b"SIP/2.0 ") || line.trim_ascii_end().ends_with(b" SIP/2.0");
    let mut lines = runs(text, |byte| byte != LINE);
    lines
        .find(|line| is_start(&text[line.clone()]))
        .map_or(text.len(), |line| line.start)
}

fn position(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_of_a_stream_gets_the_length_of_its_body() {
        let stream = b"\r\nINVITE sip:a SIP/2.0\r\nl: 9\r\n\r\nbody\r\nSIP/2.0 200 OK\r\nContent-Length:7\r\n\r\n\r\n";
        let right = b"\r\nINVITE sip:a SIP/2.0\r\nl: 6\r\n\r\nbody\r\nSIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n\r\n";
        assert_eq!(with_right_lengths(stream), right);
    }

    #[test]
    fn edits_reach_every_number_word_and_line() {
        let seeds = [b"alpha: 1\nbeta: two\n".to_vec()];
        let grammar = Grammar::new(&seeds, None);
        let edits: Vec<_> = (0..2_000)
            .map(|seed| grammar.edit(&seeds[0], &mut Random::seeded(seed)))
            .collect();
        let is_made = |wanted: &[u8]| edits.iter().any(|edit| edit == wanted);
        for wanted in [
            "alpha: 13\nbeta: two\n",
            "alpha: 1\nbeta: alpha\n",
            "beta: two\nalpha: 1\n",
            "alpha: 1;beta\nbeta: two\n",
        ] {
            assert!(is_made(wanted.as_bytes()), "never made: {wanted:?}");
        }
    }
}
