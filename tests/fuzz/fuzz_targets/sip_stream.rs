//! `sip_stream`: see [`toestel_fuzz::sip_stream`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    toestel_fuzz::sip_stream::run(input);
});
