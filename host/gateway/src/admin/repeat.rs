//! Requests that may be sent twice and are done once: `Idempotency-Key`.
//!
//! Kept in memory for a day: after a restart of the gateway a key is new again.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::{HeaderMap, StatusCode};
use model::Principal;
use serde_json::Value;

use super::problem::Problem;

/// The header that names a request.
const HEADER: &str = "idempotency-key";

/// The longest key, in bytes: a UUID and something before it.
const KEY_BYTES_MAX: usize = 128;

/// How long an answer is kept, in microseconds.
const KEPT_US: u64 = 24 * 3_600 * 1_000_000;

/// How many answers are kept; each is a few hundred bytes. The oldest goes first.
const KEPT_MAX: usize = 4_096;

/// How many of them one principal may fill, so that nobody pushes out the others'.
const KEPT_OF_ONE_MAX: usize = 256;

/// An answer that can be given again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

/// The answers given to requests with a key.
#[derive(Debug, Default)]
pub(crate) struct Answers(Mutex<HashMap<Name, Given>>);

/// A request by its key: whose it is, what it asks for, the key.
type Name = (String, &'static str, String);

#[derive(Debug)]
struct Given {
    digest: [u8; 32],
    since_us: u64,
    /// `None` while it is under way.
    answer: Option<Answer>,
}

/// One request as it is told from others.
#[derive(Clone, Debug)]
pub(crate) struct Once {
    /// Who sends it: `issuer|subject`.
    pub(crate) principal: String,
    /// What it asks for: its path.
    pub(crate) path: &'static str,
    /// Its key; `None` where it has none and is done as often as it comes.
    pub(crate) key: Option<String>,
    /// SHA-256 of its body.
    pub(crate) digest: [u8; 32],
}

impl Once {
    /// Tells a request by who sends it, its path, the key among its headers, and its body's
    /// digest.
    ///
    /// # Errors
    /// The key is not one.
    pub(crate) fn of(
        who: &Principal,
        path: &'static str,
        headers: &HeaderMap,
        digest: [u8; 32],
    ) -> Result<Self, Problem> {
        Ok(Self {
            principal: who.key(),
            path,
            key: key(headers)?,
            digest,
        })
    }
}

/// Returns the key of a request.
///
/// # Errors
/// It is not a key.
fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    if text.is_empty() || text.len() > KEY_BYTES_MAX || !plain || values.next().is_some() {
        return Err(Problem::bad_request(
            "invalid-idempotency-key",
            format!("an Idempotency-Key is 1 to {KEY_BYTES_MAX} printable characters without spaces"),
        ));
    }
    Ok(Some(text.to_owned()))
}

impl Answers {
    /// Does the work, or gives the answer that the same request got before.
    ///
    /// # Errors
    /// Those of the work, which may then be tried again with the same key; the key was used for
    /// something else; the same request is under way.
    pub(crate) async fn once(
        &self,
        request: Once,
        now_us: u64,
        work: impl Future<Output = Result<Answer, Problem>>,
    ) -> Result<Answer, Problem> {
        let Some(key) = request.key else {
            return work.await;
        };
        let name = (request.principal, request.path, key);
        if let Some(answer) = self.begin(&name, request.digest, now_us)? {
            return Ok(answer);
        }
        let begun = Begun {
            answers: self,
            name: &name,
        };
        let answer = work.await?;
        begun.end(answer.clone());
        Ok(answer)
    }

