use super::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Counts the allocations of each thread of the test binary.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

#[expect(
    unsafe_code,
    reason = "an allocator is unsafe by nature; this one only counts and passes on"
)]
// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: as required of our caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as required of our caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(of: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    of();
    ALLOCATIONS.get() - before
}

#[test]
fn the_callbacks_allocate_nothing_from_their_first_call_on() {
    assert_eq!(
        allocations(|| drop(std::hint::black_box(Box::new(1)))),
        1,
        "the counter counts"
    );
    let (mut to_speaker, mut speaker) = ring(RING);
    let (mut microphone, mut from_microphone) = ring(RING);
    let largest = AtomicUsize::new(0);
    let (mut float, mut integer) = (vec![0f32; 882], vec![0i16; 960]);
    to_speaker.write((0..5000).map(|n| n as i16));
    let count = allocations(|| {
        for _ in 0..100 {
            feed(&mut speaker, &largest, 2, &mut float, to_float);
            feed(&mut speaker, &largest, 1, &mut integer, |sample| sample);
            take(&mut microphone, 2, &float, from_float);
            take(&mut microphone, 1, &integer, |sample| sample);
            from_microphone.read(usize::MAX, |_| {});
        }
    });
    assert_eq!(count, 0);
}

#[test]
fn the_callbacks_take_no_lock_and_write_no_log() {
    // What a callback runs is `feed` and `take` here and the ring; neither names a lock, a log or the heap.
    let callbacks = include_str!("stream.rs")
        .split("/// The output callback")
        .nth(1)
        .unwrap();
    let ring = include_str!("ring.rs").split("#[cfg(test)]").next().unwrap();
    let ring = ring.split("impl Writer").nth(1).unwrap();
    for code in [callbacks, ring] {
        for word in [
            "Mutex", "RwLock", ".lock(", "tracing", "println", "Box::", "Vec::", "format!", "channel(",
        ] {
            assert!(!code.contains(word), "{word} in a callback");
        }
    }
}

#[test]
fn a_callback_copies_to_every_channel_and_falls_silent_when_the_ring_is_empty() {
    let (mut writer, mut reader) = ring(16);
    writer.write([100, 200]);
    let (largest, mut data) = (AtomicUsize::new(0), [7i16; 6]);
    feed(&mut reader, &largest, 2, &mut data, |sample| sample);
    assert_eq!(data, [100, 100, 200, 200, 0, 0]);
    assert_eq!(largest.load(Ordering::Relaxed), 3);
}

#[test]
fn a_microphone_gives_its_first_channel_at_its_level() {
    let (mut writer, mut reader) = ring(16);
    take(&mut writer, 2, &[0.5f32, 0.0, -1.0, 0.0, 2.0, 0.0], from_float);
    let mut heard = Vec::new();
    reader.read(16, |sample| heard.push(sample));
    assert_eq!(heard, [16_384, i16::MIN, i16::MAX]);
}
