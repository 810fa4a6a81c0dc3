//! Real servers and clients in network namespaces.
