//! The gateway: listens, knows who asks, has it judged, writes it down, runs it, masks it.

#![forbid(unsafe_code)]

pub mod access;
pub mod admin;
pub mod approvals;
mod asking;
mod backoff;
pub mod cli;
pub mod clock;
pub mod config;
mod door;
pub mod evidence;
pub mod export;
mod files;
pub mod gate;
pub mod grants;
#[cfg(test)]
mod ground;
pub mod http;
pub mod identity;
pub mod locks;
pub mod log;
pub mod logins;
mod maskers;
mod meters;
pub mod metrics;
mod mutex;
mod network;
mod over;
pub mod plugins;
pub mod policy;
pub mod postgres;
mod recording;
mod refused;
pub mod revocation;
mod running;
mod seats;
pub mod secret;
pub mod serve;
pub mod services;
mod sessions;
pub mod ssh;
pub mod state;
mod stay;
pub mod tls;
mod wire;
mod workers;
