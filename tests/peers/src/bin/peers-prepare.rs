//! Makes what the tests keep in the cache, while there is still a network to fetch it from.

fn main() {
    toestel_peers::namespace::remove_abandoned();
    toestel_peers::lab::forget_old_logs();
    toestel_peers::cache::asterisk();
    toestel_peers::cache::python();
    toestel_peers::sound::speech();
}
