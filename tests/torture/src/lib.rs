//! Foreign judges: the torture messages and vectors of the RFCs, and other implementations.
