//! Reading a compound.

use super::{Description, ReportBlock, RtcpError, RtcpPacket, SenderInfo};

const SR: u8 = 200;
const RR: u8 = 201;
const SDES: u8 = 202;
const BYE: u8 = 203;
const APP: u8 = 204;
const CNAME: u8 = 1;

/// One packet cut from a compound, without its padding.
struct Cut<'a> {
    count: usize,
    kind: u8,
    body: &'a [u8],
}

/// Reads one datagram, already decrypted.
pub fn parse(datagram: &[u8]) -> Result<Vec<RtcpPacket>, RtcpError> {
    let mut packets = Vec::new();
    let mut rest = datagram;
    while !rest.is_empty() || packets.is_empty() {
        let (cut, after) = cut(rest)?;
        if packets.is_empty() && !matches!(cut.kind, SR | RR) {
            return Err(RtcpError::NoReportFirst(cut.kind));
        }
        packets.push(packet(&cut).ok_or(RtcpError::Content(cut.kind))?);
        rest = after;
    }
    Ok(packets)
}

fn cut(bytes: &[u8]) -> Result<(Cut<'_>, &[u8]), RtcpError> {
    let (head, rest) = bytes.split_first_chunk::<4>().ok_or(RtcpError::Truncated)?;
    let [flags, kind, l0, l1] = *head;
    if flags >> 6 != 2 {
        return Err(RtcpError::Version(flags >> 6));
    }
    let length = usize::from(u16::from_be_bytes([l0, l1])).saturating_mul(4);
    let (mut body, after) = rest.split_at_checked(length).ok_or(RtcpError::Truncated)?;
    if flags & 0x20 != 0 {
        body = without_padding(body, after).ok_or(RtcpError::Padding)?;
    }
    let count = usize::from(flags & 0x1f);
    Ok((Cut { count, kind, body }, after))
}

fn without_padding<'a>(body: &'a [u8], after: &[u8]) -> Option<&'a [u8]> {
    let count = *body.last()?;
    if !after.is_empty() || count == 0 || count % 4 != 0 {
        return None;
    }
    body.get(..body.len().checked_sub(usize::from(count))?)
}

fn packet(cut: &Cut<'_>) -> Option<RtcpPacket> {
    let mut body = cut.body;
    Some(match cut.kind {
        SR => {
            let ssrc = word(&mut body)?;
            let ntp = (u64::from(word(&mut body)?) << 32) | u64::from(word(&mut body)?);
            let info = SenderInfo {
                ntp,
                rtp_timestamp: word(&mut body)?,
                packets: word(&mut body)?,
                octets: word(&mut body)?,
            };
            RtcpPacket::SenderReport {
                ssrc,
                info,
                blocks: blocks(&mut body, cut.count)?,
            }
        }
        RR => RtcpPacket::ReceiverReport {
            ssrc: word(&mut body)?,
            blocks: blocks(&mut body, cut.count)?,
        },
        SDES => RtcpPacket::SourceDescription(descriptions(body, cut.count)?),
        BYE => bye(body, cut.count)?,
        APP => RtcpPacket::App {
            ssrc: word(&mut body)?,
            name: word(&mut body)?.to_be_bytes(),
        },
        kind => RtcpPacket::Unknown(kind),
    })
}

/// The blocks; what follows them is a profile's extension and not looked into.
fn blocks(body: &mut &[u8], count: usize) -> Option<Vec<ReportBlock>> {
    (0..count)
        .map(|_| {
            let ssrc = word(body)?;
            let loss = word(body)?;
            Some(ReportBlock {
                ssrc,
                fraction_lost: u8::try_from(loss >> 24).ok()?,
                // Shifted up and down again, which extends the sign of the 24 bits.
                cumulative_lost: (loss << 8).cast_signed() >> 8,
                highest_sequence: word(body)?,
                jitter: word(body)?,
                last_sr: word(body)?,
                delay_since_last_sr: word(body)?,
            })
        })
        .collect()
}

fn descriptions(mut body: &[u8], count: usize) -> Option<Vec<Description>> {
    let mut chunks = Vec::new();
    for _ in 0..count {
        let before = body.len();
        let ssrc = word(&mut body)?;
        let mut cname = None;
        loop {
            let (kind, rest) = body.split_first()?;
            body = rest;
            if *kind == 0 {
                break;
            }
            let (length, rest) = body.split_first()?;
            let (text, rest) = rest.split_at_checked(usize::from(*length))?;
            body = rest;
            if *kind == CNAME {
                cname = Some(String::from_utf8_lossy(text).into_owned());
            }
        }
        // The list ends with as many zeros as fill the word.
        let used = before.checked_sub(body.len())?;
        let fill = used.next_multiple_of(4).checked_sub(used)?;
        body = body.get(fill..)?;
        chunks.push(Description { ssrc, cname });
    }
    Some(chunks)
}

fn bye(mut body: &[u8], count: usize) -> Option<RtcpPacket> {
    let sources = (0..count).map(|_| word(&mut body)).collect::<Option<Vec<u32>>>()?;
    let reason = match body.split_first() {
        None => None,
        Some((length, rest)) => {
            let text = rest.get(..usize::from(*length))?;
            Some(String::from_utf8_lossy(text).into_owned())
        }
    };
    Some(RtcpPacket::Bye { sources, reason })
}

fn word(body: &mut &[u8]) -> Option<u32> {
    let (word, rest) = body.split_first_chunk::<4>()?;
    *body = rest;
    Some(u32::from_be_bytes(*word))
}
