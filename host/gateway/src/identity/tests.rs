pub(crate) mod introspect;
mod login;
mod logout;
mod provider;
pub(crate) mod signer;
mod tokens;
