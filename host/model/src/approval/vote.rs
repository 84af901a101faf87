//! One person's answer, and whether it counts.

use serde::{Deserialize, Serialize};

use super::Standing;
use crate::principal::Principal;

/// The longest comment that is kept, in bytes.
pub const COMMENT_BYTES_MAX: usize = 4 << 10;

/// One person's answer.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Vote {
    /// Who: `issuer|subject`.
    pub by: String,
    /// Their groups when they answered.
    pub groups: Vec<String>,
    /// Yes or no.
    pub agrees: bool,
    /// Their words, at most [`COMMENT_BYTES_MAX`] bytes.
    pub comment: String,
    /// When, in microseconds of Unix time.
    pub at_us: u64,
    /// How it came: `console`, `api`, or the name of an approver plugin.
    pub channel: String,
}

/// Why a vote does not count.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum VoteError {
    /// The question is answered, or over.
    NotPending(Standing),
    /// Who asks, or acts for whoever asks, does not answer.
    Own,
    /// They have answered already.
    Twice,
    /// The comment is too long.
    CommentTooLong,
}

impl std::fmt::Display for VoteError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotPending(standing) => {
                write!(f, "it is {} and can't be answered any more", standing.label())
            }
            Self::Own => f.write_str("nobody answers for what they, or whoever acts for them, asked"),
            Self::Twice => f.write_str("you have answered already"),
            Self::CommentTooLong => write!(f, "the comment is longer than {COMMENT_BYTES_MAX} bytes"),
        }
    }
}

impl std::error::Error for VoteError {}

/// Tells whether a vote counts beside `earlier` ones on what `requester` asked.
pub(super) fn check(vote: &Vote, requester: &Principal, earlier: &[Vote]) -> Result<(), VoteError> {
    if vote.comment.len() > COMMENT_BYTES_MAX {
        return Err(VoteError::CommentTooLong);
    }
    if requester.involves(&vote.by) {
        return Err(VoteError::Own);
    }
    if earlier.iter().any(|other| other.by == vote.by) {
        return Err(VoteError::Twice);
    }
    Ok(())
}
