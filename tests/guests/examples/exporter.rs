//! The exporter that is told what to be.

#![cfg(target_arch = "wasm32")]

use std::cell::OnceCell;

use guests::exporter::Behaviour;
use tidegate_sdk::exporter::{Ack, Batch};
use tidegate_sdk::{Error, Issue, Manifest, bindings};

std::thread_local! {
    static CHOSEN: OnceCell<&'static dyn Behaviour> = const { OnceCell::new() };
}

fn chosen() -> Result<&'static dyn Behaviour, Error> {
    CHOSEN
        .with(|chosen| chosen.get().copied())
        .ok_or_else(|| Error::internal("not configured"))
}

struct Guest;

impl bindings::plugin::exports::tidegate::base::plugin::Guest for Guest {
    fn describe() -> Manifest {
        guests::manifest()
    }

    fn configure(json: String) -> Result<(), Vec<Issue>> {
        let behaviour = guests::configure(&json, guests::exporter::find)?;
        CHOSEN
            .with(|chosen| chosen.set(behaviour))
            .map_err(|_| vec![Issue::new("", "configured twice")])
    }
}

impl bindings::exporter::exports::tidegate::exporter::exporter::Guest for Guest {
    fn deliver(batch: Batch) -> Result<Ack, Error> {
        chosen()?.deliver(&batch)
    }

    fn probe() -> Result<(), Error> {
        Ok(())
    }
}

bindings::plugin::export_plugin_half!(Guest with_types_in bindings::plugin);
bindings::exporter::export_exporter_half!(Guest with_types_in bindings::exporter);
