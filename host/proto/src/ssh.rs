//! SSH, apart from its transport: whom a user name means, what an operation is, how it is
//! recorded, and what people are shown of it.

pub mod asciicast;
pub mod facts;
pub mod record;
pub mod sftp;
pub mod target;
