//! The rules of the house that a machine can check.

mod crates;
mod files;
mod negative;
mod readme;
