//! `sip`: see [`toestel_fuzz::sip`].
#![no_main]

toestel_fuzz::libfuzzer_target!(sip);
