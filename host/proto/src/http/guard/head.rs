//! One head, line by line: what decides where the message ends, and whom it is for.

use super::super::authority::{Authority, AuthorityError};
use super::{HEAD_BYTES_MAX, HEADERS_MAX, TARGET_BYTES_MAX, Violation};

/// The longest method: the longest registered one is `BASELINE-CONTROL`.
const METHOD_BYTES_MAX: usize = 32;

/// The longest request line: a method, a target, a version and what stands between them.
const REQUEST_LINE_BYTES_MAX: usize = METHOD_BYTES_MAX + TARGET_BYTES_MAX + " ".len() + " HTTP/1.1\r\n".len();

/// The most digits of a length: below 2^63, where the arithmetic of some servers ends.
const LENGTH_DIGITS_MAX: usize = 18;

/// Where the message behind a head ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Framing {
    /// With the head.
    None,
    /// After as many bytes.
    Length(u64),
    /// After the last chunk.
    Chunked,
    /// With the head, and what comes then is not said yet.
    Upgrade,
}

/// What is known of a head whose last line has not come.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// Where the line that is not read yet starts.
    line_start: usize,
    request: Option<RequestLine>,
    fields: usize,
    host: Option<Authority>,
    length: Option<u64>,
    chunked: bool,
    upgrade: bool,
    /// Whether `Connection` names `upgrade`.
    upgrade_named: bool,
    expectation: bool,
}

#[derive(Debug)]
struct RequestLine {
    is_version_1_0: bool,
    /// The host that the target names, and the port of its scheme.
    target: Option<(Authority, u16)>,
}

impl Head {
    /// Refuses a head that grows to `length` bytes. The outcome is the same however the bytes come.
    pub(super) const fn check_room(&self, length: usize) -> Result<(), Violation> {
        if self.request.is_none() && length > REQUEST_LINE_BYTES_MAX {
            return Err(Violation::TargetTooLong);
        }
        if length > HEAD_BYTES_MAX {
            return Err(Violation::HeadTooLarge);
        }
        Ok(())
    }

    /// Reads the line that has just ended; tells the framing if it was the last one.
    pub(super) fn line(&mut self, head: &[u8]) -> Result<Option<Framing>, Violation> {
        let line = head.get(self.line_start..).unwrap_or(&[]);
        self.line_start = head.len();
        let line = line.strip_suffix(b"\r\n").ok_or(Violation::BareLineFeed)?;
        if line.contains(&b'\r') {
            return Err(Violation::BareCarriageReturn);
        }
        if self.request.is_none() {
            self.request = Some(request_line(line)?);
            return Ok(None);
        }
        if line.is_empty() {
            return self.end().map(Some);
        }
        self.field(line)?;
        Ok(None)
    }

    fn field(&mut self, line: &[u8]) -> Result<(), Violation> {
        self.fields += 1;
        if self.fields > HEADERS_MAX {
            return Err(Violation::TooManyFields);
        }
        let (name, value) = split_field(line)?;
        match name.to_ascii_lowercase().as_slice() {
            b"host" => {
                let host = Authority::parse(value).map_err(|_| Violation::Host)?;
                once(self.host.replace(host).is_some(), Violation::Host)
            }
            b"content-length" => {
                let length = parse_length(value).ok_or(Violation::Length)?;
                once(self.length.replace(length).is_some(), Violation::Length)
            }
            b"transfer-encoding" => {
                if !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Violation::Coding);
                }
                once(std::mem::replace(&mut self.chunked, true), Violation::Coding)
            }
            b"upgrade" => {
                if !is_token(value) || value.eq_ignore_ascii_case(b"h2c") || value.eq_ignore_ascii_case(b"h2")
                {
                    return Err(Violation::Upgrade);
                }
                once(std::mem::replace(&mut self.upgrade, true), Violation::Upgrade)
            }
            b"http2-settings" => Err(Violation::Upgrade),
            b"connection" => {
                self.upgrade_named |= value
                    .split(|&byte| byte == b',')
                    .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"));
                Ok(())
            }
            b"expect" => {
                if !value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(Violation::Expectation);
                }
                once(
                    std::mem::replace(&mut self.expectation, true),
                    Violation::Expectation,
                )
            }
            _ => Ok(()),
        }
    }

    fn end(&self) -> Result<Framing, Violation> {
        let Some(request) = &self.request else {
            return Err(Violation::RequestLine);
        };
        match (&self.host, &request.target) {
            (None, _) if !request.is_version_1_0 => return Err(Violation::Host),
            (Some(host), Some((target, port))) if host.clone().without_default_port(*port) != *target => {
                return Err(Violation::HostMismatch);
            }
            _ => {}
        }
        if self.chunked && request.is_version_1_0 {
            return Err(Violation::CodingVersion);
        }
        if self.chunked && self.length.is_some() {
            return Err(Violation::LengthAndCoding);
        }
        if self.upgrade {
            if request.is_version_1_0 || !self.upgrade_named {
                return Err(Violation::Upgrade);
            }
            if self.chunked || self.length.is_some_and(|length| length > 0) {
                return Err(Violation::UpgradeBody);
            }
            return Ok(Framing::Upgrade);
        }
        Ok(match self.length {
            _ if self.chunked => Framing::Chunked,
            Some(length) => Framing::Length(length),
            None => Framing::None,
        })
    }
}

