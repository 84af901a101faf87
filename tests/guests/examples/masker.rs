//! The masker that is told what to be.

#![cfg(target_arch = "wasm32")]

use std::cell::OnceCell;

use guests::masker::Behaviour;
use tidegate_sdk::masker::{Change, Column, Plan, Shape};
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
        let behaviour = guests::configure(&json, guests::masker::find)?;
        CHOSEN
            .with(|chosen| chosen.set(behaviour))
            .map_err(|_| vec![Issue::new("", "configured twice")])?;
        behaviour.configure()
    }
}

impl bindings::masker::exports::tidegate::masker::masker::Guest for Guest {
    fn make_plan(shape: Shape) -> Result<Plan, Error> {
        chosen()?.make_plan(&shape)
    }

    fn load_plan(_: u64, state: Vec<u8>) -> Result<(), Error> {
        chosen()?.load_plan(&state)
    }

    fn drop_plan(_: u64) {}

    fn mask(_: u64, rows: u32, columns: Vec<Column>) -> Result<Vec<Change>, Error> {
        chosen()?.mask(rows, &columns)
    }
}

bindings::plugin::export_plugin_half!(Guest with_types_in bindings::plugin);
bindings::masker::export_masker_half!(Guest with_types_in bindings::masker);
