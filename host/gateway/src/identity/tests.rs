mod provider;
mod signer;
mod tokens;
