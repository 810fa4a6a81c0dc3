//! `sip_stream`: see [`toestel_fuzz::sip_stream`].
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|input: &[u8]| -> Corpus {
    let accepted = toestel_fuzz::sip_stream::run(input);
    if toestel_fuzz::is_worth_keeping(accepted, input) {
        Corpus::Keep
    } else {
        Corpus::Reject
    }
});
