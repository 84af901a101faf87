//! The protocols without their sockets: bytes become operations, results become batches.
//!
//! Sans-IO: no sockets, no clock, no randomness. The gateway's drivers hand in bytes, times
//! and answers, and carry out the effects that come back.

#![forbid(unsafe_code)]

pub mod http;
pub mod mask;
pub mod postgres;
pub mod session;
pub mod ssh;
