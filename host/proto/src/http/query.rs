//! A query goes upstream byte for byte; beside it stands what policies may know of it.

use std::collections::BTreeMap;

use super::path::decode_escapes;
use super::token::TOKEN_KEY;

/// The most pairs in one query: forms with more belong into a body.
pub const PAIRS_MAX: usize = 256;

/// The key with which some frameworks replace a request's method after it was judged.
const METHOD_KEY: &str = "_method";

/// A query, as sent and as read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Query {
    raw: Option<String>,
    pairs: Vec<(String, String)>,
}

/// The query cannot be read in one way only, or says what no query may say.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum QueryError {
    /// There is a character that has to be escaped.
    #[error("the query has a character that must be percent-encoded")]
    Character,
    /// A percent sign is not followed by two hexadecimal digits, or what is escaped is not UTF-8.
    #[error("the query has a percent sign that escapes no character")]
    Escape,
    /// There are more pairs than [`PAIRS_MAX`].
    #[error("the query has more than {PAIRS_MAX} pairs")]
    Pairs,
    /// The query carries a token, which logs and caches would keep.
    #[error("the query carries a token")]
    Token,
    /// The query asks for another method than the one that is judged.
    #[error("the query carries another method")]
    Method,
}

impl Query {
    /// Reads what follows the question mark, if there is one.
    ///
    /// `&` alone separates pairs, `+` is a space, and a pair without `=` has an empty value.
    ///
    /// # Errors
    /// [`QueryError`] for what has no single reading, and for tokens and methods in queries.
    pub fn parse(raw: Option<&str>) -> Result<Self, QueryError> {
        let Some(text) = raw else {
            return Ok(Self::default());
        };
        if !text
            .bytes()
            .all(|byte| matches!(byte, b'!'..=b'~') && byte != b'#')
        {
            return Err(QueryError::Character);
        }
        let mut pairs = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            if pairs.len() == PAIRS_MAX {
                return Err(QueryError::Pairs);
            }
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let key = decode(key)?;
            if key.eq_ignore_ascii_case(TOKEN_KEY) {
                return Err(QueryError::Token);
            }
            if key.eq_ignore_ascii_case(METHOD_KEY) {
                return Err(QueryError::Method);
            }
            pairs.push((key, decode(value)?));
        }
        Ok(Self {
            raw: Some(text.to_owned()),
            pairs,
        })
    }

    /// Returns the bytes after the question mark, as sent; `None` if there was no question mark.
    #[must_use]
    pub fn raw(&self) -> Option<&str> {
        self.raw.as_deref()
    }

    /// Returns the decoded pairs in the order sent.
    #[must_use]
    pub fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }

    /// Returns every key with all its values, as policies see them.
    #[must_use]
    pub fn by_key(&self) -> BTreeMap<String, Vec<String>> {
        let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (key, value) in &self.pairs {
            keys.entry(key.clone()).or_default().push(value.clone());
        }
        keys
    }
}

fn decode(text: &str) -> Result<String, QueryError> {
    decode_escapes(&text.replace('+', " ")).ok_or(QueryError::Escape)
}

#[cfg(test)]
mod tests;
