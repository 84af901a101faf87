//! `ErrorResponse` and `NoticeResponse`: reading them leniently, writing our own, and stripping
//! an upstream's of everything that may hold data.
//!
//! Messages, details and object names may quote values (`Key (ssn)=(…) already exists`), so of a
//! statement that reads masked data only the severity, the SQLSTATE and the position get out.

use std::borrow::Cow;

/// The longest field that is written, in bytes: a screenful, and far from the 30,000 bytes at
/// which older clients take a message for a broken stream.
const FIELD_BYTES_MAX: usize = 8_192;

/// The digits of a position: it counts characters of a statement below 1 GiB.
const POSITION_DIGITS_MAX: usize = 10;

/// Stands for a SQLSTATE that is missing or none: internal error.
const UNKNOWN_STATE: &[u8] = b"XX000";

const ERROR_SEVERITIES: [&[u8]; 3] = [b"ERROR", b"FATAL", b"PANIC"];
const NOTICE_SEVERITIES: [&[u8]; 5] = [b"DEBUG", b"INFO", b"LOG", b"NOTICE", b"WARNING"];

/// The fields of an error or notice that decisions need; each is the first of its kind, and
/// `None` where a hostile upstream left it out. The bytes are as sent and may hold data.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ErrorFields<'a> {
    /// `V`, or else `S`, which may be in the server's language.
    pub severity: Option<&'a [u8]>,
    /// `C`, the SQLSTATE.
    pub code: Option<&'a [u8]>,
    /// `M`, the primary message.
    pub message: Option<&'a [u8]>,
    /// `P`, the position in the statement, in characters from 1.
    pub position: Option<&'a [u8]>,
}

/// Reads the body of an `ErrorResponse` or `NoticeResponse`, without the frame's header.
///
/// Lenient: what comes after the terminator or after a field without its NUL is ignored.
#[must_use]
pub fn error_fields(body: &[u8]) -> ErrorFields<'_> {
    let mut fields = ErrorFields::default();
    let mut localised = None;
    for (kind, value) in Fields::of(body) {
        let slot = match kind {
            b'C' => Some(&mut fields.code),
            b'M' => Some(&mut fields.message),
            b'P' => Some(&mut fields.position),
            b'S' => Some(&mut localised),
            b'V' => Some(&mut fields.severity),
            _ => None,
        };
        if let Some(slot) = slot {
            slot.get_or_insert(value);
        }
    }
    fields.severity = fields.severity.or(localised);
    fields
}

/// Walks the fields of a body: each one's type and value. Ends at the terminator, or before a
/// field without its NUL.
#[derive(Clone, Debug)]
pub(in crate::postgres) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(in crate::postgres) const fn of(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    /// Whether nothing but the terminator is left.
    pub(in crate::postgres) fn is_at_end(&self) -> bool {
        self.rest == [0]
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&kind, after) = self.rest.split_first().filter(|&(&kind, _)| kind != 0)?;
        let end = after.iter().position(|&byte| byte == 0)?;
        self.rest = &after[end + 1..];
        Some((kind, &after[..end]))
    }
}

/// Whether this is a severity in the words that are the same in every language.
pub(in crate::postgres) fn is_severity(value: &[u8]) -> bool {
    ERROR_SEVERITIES.contains(&value) || NOTICE_SEVERITIES.contains(&value)
}

/// Appends to `out` the body of an `ErrorResponse` or `NoticeResponse` without anything that
/// may hold data; the frame's header is the caller's.
///
/// Severity, SQLSTATE and position are kept if they are what they must be; a localised severity
/// comes out in English. The message is replaced by a constant one. Everything else goes, also
/// the names of schema, table, column, type and constraint: code of users can fill them with
/// anything under any SQLSTATE.
pub fn scrub_error(body: &[u8], out: &mut Vec<u8>) {
    let fields = error_fields(body);
    let severity = fields
        .severity
        .filter(|severity| is_severity(severity))
        .unwrap_or(ERROR_SEVERITIES[0]);
    let is_state =
        |code: &&[u8]| code.len() == 5 && code.iter().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    let code = fields.code.filter(is_state).unwrap_or(UNKNOWN_STATE);
    let verb: &[u8] = if NOTICE_SEVERITIES.contains(&severity) {
        b"raised "
    } else {
        b"failed with "
    };
    put(b'S', severity, out);
    put(b'V', severity, out);
    put(b'C', code, out);
    out.extend_from_slice(b"Mthe statement ");
    out.extend_from_slice(verb);
    out.extend_from_slice(code);
    out.extend_from_slice(b"; details are withheld because it reads masked data\0");
    let is_position = |digits: &&[u8]| {
        (1..=POSITION_DIGITS_MAX).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
    };
    if let Some(position) = fields.position.filter(is_position) {
        put(b'P', position, out);
    }
    out.push(0);
}

/// Appends a whole `ErrorResponse` frame.
///
/// NULs inside become spaces, since they would end a field early; each field is cut at 8 KiB.
pub fn build_error(
    severity: &str,
    sqlstate: &str,
    message: &str,
    detail: Option<&str>,
    hint: Option<&str>,
    out: &mut Vec<u8>,
) {
    write_report(
        b'E',
        severity,
        sqlstate,
        message,
        [(b'D', detail), (b'H', hint)],
        out,
    );
}

/// Appends a whole `NoticeResponse` frame, under the same rules as [`build_error`].
pub fn build_notice(
    severity: &str,
    sqlstate: &str,
    message: &str,
    detail: Option<&str>,
    hint: Option<&str>,
    out: &mut Vec<u8>,
) {
    write_report(
        b'N',
        severity,
        sqlstate,
        message,
        [(b'D', detail), (b'H', hint)],
        out,
    );
}

fn write_report(
    kind: u8,
    severity: &str,
    sqlstate: &str,
    message: &str,
    more: [(u8, Option<&str>); 2],
    out: &mut Vec<u8>,
) {
    write_frame(kind, out, |out| {
        for (field, text) in [
            (b'S', severity),
            (b'V', severity),
            (b'C', sqlstate),
            (b'M', message),
        ] {
            put_text(field, text, out);
        }
        for (field, text) in more {
            if let Some(text) = text {
                put_text(field, text, out);
            }
        }
        out.push(0);
    });
}

fn put_text(field: u8, text: &str, out: &mut Vec<u8>) {
    let text = &text[..text.floor_char_boundary(FIELD_BYTES_MAX)];
    let text = if text.contains('\0') {
        Cow::Owned(text.replace('\0', " "))
    } else {
        Cow::Borrowed(text)
    };
    put(field, text.as_bytes(), out);
}

fn put(field: u8, value: &[u8], out: &mut Vec<u8>) {
    out.push(field);
    out.extend_from_slice(value);
    out.push(0);
}

/// Appends a frame of this type around the body that `write` appends.
pub(super) fn write_frame(kind: u8, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&[kind, 0, 0, 0, 0]);
    let start = out.len();
    write(out);
    let length = u32::try_from(out.len() - start + 4).expect("our own messages are far below 4 GiB");
    out[start - 4..start].copy_from_slice(&length.to_be_bytes());
}

#[cfg(test)]
mod tests;
