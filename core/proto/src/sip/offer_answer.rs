//! Whose turn it is: which message of a dialog carries an offer, and which its answer (RFC 3264, 6337).
//!
//! An offer travels in an INVITE, its 2xx, a reliable 1xx, a PRACK or an UPDATE, and each has one place for its
//! answer (RFC 3261 13.2.1, RFC 3262 5, RFC 3311 5). A side never offers again while an offer is open. Each dialog has
//! one [`OfferAnswer`]: an INVITE that forks opens the same offer in each early dialog, and each answers it alone.
//! Session descriptions are opaque here: this module says what a body means, never what is in it.

/// A message of a dialog that has a place for a session description.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Carrier {
    /// An INVITE, the first or a later one.
    Invite,
    /// A 1xx to an INVITE that is not acknowledged by PRACK.
    Provisional,
    /// A 1xx to an INVITE that is sent reliably (RFC 3262).
    ReliableProvisional,
    /// The 2xx to an INVITE.
    Success,
    /// The ACK of that 2xx.
    Ack,
    /// A PRACK (RFC 3262).
    Prack,
    /// The 2xx to a PRACK.
    PrackSuccess,
    /// An UPDATE (RFC 3311).
    Update,
    /// The 2xx to an UPDATE.
    UpdateSuccess,
}

/// One end of the dialog.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// This phone.
    Us,
    /// The other end.
    Them,
}

/// What a message meant for the exchange.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meaning {
    /// Nothing: the message carried no session description, and none was due.
    Nothing,
    /// An offer; the other side owes its answer.
    Offer,
    /// The answer; the exchange is complete.
    Answer,
    /// The answer shown early in an unreliable 1xx; the 2xx or a reliable 1xx is still to bring it for good.
    Preview,
    /// A copy of what was already agreed, to be ignored (RFC 3261 13.2.1).
    Repeat,
}

/// A message broke the rules of the exchange. The side that sent it erred; sending it again does not help.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Misplaced {
    /// A session description where none may be: a second offer while one is open, or an answer to nothing.
    #[error("a session description in {0:?}, where none may be")]
    Forbidden(Carrier),
    /// The last message that could carry the answer did not.
    #[error("no answer in {0:?}, its last place")]
    AnswerMissing(Carrier),
    /// An INVITE without offer was accepted without one.
    #[error("no offer in {0:?}, its last place")]
    OfferMissing(Carrier),
}

/// The state of the exchange.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum State {
    /// No offer is open.
    #[default]
    Stable,
    /// `caller` sent an INVITE without an offer: the other side is to offer in its first reliable response.
    Invited { caller: Side },
    /// `offerer` offered in `carrier`.
    Offered { offerer: Side, carrier: Carrier },
}

/// The offer/answer exchange of one dialog.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OfferAnswer {
    state: State,
    agreed: bool,
}

impl OfferAnswer {
    /// A dialog's exchange before its first INVITE.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether no offer is open and none is promised: either side may offer.
    pub fn is_stable(&self) -> bool {
        self.state == State::Stable
    }

    /// Whether at least one exchange was completed in this dialog.
    pub fn is_agreed(&self) -> bool {
        self.agreed
    }

    /// Who made the open offer, if one is open.
    pub fn offerer(&self) -> Option<Side> {
        match self.state {
            State::Offered { offerer, .. } => Some(offerer),
            State::Stable | State::Invited { .. } => None,
        }
    }

    /// The message that made the open offer, if one is open.
    pub fn offered_in(&self) -> Option<Carrier> {
        match self.state {
            State::Offered { carrier, .. } => Some(carrier),
            State::Stable | State::Invited { .. } => None,
        }
    }

