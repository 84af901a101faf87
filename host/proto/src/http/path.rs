//! One form of a path: what policy sees is what the upstream gets.
//!
//! Anything that two servers could read as two paths is refused instead of repaired: a repaired
//! path is one that somebody else repairs differently. Only what RFC 3986 calls equivalent is
//! changed: needless escapes of unreserved characters go, and the digits of others are upper case.

use std::fmt;

/// The longest path: the longest request target, see [`super::guard::TARGET_BYTES_MAX`].
pub const PATH_BYTES_MAX: usize = super::guard::TARGET_BYTES_MAX;

/// The most segments: no interface nests deeper, and routes are matched segment by segment.
pub const SEGMENTS_MAX: usize = 128;

/// What a resource's paths may hold beyond the plain form.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct PathRules {
    /// Keeps `%2F` as a part of a segment. Only for upstreams that split before they decode.
    pub encoded_slashes: bool,
    /// Keeps `;name=value` within segments. Only where no policy forbids a path that the upstream finds
    /// without these as well.
    pub parameters: bool,
}

/// A path in its one form.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CanonicalPath(String);

/// Why a path has no canonical form.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PathError {
    /// It does not start with `/`.
    #[error("the path does not start with `/`")]
    Relative,
    /// It is longer than [`PATH_BYTES_MAX`] or has more segments than [`SEGMENTS_MAX`].
    #[error("the path is too long")]
    TooLong,
    /// It holds a backslash, which some servers read as a slash.
    #[error("the path holds a backslash")]
    Backslash,
    /// It holds a character that has to be percent-encoded.
    #[error("the path holds a character that must be percent-encoded")]
    Character,
    /// A percent sign is not followed by two hexadecimal digits, or the escaped bytes are not UTF-8.
    #[error("the path holds a percent sign that escapes no character")]
    Escape,
    /// An escape hides a slash, a backslash or a control character.
    #[error("the path holds an encoded slash, backslash or control character")]
    HiddenCharacter,
    /// It is encoded twice.
    #[error("the path is percent-encoded twice")]
    EncodedTwice,
    /// A segment is `.` or `..`, or would be to a server that cuts parameters or spaces off.
    #[error("the path holds a dot segment")]
    DotSegment,
    /// There are two slashes in a row.
    #[error("the path holds an empty segment")]
    EmptySegment,
    /// A segment has parameters, which some servers do not count as part of the path.
    #[error("the path holds a `;`")]
    Parameters,
}

impl CanonicalPath {
    /// Brings `raw` into the one form.
    ///
    /// # Errors
    /// [`PathError`] if `raw` could be read in two ways.
    pub fn parse(raw: &str, rules: PathRules) -> Result<Self, PathError> {
        if raw.len() > PATH_BYTES_MAX {
            return Err(PathError::TooLong);
        }
        if !raw.starts_with('/') {
            return Err(PathError::Relative);
        }
        let text = rewrite_escapes(raw, rules)?;
        check_double_encoding(&text)?;
        if decode_escapes(&text).is_none() {
            return Err(PathError::Escape);
        }
        check_segments(&text, rules)?;
        Ok(Self(text))
    }

    /// Returns the root.
    #[must_use]
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// Returns the path as it goes upstream.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the segments, still escaped; the last is empty if the path ends with a slash.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0[1..].split('/')
    }

    /// Takes the first segment off: `/crm/customers` becomes `crm` and `/customers`.
    ///
    /// `None` for the root.
    #[must_use]
    pub fn split_first(&self) -> Option<(&str, Self)> {
        let path = &self.0[1..];
        match path.split_once('/') {
            Some((first, rest)) => Some((first, Self(format!("/{rest}")))),
            None if path.is_empty() => None,
            None => Some((path, Self::root())),
        }
    }

    /// Puts the path below `base`, whose trailing slash, if it has one, is not doubled.
    #[must_use]
    pub fn below(&self, base: &Self) -> Self {
        Self(format!("{}{}", base.0.trim_end_matches('/'), self.0))
    }

    /// Returns what remains below `base`; `None` if the path is not there.
    #[must_use]
    pub fn relative_to(&self, base: &Self) -> Option<Self> {
        let rest = self.0.strip_prefix(base.0.trim_end_matches('/'))?;
        match rest {
            "" => Some(Self::root()),
            _ => rest.starts_with('/').then(|| Self(rest.to_owned())),
        }
    }
}

