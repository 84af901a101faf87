//! What Slack's API answers, and what the host should do about it.

use serde::Deserialize;
use tidegate_sdk::http::Answer;
use tidegate_sdk::{Code, Error};

/// The part of an answer that matters.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Told {
    ok: bool,
    error: Option<String>,
    /// Where the message is.
    pub(crate) channel: Option<String>,
    /// Which one it is.
    pub(crate) ts: Option<String>,
}

/// Why a method did nothing.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The message is no longer there.
    Gone,
    /// Anything else.
    Other(Error),
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Gone => Self::invalid_input(format!("Slack says {GONE}")),
            Refused::Other(error) => error,
        }
    }
}

/// Reads an answer; everything but `ok` is refused.
pub(crate) fn read(answer: &Answer) -> Result<Told, Refused> {
    let failed = |code, what: String| {
        let mut error = Error::new(code, what);
        error.retry_after_ms = answer.retry_after_ms();
        Err(Refused::Other(error))
    };
    match answer.status {
        200 => {}
        401 | 403 => return failed(Code::Unauthorized, status(answer, "refuses the token")),
        404 | 405 | 410 => return failed(Code::InvalidConfig, status(answer, "is not at this address")),
        429 => return failed(Code::RateLimited, status(answer, "asks for patience")),
        400..=499 => return failed(Code::InvalidInput, status(answer, "refuses the message")),
        _ => return failed(Code::Unavailable, status(answer, "is out of order")),
    }
    let Ok(told) = serde_json::from_slice::<Told>(&answer.body) else {
        return failed(
            Code::Unavailable,
            "Slack's answer is not what its API says".to_owned(),
        );
    };
    if told.ok {
        return Ok(told);
    }
    match told.error.as_deref().filter(|word| is_word(word)) {
        Some(GONE) => Err(Refused::Gone),
        Some(word) => failed(code(word), format!("Slack says {word}")),
        None => failed(Code::Unavailable, "Slack refuses and does not say why".to_owned()),
    }
}

fn status(answer: &Answer, what: &str) -> String {
    format!("Slack {what} ({})", answer.status)
}

/// Returns whether this is one of Slack's error words and nothing that fills a log.
fn is_word(word: &str) -> bool {
    (1..=WORD_BYTES_MAX).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

/// Returns who must act on an error word. Words not known here are asked again: the hold
/// expires in the end.
fn code(word: &str) -> Code {
    match word {
        "account_inactive"
        | "ekm_access_denied"
        | "invalid_auth"
        | "missing_scope"
        | "no_permission"
        | "not_allowed_token_type"
        | "not_authed"
        | "org_login_required"
        | "team_access_not_granted"
        | "token_expired"
        | "token_revoked" => Code::Unauthorized,
        "access_denied"
        | "as_user_not_supported"
        | "channel_not_found"
        | "enterprise_is_restricted"
        | "is_archived"
        | "method_deprecated"
        | "not_in_channel"
        | "restricted_action"
        | "restricted_action_read_only_channel"
        | "two_factor_setup_required" => Code::InvalidConfig,
        "cant_update_message"
        | "edit_window_closed"
        | "invalid_arguments"
        | "invalid_blocks"
        | "invalid_blocks_format"
        | "invalid_metadata_format"
        | "invalid_metadata_schema"
        | "metadata_too_large"
        | "msg_blocks_too_long"
        | "msg_too_long"
        | "no_text" => Code::InvalidInput,
        "message_limit_exceeded" | "rate_limited" | "ratelimited" => Code::RateLimited,
        _ => Code::Unavailable,
    }
}

/// Slack's word for a message that is not there.
const GONE: &str = "message_not_found";

/// Longer than any of Slack's words.
const WORD_BYTES_MAX: usize = 64;
