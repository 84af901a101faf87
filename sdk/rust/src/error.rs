//! Failures that a plugin reports in order.

pub use crate::bindings::plugin::tidegate::base::types::{Code, Error};

impl Error {
    /// Returns an error without a wish for when to be asked again. `message` is one sentence
    /// for the operator: no content of cells, no secrets.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retry_after_ms: None,
        }
    }

    /// A system outside did not answer or is out of order: the host asks again.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Code::Unavailable, message)
    }

    /// This input can never succeed.
    pub fn invalid_input(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidInput, message)
    }

    /// The configuration does not work: an operator must act.
    pub fn invalid_config(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidConfig, message)
    }

    /// A fault of the plugin's own.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Code::Internal, message)
    }

    /// Asks the host to wait at least this many milliseconds.
    #[must_use]
    pub fn retry_after_ms(mut self, wait_ms: u32) -> Self {
        self.retry_after_ms = Some(wait_ms);
        self
    }
}