impl fmt::Display for CanonicalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn rewrite_escapes(raw: &str, rules: PathRules) -> Result<String, PathError> {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'%' => {
                let escaped = escaped_byte(rest).ok_or(PathError::Escape)?;
                rest = &rest[2..];
                if escaped.is_ascii_control()
                    || escaped == b'\\'
                    || (escaped == b'/' && !rules.encoded_slashes)
                {
                    return Err(PathError::HiddenCharacter);
                }
                if escaped == b';' && !rules.parameters {
                    return Err(PathError::Parameters);
                }
                if is_unreserved(escaped) {
                    text.push(char::from(escaped));
                } else {
                    push_escape(&mut text, escaped);
                }
            }
            b'\\' => return Err(PathError::Backslash),
            b';' if !rules.parameters => return Err(PathError::Parameters),
            _ if is_path_character(byte) => text.push(char::from(byte)),
            _ => return Err(PathError::Character),
        }
    }
    Ok(text)
}

/// Refuses what a second decoding would change. It looks at the finished text, since `%25%34%31`
/// becomes `%2541` only there.
fn check_double_encoding(text: &str) -> Result<(), PathError> {
    let twice = text
        .match_indices("%25")
        .any(|(at, escape)| escaped_byte(&text.as_bytes()[at + escape.len()..]).is_some());
    if twice {
        Err(PathError::EncodedTwice)
    } else {
        Ok(())
    }
}

fn check_segments(text: &str, rules: PathRules) -> Result<(), PathError> {
    let mut segments = text[1..].split('/').peekable();
    let mut count = 0;
    while let Some(segment) = segments.next() {
        count += 1;
        if count > SEGMENTS_MAX {
            return Err(PathError::TooLong);
        }
        // The last may be empty: a trailing slash means something.
        if segment.is_empty() && segments.peek().is_some() {
            return Err(PathError::EmptySegment);
        }
        let hidden = rules.encoded_slashes.then(|| segment.split("%2F"));
        let mut pieces = hidden.into_iter().flatten().chain([segment]);
        if pieces.any(is_dot_segment) {
            return Err(PathError::DotSegment);
        }
    }
    Ok(())
}

/// Whether a segment is nothing or dots alone to a server that drops parameters and spaces.
fn is_dot_segment(segment: &str) -> bool {
    let end = segment
        .find(';')
        .into_iter()
        .chain(segment.find("%3B"))
        .min()
        .unwrap_or(segment.len());
    let bare = segment[..end].replace("%20", "");
    !segment.is_empty() && bare.bytes().all(|byte| byte == b'.')
}

/// Decodes every escape once; `None` for a stray percent sign or what is not UTF-8.
pub(super) fn decode_escapes(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            decoded.push(escaped_byte(rest)?);
            rest = &rest[2..];
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok()
}

fn escaped_byte(after_percent: &[u8]) -> Option<u8> {
    let &[high, low] = after_percent.first_chunk()?;
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    Some((digit(high)? << 4) | digit(low)?)
}

fn push_escape(text: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    text.push('%');
    text.push(char::from(DIGITS[usize::from(byte >> 4)]));
    text.push(char::from(DIGITS[usize::from(byte & 15)]));
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// The characters that RFC 3986 allows in a path as they are.
const fn is_path_character(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(
            byte,
            b'/' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@'
        )
}

#[cfg(test)]
mod tests;
