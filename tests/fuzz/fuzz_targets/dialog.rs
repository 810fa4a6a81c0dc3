//! `dialog`: see [`toestel_fuzz::dialog`].
#![no_main]

toestel_fuzz::libfuzzer_target!(dialog);
