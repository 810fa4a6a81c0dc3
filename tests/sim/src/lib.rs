//! The simulated world: phones, exchange, network and clock, all from one seed.
