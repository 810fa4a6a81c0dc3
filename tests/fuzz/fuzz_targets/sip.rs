//! `sip`: see [`toestel_fuzz::sip`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    toestel_fuzz::sip::run(input);
});
