//! Calls that change hands, both ways: by REFER, by INVITE with Replaces, after a consultation.

use super::{TLS, ack, answer, from, input, invite, ours, secure, taken, user};

/// See the module.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let news = |state: &str, status: &str| {
        from(&format!(
            "NOTIFY sip:c0ffee@198.51.100.7 SIP/2.0\r\n\x03CSeq: \x04 NOTIFY\r\nEvent: refer\r\n\
             Subscription-State: {state}\r\nContent-Type: message/sipfrag;version=2.0\r\nContent-Length: \x0b\r\n\r\n\
             SIP/2.0 {status}\r\n"
        ))
    };
    let on_hold = || answer(200, "OK", &secure("recvonly"));
    vec![
        input(
            TLS,
            &[
                &taken(""),
                &[
                    user("f1003"),
                    on_hold(),
                    answer(202, "Accepted", ""),
                    news("active;expires=60", "180 Ringing"),
                    news("terminated;reason=noresource", "200 OK"),
                ],
            ],
        ),
        input(
            TLS,
            &[
                &taken(""),
                &[
                    user("f1003"),
                    on_hold(),
                    answer(202, "Accepted", ""),
                    news("terminated", "486 Busy Here"),
                    answer(200, "OK", &secure("sendrecv")),
                    user("h"),
                ],
            ],
        ),
        // They want us to call somebody else, in place of a call of theirs.
        input(
            TLS,
            &[
                &taken(""),
                &[
                    ours(
                        "REFER",
                        "Refer-To: <sip:2@pbx.example?Replaces=x%3Bto-tag%3Dy%3Bfrom-tag%3Dz>\r\n",
                    ),
                    user("y"),
                    answer(180, "Ringing", ""),
                    answer(200, "OK", &secure("sendrecv")),
                    user("h"),
                ],
            ],
        ),
        // Somebody takes the place of whom we talk with.
        input(
            TLS,
            &[
                &taken(""),
                &[
                    invite("Replaces: \x08\r\nRequire: replaces\r\n", &secure("sendrecv")),
                    ack(""),
                    user("h"),
                ],
            ],
        ),
        // A word with somebody, a conference with both, and then they talk without us.
        input(
            TLS,
            &[
                &taken(""),
                &[
                    user("l1004"),
                    on_hold(),
                    answer(200, "OK", &secure("sendrecv")),
                    user("c"),
                    on_hold(),
                    user("j"),
                    on_hold(),
                    answer(202, "Accepted", ""),
                ],
            ],
        ),
    ]
}
