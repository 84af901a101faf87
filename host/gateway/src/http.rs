//! HTTP: receives clients, judges each request on the road that every operation takes, passes it
//! on to its upstream, and masks what comes back.
//!
//! `connection` takes a client in, behind a guard that looks at the framing before hyper does;
//! `exchange` is the way of one request; `visit` is a session: one principal on one resource over
//! one connection.

mod answer;
mod body;
mod connection;
mod decode;
mod dial;
mod exchange;
mod forward;
mod guarded;
mod masks;
mod mcp;
mod metadata;
mod pass;
mod pool;
mod reading;
mod record;
mod upstream;
mod visit;

pub(crate) use connection::serve_client;
pub(crate) use upstream::Upstreams;
