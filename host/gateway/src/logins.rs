//! The logins behind the live sessions: their providers are asked again and again whether they
//! still hold, and what a provider ends is ended here.

mod watch;

use std::sync::Arc;
use std::time::Duration;

use journal::Journal;
use model::event::Event;
use model::{Fault, Principal, Refusal, Rule};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::approvals::{AnswerError, Approvals};
use crate::clock;
use crate::evidence::write_down;
use crate::identity::{Identity, Login, Logout, QUESTIONS_MAX, TokenError};
use crate::sessions::{Ending, Sessions};
use crate::state::{State, StateError};
use watch::{Question, Watch};

/// How often is looked which tokens are due: a session is watched within this time.
const LOOK: Duration = Duration::from_secs(1);

/// The logins behind the live sessions. Cheap to clone.
#[derive(Clone)]
pub struct Logins {
    pub(crate) identity: Arc<Identity>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) journal: Journal,
    pub(crate) state: State,
    pub(crate) approvals: Approvals,
}

/// What a logout ended.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LoggedOut {
    /// How many live sessions were told to end.
    pub sessions: usize,
    /// How many sessions of the console ended.
    pub console_sessions: u64,
    /// How many questions to people were withdrawn.
    pub approvals: usize,
}

/// Why a logout was not carried out to its end. The sessions have been told to end all the same.
#[derive(Debug, thiserror::Error)]
pub enum LogoutError {
    /// The sessions of the console could not be ended.
    #[error(transparent)]
    State(#[from] StateError),
    /// What was asked could not be withdrawn.
    #[error(transparent)]
    Approvals(#[from] AnswerError),
}

impl LogoutError {
    /// Returns who must act.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::State(error) => error.fault(),
            Self::Approvals(error) => error.fault(),
        }
    }
}

/// Why a token's sessions end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Why {
    Inactive,
    Groups,
    Unheard,
}

impl Why {
    const fn of(error: &TokenError) -> Self {
        match error {
            TokenError::NotActive => Self::Inactive,
            TokenError::OtherGroups => Self::Groups,
            _ => Self::Unheard,
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Groups => "groups",
            Self::Unheard => "unheard",
        }
    }

    const fn told(self) -> &'static str {
        match self {
            Self::Inactive => "the identity provider says that your token does not hold any more",
            Self::Groups => "the identity provider says that your groups are others now",
            Self::Unheard => "the identity provider could not be asked whether your token still holds",
        }
    }
}

impl Logins {
    /// Asks the provider whether a login still holds; ends its sessions if it does not.
    ///
    /// # Errors
    /// The refusal for the client: it does not hold, or nobody knows.
    pub(crate) async fn still_hold(&self, login: &Login, principal: &Principal) -> Result<(), Refusal> {
        let held = self.identity.check_logged_in(principal, login);
        let active = match held {
            Ok(()) => {
                let now = clock::unix_seconds();
                self.identity.still_active(login, principal, now).await
            }
            over => over,
        };
        active.map_err(|error| {
            let key = principal.key();
            tracing::warn!(principal = key, %error, fault = error.fault().label(), "a login does not hold");
            if error.is_final() {
                self.end_token(login, principal, Why::of(&error));
            }
            not_held(&error)
        })
    }

