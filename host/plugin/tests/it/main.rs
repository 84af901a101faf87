//! Real components in the real sandbox: the first-party plugins work, the broken ones of
//! `tests/guests` are contained.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a test that finds something else than it set up may panic"
)]

mod approving;
mod classifying;
mod components;
mod egress;
mod exporting;
mod hostile;
mod loading;
mod masking;
mod packing;
mod quarantine;
mod receiver;
mod slack;
mod slack_approving;
mod speed;
mod tampering;
mod webhook;
