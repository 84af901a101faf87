//! What a client is told that lacks a token, or whose token does not do.

use ::http::{HeaderValue, StatusCode};

/// Where and for what a client gets a token.
#[derive(Clone, Copy, Debug, Default)]
pub struct Challenge<'a> {
    /// The address of the resource's metadata (RFC 9728).
    pub resource_metadata: Option<&'a str>,
    /// The scopes that would do, with spaces between them.
    pub scope: Option<&'a str>,
}

/// What is wrong with a request's token.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum TokenFault {
    /// There is none.
    Missing,
    /// It is expired, revoked, for somebody else, or not signed by whom it should be.
    Invalid,
    /// It is valid, and another with more scopes would do. Never for what no scope can cure:
    /// clients would log in again and again.
    InsufficientScope,
}

impl TokenFault {
    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::Missing | Self::Invalid => StatusCode::UNAUTHORIZED,
            Self::InsufficientScope => StatusCode::FORBIDDEN,
        }
    }

    pub(super) const fn rule(self) -> &'static str {
        match self {
            Self::Missing => "token-missing",
            Self::Invalid => "token-invalid",
            Self::InsufficientScope => "scope-insufficient",
        }
    }

    pub(super) const fn detail(self) -> &'static str {
        match self {
            Self::Missing => "the request carries no token",
            Self::Invalid => "the token is not valid here, or not any more",
            Self::InsufficientScope => "the token does not cover this",
        }
    }

    pub(super) const fn hint(self) -> &'static str {
        match self {
            Self::Missing => "send your token as `Authorization: Bearer <token>`",
            Self::Invalid => "get a new token for this resource and send the request again",
            Self::InsufficientScope => "get a token with the scopes that the challenge names",
        }
    }

    /// The error code; a client that sent nothing has made no error (RFC 6750, 3.1).
    const fn error(self) -> Option<&'static str> {
        match self {
            Self::Missing => None,
            Self::Invalid => Some("invalid_token"),
            Self::InsufficientScope => Some("insufficient_scope"),
        }
    }
}

impl Challenge<'_> {
    /// Returns the value of `WWW-Authenticate`.
    #[must_use]
    pub fn header(&self, fault: TokenFault) -> HeaderValue {
        let parameters = [
            ("error", fault.error()),
            ("resource_metadata", self.resource_metadata),
            ("scope", self.scope),
        ];
        let mut text = String::from("Bearer");
        let mut separator = ' ';
        for (name, value) in parameters {
            let Some(value) = value.filter(|value| is_quotable(value)) else {
                continue;
            };
            text.push(separator);
            if separator == ',' {
                text.push(' ');
            }
            text.push_str(name);
            text.push_str("=\"");
            text.push_str(value);
            text.push('"');
            separator = ',';
        }
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("Bearer"))
    }
}

/// Addresses and scopes hold no quotes; what does is not one of them and is left out.
fn is_quotable(value: &str) -> bool {
    value
        .bytes()
        .all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\')
}
