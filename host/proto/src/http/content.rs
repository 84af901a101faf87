//! What a body is, by what its head says: whether it can be read, and how.

use std::fmt;

use ::http::{HeaderMap, HeaderValue, header};

/// The most parameters of a media type: none has more than two or three.
const PARAMETERS_MAX: usize = 8;

/// The longest media type: what real ones never reach.
const MEDIA_TYPE_BYTES_MAX: usize = 512;

/// A media type, e.g. `application/json; charset=utf-8`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MediaType {
    /// `type/subtype` in lower case.
    essence: String,
    /// Names in lower case, values as sent and without quotes.
    parameters: Vec<(String, String)>,
}

/// The header is missing a part, there twice, or holds what no media type may.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the media type is malformed")]
pub struct MediaTypeError;

/// How a body can be read.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum BodyClass {
    /// One JSON document.
    Json,
    /// JSON documents, one a line.
    NdJson,
    /// Server-sent events.
    EventStream,
    /// `name=value&…`.
    Form,
    /// Parts with heads of their own.
    Multipart,
    /// Text that has no structure for us: plain, XML, HTML, CSV, …
    Text,
    /// Bytes.
    Opaque,
}

impl BodyClass {
    /// Returns the word for logs and policies.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::NdJson => "ndjson",
            Self::EventStream => "event-stream",
            Self::Form => "form",
            Self::Multipart => "multipart",
            Self::Text => "text",
            Self::Opaque => "opaque",
        }
    }

    /// Takes the first bytes of the body into account: servers send JSON as plain text. What looks
    /// like JSON is read as JSON, and fails there if it is not.
    #[must_use]
    pub fn sniffed(self, start: &[u8]) -> Self {
        let first = start.iter().find(|byte| !byte.is_ascii_whitespace());
        match (self, first) {
            (Self::Text, Some(b'{' | b'[')) => Self::Json,
            _ => self,
        }
    }
}

impl MediaType {
    /// Reads a media type strictly.
    ///
    /// # Errors
    /// [`MediaTypeError`].
    pub fn parse(text: &[u8]) -> Result<Self, MediaTypeError> {
        let text = std::str::from_utf8(text).map_err(|_| MediaTypeError)?;
        if text.len() > MEDIA_TYPE_BYTES_MAX {
            return Err(MediaTypeError);
        }
        let (essence, mut rest) = text.split_at(text.find(';').unwrap_or(text.len()));
        let essence = essence.trim_matches(BLANKS);
        let (kind, subtype) = essence.split_once('/').ok_or(MediaTypeError)?;
        if !is_token(kind) || !is_token(subtype) {
            return Err(MediaTypeError);
        }
        let mut parameters: Vec<(String, String)> = Vec::new();
        while let Some(after) = rest.strip_prefix(';') {
            let (name, value, left) = parameter(after)?;
            rest = left;
            let again = parameters.iter().any(|(known, _)| *known == name);
            if again || parameters.len() == PARAMETERS_MAX {
                return Err(MediaTypeError);
            }
            parameters.push((name, value));
        }
        if !rest.is_empty() {
            return Err(MediaTypeError);
        }
        Ok(Self {
            essence: essence.to_ascii_lowercase(),
            parameters,
        })
    }

