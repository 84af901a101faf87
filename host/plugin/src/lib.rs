//! The sandbox: loads plugins, calls them within bounds, and believes nothing they return.
//!
//! Each plugin is a WebAssembly component of one of four kinds, with a contract in `wit/`.
//! Maskers and classifiers are called synchronously and reach nothing; exporters and approvers
//! are called asynchronously and reach what the operator granted. Whatever a plugin does wrong
//! is a fault of that call alone: its instance is dropped, the next call gets a new one, and
//! other plugins do not notice. This crate knows no protocol and no journal.

mod approver;
mod bindings;
mod cache;
mod classifier;
mod component;
mod config;
pub mod egress;
mod engine;
mod exporter;
mod fault;
mod grant;
mod host;
mod kv;
mod limiter;
mod load;
mod manifest;
mod masker;
mod meter;
mod pool;
mod profile;
mod quarantine;
mod session;
pub mod signature;
mod store;
mod text;
pub mod vector;
mod wasi;

pub use approver::{Approver, Ask, Decision, Message, Reply, Ticket, Update, Vote};
pub use classifier::{Classifiers, ClassifyRequest};
pub use component::{COMPONENT_BYTES_MAX, ComponentError, Inspection, inspect};
pub use config::{
    CALLS, COMPILE, DEADLINE_MAX, FAULTS, FAULTS_WITHIN, Grants, INSTANCES, INSTANCES_MAX, Kind, LOG_LINES,
    Limits, MEMORY_BYTES_MAX, OnFailure, PluginConfig, Secret,
};
pub use egress::AddressRange;
pub use exporter::{Ack, BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, Batch, ENCODING, Exporter, Reject};
pub use fault::{Code, FaultKind, GuestError, PluginFault};
pub use load::pack::{pack, rehearse};
pub use load::{LoadError, LoadProblem, Loaded, Plugins};
pub use manifest::section::{Frozen, SectionError};
pub use manifest::{Issue, Manifest, Want};
pub use masker::{ActivePlan, Maskers};
pub use session::SessionInfo;
pub use signature::{SignatureError, Trust, TrustedKey};
