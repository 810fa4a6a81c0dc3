//! A bad cable: it delays, jitters and loses whole IPv4 packets between a phone's namespace and a server's.
//!
//! Two TUN devices joined by a thread, because the kernels that tests run on often have no `netem`. The losses come
//! from a seed; how late the thread itself was is counted, so that a starved machine is not taken for a bad phone.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::ioctl::{Updater, ioctl};

use crate::namespace::Namespace;

/// The server's address at its end of the cable.
pub const SERVER: &str = "10.98.0.1";
/// The phone's address at its end.
pub const PHONE: &str = "10.98.0.2";

/// `O_NONBLOCK`, which is the same on every architecture that the servers are packaged for.
const NON_BLOCKING: i32 = 0o4000;
/// `TUNSETIFF` of `linux/if_tun.h`.
const TUNSETIFF: u32 = 0x4004_54ca;
/// `IFF_TUN | IFF_NO_PI`.
const TUN_WITHOUT_HEADER: u16 = 0x1001;
const UDP: u8 = 17;

/// What happens to packets that go one way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Impairment {
    /// How many of 100 are lost, independently of each other.
    pub loss_percent: f64,
    /// How long each is held.
    pub delay: Duration,
    /// Up to how much longer, evenly spread: packets overtake each other.
    pub jitter: Duration,
    /// Whether anything but UDP passes untouched.
    pub udp_only: bool,
}

/// What a cable did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    /// Packets that came.
    pub seen: u64,
    /// Packets that it lost on purpose.
    pub lost: u64,
    /// The most that it delivered a packet after its time.
    pub latest: Duration,
}

/// A cable between two namespaces, until it is dropped.
pub struct Cable {
    shared: Arc<Mutex<Shared>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    /// To the server, and to the phone.
    impairments: [Impairment; 2],
    counts: [Count; 2],
    ends: bool,
}

