//! `stun`: see [`toestel_fuzz::stun`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    toestel_fuzz::stun::run(input);
});
