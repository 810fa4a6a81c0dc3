//! `sdp`: see [`toestel_fuzz::sdp`].
#![no_main]

toestel_fuzz::libfuzzer_target!(sdp);
