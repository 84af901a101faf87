//! The gateway: listens, knows who asks, has it judged, writes it down, runs it, masks it.

#![forbid(unsafe_code)]

pub mod config;
pub mod identity;
pub mod policy;
pub mod secret;
