//! The headers of both directions, built anew for each hop.
//!
//! What a client or an upstream nominates for removal goes first (`hop`), ours come last: nobody
//! outside can have a header of ours removed, or pass one off as ours.

mod client;
pub(super) mod hop;
mod location;
mod upstream;

use std::net::IpAddr;

use ::http::{HeaderName, HeaderValue};

use super::authority::Authority;
use super::path::CanonicalPath;

pub use client::{ResponseFault, client_headers};
pub use upstream::upstream_headers;

/// How the gateway calls itself to its neighbours.
pub const PSEUDONYM: &str = "tidegate";

/// What the upstream's side of one request needs besides the request.
#[derive(Clone, Debug)]
pub struct Upstream<'a> {
    /// What the upstream is called in `Host`; always from the configuration.
    pub host: &'a Authority,
    /// Whether it speaks HTTP/2: then the driver names the host in `:authority`, and there is no `Host`.
    pub http2: bool,
    /// The credential, and whatever else the operator has sent along. Marked as sensitive on the way.
    pub injected: &'a [(HeaderName, HeaderValue)],
    /// The client's address.
    pub client: IpAddr,
    /// The scheme that the client used: `https` or `http`.
    pub scheme: &'a str,
    /// Whether the response is masked.
    pub masked: bool,
    /// The names of the cookies that go on; all others are removed.
    pub cookies: &'a [String],
    /// Whether the request to switch protocols goes on.
    pub upgrade: bool,
}

/// What the client's side of one response needs besides the response.
#[derive(Clone, Debug)]
pub struct Downstream<'a> {
    /// Where the upstream is; what it says of itself is rewritten.
    pub upstream: Origin<'a>,
    /// Where the client believes the upstream to be.
    pub public: Origin<'a>,
    /// Whether the body is masked.
    pub masked: bool,
    /// What becomes of the upstream's cookies.
    pub cookies: Cookies,
    /// What becomes of redirects to other hosts.
    pub redirects: Redirects,
    /// What a browser is told: the upstream's word, or these headers instead.
    pub cors: Cors<'a>,
    /// The protocol that was asked for and may be switched to.
    pub upgrade: Option<&'a str>,
}

/// A place on the web: scheme, host and the path below which everything is.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// `https` or `http`.
    pub scheme: &'a str,
    /// The host, with the port where it is not the scheme's.
    pub authority: &'a Authority,
    /// The path below which everything is.
    pub base: &'a CanonicalPath,
}

/// What becomes of `Set-Cookie`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Cookies {
    /// A session cookie is a credential of the upstream's: it stays here.
    #[default]
    Strip,
    /// It passes without `Domain`, its path below the public one.
    Localise,
}

/// What becomes of a redirect to a host that is not the upstream's.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Redirects {
    /// The response is refused: a signed address leads around the gateway.
    #[default]
    Refuse,
    /// It passes.
    Pass,
}

/// What becomes of `Access-Control-*`.
#[derive(Clone, Copy, Debug, Default)]
pub enum Cors<'a> {
    /// The upstream's pass.
    #[default]
    Pass,
    /// These replace them.
    Replace(&'a [(HeaderName, HeaderValue)]),
}

#[cfg(test)]
mod tests;
