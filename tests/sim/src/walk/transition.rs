//! What can happen next, and when it can.

use crate::model::{Call, Model};
use crate::world::Setup;
use toestel_proto::account_config::Transport;

macro_rules! transitions {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// One kind of event in the life of phones.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Transition {
            $($(#[$doc])* $name,)*
        }

        impl Transition {
            /// All of them.
            pub const ALL: [Self; [$(stringify!($name)),*].len()] = [$(Self::$name),*];
        }
    };
}

transitions! {
    /// One phone calls another.
    Dial,
    /// The same, and both media paths take 3 s.
    DialOnASlowPath,
    /// The same, right after the exchange forgot every nonce.
    DialWithAnOldNonce,
    /// One phone calls all others.
    DialEverybody,
    /// A number that is always busy.
    DialBusy,
    /// A number where nobody answers.
    DialNoAnswer,
    /// A number that nobody has.
    DialWrong,
    /// A phone that is not registered.
    DialUnregistered,
    /// A number where the exchange speaks before it answers.
    EarlyMedia,
    /// The same, and it is given up before it is answered.
    EarlyMediaGivenUp,
    /// A number that has moved to a phone.
    DialMoved,
    /// A number that has moved to itself.
    DialMovedInCircles,
    /// The exchange calls a phone and leaves the first offer to it.
    CalledWithoutOffer,
    /// The same, and nobody answers.
    CalledWithoutOfferInVain,
    /// A call that is given up before anything was heard of it.
    DialAndHangUpAtOnce,
    /// A phone that rings answers.
    Answer,
    /// A phone that rings refuses with 486.
    RejectBusy,
    /// A phone that rings refuses with 480.
    RejectNotNow,
    /// A phone that rings refuses with 603.
    RejectDeclined,
    /// The caller gives up.
    Cancel,
    /// One phone answers while the caller gives up.
    AnswerRacesCancel,
    /// Two phones answer at once.
    BothAnswer,
    /// The connection of a phone that calls or rings is reset.
    FlowResetWhileRinging,
    /// Who called hangs up.
    HangUpByCaller,
    /// Who was called hangs up.
    HangUpByCallee,
    /// Both hang up at once.
    HangUpByBoth,
    /// One side holds.
    Hold,
    /// One side takes back.
    Resume,
    /// Both hold at once.
    HoldGlare,
    /// Both take back at once.
    ResumeGlare,
    /// One side holds, and takes back before that is through.
    HoldAndResumeAtOnce,
    /// One side holds while the other hangs up.
    HoldRacesHangUp,
    /// One side closes its microphone, or opens it.
    Mute,
    /// One side presses keys.
    Dtmf,
    /// A media path gets another address.
    PathChange,
    /// Both media paths get another address at once.
    PathChangeGlare,
    /// Two phones talk long enough for the session timers.
    TalkForLong,
    /// The connection of a phone that talks is reset.
    FlowResetInCall,
    /// The connection of a phone that talks dies silently.
    FlowSilentInCall,
    /// The NAT of a phone that talks forgets.
    NatForgetsInCall,
    /// The exchange restarts while two phones talk.
    ServerRestartInCall,
    /// A phone that talks comes to another network.
    NetworkChangeInCall,
    /// A machine that talks sleeps for a while.
    SleepInCall,
    /// The program that talks dies and starts again.
    CrashInCall,
    /// The connection of a phone is reset.
    FlowReset,
    /// The connection of a phone dies silently.
    FlowSilent,
    /// The NAT of a phone forgets.
    NatForgets,
    /// The exchange restarts.
    ServerRestart,
    /// The first server of two is out of reach.
    ServerFailover,
    /// The exchange refuses registrations for a while.
    RegistrarOverloaded,
    /// A phone comes to another network.
    NetworkChange,
    /// A machine sleeps for hours.
    Sleep,
    /// A program dies and starts again.
    Crash,
    /// The exchange forgets every nonce, and a phone registers again.
    NonceExpiry,
    /// The exchange asks for passwords otherwise than before.
    ChallengeChange,
    /// The exchange wants ringing to be acknowledged (RFC 3262), or no more.
    ReliabilityChange,
    /// A phone that was registered for long gets its password refused for a while.
    PasswordRefused,
    /// A phone starts with a wrong password, and later with the right one.
    WrongPassword,
    /// The user wants no registration.
    Unregister,
    /// The user wants it back.
    Register,
    /// Nothing happens for some minutes, and nothing is kept.
    Quiet,
}

