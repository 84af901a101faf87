//! What can go wrong in a call of a plugin, in words that hold nothing the guest chose, except
//! where the variant says so.

use std::fmt;
use std::time::Duration;

use model::{Fault, PluginName};
use wasmtime::Trap;
use wasmtime_wasi::I32Exit;

/// Why a plugin's answer can't be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("plugin {plugin} failed: {kind}")]
pub struct PluginFault {
    /// The plugin that failed.
    pub plugin: PluginName,
    /// How.
    pub kind: FaultKind,
}

impl PluginFault {
    /// Says that a plugin that is not loaded was asked for.
    #[must_use]
    pub fn missing(plugin: &PluginName) -> Self {
        Self {
            plugin: plugin.clone(),
            kind: FaultKind::Missing,
        }
    }

    /// Returns who must act.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match &self.kind {
            FaultKind::Missing => Fault::Operator,
            FaultKind::Busy | FaultKind::Instantiate => Fault::Gateway,
            FaultKind::Refused(error) => match error.code {
                Code::InvalidConfig | Code::Unauthorized => Fault::Operator,
                _ => Fault::Plugin,
            },
            _ => Fault::Plugin,
        }
    }
}

/// How a plugin failed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FaultKind {
    /// No instance became free in time.
    Busy,
    /// The answer breaks a rule of the contract; which one.
    Contract(&'static str),
    /// The call took longer than this.
    Deadline(Duration),
    /// No instance could be made.
    Instantiate,
    /// The guest wanted more memory than it may have.
    Memory,
    /// No such plugin of this kind is loaded.
    Missing,
    /// It failed too often, and is left alone for a while.
    Quarantined,
    /// The guest reported an error in order.
    Refused(GuestError),
    /// The guest trapped, exited or panicked.
    Trap(&'static str),
    /// The guest wanted to wait, which its kind may not.
    Wait,
}

impl FaultKind {
    /// Returns the metric label.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Contract(_) => "contract",
            Self::Deadline(_) => "deadline",
            Self::Instantiate => "instantiate",
            Self::Memory => "memory",
            Self::Missing => "missing",
            Self::Quarantined => "quarantined",
            Self::Refused(_) => "error",
            Self::Trap(_) => "trap",
            Self::Wait => "wait",
        }
    }

    /// Returns whether it counts towards a quarantine: what the guest did, and nobody else.
    pub(crate) const fn is_the_guests(&self) -> bool {
        match self {
            Self::Contract(_) | Self::Deadline(_) | Self::Memory | Self::Trap(_) | Self::Wait => true,
            Self::Refused(error) => matches!(error.code, Code::Internal),
            Self::Busy | Self::Instantiate | Self::Missing | Self::Quarantined => false,
        }
    }

    /// Returns whether the instance must not be used again.
    pub(crate) const fn is_fatal(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contract(rule) => write!(f, "contract: {rule}"),
            Self::Deadline(limit) => write!(f, "deadline of {limit:?}"),
            Self::Refused(error) => write!(f, "error {}", error.code.label()),
            Self::Trap(what) => write!(f, "trap: {what}"),
            Self::Busy
            | Self::Instantiate
            | Self::Memory
            | Self::Missing
            | Self::Quarantined
            | Self::Wait => f.write_str(self.label()),
        }
    }
}

/// An error that a plugin reported in order.
#[derive(Clone, Eq, PartialEq)]
pub struct GuestError {
    /// What to do about it.
    pub code: Code,
    /// The plugin's own words, cut at 1 KiB, control characters escaped. For the operator's
    /// log; empty from maskers and classifiers, which see what the log's readers may not.
    pub message: String,
    /// The least time before the next try.
    pub retry_after: Option<Duration>,
}

impl fmt::Debug for GuestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.label(), self.message)
    }
}

