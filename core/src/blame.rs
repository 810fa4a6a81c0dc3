//! Who erred. Every error of the engine says it, so that a window or a log can tell a person whom to ask.

/// Who has to change something before it works.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Blame {
    /// The person, or the profile, that configured the account or gave the command.
    User,
    /// The PBX, or whoever runs it.
    Server,
    /// What lies between the device and the PBX.
    Network,
    /// This device: its clock, disk, key store, permissions.
    Device,
}
