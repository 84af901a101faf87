//! The host's side of `tidegate:host`: what plugins may call.
//!
//! Nothing here trusts an argument, and nothing tells a plugin more than its grants allow.

mod keep;
mod scan;
mod secret;

use std::time::Instant;

use wasmtime::component::{HasSelf, Linker};

pub(crate) use scan::Patterns;

use crate::bindings::imports::tidegate::base::types::{self, Code, Error};
use crate::bindings::imports::tidegate::host as wit;
use crate::config::Kind;
use crate::profile::GuestLevel;
use crate::store::State;
use crate::wasi;

/// Links what plugins of this kind may import.
pub(crate) fn link(kind: Kind, linker: &mut Linker<State>) -> wasmtime::Result<()> {
    type Own = HasSelf<State>;
    types::add_to_linker::<_, Own>(linker, |state| state)?;
    wit::log::add_to_linker::<_, Own>(linker, |state| state)?;
    wit::metrics::add_to_linker::<_, Own>(linker, |state| state)?;
    wit::clock::add_to_linker::<_, Own>(linker, |state| state)?;
    match kind {
        Kind::Classifier | Kind::Masker => {
            wit::scan::add_to_linker::<_, Own>(linker, |state| state)?;
            wasi::link_still(linker)
        }
        Kind::Approver | Kind::Exporter => {
            wit::secrets::add_to_linker::<_, Own>(linker, |state| state)?;
            wit::kv::add_to_linker::<_, Own>(linker, |state| state)?;
            wasi::link_living(linker)?;
            wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)
        }
    }
}

/// Returns whether plugins of this kind may import the interface, named without its version.
pub(crate) fn may_import(kind: Kind, interface: &str) -> bool {
    if wasi::INTERFACES.contains(&interface) {
        return true;
    }
    match interface {
        "tidegate:host/log" | "tidegate:host/metrics" | "tidegate:host/clock" => true,
        "tidegate:host/scan" => matches!(kind, Kind::Classifier | Kind::Masker),
        "tidegate:host/secrets" | "tidegate:host/kv" | "wasi:http/outgoing-handler" | "wasi:http/types" => {
            matches!(kind, Kind::Approver | Kind::Exporter)
        }
        // Types only: there is nothing in it to call.
        "tidegate:base/types" => true,
        _ => false,
    }
}

fn error(code: Code, message: impl Into<String>) -> Error {
    Error {
        code,
        message: message.into(),
        retry_after_ms: None,
    }
}

impl types::Host for State {}

impl wit::log::Host for State {
    fn log(&mut self, level: wit::log::Level, message: String) {
        let level = match level {
            wit::log::Level::Debug => GuestLevel::Debug,
            wit::log::Level::Info => GuestLevel::Info,
            wit::log::Level::Warn => GuestLevel::Warn,
            wit::log::Level::Error => GuestLevel::Error,
        };
        self.profile.log(level, &message);
    }
}

impl wit::metrics::Host for State {
    fn add(&mut self, name: String, delta: u64) {
        let declared = self.profile.declared.get().into_iter().flatten();
        match declared.clone().find(|(declared, _)| *declared == name) {
            Some((_, counter)) => counter.increment(delta),
            None => self.profile.meter.undeclared.increment(1),
        }
    }
}

impl wit::clock::Host for State {
    fn left_us(&mut self) -> u32 {
        let left = self.deadline.saturating_duration_since(Instant::now());
        u32::try_from(left.as_micros()).unwrap_or(u32::MAX)
    }
}