    fn begin(&self, name: &Name, digest: [u8; 32], now_us: u64) -> Result<Option<Answer>, Problem> {
        let mut given = self.lock();
        given.retain(|_, one| one.since_us.saturating_add(KEPT_US) > now_us);
        if let Some(known) = given.get(name) {
            return match &known.answer {
                _ if known.digest != digest => Err(Problem::new(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "idempotency-key-reused",
                    "this Idempotency-Key was used for another request",
                )),
                Some(answer) => Ok(Some(answer.clone())),
                None => Err(Problem::new(
                    StatusCode::CONFLICT,
                    "under-way",
                    "the same request is under way",
                )),
            };
        }
        make_room(&mut given, &name.0)?;
        given.insert(
            name.clone(),
            Given {
                digest,
                since_us: now_us,
                answer: None,
            },
        );
        Ok(None)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Name, Given>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets the oldest answers where there are too many.
fn make_room(given: &mut HashMap<Name, Given>, principal: &str) -> Result<(), Problem> {
    let own = given.keys().filter(|name| name.0 == principal).count();
    let full = own >= KEPT_OF_ONE_MAX || given.len() >= KEPT_MAX;
    if !full {
        return Ok(());
    }
    let oldest = given
        .iter()
        .filter(|(name, one)| one.answer.is_some() && (own < KEPT_OF_ONE_MAX || name.0 == principal))
        .min_by_key(|(_, one)| one.since_us)
        .map(|(name, _)| name.clone());
    match oldest {
        Some(oldest) => {
            given.remove(&oldest);
            Ok(())
        }
        None => Err(Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too-many-requests",
            "too many requests are under way; try again later",
        )),
    }
}

/// A request that is under way; forgotten unless it ends well.
struct Begun<'a> {
    answers: &'a Answers,
    name: &'a Name,
}

impl Begun<'_> {
    fn end(self, answer: Answer) {
        if let Some(one) = self.answers.lock().get_mut(self.name) {
            one.answer = Some(answer);
        }
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if let Entry::Occupied(one) = self.answers.lock().entry(self.name.clone())
            && one.get().answer.is_none()
        {
            one.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(principal: &str, key: &str, digest: u8) -> Once {
        Once {
            principal: principal.to_owned(),
            path: "/api/v1/locks",
            key: Some(key.to_owned()),
            digest: [digest; 32],
        }
    }

    fn answer(n: u64) -> Answer {
        Answer {
            status: StatusCode::CREATED,
            body: json!(n),
        }
    }

    #[tokio::test]
    async fn the_same_request_is_done_once() {
        let answers = Answers::default();
        let first = answers.once(request("a", "k", 1), 0, async { Ok(answer(1)) });
        assert_eq!(first.await, Ok(answer(1)));
        let again = answers.once(request("a", "k", 1), KEPT_US - 1, async { Ok(answer(2)) });
        assert_eq!(again.await, Ok(answer(1)));
        let other = answers.once(request("b", "k", 1), 1, async { Ok(answer(3)) });
        assert_eq!(other.await, Ok(answer(3)), "another's key");
        let changed = answers.once(request("a", "k", 2), 1, async { Ok(answer(4)) });
        assert_eq!(
            changed.await.map_err(|problem| problem.status),
            Err(StatusCode::UNPROCESSABLE_ENTITY)
        );
        let late = answers.once(request("a", "k", 1), KEPT_US, async { Ok(answer(5)) });
        assert_eq!(late.await, Ok(answer(5)), "a day later the key is new");
    }

    #[tokio::test]
    async fn what_failed_may_be_tried_again_and_what_runs_may_not() {
        let answers = Answers::default();
        let failed = answers.once(request("a", "k", 1), 0, async { Err(Problem::not_found("x")) });
        assert!(failed.await.is_err());
        let nested = answers.once(request("a", "k", 1), 0, async {
            let again = answers.once(request("a", "k", 1), 0, async { Ok(answer(9)) });
            assert_eq!(
                again.await.map_err(|problem| problem.status),
                Err(StatusCode::CONFLICT)
            );
            Ok(answer(1))
        });
        assert_eq!(nested.await, Ok(answer(1)));
    }

    #[tokio::test]
    async fn nobody_fills_what_is_kept_for_all() {
        let answers = Answers::default();
        for n in 0..KEPT_OF_ONE_MAX + 10 {
            let done = answers.once(request("a", &n.to_string(), 1), n as u64, async { Ok(answer(1)) });
            assert!(done.await.is_ok());
        }
        assert_eq!(answers.lock().len(), KEPT_OF_ONE_MAX);
        let first = answers.once(request("a", "0", 1), 500, async { Ok(answer(2)) });
        assert_eq!(first.await, Ok(answer(2)), "the oldest was forgotten");
    }

    #[test]
    fn a_key_is_one_short_word() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, value.parse().expect("a value"));
            key(&headers)
        };
        assert_eq!(of("abc"), Ok(Some("abc".to_owned())));
        assert_eq!(key(&HeaderMap::new()), Ok(None));
        for bad in ["", "a b", &"k".repeat(KEY_BYTES_MAX + 1)] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }
}
