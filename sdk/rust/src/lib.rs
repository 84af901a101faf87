//! Write plugins for Tidegate in Rust: a thin safe veneer over the contract in `wit/`.
//!
//! A plugin implements [`Plugin`] and one of [`masker::Masker`], [`classifier::Classifier`],
//! [`approver::Approver`] and [`exporter::Exporter`], and hands itself over with the macro of
//! its kind. The same code runs natively in tests, where [`testing`] plays the host. This crate
//! never decides anything: it carries values between the contract and the plugin.
//!
//! ```
//! use tidegate_sdk::masker::{Action, Cell, Field, Masker};
//! use tidegate_sdk::{Issue, Plugin, export_masker};
//!
//! /// Hides account numbers but for their end.
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Account { keep: usize }
//!
//! impl Plugin for Account {
//!     type Config = Self;
//!     fn new(config: Self) -> Result<Self, Vec<Issue>> { Ok(config) }
//! }
//! impl Masker for Account {
//!     fn field(&self, field: &Field) -> Action {
//!         if field.has_tag("account") { Action::Call } else { Action::Keep }
//!     }
//!     fn cell(&self, cell: &[u8], out: &mut Cell<'_>) {
//!         out.stars(cell.len().saturating_sub(self.keep));
//!         out.push(&cell[cell.len().saturating_sub(self.keep)..]);
//!     }
//! }
//! export_masker!(Account);
//!
//! tidegate_sdk::testing::check::<Account>(r#"{"keep": 4}"#)
//!     .tagged("account", ["DE89370400440532013000"])
//!     .gives(["******************3000"]);
//! ```

#![deny(unsafe_code)]

pub mod approver;
pub mod bindings;
pub mod classifier;
pub mod error;
pub mod exporter;
pub mod host;
pub mod http;
pub mod masker;
pub mod plugin;
pub mod testing;

pub use error::{Code, Error};
pub use plugin::{Issue, Manifest, Plugin, Want};
