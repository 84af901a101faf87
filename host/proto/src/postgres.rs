//! PostgreSQL's frontend/backend protocol, versions 3.0 and 3.2.

pub mod catalog;
pub mod estimate;
pub mod frame;
pub mod mask;
pub mod present;
pub mod relay;
#[cfg(feature = "sql")]
pub mod sql;
pub mod startup;
pub mod upstream;