    /// Reads the one `Content-Type`; `None` if there is none.
    ///
    /// # Errors
    /// [`MediaTypeError`] if it is malformed or there are two.
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>, MediaTypeError> {
        let mut values = headers.get_all(header::CONTENT_TYPE).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => Self::parse(value.as_bytes()).map(Some),
            (Some(_), Some(_)) => Err(MediaTypeError),
        }
    }

    /// Returns `type/subtype` in lower case.
    #[must_use]
    pub fn essence(&self) -> &str {
        &self.essence
    }

    /// Returns a parameter's value.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(known, _)| known == name)?;
        Some(&found.1)
    }

    /// Returns whether the text, if it is text, is in UTF-8 or a part of it. Others are not scanned: UTF-16 or UTF-7
    /// hide what is looked for.
    #[must_use]
    pub fn is_utf8(&self) -> bool {
        self.parameter("charset").is_none_or(|charset| {
            ["utf-8", "utf8", "us-ascii"]
                .iter()
                .any(|known| charset.eq_ignore_ascii_case(known))
        })
    }

    /// Returns how the body can be read.
    #[must_use]
    pub fn class(&self) -> BodyClass {
        let (kind, subtype) = self.essence.split_once('/').unwrap_or((&self.essence, ""));
        match (kind, subtype) {
            (_, "json") => BodyClass::Json,
            (_, "x-ndjson" | "ndjson" | "jsonl" | "x-jsonlines" | "jsonlines") => BodyClass::NdJson,
            _ if subtype.ends_with("+json") => BodyClass::Json,
            ("text", "event-stream") => BodyClass::EventStream,
            ("application", "x-www-form-urlencoded") => BodyClass::Form,
            ("multipart", _) => BodyClass::Multipart,
            ("text", _) | ("application", "xml" | "csv" | "javascript" | "yaml" | "x-yaml") => {
                BodyClass::Text
            }
            _ if subtype.ends_with("+xml") || subtype.ends_with("+yaml") => BodyClass::Text,
            _ => BodyClass::Opaque,
        }
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.essence)
    }
}

/// How a body is compressed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Coding {
    /// Not at all.
    Identity,
    /// gzip.
    Gzip,
    /// deflate within zlib's frame.
    Deflate,
    /// Brotli.
    Brotli,
    /// Zstandard.
    Zstd,
}

/// The body is compressed more than once, or in a way nobody here knows.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the content coding is not exactly one that is known")]
pub struct CodingError;

impl Coding {
    /// Reads `Content-Encoding`.
    ///
    /// # Errors
    /// [`CodingError`] for an unknown coding and for codings around codings.
    pub fn of(headers: &HeaderMap) -> Result<Self, CodingError> {
        let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
        match (values.next().map(HeaderValue::as_bytes), values.next()) {
            (None, _) => Ok(Self::Identity),
            (Some(value), None) => match value.trim_ascii().to_ascii_lowercase().as_slice() {
                b"identity" => Ok(Self::Identity),
                b"gzip" | b"x-gzip" => Ok(Self::Gzip),
                b"deflate" => Ok(Self::Deflate),
                b"br" => Ok(Self::Brotli),
                b"zstd" => Ok(Self::Zstd),
                _ => Err(CodingError),
            },
            (Some(_), Some(_)) => Err(CodingError),
        }
    }
}

/// What the grammar calls optional white space.
const BLANKS: [char; 2] = [' ', '\t'];

/// Reads `name=value` or `name="value"`; returns what is left, up to the next `;`.
fn parameter(text: &str) -> Result<(String, String, &str), MediaTypeError> {
    let (name, value) = text
        .trim_start_matches(BLANKS)
        .split_once('=')
        .ok_or(MediaTypeError)?;
    if !is_token(name) {
        return Err(MediaTypeError);
    }
    let (value, rest) = if let Some(quoted) = value.strip_prefix('"') {
        unquoted(quoted)?
    } else {
        let (value, rest) = value.split_at(value.find(';').unwrap_or(value.len()));
        let value = value.trim_end_matches(BLANKS);
        if !is_token(value) {
            return Err(MediaTypeError);
        }
        (value.to_owned(), rest)
    };
    Ok((name.to_ascii_lowercase(), value, rest.trim_start_matches(BLANKS)))
}

/// Reads up to the closing quote.
fn unquoted(text: &str) -> Result<(String, &str), MediaTypeError> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => value.push(characters.next().ok_or(MediaTypeError)?.1),
            _ if character.is_control() => return Err(MediaTypeError),
            _ => value.push(character),
        }
    }
    Err(MediaTypeError)
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests;
