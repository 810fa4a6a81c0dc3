//! A ring of samples between a device callback and the media thread: one writer, one reader, no lock, no allocation
//! after it is made, no unsafe code. The samples are atomics that both sides touch with relaxed loads and stores; the
//! two counters order them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI16, AtomicUsize, Ordering};

struct Shared {
    samples: Box<[AtomicI16]>,
    /// Samples ever written and ever read; both wrap around together.
    written: AtomicUsize,
    read: AtomicUsize,
}

impl Shared {
    fn slot(&self, counter: usize) -> Option<&AtomicI16> {
        // The length is a power of two, so this stays right when the counter wraps.
        self.samples.get(counter & (self.samples.len() - 1))
    }
}

/// The end that writes.
pub struct Writer(Arc<Shared>);

/// The end that reads.
pub struct Reader(Arc<Shared>);

/// A ring for at least `capacity` samples.
pub fn ring(capacity: usize) -> (Writer, Reader) {
    let samples = (0..capacity.max(1).next_power_of_two())
        .map(|_| AtomicI16::new(0))
        .collect();
    let shared = Arc::new(Shared {
        samples,
        written: AtomicUsize::new(0),
        read: AtomicUsize::new(0),
    });
    (Writer(shared.clone()), Reader(shared))
}

impl Writer {
    /// How many samples fit now.
    pub fn room(&self) -> usize {
        let used = self
            .0
            .written
            .load(Ordering::Relaxed)
            .wrapping_sub(self.0.read.load(Ordering::Acquire));
        self.0.samples.len().saturating_sub(used)
    }

    /// How many samples wait to be read.
    pub fn waiting(&self) -> usize {
        self.0.samples.len() - self.room()
    }

    /// Writes what fits and returns how much that was.
    pub fn write(&mut self, samples: impl IntoIterator<Item = i16>) -> usize {
        let start = self.0.written.load(Ordering::Relaxed);
        let mut count = 0;
        for sample in samples.into_iter().take(self.room()) {
            if let Some(slot) = self.0.slot(start.wrapping_add(count)) {
                slot.store(sample, Ordering::Relaxed);
            }
            count += 1;
        }
        self.0.written.store(start.wrapping_add(count), Ordering::Release);
        count
    }
}

impl Reader {
    /// How many samples wait.
    pub fn waiting(&self) -> usize {
        self.0
            .written
            .load(Ordering::Acquire)
            .wrapping_sub(self.0.read.load(Ordering::Relaxed))
    }

    /// Takes up to `most` samples, handing each to `take`, and returns how many there were.
    pub fn read(&mut self, most: usize, mut take: impl FnMut(i16)) -> usize {
        let start = self.0.read.load(Ordering::Relaxed);
        let count = self.waiting().min(most);
        for number in 0..count {
            if let Some(slot) = self.0.slot(start.wrapping_add(number)) {
                take(slot.load(Ordering::Relaxed));
            }
        }
        self.0.read.store(start.wrapping_add(count), Ordering::Release);
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_in_order_across_the_seam_and_two_threads() {
        let (mut writer, mut reader) = ring(100);
        let total = 200_000usize;
        let feeder = std::thread::spawn(move || {
            let mut next = 0;
            while next < total {
                let end = (next + 37).min(total);
                next += writer.write((next..end).map(|n| n as i16));
                std::thread::yield_now();
            }
        });
        let mut heard = 0usize;
        while heard < total {
            let mut expected = heard;
            heard += reader.read(23, |sample| {
                assert_eq!(sample, expected as i16);
                expected += 1;
            });
            std::thread::yield_now();
        }
        feeder.join().unwrap();
    }

    #[test]
    fn a_full_ring_takes_no_more_and_an_empty_one_gives_none() {
        let (mut writer, mut reader) = ring(8);
        assert_eq!(writer.write([7; 20]), 8);
        assert_eq!((writer.room(), writer.waiting(), reader.waiting()), (0, 8, 8));
        assert_eq!(reader.read(20, |sample| assert_eq!(sample, 7)), 8);
        assert_eq!(reader.read(20, |_| panic!("nothing is there")), 0);
    }
}
