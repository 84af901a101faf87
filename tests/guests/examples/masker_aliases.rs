//! Returns the same 16 MiB a hundred times without having them more than once: the host
//! would copy 1.6 GiB if it did not count.

#![cfg(target_arch = "wasm32")]
#![allow(
    unsafe_code,
    reason = "only raw parts can alias; the host must stop reading before they are freed twice"
)]

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
        let length = 16 << 20;
        let one = Box::leak(vec![b'x'; length].into_boxed_slice()).as_mut_ptr();
        let _ = columns;
        // SAFETY: none. The buffers alias and would be freed twice, on purpose: this guest lies.
        Ok((0..100)
            .map(|_| Change::All(unsafe { Vec::from_raw_parts(one, length, length) }))
            .collect())
    }
}

bindings::plugin::export_plugin_half!(Guest with_types_in bindings::plugin);
bindings::masker::export_masker_half!(Guest with_types_in bindings::masker);
