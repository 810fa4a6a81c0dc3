//! The payload of a telephone event (RFC 4733 2.3).

#![warn(clippy::arithmetic_side_effects)]

/// One event as a packet tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventPayload {
    /// The event code; 0 to 15 are the keys.
    pub event: u8,
    /// The E bit: the event is over.
    pub end: bool,
    /// The level in -dBm0, 0 to 63.
    pub volume: u8,
    /// How long it has lasted, in units of the event's clock.
    pub duration: u16,
}

/// A payload whose length is not that of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("an event's payload has 4 bytes, not {0}")]
pub struct EventLength(pub usize);

impl EventPayload {
    /// Reads a payload. Events after the first (allowed by RFC 2833) repeat what earlier packets said.
    pub fn parse(payload: &[u8]) -> Result<Self, EventLength> {
        let length = EventLength(payload.len());
        let (first, rest) = payload.split_first_chunk::<4>().ok_or(length)?;
        if rest.len() % 4 != 0 {
            return Err(length);
        }
        let [event, flags, d0, d1] = *first;
        Ok(Self {
            event,
            end: flags & 0x80 != 0,
            volume: flags & 0x3f,
            duration: u16::from_be_bytes([d0, d1]),
        })
    }

    /// As it goes on the wire.
    pub fn to_bytes(self) -> [u8; 4] {
        let [d0, d1] = self.duration.to_be_bytes();
        [self.event, (u8::from(self.end) << 7) | (self.volume & 0x3f), d0, d1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_reads_back_as_it_was_written() {
        let event = EventPayload {
            event: 11,
            end: true,
            volume: 10,
            duration: 1_600,
        };
        assert_eq!(event.to_bytes(), [11, 0x8a, 6, 0x40]);
        assert_eq!(EventPayload::parse(&event.to_bytes()), Ok(event));
        assert_eq!(
            EventPayload::parse(&[1, 0x40, 0, 0]).unwrap().volume,
            0,
            "the reserved bit is ignored"
        );
        assert_eq!(EventPayload::parse(&[1, 2, 3]), Err(EventLength(3)));
        assert_eq!(EventPayload::parse(&[0; 5]), Err(EventLength(5)));
    }
}