/// The contract's error codes; `wit/deps/base/types.wit` says what the host does on each.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Code {
    /// An operator must act.
    InvalidConfig,
    /// This input can never succeed.
    InvalidInput,
    /// The plugin does not know this kind of input.
    Unsupported,
    /// A system outside is out of order.
    Unavailable,
    /// A system outside asks for patience.
    RateLimited,
    /// A system outside refuses the credential.
    Unauthorized,
    /// The plugin gave up in time.
    Deadline,
    /// A fault of the plugin's own.
    Internal,
}

impl Code {
    /// Returns the contract's word.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::InvalidConfig => "invalid-config",
            Self::InvalidInput => "invalid-input",
            Self::Unsupported => "unsupported",
            Self::Unavailable => "unavailable",
            Self::RateLimited => "rate-limited",
            Self::Unauthorized => "unauthorized",
            Self::Deadline => "deadline",
            Self::Internal => "internal",
        }
    }

    /// Returns whether the same call may succeed later without anyone acting.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        matches!(
            self,
            Self::Unavailable | Self::RateLimited | Self::Deadline | Self::Internal
        )
    }
}

/// The longest patience a plugin may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// The longest error message kept of a guest.
const MESSAGE_BYTES_MAX: usize = 1 << 10;

/// Makes our [`GuestError`] of each generated `error` record: `bindgen!` makes one per world.
macro_rules! guest_error {
    ($($module:ident),*) => {$(
        impl From<crate::bindings::$module::tidegate::base::types::Error> for GuestError {
            fn from(error: crate::bindings::$module::tidegate::base::types::Error) -> Self {
                use crate::bindings::$module::tidegate::base::types::Code as Wire;
                let code = match error.code {
                    Wire::InvalidConfig => Code::InvalidConfig,
                    Wire::InvalidInput => Code::InvalidInput,
                    Wire::Unsupported => Code::Unsupported,
                    Wire::Unavailable => Code::Unavailable,
                    Wire::RateLimited => Code::RateLimited,
                    Wire::Unauthorized => Code::Unauthorized,
                    Wire::Deadline => Code::Deadline,
                    Wire::Internal => Code::Internal,
                };
                GuestError::new(code, &error.message, error.retry_after_ms)
            }
        }
    )*};
}
guest_error!(masker, classifier, exporter, approver);

impl GuestError {
    fn new(code: Code, message: &str, retry_after_ms: Option<u32>) -> Self {
        Self {
            code,
            message: crate::text::one_line(message, MESSAGE_BYTES_MAX),
            retry_after: retry_after_ms.map(|ms| Duration::from_millis(ms.into()).min(RETRY_AFTER_MAX)),
        }
    }

    /// Forgets the guest's words, where they may hold what nobody should read.
    pub(crate) fn without_words(mut self) -> Self {
        self.message.clear();
        self
    }
}

/// Why a host function ended the guest; carried through wasmtime's error.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error("the call's time is spent")]
    Deadline,
    #[error("the memory limit is reached")]
    Memory,
    #[error("this kind of plugin may not wait")]
    Wait,
}

impl Ended {
    const fn fault(self, budget: Duration) -> FaultKind {
        match self {
            Self::Deadline => FaultKind::Deadline(budget),
            Self::Memory => FaultKind::Memory,
            Self::Wait => FaultKind::Wait,
        }
    }
}

/// Says what an error of wasmtime means for the call that had `budget`.
pub(crate) fn of_call(error: &wasmtime::Error, budget: Duration) -> FaultKind {
    if let Some(ended) = error.downcast_ref::<Ended>() {
        return ended.fault(budget);
    }
    if error.is::<I32Exit>() {
        return FaultKind::Trap("exit");
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => FaultKind::Deadline(budget),
        Some(Trap::StackOverflow) => FaultKind::Trap("stack overflow"),
        Some(Trap::MemoryOutOfBounds) => FaultKind::Trap("memory out of bounds"),
        Some(Trap::UnreachableCodeReached) => FaultKind::Trap("unreachable (a panic)"),
        Some(_) => FaultKind::Trap("wasm"),
        // What is left comes from carrying values over: strings that are not UTF-8, pointers
        // out of bounds, more bytes than the call may move.
        None => FaultKind::Contract("a value is malformed or too large"),
    }
}
