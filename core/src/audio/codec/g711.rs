//! G.711: A-law and µ-law, from the segments of the Recommendation's tables 1 and 2.
//!
//! Each code is a sign, one of eight segments and one of sixteen steps. Samples are 16 bits wide here, so A-law's 13
//! bits are scaled by 8 and µ-law's 14 bits by 4. Decoding reads a table made at compile time; encoding computes.

/// µ-law adds this to a magnitude before it looks for the segment (33 in units of 14 bits).
const BIAS: i32 = 0x84;
/// The largest magnitude that µ-law can hold.
const CLIP: i32 = 32_635;

static A_LAW: [i16; 256] = table(true);
static MU_LAW: [i16; 256] = table(false);

/// The sample that an A-law code stands for.
pub fn decode_a_law(code: u8) -> i16 {
    A_LAW.get(usize::from(code)).copied().unwrap_or(0)
}

/// The sample that a µ-law code stands for.
pub fn decode_mu_law(code: u8) -> i16 {
    MU_LAW.get(usize::from(code)).copied().unwrap_or(0)
}

/// The A-law code nearest to `sample`.
pub fn encode_a_law(sample: i16) -> u8 {
    let (sign, magnitude) = if sample >= 0 {
        (0x80, i32::from(sample))
    } else {
        (0, !i32::from(sample))
    };
    let segment = segment_of(magnitude >> 8);
    let step = if segment == 0 {
        magnitude >> 4
    } else {
        magnitude >> (segment + 3)
    };
    (sign | (segment << 4) as u8 | (step & 0x0f) as u8) ^ 0x55
}

/// The µ-law code nearest to `sample`.
pub fn encode_mu_law(sample: i16) -> u8 {
    let (sign, magnitude) = if sample >= 0 {
        (0, i32::from(sample))
    } else {
        (0x80, -i32::from(sample))
    };
    let magnitude = magnitude.min(CLIP) + BIAS;
    let segment = segment_of(magnitude >> 8);
    let step = magnitude >> (segment + 3);
    !(sign | (segment << 4) as u8 | (step & 0x0f) as u8)
}

/// The number of the highest set bit, counted from one: the segment of a magnitude without its lowest eight bits.
fn segment_of(high_bits: i32) -> u32 {
    (i32::BITS - high_bits.leading_zeros()).min(7)
}

const fn table(a_law: bool) -> [i16; 256] {
    let mut table = [0; 256];
    let mut code: usize = 0;
    while code < 256 {
        #[expect(clippy::indexing_slicing, reason = "evaluated at compile time, code is below 256")]
        {
            table[code] = if a_law {
                expand_a_law(code as u8)
            } else {
                expand_mu_law(code as u8)
            };
        }
        code += 1;
    }
    table
}

const fn expand_a_law(code: u8) -> i16 {
    let code = code ^ 0x55;
    let segment = (code >> 4) & 7;
    let step = (((code & 0x0f) as i16) << 4) + 8;
    let magnitude = match segment {
        0 => step,
        _ => (step + 0x100) << (segment - 1),
    };
    if code & 0x80 == 0 { -magnitude } else { magnitude }
}

const fn expand_mu_law(code: u8) -> i16 {
    let code = !code;
    let step = (((code & 0x0f) as i32) << 3) + BIAS;
    let magnitude = ((step << ((code >> 4) & 7)) - BIAS) as i16;
    if code & 0x80 == 0 { magnitude } else { -magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The 128 quantising intervals of one polarity as start, end and output value, from the decision values at the
    /// segments' ends. The output is the middle of its interval; with `zero` the first is from 0 to 1 and gives 0.
    fn intervals(ends: [i32; 8], zero: bool) -> Vec<(i32, i32, i32)> {
        let mut intervals = if zero { vec![(0, 1, 0)] } else { vec![] };
        let mut start = i32::from(zero);
        for (number, end) in ends.into_iter().enumerate() {
            let steps = if number == 0 && zero { 15 } else { 16 };
            let width = (end - start) / steps;
            intervals.extend((0..steps).map(|step| {
                let from = start + step * width;
                (from, from + width, from + width / 2)
            }));
            start = end;
        }
        intervals
    }

    /// Table 1a, column 4, in units of 13 bits.
    fn a_law() -> Vec<(i32, i32, i32)> {
        intervals([32, 64, 128, 256, 512, 1024, 2048, 4096], false)
    }

    /// Table 2a, column 4, in units of 14 bits.
    fn mu_law() -> Vec<(i32, i32, i32)> {
        intervals([31, 95, 223, 479, 991, 2015, 4063, 8159], true)
    }

    #[test]
    fn every_a_law_code_decodes_to_the_value_of_table_1() {
        assert_eq!((a_law().len(), a_law()[0].2, a_law()[127].2), (128, 1, 4032));
        for (number, (_, _, output)) in a_law().into_iter().enumerate() {
            // Even bits are inverted on the line (table 1a, note 2); positive values have the sign bit set.
            let code = (number as u8 | 0x80) ^ 0x55;
            assert_eq!(i32::from(decode_a_law(code)), output * 8, "code {code:#04x}");
            assert_eq!(
                i32::from(decode_a_law(code ^ 0x80)),
                -output * 8,
                "code {:#04x}",
                code ^ 0x80
            );
        }
    }

    #[test]
    fn every_mu_law_code_decodes_to_the_value_of_table_2() {
        assert_eq!((mu_law().len(), mu_law()[0].2, mu_law()[127].2), (128, 0, 8031));
        for (number, (_, _, output)) in mu_law().into_iter().enumerate() {
            let code = !(number as u8);
            assert_eq!(i32::from(decode_mu_law(code)), output * 4, "code {code:#04x}");
            assert_eq!(
                i32::from(decode_mu_law(code & 0x7f)),
                -output * 4,
                "code {:#04x}",
                code & 0x7f
            );
        }
    }

    #[test]
    fn every_sample_between_two_decision_values_gets_the_code_of_its_interval() {
        let mut coded = 0;
        for (intervals, unit, encode, decode) in [
            (a_law(), 8, encode_a_law as fn(i16) -> u8, decode_a_law as fn(u8) -> i16),
            (mu_law(), 4, encode_mu_law, decode_mu_law),
        ] {
            for (start, end, output) in intervals {
                // A decision value itself may go either way; the ends of the range belong to the last interval.
                for magnitude in start * unit + 1..(end * unit).min(32_768) {
                    assert_eq!(
                        i32::from(decode(encode(magnitude as i16))),
                        output * unit,
                        "sample {magnitude}"
                    );
                    assert_eq!(
                        i32::from(decode(encode(-magnitude as i16))),
                        -output * unit,
                        "sample -{magnitude}"
                    );
                    coded += 2;
                }
            }
            assert_eq!(decode(encode(i16::MIN)), -decode(encode(i16::MAX)));
        }
        assert!(coded > 129_000, "only {coded} samples were tried");
    }

    #[test]
    fn decoding_and_coding_again_gives_the_same_code() {
        for code in 0..=255 {
            assert_eq!(encode_a_law(decode_a_law(code)), code);
            // µ-law has two zeros; the negative one becomes the positive.
            assert_eq!(
                encode_mu_law(decode_mu_law(code)),
                if code == 0x7f { 0xff } else { code }
            );
        }
    }
}