    /// What a session description from `sender` in `carrier` would mean now; `None` where it may not be.
    pub fn meaning(&self, sender: Side, carrier: Carrier) -> Option<Meaning> {
        match self.state {
            State::Stable => meaning_when_stable(carrier),
            State::Offered { carrier: offered, .. } if is_aside(offered) && answers_invite(carrier) => {
                Some(Meaning::Repeat)
            }
            State::Invited { caller } if caller == sender => None,
            State::Invited { .. } => offers_late(carrier).then_some(Meaning::Offer),
            State::Offered { offerer, .. } if offerer == sender => None,
            State::Offered { carrier: offered, .. } => meaning_as_answer(offered, carrier),
        }
    }

    /// Takes one message of the dialog into account, sent by `sender`, with or without a session description.
    pub fn carry(&mut self, sender: Side, carrier: Carrier, has_sdp: bool) -> Result<Meaning, Misplaced> {
        if !has_sdp {
            return self.carry_nothing(sender, carrier);
        }
        let meaning = self.meaning(sender, carrier).ok_or(Misplaced::Forbidden(carrier))?;
        match meaning {
            Meaning::Offer => {
                self.state = State::Offered {
                    offerer: sender,
                    carrier,
                }
            }
            Meaning::Answer => {
                self.state = State::Stable;
                self.agreed = true;
            }
            Meaning::Nothing | Meaning::Preview | Meaning::Repeat => {}
        }
        Ok(meaning)
    }

    /// A message without a session description: harmless unless it was the last place for one.
    fn carry_nothing(&mut self, sender: Side, carrier: Carrier) -> Result<Meaning, Misplaced> {
        match self.state {
            State::Stable if carrier == Carrier::Invite => self.state = State::Invited { caller: sender },
            State::Invited { caller } if caller != sender && carrier == Carrier::Success => {
                return Err(Misplaced::OfferMissing(carrier));
            }
            State::Offered {
                offerer,
                carrier: offered,
            } if offerer != sender && is_last_place(offered, carrier) => {
                return Err(Misplaced::AnswerMissing(carrier));
            }
            State::Stable | State::Invited { .. } | State::Offered { .. } => {}
        }
        Ok(Meaning::Nothing)
    }

    /// The request or response that carried the open offer was refused, or its answer will never come: what was agreed
    /// before holds (RFC 3264 8).
    pub fn abandon(&mut self) {
        self.state = State::Stable;
    }

    /// The INVITE in progress failed: an offer made in it, or promised by it, is void. An offer made meanwhile by
    /// PRACK or UPDATE stands.
    pub fn invite_failed(&mut self) {
        match self.state {
            State::Invited { .. }
            | State::Offered {
                carrier: Carrier::Invite | Carrier::ReliableProvisional | Carrier::Success,
                ..
            } => self.abandon(),
            State::Stable | State::Offered { .. } => {}
        }
    }
}

/// With nothing open a request may offer, and the responses to an INVITE may only repeat its answer.
fn meaning_when_stable(carrier: Carrier) -> Option<Meaning> {
    match carrier {
        Carrier::Invite | Carrier::Prack | Carrier::Update => Some(Meaning::Offer),
        Carrier::Provisional | Carrier::ReliableProvisional | Carrier::Success => Some(Meaning::Repeat),
        Carrier::Ack | Carrier::PrackSuccess | Carrier::UpdateSuccess => None,
    }
}

/// Whether an offer was made beside the INVITE, whose own exchange was complete by then: a description in a response
/// to that INVITE repeats what that exchange agreed.
fn is_aside(offered: Carrier) -> bool {
    matches!(offered, Carrier::Prack | Carrier::Update)
}

fn answers_invite(carrier: Carrier) -> bool {
    matches!(
        carrier,
        Carrier::Provisional | Carrier::ReliableProvisional | Carrier::Success
    )
}

/// Where the offer may be when the INVITE had none: the first reliable response.
fn offers_late(carrier: Carrier) -> bool {
    matches!(carrier, Carrier::ReliableProvisional | Carrier::Success)
}