impl Cable {
    /// Lays a cable; losses and jitter follow from `seed`.
    pub fn lay(phone: &Namespace, server: &Namespace, seed: u64) -> Self {
        let ends = [end(phone, "cable", PHONE), end(server, "cable", SERVER)];
        let shared = Arc::new(Mutex::new(Shared::default()));
        let carried = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            Carrier {
                ends,
                shared: carried,
                seeds: [seed, !seed],
                due: BinaryHeap::new(),
                number: 0,
            }
            .run()
        });
        Self {
            shared,
            thread: Some(thread),
        }
    }

    /// Sets what happens to packets towards the server and towards the phone, from now on.
    pub fn impair(&self, to_server: Impairment, to_phone: Impairment) {
        self.shared.lock().expect("no holder panics").impairments = [to_server, to_phone];
    }

    /// What it did to packets towards the server and towards the phone.
    pub fn counts(&self) -> [Count; 2] {
        self.shared.lock().expect("no holder panics").counts
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        if let Ok(mut shared) = self.shared.lock() {
            shared.ends = true;
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A packet, ordered by when it must go on and then by when it came.
type Due = Reverse<(Instant, u64, usize, Vec<u8>)>;

struct Carrier {
    ends: [File; 2],
    shared: Arc<Mutex<Shared>>,
    /// One stream of draws for each direction.
    seeds: [u64; 2],
    due: BinaryHeap<Due>,
    number: u64,
}

impl Carrier {
    fn run(mut self) {
        while !self.shared.lock().is_ok_and(|shared| shared.ends) {
            self.wait();
            for from in 0..self.ends.len() {
                while let Some(packet) = self.read(from) {
                    // The kernel itself talks IPv6 to every device that comes up.
                    if packet.first().is_some_and(|first| first >> 4 == 4) {
                        self.take(1 - from, packet);
                    }
                }
            }
            self.deliver();
        }
    }

    /// Until a packet comes, or the next one is due, or it is time to look whether this is the end.
    fn wait(&self) {
        let next = self
            .due
            .peek()
            .map(|Reverse((at, ..))| at.saturating_duration_since(Instant::now()));
        let longest = next.unwrap_or(Duration::MAX).min(Duration::from_millis(50));
        let longest = Timespec {
            tv_sec: 0,
            tv_nsec: longest.subsec_nanos().into(),
        };
        let mut both = self.ends.each_ref().map(|end| PollFd::new(end, PollFlags::IN));
        let _ = poll(&mut both, Some(&longest));
    }

    fn read(&self, from: usize) -> Option<Vec<u8>> {
        let mut buffer = [0; 2048];
        let length = self.ends.get(from)?.read(&mut buffer).ok()?;
        buffer.get(..length).map(<[u8]>::to_vec)
    }

    /// Loses the packet, or notes when it must go on.
    fn take(&mut self, to: usize, packet: Vec<u8>) {
        // The directions are named by where they lead: 0 to the server, whose end is 1.
        let way = 1 - to;
        let (fate, stretch) = (self.draw(way), self.draw(way));
        let Ok(mut shared) = self.shared.lock() else { return };
        let impairment = shared.impairments.get(way).copied().unwrap_or_default();
        let is_udp = packet.get(9) == Some(&UDP);
        let spared = impairment.udp_only && !is_udp;
        let lost = !spared && fate * 100.0 < impairment.loss_percent;
        if let Some(count) = shared.counts.get_mut(way) {
            count.seen += 1;
            count.lost += u64::from(lost);
        }
        let held = if spared {
            Duration::ZERO
        } else {
            impairment.delay + impairment.jitter.mul_f64(stretch)
        };
        if !lost {
            self.number += 1;
            self.due.push(Reverse((Instant::now() + held, self.number, to, packet)));
        }
    }

    fn deliver(&mut self) {
        let now = Instant::now();
        while self.due.peek().is_some_and(|Reverse((at, ..))| *at <= now) {
            let Some(Reverse((at, _, to, packet))) = self.due.pop() else {
                return;
            };
            if let Some(mut end) = self.ends.get(to) {
                let _ = end.write_all(&packet);
            }
            if let Some(count) = self
                .shared
                .lock()
                .ok()
                .as_mut()
                .and_then(|shared| shared.counts.get_mut(1 - to))
            {
                count.latest = count.latest.max(at.elapsed());
            }
        }
    }

    /// A number from 0 up to but not including 1 (SplitMix64).
    fn draw(&mut self, way: usize) -> f64 {
        let seed = &mut self.seeds[way];
        *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Makes the TUN device `name` with `address` in `namespace`.
fn end(namespace: &Namespace, name: &str, address: &str) -> File {
    let device = namespace.enter(|| {
        let device = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(NON_BLOCKING)
            .open("/dev/net/tun");
        let device = device.expect("this kernel has TUN devices");
        set_interface(&device, name);
        device
    });
    namespace.ip(&["address", "add", &format!("{address}/24"), "dev", name]);
    namespace.ip(&["link", "set", name, "up", "mtu", "1400", "txqueuelen", "1000"]);
    device
}

#[expect(
    unsafe_code,
    reason = "no safe wrapper knows TUNSETIFF; its argument is the 40 bytes of struct ifreq"
)]
fn set_interface(device: &File, name: &str) {
    let mut request = [0_u8; 40];
    let flags = TUN_WITHOUT_HEADER.to_ne_bytes();
    for (place, byte) in request.iter_mut().zip(name.bytes().take(15)) {
        *place = byte;
    }
    for (place, byte) in request.iter_mut().skip(16).zip(flags) {
        *place = byte;
    }
    // SAFETY: TUNSETIFF reads and writes one struct ifreq, which is 40 bytes here and not longer anywhere.
    unsafe { ioctl(device.as_fd(), Updater::<TUNSETIFF, [u8; 40]>::new(&mut request)) }.expect("we are root");
}
