//! JSON, read and masked as it streams, byte for byte as it came wherever nothing is masked.
//!
//! - [`Paths`] are the places that have tags.
//! - The lexer is as strict as RFC 8259 lets it be: what two readers could read differently does
//!   not pass.

mod automaton;
mod document;
mod lexer;
mod path;
mod run;
mod walk;
mod write;

pub use automaton::Paths;
pub(in crate::http) use automaton::{ROOT, State};
pub(in crate::http) use document::{Document, JsonForm, Way};
pub use lexer::DEPTH_MAX;
pub use path::{NAME_BYTES_MAX, PathFault, STEPS_MAX};
