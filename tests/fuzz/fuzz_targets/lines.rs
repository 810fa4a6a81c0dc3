//! `lines`: see [`toestel_fuzz::lines`].
#![no_main]

toestel_fuzz::libfuzzer_target!(lines);
