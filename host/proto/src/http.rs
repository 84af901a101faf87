//! HTTP: what a request may look like, what is known of it, and what crosses in both directions.
//!
//! [`guard`] stands between the socket and the HTTP library and lets no ambiguous framing pass;
//! [`admit`] takes what the library parsed and leaves one meaning of it. All later code uses
//! [`admit::Admitted`] and never looks at the raw request again.

pub mod admit;
pub mod authority;
pub mod body;
pub mod content;
pub mod facts;
pub mod guard;
pub mod headers;
pub mod json;
pub mod mcp;
pub mod path;
pub mod problem;
pub mod query;
pub mod rejection;
pub mod route;
pub mod token;
