//! The one token of a request: where it stands, what it may look like, and that nobody prints it.

use std::fmt;

use ::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use zeroize::Zeroizing;

use super::rejection::Rejection;

/// The longest token: room for one with hundreds of groups, and half of what a head may hold.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// The name under which a token is never taken, as RFC 6750 calls it in queries and cookies call it too.
pub(super) const TOKEN_KEY: &str = "access_token";

static AUTHORIZATION: HeaderName = header::AUTHORIZATION;

const HINT: &str = "send the token as `Authorization: Bearer <token>`, once";

/// A bearer token. It is wiped when dropped, and its text comes out by [`Token::secret`] alone.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

impl Token {
    /// Returns the token's text.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// The header that carries the client's token.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum TokenSource {
    /// `Authorization: Bearer <token>`.
    #[default]
    Authorization,
    /// A header of the operator's choice, with the scheme `Bearer` or without; `Authorization` is then not looked at,
    /// and does not reach the upstream either.
    Header(HeaderName),
}

impl TokenSource {
    /// Returns the header's name.
    #[must_use]
    pub fn name(&self) -> &HeaderName {
        match self {
            Self::Authorization => &AUTHORIZATION,
            Self::Header(name) => name,
        }
    }

    /// Finds the token; `None` if the header is missing.
    ///
    /// # Errors
    /// [`Rejection`] for a second header, another scheme, or what cannot be a token. The token is
    /// never in it.
    pub fn find(&self, headers: &HeaderMap) -> Result<Option<Token>, Rejection> {
        let mut values = headers.get_all(self.name()).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(Rejection::malformed("token", "the request carries two tokens").hint(HINT));
        }
        let text = self.text(value)?;
        if text.len() > TOKEN_BYTES_MAX {
            return Err(Rejection::malformed("token", "the token is longer than 16 KiB").hint(HINT));
        }
        if !is_b64token(text) {
            return Err(
                Rejection::malformed("token", "the token has characters that no token has").hint(HINT),
            );
        }
        Ok(Some(Token(Zeroizing::new(
            text.iter().copied().map(char::from).collect(),
        ))))
    }

    /// Returns what follows the scheme.
    fn text<'a>(&self, value: &'a HeaderValue) -> Result<&'a [u8], Rejection> {
        let bytes = value.as_bytes();
        match bytes.split_at_checked("Bearer ".len()) {
            Some((scheme, text)) if scheme.eq_ignore_ascii_case(b"Bearer ") => Ok(text),
            _ if matches!(self, Self::Header(_)) => Ok(bytes),
            _ => Err(Rejection::new(
                StatusCode::UNAUTHORIZED,
                "token-scheme",
                "only bearer tokens are taken",
            )
            .hint(HINT)),
        }
    }
}

/// The characters of a bearer token (RFC 6750, 2.1): at least one, then only padding.
fn is_b64token(text: &[u8]) -> bool {
    let end = text
        .iter()
        .rposition(|&byte| byte != b'=')
        .map_or(0, |last| last + 1);
    end > 0
        && text[..end].iter().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/')
        })
}

#[cfg(test)]
mod tests;
