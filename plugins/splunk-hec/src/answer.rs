//! What the collector's answers mean.

use serde::Deserialize;
use tidegate_sdk::http::Answer;
use tidegate_sdk::{Code, Error};

/// What became of a request.
#[derive(Debug, PartialEq)]
pub(crate) enum Outcome {
    /// All events were taken.
    Taken,
    /// The token is valid and there were no events.
    Empty,
    /// An event is not what the collector takes: this one, if it says.
    Invalid {
        /// Counts from 0 within the request.
        number: Option<usize>,
        /// The collector's words.
        reason: String,
    },
    /// The request was too large.
    TooLarge,
    /// Nothing was taken.
    Failed(Error),
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    code: Option<i64>,
    text: String,
    #[serde(rename = "invalid-event-number")]
    number: Option<usize>,
}

pub(crate) fn read(answer: &Answer) -> Outcome {
    let body: Body = serde_json::from_slice(&answer.body).unwrap_or_default();
    let mut reason = format!("{}: {}", body.code.unwrap_or(-1), body.text);
    reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
    let failed = |code, what: &str| {
        let mut error = Error::new(code, format!("{what} ({}, {reason})", answer.status));
        error.retry_after_ms = answer.retry_after_ms();
        Outcome::Failed(error)
    };
    match (answer.status, body.code) {
        (200, Some(0)) => Outcome::Taken,
        (400, Some(5)) => Outcome::Empty,
        (400, Some(6 | 12 | 13 | 15 | 16)) => Outcome::Invalid {
            number: body.number,
            reason,
        },
        (400, Some(7 | 10 | 11 | 14)) => failed(Code::InvalidConfig, "index or channel is wrong"),
        (401 | 403, _) => failed(Code::Unauthorized, "the token is refused"),
        (404, _) => failed(Code::InvalidConfig, "there is no collector at this address"),
        (413, _) => Outcome::TooLarge,
        (429 | 503, _) => failed(Code::RateLimited, "the collector is busy"),
        // Also a 200 that does not say success: something else answers for the collector.
        _ => failed(Code::Unavailable, "the collector is out of order"),
    }
}

/// How much of the collector's words is kept: they go into a log.
const REASON_BYTES_MAX: usize = 200;
