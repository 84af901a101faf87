//! Peers without sockets: a model of a PostgreSQL server, and a gateway's session around a
//! relay, so that whole conversations run in memory and in any interleaving.
//!
//! Deterministic: what differs between runs comes in as arguments.

#![forbid(unsafe_code)]

pub mod approvals;
pub mod held;
pub mod server;
pub mod session;
pub mod wire;
