//! A masker that would write what it sees into a file.

#![cfg(target_arch = "wasm32")]

use tidegate_sdk::masker::{Change, Column, Plan, Shape};
use tidegate_sdk::{Error, Issue, Manifest, bindings};

struct Guest;

impl bindings::plugin::exports::tidegate::base::plugin::Guest for Guest {
    fn describe() -> Manifest {
        guests::manifest()
    }

    fn configure(_: String) -> Result<(), Vec<Issue>> {
        Ok(())
    }
}

impl bindings::masker::exports::tidegate::masker::masker::Guest for Guest {
    fn make_plan(shape: Shape) -> Result<Plan, Error> {
        Ok(guests::masker::call_all(&shape))
    }

    fn load_plan(_: u64, _: Vec<u8>) -> Result<(), Error> {
        Ok(())
    }

    fn drop_plan(_: u64) {}

    fn mask(_: u64, _: u32, columns: Vec<Column>) -> Result<Vec<Change>, Error> {
        let _ = std::fs::write("seen", &columns[0].data);
        Ok(vec![Change::AllNull; columns.len()])
    }
}

bindings::plugin::export_plugin_half!(Guest with_types_in bindings::plugin);
bindings::masker::export_masker_half!(Guest with_types_in bindings::masker);
