//! An honest masker: every cell but its end becomes stars, inside the guest. What one cell costs
//! there is measured with it.

#![cfg(target_arch = "wasm32")]

use tidegate_sdk::masker::{Action, Cell, Field, Masker};
use tidegate_sdk::{Issue, Plugin, export_masker};

/// How much stays.
#[derive(serde::Deserialize)]
struct KeepLast {
    #[serde(default)]
    keep: usize,
}

impl Plugin for KeepLast {
    type Config = Self;

    fn new(config: Self) -> Result<Self, Vec<Issue>> {
        Ok(config)
    }
}

impl Masker for KeepLast {
    fn field(&self, _: &Field) -> Action {
        Action::Call
    }

    fn cell(&self, cell: &[u8], out: &mut Cell<'_>) {
        let hidden = cell.len().saturating_sub(self.keep);
        out.stars(hidden);
        out.push(&cell[hidden..]);
    }
}

export_masker!(KeepLast);
