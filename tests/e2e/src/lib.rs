//! The stage: throw-away servers, token issuers, gateways and real clients, for the tests
//! that run against the built binary, for the demo and for the benchmarks.
//!
//! Everything here lives in temporary folders and on free loopback ports, and is stopped by
//! process id when its owner is dropped. It never touches a server, a port or a process it
//! did not start itself, and it knows the gateway only from outside: its binary, its
//! configuration file, its listeners and its log.

pub mod browser;
pub mod certificate;
pub mod client;
pub mod gateway;
pub mod http;
pub mod issuer;
pub mod journal;
pub mod kit;
pub mod mcp;
pub mod nginx;
pub mod pgbouncer;
pub mod postgres;
pub mod provider;
pub mod receiver;
pub mod registry;
pub mod service;
pub mod ssh;
pub mod tools;
pub mod web;
