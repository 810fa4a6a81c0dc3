//! `sip_stream`: see [`toestel_fuzz::sip_stream`].
#![no_main]

toestel_fuzz::libfuzzer_target!(sip_stream);
