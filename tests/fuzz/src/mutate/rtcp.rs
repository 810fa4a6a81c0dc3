//! Edits of an RTCP compound: its packets, and the words and texts in them; the lengths are made right again.

use toestel_proto::random::Random;

use super::{choice, index, number, rearrange};

/// Version, padding and count; type; length in words less one.
const HEADER: usize = 4;

/// `input` with an edit; nothing if it does not consist of packets. `others` are packets that may be put into it.
pub fn edit(input: &[u8], others: &[Vec<u8>], random: &mut Random) -> Option<Vec<u8>> {
    let mut packets = packets(input)?;
    for _ in 0..=random.below(3) {
        if packets.is_empty() || random.below(3) == 0 {
            rearrange(random, &mut packets, others);
        } else {
            let place = index(random, packets.len());
            edit_packet(&mut packets[place], random);
        }
    }
    Some(packets.concat())
}

/// The packets of a compound, if their lengths add up.
pub fn packets(compound: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (mut packets, mut rest) = (Vec::new(), compound);
    while !rest.is_empty() {
        let words = rest
            .get(2..HEADER)?
            .iter()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        let (packet, after) = rest.split_at_checked(4 * (words + 1))?;
        packets.push(packet.to_vec());
        rest = after;
    }
    Some(packets)
}

fn edit_packet(packet: &mut Vec<u8>, random: &mut Random) {
    let place = HEADER + index(random, (packet.len() - HEADER).max(1));
    match random.below(10) {
        // How many there are of what the packet is made of.
        0 => packet[0] = packet[0] & 0xe0 | (number(random, u64::from(packet[0])) & 0x1f) as u8,
        1 => packet[1] = 200 + (number(random, 3) & 0x07) as u8,
        // A whole word: a source, a time, a count.
        2 => {
            let word = u32::try_from(number(random, 0) & 0xffff_ffff)
                .unwrap_or(0)
                .to_be_bytes();
            let place = place & !3;
            packet
                .iter_mut()
                .skip(place)
                .zip(word)
                .for_each(|(byte, new)| *byte = new);
        }
        3 => {
            packet.extend([0; 4]);
            packet[place..].rotate_right(4);
        }
        4 if packet.len() > HEADER + 4 => packet.truncate(packet.len() - 4),
        5 | 8 | 9 => edit_letter(packet, random),
        // The length of a text, or the kind of an item.
        6 => packet
            .iter_mut()
            .skip(place)
            .take(1)
            .for_each(|byte| *byte = random.below(8) as u8),
        _ => packet
            .iter_mut()
            .skip(place)
            .take(1)
            .for_each(|byte| *byte = random.below(256) as u8),
    }
    let words = u16::try_from(packet.len() / 4 - 1).unwrap_or(u16::MAX);
    packet[2..HEADER].copy_from_slice(&words.to_be_bytes());
}

/// In a name or a reason: every other time the first of its letters, at which readers look first.
fn edit_letter(packet: &mut [u8], random: &mut Random) {
    let is_letter = |at: &usize| packet[*at].is_ascii_alphanumeric();
    let letters: Vec<usize> = (HEADER..packet.len()).filter(is_letter).collect();
    let first = |at: &usize| !is_letter(&(*at - 1));
    let firsts: Vec<usize> = letters.iter().copied().filter(first).collect();
    let places = if random.below(2) == 0 { firsts } else { letters };
    if let Some(place) = choice(random, &places) {
        packet[*place] = b'a' + random.below(26) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edited_compound_still_consists_of_packets() {
        let bye = [0x81, 203, 0, 1, 0, 0, 0, 7];
        let report = [0x80, 201, 0, 1, 0, 0, 0, 7];
        let mut compound = [report, bye].concat();
        for seed in 0..500 {
            compound = edit(&compound, &[bye.to_vec()], &mut Random::seeded(seed)).unwrap();
            assert!(packets(&compound).is_some(), "round {seed}");
        }
        assert_eq!(packets(&compound[..compound.len() - 1]), None);
    }
}