impl Transition {
    /// Whether it takes many minutes.
    pub const fn is_long(self) -> bool {
        matches!(
            self,
            Self::TalkForLong
                | Self::SleepInCall
                | Self::Sleep
                | Self::WrongPassword
                | Self::PasswordRefused
                | Self::RegistrarOverloaded
                | Self::Quiet
                | Self::DialNoAnswer
        )
    }

    /// How likely it is beside others: more where it leads to a call, or needs a state that is seldom reached or a
    /// world of its own.
    pub const fn weight(self) -> usize {
        match self {
            Self::ResumeGlare => 8,
            Self::Answer => 4,
            Self::NatForgetsInCall | Self::FlowResetInCall => 3,
            _ => 1,
        }
    }

    /// Whether it can happen as things stand.
    pub fn is_possible(self, model: &Model, setup: &Setup) -> bool {
        let registered = model.registered.iter().filter(|registered| **registered).count();
        match &model.call {
            Call::None => self.is_possible_without_call(model, setup, registered),
            Call::Ringing { callees, .. } => match self {
                Self::Answer
                | Self::RejectBusy
                | Self::RejectNotNow
                | Self::RejectDeclined
                | Self::Cancel
                | Self::AnswerRacesCancel => true,
                Self::FlowResetWhileRinging => setup.transport != Transport::Udp && callees.len() == 1,
                Self::BothAnswer => callees.len() > 1,
                _ => false,
            },
            // What begins with the exchange ends within the same transition.
            Call::WithExchange { .. } => false,
            Call::Talking { holds, .. } => self.is_possible_while_talking(*holds, setup),
        }
    }

    fn is_possible_without_call(self, model: &Model, setup: &Setup, registered: usize) -> bool {
        match self {
            Self::Dial
            | Self::DialOnASlowPath
            | Self::DialWithAnOldNonce
            | Self::DialMoved
            | Self::DialAndHangUpAtOnce => registered >= 2,
            Self::DialEverybody => registered >= 3,
            Self::DialBusy
            | Self::DialNoAnswer
            | Self::DialWrong
            | Self::DialMovedInCircles
            | Self::EarlyMedia
            | Self::EarlyMediaGivenUp
            | Self::CalledWithoutOffer
            | Self::CalledWithoutOfferInVain
            | Self::Unregister
            | Self::NonceExpiry => registered >= 1,
            Self::DialUnregistered => registered >= 1 && registered < model.registered.len(),
            Self::Register => registered < model.registered.len(),
            Self::FlowReset => registered == model.registered.len() && setup.transport != Transport::Udp,
            Self::NatForgets => registered == model.registered.len() && setup.nat_memory.is_some(),
            Self::FlowSilent
            | Self::ServerRestart
            | Self::ServerFailover
            | Self::RegistrarOverloaded
            | Self::NetworkChange
            | Self::Sleep
            | Self::Crash
            | Self::PasswordRefused
            | Self::WrongPassword => registered == model.registered.len(),
            Self::ChallengeChange | Self::ReliabilityChange | Self::Quiet => true,
            _ => false,
        }
    }

    fn is_possible_while_talking(self, holds: [bool; 2], setup: &Setup) -> bool {
        let nobody_holds = holds == [false, false];
        match self {
            Self::HangUpByCaller
            | Self::HangUpByCallee
            | Self::HangUpByBoth
            | Self::HoldRacesHangUp
            | Self::Mute
            | Self::PathChange
            | Self::PathChangeGlare
            | Self::TalkForLong
            | Self::FlowSilentInCall
            | Self::ServerRestartInCall
            | Self::NetworkChangeInCall
            | Self::SleepInCall
            | Self::CrashInCall => true,
            Self::FlowResetInCall => setup.transport != Transport::Udp,
            Self::NatForgetsInCall => setup.nat_memory.is_some(),
            Self::Hold | Self::HoldAndResumeAtOnce => holds != [true, true],
            Self::Resume => !nobody_holds,
            Self::HoldGlare | Self::Dtmf => nobody_holds,
            Self::ResumeGlare => holds == [true, true],
            _ => false,
        }
    }
}
