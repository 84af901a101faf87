//! Why a session is over, in one set of words: whether it is told at the end, while it waits, or
//! before it has begun.

use model::{Fault, Refusal, Rule};

use crate::sessions::Ending;

/// The token that the session lives by has ended.
pub(crate) fn token_expired() -> Refusal {
    Refusal::new(Rule::SessionEnded, Fault::Client, "the token has expired")
        .hint("connect again with a new token")
}

/// The grant that the session depends on has ended.
pub(crate) fn grant_ended() -> Refusal {
    Refusal::new(Rule::SessionEnded, Fault::Client, "the grant has ended").hint("ask again for more time")
}

impl Ending {
    /// Ends sessions by a rule: says what happened to them, and why, if whoever did it says so.
    pub(crate) fn because(rule: Rule, what: &str, reason: &str) -> Self {
        let told = match reason.trim() {
            "" => what.to_owned(),
            reason => format!("{what}: {reason}"),
        };
        Self {
            rule,
            reason: told.into(),
        }
    }

    /// Ends sessions whose grant has.
    pub(crate) fn of_grant() -> Self {
        let Refusal {
            rule, message, hint, ..
        } = grant_ended();
        let reason = format!("{message}; {}", hint.unwrap_or_default());
        Self {
            rule,
            reason: reason.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::postgres::relay::Fatal;

    use super::*;

    #[test]
    fn whichever_ends_first_the_session_names_its_rule_and_what_to_do() {
        for over in [token_expired(), grant_ended()] {
            let fatal = Fatal::from(over);
            assert_eq!((fatal.sqlstate, fatal.rule), ("57P01", Some(Rule::SessionEnded)));
            assert!(fatal.hint.is_some());
        }
        let ending = Ending::of_grant();
        assert_eq!(
            (ending.rule, &*ending.reason),
            (Rule::SessionEnded, "the grant has ended; ask again for more time")
        );
    }
}
