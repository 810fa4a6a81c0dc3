//! The walls: what may depend on what, between crates and between the modules of a crate.
//!
//! The shape that they keep is told in ARCHITECTURE.md.

mod doors;
mod modules;
mod names;
mod tree;

use std::path::Path;

use crate::shell::{Result, fail};
use crate::sources;

/// Checks every wall and lists every breach.
pub fn check(root: &Path) -> Result<()> {
    let sources = sources::read(root)?;
    let mut breaches = tree::breaches()?;
    breaches.extend(modules::breaches(&sources));
    breaches.extend(names::breaches(&sources));
    breaches.extend(doors::breaches(&sources));
    if breaches.is_empty() {
        Ok(())
    } else {
        fail(breaches.join("\n"))
    }
}
