//! Write plugins for Tidegate.

pub mod bindings;