fn request_line(line: &[u8]) -> Result<RequestLine, Violation> {
    let mut words = line.split(|&byte| byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Violation::RequestLine);
    };
    if !is_token(method) || method.len() > METHOD_BYTES_MAX {
        return Err(Violation::RequestLine);
    }
    let is_version_1_0 = match version {
        b"HTTP/1.1" => false,
        b"HTTP/1.0" => true,
        _ if version.starts_with(b"HTTP/") => return Err(Violation::Version),
        _ => return Err(Violation::RequestLine),
    };
    if method.eq_ignore_ascii_case(b"CONNECT") || method.eq_ignore_ascii_case(b"TRACE") {
        return Err(Violation::Method);
    }
    if target.len() > TARGET_BYTES_MAX {
        return Err(Violation::TargetTooLong);
    }
    Ok(RequestLine {
        is_version_1_0,
        target: target_authority(method, target)?,
    })
}

/// Reads whom the target is for, if it says so itself.
fn target_authority(method: &[u8], target: &[u8]) -> Result<Option<(Authority, u16)>, Violation> {
    if !target
        .iter()
        .all(|byte| matches!(byte, b'!'..=b'~') && *byte != b'#')
    {
        return Err(Violation::Target);
    }
    if target.starts_with(b"/") || (target == b"*" && method == b"OPTIONS") {
        return Ok(None);
    }
    let (port, rest) = match (
        strip_scheme(target, b"http://"),
        strip_scheme(target, b"https://"),
    ) {
        (Some(rest), _) => (80, rest),
        (_, Some(rest)) => (443, rest),
        (None, None) => return Err(Violation::Target),
    };
    let end = rest
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?'))
        .unwrap_or(rest.len());
    match Authority::parse(&rest[..end]) {
        Ok(authority) => Ok(Some((authority.without_default_port(port), port))),
        Err(AuthorityError::UserInfo) => Err(Violation::UserInfo),
        Err(_) => Err(Violation::Target),
    }
}

fn strip_scheme<'a>(target: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = target.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// Splits `Name: value`; the value without the spaces around it.
pub(super) fn split_field(line: &[u8]) -> Result<(&[u8], &[u8]), Violation> {
    if line.first().is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
        return Err(Violation::FoldedField);
    }
    let colon = line
        .iter()
        .position(|&byte| byte == b':')
        .ok_or(Violation::FieldName)?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if !is_token(name) {
        return Err(Violation::FieldName);
    }
    if value.iter().any(|&byte| byte.is_ascii_control() && byte != b'\t') {
        return Err(Violation::FieldValue);
    }
    Ok((name, trim_blanks(value)))
}

/// Spaces and tabs alone: what the grammar calls optional white space.
fn trim_blanks(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn parse_length(value: &[u8]) -> Option<u64> {
    let holds = (1..=LENGTH_DIGITS_MAX).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    holds.then(|| {
        value
            .iter()
            .fold(0, |length, digit| length * 10 + u64::from(digit - b'0'))
    })
}

fn is_token(text: &[u8]) -> bool {
    !text.is_empty()
        && text.iter().all(|byte| {
            byte.is_ascii_alphanumeric()
                || matches!(
                    byte,
                    b'!' | b'#'
                        | b'$'
                        | b'%'
                        | b'&'
                        | b'\''
                        | b'*'
                        | b'+'
                        | b'-'
                        | b'.'
                        | b'^'
                        | b'_'
                        | b'`'
                        | b'|'
                        | b'~'
                )
        })
}

const fn once(again: bool, violation: Violation) -> Result<(), Violation> {
    if again { Err(violation) } else { Ok(()) }
}
