//! What is heard: recordings scored.
