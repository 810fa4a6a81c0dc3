//! `rtp`: see [`toestel_fuzz::rtp`].
#![no_main]

toestel_fuzz::libfuzzer_target!(rtp);
