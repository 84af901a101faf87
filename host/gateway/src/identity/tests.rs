mod login;
mod provider;
pub(crate) mod signer;
mod tokens;
