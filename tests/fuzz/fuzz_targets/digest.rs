//! `digest`: see [`toestel_fuzz::digest`].
#![no_main]

toestel_fuzz::libfuzzer_target!(digest);
