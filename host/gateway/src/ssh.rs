//! SSH: receives clients, judges what they ask of a host on the road that every operation takes,
//! runs it there under the gateway's own account, and masks what comes back.
//!
//! `connection` takes a client in and is its session; `client` answers what the library calls;
//! `channel` runs what a channel begins with, and `errand` is the way of each operation before it
//! runs; `pump` moves bytes, `output` masks and records them, `files` knows each file; `dial` reaches hosts. `transport` is why nobody can make the gateway keep more than it
//! can, and why a session can always be ended.

mod channel;
mod client;
mod connection;
pub(crate) mod credentials;
mod dial;
mod errand;
mod files;
mod keys;
mod output;
mod pump;
mod settings;
mod transport;
mod upstream;

pub(crate) use connection::serve_client;
pub(crate) use upstream::Upstreams;
