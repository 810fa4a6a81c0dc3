//! The small numbers by which the machines name each other's things. None is ever reused within one run.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u32);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

id!(
    /// One signalling connection: a TLS or TCP stream, or a connected UDP socket.
    FlowId,
    "flow-"
);
id!(
    /// One account: an extension at a PBX.
    AccountId,
    "account-"
);
id!(
    /// One call, as the user counts calls; the number that the command line prints.
    CallId,
    "call-"
);
