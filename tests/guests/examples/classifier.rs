//! The classifier that is told what to be.

#![cfg(target_arch = "wasm32")]

use std::cell::OnceCell;

use guests::classifier::Behaviour;
use tidegate_sdk::classifier::{Assessment, Request};
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
        let behaviour = guests::configure(&json, guests::classifier::find)?;
        CHOSEN
            .with(|chosen| chosen.set(behaviour))
            .map_err(|_| vec![Issue::new("", "configured twice")])
    }
}

impl bindings::classifier::exports::tidegate::classifier::classifier::Guest for Guest {
    fn classify(request: Request) -> Result<Assessment, Error> {
        chosen()?.classify(&request)
    }
}

bindings::plugin::export_plugin_half!(Guest with_types_in bindings::plugin);
bindings::classifier::export_classifier_half!(Guest with_types_in bindings::classifier);
