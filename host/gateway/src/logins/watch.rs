//! Which tokens of live sessions are to be asked about, and when one has been unheard of for too
//! long. Pure: the time comes in, questions come out.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use model::Principal;

use crate::identity::{Login, TokenDigest};

/// For how many rounds a token may be unheard of while its sessions live: a provider that is
/// started anew is back by then. After that nobody knows whether they should.
const ROUNDS_UNHEARD_MAX: u64 = 3;

/// Rounds are shortened by up to this part of them, so that sessions that began together do not
/// ask together for ever.
const JITTER: u64 = 4;

/// A token that its provider is to be asked about.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) digest: TokenDigest,
    pub(super) login: Arc<Login>,
    pub(super) principal: Arc<Principal>,
}

/// The tokens of the live sessions.
#[derive(Debug, Default)]
pub(super) struct Watch {
    tokens: HashMap<TokenDigest, Watched>,
}

#[derive(Debug)]
struct Watched {
    login: Arc<Login>,
    principal: Arc<Principal>,
    /// From question to question at the most, in microseconds.
    every_us: u64,
    heard_us: u64,
    due_us: u64,
    asked: bool,
    /// Counts the questions, for the jitter.
    rounds: u8,
}

impl Watched {
    fn plan(&mut self, digest: &TokenDigest, now_us: u64) {
        // Any byte of the digest is as good as a random one.
        let byte = digest[usize::from(self.rounds) % digest.len()];
        self.rounds = self.rounds.wrapping_add(1);
        let shorter = self.every_us / JITTER * u64::from(byte) / u64::from(u8::MAX);
        self.due_us = now_us.saturating_add(self.every_us - shorter);
    }
}

impl Watch {
    /// Takes in which sessions live: new tokens were just asked about, those of no session are
    /// forgotten.
    pub(super) fn follow(&mut self, live: impl Iterator<Item = (Arc<Login>, Arc<Principal>)>, now_us: u64) {
        let mut former = std::mem::take(&mut self.tokens);
        for (login, principal) in live {
            let Some(token) = &login.token else { continue };
            let (digest, every) = (token.digest(), token.every());
            let Entry::Vacant(place) = self.tokens.entry(digest) else {
                continue;
            };
            let watched = former.remove(&digest).unwrap_or_else(|| {
                let mut watched = Watched {
                    every_us: u64::try_from(every.as_micros()).unwrap_or(u64::MAX),
                    login,
                    principal,
                    heard_us: now_us,
                    due_us: now_us,
                    asked: false,
                    rounds: 0,
                };
                watched.plan(&digest, now_us);
                watched
            });
            place.insert(watched);
        }
    }

    /// Returns up to `room` questions that are due, the longest due first; each is then under
    /// way until [`Watch::answered`].
    pub(super) fn due(&mut self, room: usize, now_us: u64) -> Vec<Question> {
        let mut due: Vec<_> = self
            .tokens
            .iter_mut()
            .filter(|(_, watched)| !watched.asked && watched.due_us <= now_us)
            .collect();
        due.sort_unstable_by_key(|(digest, watched)| (watched.due_us, **digest));
        let questions = due.into_iter().take(room).map(|(digest, watched)| {
            watched.asked = true;
            Question {
                digest: *digest,
                login: Arc::clone(&watched.login),
                principal: Arc::clone(&watched.principal),
            }
        });
        questions.collect()
    }

    /// Takes in whether the provider said that a token holds.
    pub(super) fn answered(&mut self, digest: TokenDigest, heard: bool, now_us: u64) {
        if let Some(watched) = self.tokens.get_mut(&digest) {
            watched.asked = false;
            if heard {
                watched.heard_us = now_us;
            }
            watched.plan(&digest, now_us);
        }
    }

    /// Returns the tokens that were unheard of for too long: whether the provider failed, or the
    /// gateway did not get round to asking.
    pub(super) fn unheard(&mut self, now_us: u64) -> Vec<Question> {
        let mut unheard = Vec::new();
        for (digest, watched) in &mut self.tokens {
            let most = watched.every_us.saturating_mul(ROUNDS_UNHEARD_MAX);
            if now_us.saturating_sub(watched.heard_us) < most {
                continue;
            }
            // Said once a round, for as long as its sessions take to end.
            watched.heard_us = now_us.saturating_sub(most - watched.every_us.min(most));
            unheard.push(Question {
                digest: *digest,
                login: Arc::clone(&watched.login),
                principal: Arc::clone(&watched.principal),
            });
        }
        unheard
    }
}

#[cfg(test)]
mod tests;
