//! The host's functions outside wasm. One double per thread, as tests have it.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};

use crate::http::{Answer, Failure, Request};

/// The double of this thread's host, set up by a test and asked afterwards.
///
/// Each [`Host::new`] starts afresh.
#[derive(Debug)]
pub struct Host(());

#[derive(Default)]
struct Script {
    now_ms: u64,
    secrets: BTreeMap<String, Vec<u8>>,
    kept: BTreeMap<String, Vec<u8>>,
    answers: VecDeque<Result<Answer, Failure>>,
    requests: Vec<Request>,
    sets: Vec<Vec<regex::bytes::Regex>>,
}

thread_local! {
    static SCRIPT: RefCell<Script> = RefCell::default();
}

fn with<T>(use_it: impl FnOnce(&mut Script) -> T) -> T {
    SCRIPT.with_borrow_mut(use_it)
}

impl Host {
    /// A host with nothing in it, at the beginning of Unix time.
    #[must_use]
    pub fn new() -> Self {
        with(|script| *script = Script::default());
        Self(())
    }

    /// Sets the wall clock, in milliseconds of Unix time.
    #[must_use]
    pub fn at_ms(self, now_ms: u64) -> Self {
        with(|script| script.now_ms = now_ms);
        self
    }

    /// Grants a secret.
    #[must_use]
    pub fn secret(self, name: &str, value: &str) -> Self {
        with(|script| script.secrets.insert(name.to_owned(), value.as_bytes().to_vec()));
        self
    }

    /// Answers the next request that is not answered yet.
    #[must_use]
    pub fn answer(self, answer: impl Into<Result<Answer, Failure>>) -> Self {
        with(|script| script.answers.push_back(answer.into()));
        self
    }

    /// Returns the requests sent so far, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        with(|script| script.requests.clone())
    }
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl From<Answer> for Result<Answer, Failure> {
    fn from(answer: Answer) -> Self {
        Ok(answer)
    }
}

pub(crate) fn unix_ms() -> u64 {
    with(|script| script.now_ms)
}

pub(crate) fn send(request: &Request) -> Result<Answer, Failure> {
    with(|script| {
        script.requests.push(request.clone());
        script
            .answers
            .pop_front()
            .unwrap_or(Err(Failure::Broken("the test gave no answer".to_owned())))
    })
}

pub(crate) mod clock {
    pub(crate) const fn left_us() -> u32 {
        1_000_000
    }
}

pub(crate) mod metrics {
    pub(crate) const fn add(_name: &str, _delta: u64) {}
}

pub(crate) mod log {
    pub(crate) use crate::bindings::plugin::tidegate::host::log::Level;

    pub(crate) fn log(level: Level, message: &str) {
        eprintln!("{level:?}: {message}");
    }
}

pub(crate) mod secrets {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use hmac::{Hmac, Mac};
    use sha2::Sha256;

    use crate::{Code, Error};

    pub(crate) fn hmac_sha256(name: &str, data: &[u8]) -> Result<Vec<u8>, Error> {
        let secret = reveal(name)?;
        let key = match secret.strip_prefix(b"whsec_") {
            Some(encoded) => BASE64_STANDARD
                .decode(encoded)
                .map_err(|_| Error::invalid_config(format!("secret {name} is not base64")))?,
            None => secret,
        };
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| Error::internal("no key"))?;
        mac.update(data);
        Ok(mac.finalize().into_bytes().to_vec())
    }

    pub(crate) fn equals(name: &str, candidate: &[u8]) -> Result<bool, Error> {
        Ok(reveal(name)? == candidate)
    }

    pub(crate) fn reveal(name: &str) -> Result<Vec<u8>, Error> {
        super::with(|script| script.secrets.get(name).cloned())
            .ok_or_else(|| Error::new(Code::Unauthorized, format!("secret {name} is not granted")))
    }
}

pub(crate) mod kv {
    use crate::Error;

    #[expect(clippy::unnecessary_wraps, reason = "the contract's signature")]
    pub(crate) fn get(key: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(super::with(|script| script.kept.get(key).cloned()))
    }

    #[expect(clippy::unnecessary_wraps, reason = "the contract's signature")]
    pub(crate) fn put(key: &str, value: &[u8]) -> Result<(), Error> {
        super::with(|script| script.kept.insert(key.to_owned(), value.to_vec()));
        Ok(())
    }

    #[expect(clippy::unnecessary_wraps, reason = "the contract's signature")]
    pub(crate) fn delete(key: &str) -> Result<(), Error> {
        super::with(|script| script.kept.remove(key));
        Ok(())
    }
}

pub(crate) mod scan {
    use crate::Error;
    use crate::bindings::plugin::tidegate::host::scan::Hit;
    use crate::masker::{Cells, Column};

    pub(crate) fn compile(patterns: &[String]) -> Result<u32, Error> {
        let set: Vec<_> = patterns
            .iter()
            .map(|pattern| regex::bytes::Regex::new(pattern))
            .collect::<Result<_, _>>()
            .map_err(|error| Error::invalid_config(error.to_string()))?;
        super::with(|script| {
            script.sets.push(set);
            u32::try_from(script.sets.len() - 1).map_err(|_| Error::invalid_config("too many sets"))
        })
    }

    pub(crate) fn find(set: u32, cells: &Column) -> Result<Vec<Hit>, Error> {
        let cells = Cells::new(cells, 0)?;
        super::with(|script| {
            let set = script
                .sets
                .get(set as usize)
                .ok_or_else(|| Error::invalid_input("no such set"))?;
            let mut hits = Vec::new();
            let mut from = 0;
            for (cell, end) in (0..).zip(cells.ends()) {
                let bytes = &cells.bytes()[from..*end as usize];
                for (pattern, regex) in (0..).zip(set) {
                    hits.extend(regex.find_iter(bytes).filter(|m| !m.is_empty()).map(|found| Hit {
                        cell,
                        pattern,
                        start: u32::try_from(found.start()).unwrap_or(u32::MAX),
                        end: u32::try_from(found.end()).unwrap_or(u32::MAX),
                    }));
                }
                from = *end as usize;
            }
            hits.sort_by_key(|hit| (hit.cell, hit.start, hit.pattern));
            Ok(hits)
        })
    }
}
