//! Answers of the gateway's own: problem documents (RFC 9457) that say which rule and what to do.

mod challenge;

use ::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use model::{Fault, Refusal, Rule};
use serde_json::{Map, Value};

use super::rejection::Rejection;

pub use challenge::{Challenge, TokenFault};

/// The header with which a client sends an operation again once it was approved.
pub const APPROVAL_HEADER: HeaderName = HeaderName::from_static("approval-id");

/// An answer that is complete: the driver adds nothing but framing.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The status.
    pub status: StatusCode,
    /// The headers, without `Content-Length`.
    pub headers: HeaderMap,
    /// The document, `application/problem+json`.
    pub body: Vec<u8>,
}

/// What only the driver knows of the request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Circumstances<'a> {
    /// The operation's id, by which the journal knows it.
    pub operation: Option<&'a str>,
    /// Until when the approval can be had or used, as RFC 3339 has it.
    pub expires_at: Option<&'a str>,
    /// Where people answer.
    pub approval_url: Option<&'a str>,
    /// After how many seconds it is worth to ask again.
    pub retry_after: Option<u64>,
}

/// Why there is no answer of the upstream's.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum UpstreamFault {
    /// It could not be reached; the request was not sent.
    Unreachable,
    /// It did not answer in time; what became of the request is not known.
    TimedOut,
    /// It broke off, or what it said is not HTTP.
    Broken,
    /// It refused the gateway's credential.
    Credential,
    /// It answered with what must not pass: a part of a masked whole, an unknown coding, a foreign redirect.
    Unmaskable,
}