/// What a body in `carrier` is to an offer that was made in `offered` (RFC 6337, table 1).
fn meaning_as_answer(offered: Carrier, carrier: Carrier) -> Option<Meaning> {
    match (offered, carrier) {
        (Carrier::Invite, Carrier::Provisional) => Some(Meaning::Preview),
        (Carrier::Invite, Carrier::ReliableProvisional) => Some(Meaning::Answer),
        _ if is_last_place(offered, carrier) => Some(Meaning::Answer),
        _ => None,
    }
}

/// Whether `carrier` is where the answer to an offer in `offered` must be at the latest.
fn is_last_place(offered: Carrier, carrier: Carrier) -> bool {
    matches!(
        (offered, carrier),
        (Carrier::Invite, Carrier::Success)
            | (Carrier::Success, Carrier::Ack)
            | (Carrier::ReliableProvisional, Carrier::Prack)
            | (Carrier::Prack, Carrier::PrackSuccess)
            | (Carrier::Update, Carrier::UpdateSuccess)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use Carrier::*;
    use Side::*;

    const CARRIERS: [Carrier; 9] = [
        Invite,
        Provisional,
        ReliableProvisional,
        Success,
        Ack,
        Prack,
        PrackSuccess,
        Update,
        UpdateSuccess,
    ];

    /// Who sent it, what it is, and whether it has a description.
    type Message = (Side, Carrier, bool);

    fn after(messages: &[Message]) -> OfferAnswer {
        let mut exchange = OfferAnswer::new();
        for &(sender, carrier, has_sdp) in messages {
            exchange.carry(sender, carrier, has_sdp).unwrap();
        }
        exchange
    }

    #[test]
    fn each_of_the_six_patterns_of_rfc_6337_completes() {
        let first = [(Us, Invite, true), (Them, ReliableProvisional, true)];
        let patterns: [&[Message]; 6] = [
            &[(Us, Invite, true), (Them, Success, true)],
            &[(Us, Invite, false), (Them, Success, true), (Us, Ack, true)],
            &first,
            &[
                (Us, Invite, false),
                (Them, ReliableProvisional, true),
                (Us, Prack, true),
            ],
            &[first[0], first[1], (Us, Prack, true), (Them, PrackSuccess, true)],
            &[first[0], first[1], (Them, Update, true), (Us, UpdateSuccess, true)],
        ];
        for pattern in patterns {
            let exchange = after(pattern);
            assert!(exchange.is_stable() && exchange.is_agreed(), "{pattern:?}");
            let (_, without_last) = pattern.split_last().unwrap();
            assert!(!after(without_last).is_stable(), "{pattern:?} without its last message");
        }
    }

    #[test]
    fn an_open_offer_is_answered_in_its_own_place_and_nowhere_else() {
        let places: [(&[Message], &[Carrier]); 5] = [
            (&[(Us, Invite, true)], &[ReliableProvisional, Success]),
            (&[(Them, Invite, false), (Us, Success, true)], &[Ack]),
            (&[(Them, Invite, false), (Us, ReliableProvisional, true)], &[Prack]),
            (&[(Us, Prack, true)], &[PrackSuccess]),
            (&[(Us, Update, true)], &[UpdateSuccess]),
        ];
        for (opening, answers) in places {
            let exchange = after(opening);
            for carrier in CARRIERS {
                let expected = answers.contains(&carrier);
                let meaning = exchange.meaning(Them, carrier);
                assert_eq!(
                    meaning == Some(Meaning::Answer),
                    expected,
                    "{opening:?} then {carrier:?}"
                );
                let second = exchange.meaning(Us, carrier);
                assert!(
                    matches!(second, None | Some(Meaning::Repeat)),
                    "a second offer after {opening:?}"
                );
            }
        }
    }

    #[test]
    fn an_unreliable_183_only_previews_the_answer() {
        let mut exchange = after(&[(Us, Invite, true)]);
        assert_eq!(exchange.carry(Them, Provisional, true), Ok(Meaning::Preview));
        assert!(!exchange.is_stable());
        assert_eq!(exchange.carry(Them, Success, true), Ok(Meaning::Answer));
    }

    #[test]
    fn a_2xx_after_a_reliable_answer_only_repeats_it() {
        let mut exchange = after(&[(Us, Invite, true), (Them, ReliableProvisional, true)]);
        assert_eq!(exchange.carry(Them, Success, true), Ok(Meaning::Repeat));
        assert!(exchange.is_stable());
    }

    #[test]
    fn a_2xx_that_crosses_an_update_repeats_the_answer_and_leaves_the_offer_open() {
        for offerer in [Us, Them] {
            let mut exchange = after(&[
                (Us, Invite, true),
                (Them, ReliableProvisional, true),
                (offerer, Update, true),
            ]);
            assert_eq!(exchange.carry(Them, Success, true), Ok(Meaning::Repeat));
            assert_eq!(exchange.offered_in(), Some(Update));
        }
    }

    #[test]
    fn an_unreliable_183_may_not_offer() {
        let exchange = after(&[(Us, Invite, false)]);
        assert_eq!(exchange.meaning(Them, Provisional), None);
        assert_eq!(exchange.meaning(Them, ReliableProvisional), Some(Meaning::Offer));
    }

    #[test]
    fn the_last_place_for_an_answer_must_not_be_empty() {
        let cases: [(&[Message], Side, Carrier); 5] = [
            (&[(Us, Invite, true)], Them, Success),
            (&[(Us, Invite, false), (Them, Success, true)], Us, Ack),
            (&[(Us, Invite, false), (Them, ReliableProvisional, true)], Us, Prack),
            (&[(Us, Prack, true)], Them, PrackSuccess),
            (&[(Us, Update, true)], Them, UpdateSuccess),
        ];
        for (opening, sender, carrier) in cases {
            let mut exchange = after(opening);
            assert_eq!(
                exchange.carry(sender, carrier, false),
                Err(Misplaced::AnswerMissing(carrier)),
                "{opening:?}"
            );
        }
        let mut delayed = after(&[(Us, Invite, false)]);
        assert_eq!(
            delayed.carry(Them, Success, false),
            Err(Misplaced::OfferMissing(Success))
        );
    }

    #[test]
    fn a_failed_invite_takes_its_own_offer_with_it_but_not_an_updates() {
        for mut exchange in [
            after(&[(Us, Invite, true)]),
            after(&[(Us, Invite, false)]),
            after(&[(Us, Invite, false), (Them, ReliableProvisional, true)]),
        ] {
            exchange.invite_failed();
            assert!(exchange.is_stable());
        }
        let mut updating = after(&[
            (Us, Invite, true),
            (Them, ReliableProvisional, true),
            (Us, Update, true),
        ]);
        updating.invite_failed();
        assert_eq!(updating.offered_in(), Some(Update));
    }

    #[test]
    fn both_ends_of_a_dialog_read_every_message_alike() {
        let mut random = crate::random::Random::seeded(6337);
        let (mut ours, mut theirs) = (OfferAnswer::new(), OfferAnswer::new());
        for step in 0..20_000 {
            let carrier = CARRIERS[usize::try_from(random.below(9)).unwrap()];
            let (sender, mirrored) = if random.below(2) == 0 { (Us, Them) } else { (Them, Us) };
            let has_sdp = random.below(2) == 0;
            let read = ours.carry(sender, carrier, has_sdp);
            assert_eq!(
                read,
                theirs.carry(mirrored, carrier, has_sdp),
                "step {step}: {carrier:?}"
            );
            assert_eq!(ours.is_stable(), theirs.is_stable());
            if read.is_err() {
                ours.abandon();
                theirs.abandon();
            }
        }
        assert!(ours.is_agreed());
    }
}
