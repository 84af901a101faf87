//! Outgoing HTTP, for approvers and exporters: one request, one answer, blocking.
//!
//! The host connects to granted origins only, follows no redirect, and puts secrets in the
//! place of `secret://name` in header values. Retries are the host's: an error here becomes an
//! error of the plugin's call.

use std::time::Duration;

#[cfg(target_arch = "wasm32")]
mod wasi;

/// The most of an answer's body that is read, in bytes: answers of APIs are small, and the
/// guest's memory is not.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;

/// A request in the making.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: &'static str,
    /// The whole address, e.g. `https://splunk.example.com:8088/services/collector`.
    pub url: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
    /// For each of: connecting, the first byte, the next byte. Clipped by the host to what is
    /// left of the call.
    pub timeout: Duration,
}

/// An answer, whatever its status.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Names in lower case, in the order they came. Values that are not UTF-8 are left out.
    pub headers: Vec<(String, String)>,
    /// At most [`ANSWER_BYTES_MAX`]; what is longer is cut.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Failure {
    /// The address or a header is malformed: the configuration is wrong.
    Malformed(&'static str),
    /// The host refuses to connect there: the operator must grant it.
    Denied,
    /// No connection, no answer in time, or an answer that broke off.
    Broken(String),
}

impl Request {
    /// A request without headers or body and with a time-out of ten seconds.
    pub fn new(method: &'static str, url: impl Into<String>) -> Self {
        Self {
            method,
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: Duration::from_secs(10),
        }
    }

    /// A `POST` of this body.
    pub fn post(url: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: body.into(),
            ..Self::new("POST", url)
        }
    }

    /// A `GET`.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sets the time-out.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sends the request and waits for the whole answer.
    ///
    /// # Errors
    /// When there is no answer; a status of any kind is one.
    pub fn send(&self) -> Result<Answer, Failure> {
        #[cfg(target_arch = "wasm32")]
        return wasi::send(self);
        #[cfg(not(target_arch = "wasm32"))]
        crate::testing::double::send(self)
    }
}

impl Answer {
    /// An answer without headers, to start from in tests.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    /// Returns the first header of this name (in lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns the wait that a `Retry-After` in seconds asks for, in milliseconds.
    #[must_use]
    pub fn retry_after_ms(&self) -> Option<u32> {
        let seconds: u32 = self.header("retry-after")?.trim().parse().ok()?;
        Some(seconds.saturating_mul(1000))
    }
}

impl From<Failure> for crate::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Malformed(what) => Self::invalid_config(format!("the {what} is malformed")),
            Failure::Denied => {
                Self::invalid_config("the host does not let the request out: grant its origin")
            }
            Failure::Broken(how) => Self::unavailable(how),
        }
    }
}

/// An address cut into what a request is made of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    allow(dead_code, reason = "used by the sender in wasm and by tests")
)]
struct Target<'a> {
    https: bool,
    authority: &'a str,
    path: &'a str,
}

#[cfg_attr(
    not(target_arch = "wasm32"),
    allow(dead_code, reason = "used by the sender in wasm and by tests")
)]
impl<'a> Target<'a> {
    /// Cuts an address; `None` for a scheme other than HTTP, for user names and for nothing.
    fn parse(url: &'a str) -> Option<Self> {
        let (https, rest) = match url.strip_prefix("https://") {
            Some(rest) => (true, rest),
            None => (false, url.strip_prefix("http://")?),
        };
        let cut = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(cut);
        let path = path.split('#').next().unwrap_or("");
        (!authority.is_empty() && !authority.contains('@')).then_some(Self {
            https,
            authority,
            path,
        })
    }

    /// Returns path and query as the request line has them.
    fn path_with_query(&self) -> String {
        if self.path.starts_with('/') {
            self.path.to_owned()
        } else {
            format!("/{}", self.path)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_cut_into_authority_and_path() {
        let target =
            Target::parse("https://hec.example.com:8088/services/collector?x=1#y").expect("an address");
        assert_eq!((target.https, target.authority), (true, "hec.example.com:8088"));
        assert_eq!(target.path_with_query(), "/services/collector?x=1");
        assert_eq!(
            Target::parse("http://a?b")
                .map(|t| t.path_with_query())
                .as_deref(),
            Some("/?b")
        );
    }

    #[test]
    fn an_address_with_a_user_or_another_scheme_is_none() {
        for url in ["ftp://a/", "https://", "https://user@a/", "a/b", ""] {
            assert_eq!(Target::parse(url), None, "{url}");
        }
    }
}