    /// Watches over the tokens of live sessions until `stop` is cancelled.
    pub async fn run(self, stop: CancellationToken) {
        if !self.identity.introspects() {
            return;
        }
        let mut watch = Watch::default();
        let mut asked = JoinSet::new();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = look.tick() => {}
                Some(answer) = asked.join_next(), if !asked.is_empty() => {
                    if let Ok((digest, heard)) = answer {
                        watch.answered(digest, heard, clock::unix_us());
                    }
                }
            }
            self.look(&mut watch, &mut asked);
        }
    }

    fn look(&self, watch: &mut Watch, asked: &mut JoinSet<(crate::identity::TokenDigest, bool)>) {
        let now_us = clock::unix_us();
        let live = self.sessions.list().into_iter();
        watch.follow(live.map(|live| (live.login, live.principal)), now_us);
        for unheard in watch.unheard(now_us) {
            self.end_token(&unheard.login, &unheard.principal, Why::Unheard);
        }
        for question in watch.due(QUESTIONS_MAX.saturating_sub(asked.len()), now_us) {
            let logins = self.clone();
            asked.spawn(async move { logins.ask(question).await });
        }
    }

    async fn ask(&self, question: Question) -> (crate::identity::TokenDigest, bool) {
        let (login, principal) = (&question.login, &question.principal);
        let held = self
            .identity
            .still_active(login, principal, clock::unix_seconds())
            .await;
        if let Err(error) = &held {
            let key = principal.key();
            tracing::warn!(principal = key, %error, fault = error.fault().label(), "a live session's token was not confirmed");
            if error.is_final() {
                self.end_token(login, principal, Why::of(error));
            }
        }
        (question.digest, held.is_ok())
    }

    /// Ends all sessions that live by a token.
    fn end_token(&self, login: &Login, principal: &Principal, why: Why) {
        let Some(token) = &login.token else { return };
        let event = Event::IdentityTokenEnded {
            identity: &principal.identity,
            principal: &principal.key(),
            why: why.label(),
        };
        // What must end ends even if it can't be written down.
        if let Err(error) = self.journal.append(|out| event.encode(clock::unix_us(), out)) {
            tracing::error!(%error, "that a token ended could not be written down");
        }
        let ending = Ending {
            rule: Rule::SessionEnded,
            reason: why.told().into(),
        };
        let same = |login: &Login| login.token.as_ref().is_some_and(|own| own == token);
        let sessions = self.sessions.end_where(|live| same(&live.login), ending);
        tracing::warn!(
            principal = principal.key(),
            why = why.label(),
            sessions,
            "a token ended"
        );
    }

    /// Ends what a provider says is over: live sessions, sessions of the console, open questions.
    ///
    /// # Errors
    /// See [`LogoutError`].
    pub async fn log_out(&self, logout: &Logout) -> Result<LoggedOut, LogoutError> {
        let (subject, provider_session) = (logout.subject.as_deref(), logout.provider_session.as_deref());
        let event = Event::IdentityLogout {
            identity: &logout.identity,
            issuer: &logout.issuer,
            subject,
            provider_session,
            token: &logout.token_id,
        };
        // What must end ends even if it can't be written down.
        if let Err(error) = write_down(&self.journal, &event).await {
            tracing::error!(%error, "a logout could not be written down");
        }
        let ending = Ending {
            rule: Rule::SessionEnded,
            reason: "the identity provider ended your login".into(),
        };
        let sessions = self
            .sessions
            .end_where(|live| logout.hits(&live.principal, &live.login), ending);
        let console_sessions = self
            .state
            .end_console_sessions_of(&logout.issuer, subject, provider_session)
            .await?;
        let approvals = match logout.key() {
            Some(key) => {
                self.approvals
                    .withdraw_all(&key, "whoever asked has logged out")
                    .await?
            }
            None => 0,
        };
        tracing::info!(
            identity = logout.identity,
            subject,
            sessions,
            console_sessions,
            approvals,
            "logged out at the identity provider"
        );
        Ok(LoggedOut {
            sessions,
            console_sessions,
            approvals,
        })
    }
}

/// Returns what a client is told whose login does not hold.
pub(crate) fn not_held(error: &TokenError) -> Refusal {
    let (message, hint) = match error {
        TokenError::NotActive | TokenError::OtherGroups => {
            (Why::of(error).told(), "connect again with a new token")
        }
        TokenError::LoggedOut => (
            "the identity provider ended your login",
            "log in there, and connect again with a new token",
        ),
        _ => (
            Why::Unheard.told(),
            "try again later; the operator finds the reason in the gateway's log",
        ),
    };
    Refusal::new(Rule::SessionEnded, error.fault(), message).hint(hint)
}

#[cfg(test)]
mod tests;
