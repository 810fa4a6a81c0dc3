//! `stun`: see [`toestel_fuzz::stun`].
#![no_main]

toestel_fuzz::libfuzzer_target!(stun);
