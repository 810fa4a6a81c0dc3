//! `rtcp`: see [`toestel_fuzz::rtcp`].
#![no_main]

toestel_fuzz::libfuzzer_target!(rtcp);
