//! What the host offers. Outside wasm the double of [`crate::testing::Host`] answers instead.

#[cfg(target_arch = "wasm32")]
use crate::bindings::plugin::tidegate::host as imports;
#[cfg(not(target_arch = "wasm32"))]
use crate::testing::double as imports;

/// Returns the microseconds that remain of this call's budget.
#[must_use]
pub fn left_us() -> u32 {
    imports::clock::left_us()
}

/// Returns the milliseconds of Unix time; a fixed time in maskers and classifiers.
#[must_use]
pub fn unix_ms() -> u64 {
    #[cfg(not(target_arch = "wasm32"))]
    return imports::unix_ms();
    #[cfg(target_arch = "wasm32")]
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Adds to a counter that the manifest declares.
pub fn count(metric: &str, delta: u64) {
    imports::metrics::add(metric, delta);
}

/// Messages for the operator's log: at most 2 KiB each, 100 a second. From maskers and
/// classifiers the host writes level and length only, unless it was granted `log`.
pub mod log {
    use super::imports::log::{Level, log};

    /// For the plugin's author.
    pub fn debug(message: &str) {
        log(Level::Debug, message);
    }

    /// A change of state.
    pub fn info(message: &str) {
        log(Level::Info, message);
    }

    /// Something an operator should look at some day.
    pub fn warn(message: &str) {
        log(Level::Warn, message);
    }

    /// Something an operator must look at.
    pub fn error(message: &str) {
        log(Level::Error, message);
    }
}

/// The host's own search for patterns. In Rust a search inside the guest is nearly as fast.
pub mod scan {
    use super::imports::scan;
    use crate::Error;
    pub use crate::bindings::plugin::tidegate::host::scan::Hit;
    use crate::masker::Column;

    /// A compiled set of regular expressions.
    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    pub struct Patterns(u32);

    impl Patterns {
        /// Compiles at most 64 patterns, in the syntax of the crate `regex`.
        ///
        /// # Errors
        /// A pattern that is wrong or too large, or a seventeenth set.
        pub fn compile(patterns: &[String]) -> Result<Self, Error> {
            scan::compile(patterns).map(Self)
        }

        /// Finds all matches in all cells, by cell, then start, then pattern.
        ///
        /// # Errors
        /// A malformed column or more than 100,000 matches.
        pub fn find(self, cells: &Column) -> Result<Vec<Hit>, Error> {
            scan::find(self.0, cells)
        }
    }
}

/// The use of secrets by name, without seeing them.
pub mod secrets {
    use super::imports::secrets;
    use crate::Error;

    /// Returns the HMAC-SHA-256 of `data`, 32 bytes; a secret that begins with `whsec_` is a
    /// key of Standard Webhooks.
    ///
    /// # Errors
    /// A secret that does not exist or is not granted.
    pub fn hmac_sha256(name: &str, data: &[u8]) -> Result<Vec<u8>, Error> {
        secrets::hmac_sha256(name, data)
    }

    /// Returns whether `candidate` is the secret, in constant time.
    ///
    /// # Errors
    /// A secret that does not exist or is not granted.
    pub fn equals(name: &str, candidate: &[u8]) -> Result<bool, Error> {
        secrets::equals(name, candidate)
    }

    /// Returns the secret itself; needs the grant `reveal`.
    ///
    /// # Errors
    /// A secret that does not exist or may not be revealed.
    pub fn reveal(name: &str) -> Result<Vec<u8>, Error> {
        secrets::reveal(name)
    }
}

/// A small store that outlives the instance.
pub mod kv {
    use super::imports::kv;
    use crate::Error;

    /// Returns the value under `key`.
    ///
    /// # Errors
    /// A store that is not granted or out of reach.
    pub fn get(key: &str) -> Result<Option<Vec<u8>>, Error> {
        kv::get(key)
    }

    /// Stores a value, durable when the call returns.
    ///
    /// # Errors
    /// As [`get`], or a value beyond the quota.
    pub fn put(key: &str, value: &[u8]) -> Result<(), Error> {
        kv::put(key, value)
    }

    /// Removes a value; removing what is not there is no error.
    ///
    /// # Errors
    /// As [`get`].
    pub fn delete(key: &str) -> Result<(), Error> {
        kv::delete(key)
    }
}
