//! What the network between us and the PBX does to packets, and how to live with it: STUN, keep-alive.

pub mod keepalive;
pub mod stun;
