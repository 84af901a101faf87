//! SSH: receives clients, judges what they ask of a host on the road that every operation takes,
//! runs it there under the gateway's own account, and masks what comes back.
//!
//! `connection` takes a client in and is its session; `client` answers what the library calls;
//! `channel` is the way of one operation; `pump` moves its bytes, `output` masks and records
//! them; `dial` reaches hosts. `transport` is why nobody can make the gateway keep more than it
//! can, and why a session can always be ended.

mod channel;
mod client;
mod connection;
pub(crate) mod credentials;
mod dial;
mod keys;
mod output;
mod pump;
mod settings;
mod transport;
mod upstream;

pub(crate) use connection::serve_client;
pub(crate) use upstream::Upstreams;
