//! `srtp`: see [`toestel_fuzz::srtp`].
#![no_main]

toestel_fuzz::libfuzzer_target!(srtp);
