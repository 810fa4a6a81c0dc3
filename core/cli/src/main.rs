//! The `toestel` command: a thin shell over the engine.
fn main() {}
