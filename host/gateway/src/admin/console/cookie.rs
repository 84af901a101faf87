//! Cookies: read strictly, set so that no other site, page or script has them.

use http::HeaderMap;
use http::header::{COOKIE, HeaderValue};

use crate::config::ConsoleConfig;

/// The longest value that is looked at, in bytes: ours have 43.
const VALUE_BYTES_MAX: usize = 128;

/// Which cookie.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Cookie {
    /// Who is logged in.
    Session,
    /// Which login is under way.
    Login,
    /// What a person chose for their browser.
    Settings,
}

impl Cookie {
    /// Returns its name. Where there is TLS, the prefix has browsers take it from this host
    /// alone, for all of it, over TLS alone.
    pub(crate) fn name(self, config: &ConsoleConfig) -> &'static str {
        match (self, config.is_secure()) {
            (Self::Session, true) => "__Host-tidegate",
            (Self::Session, false) => "tidegate",
            (Self::Login, true) => "__Host-tidegate-login",
            (Self::Login, false) => "tidegate-login",
            (Self::Settings, true) => "__Host-tidegate-settings",
            (Self::Settings, false) => "tidegate-settings",
        }
    }

    /// Returns its value. Two of one name may come from two places: then there is none.
    pub(crate) fn read<'h>(self, headers: &'h HeaderMap, config: &ConsoleConfig) -> Option<&'h str> {
        let name = self.name(config);
        let mut found = None;
        for header in headers.get_all(COOKIE) {
            for pair in header.to_str().ok()?.split(';') {
                let Some((own, value)) = pair.trim_matches(' ').split_once('=') else {
                    continue;
                };
                if own == name && found.replace(value).is_some() {
                    return None;
                }
            }
        }
        found.filter(|value| !value.is_empty() && value.len() <= VALUE_BYTES_MAX)
    }

    /// Returns the header that sets it for `seconds`; 0 takes it away.
    pub(crate) fn set(self, value: &str, seconds: u64, config: &ConsoleConfig) -> HeaderValue {
        let secure = if config.is_secure() { "; Secure" } else { "" };
        let name = self.name(config);
        let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
        // Values are base64url or words of our own.
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
    }
}
