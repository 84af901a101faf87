//! HTTP without its sockets.

pub mod body;
pub mod json;
