//! `sdp`: see [`toestel_fuzz::sdp`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    toestel_fuzz::sdp::run(input);
});
