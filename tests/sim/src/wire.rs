//! The messages of PostgreSQL's protocol that the peers here exchange.

use proto::postgres::frame::{put, put_string};
use proto::postgres::mask::build_error;

/// Makes a message from its type and body.
#[must_use]
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, kind, |out| out.extend_from_slice(body));
    out
}

/// Makes a message from its type, NUL-terminated strings, and what follows them.
#[must_use]
pub fn strings(kind: u8, texts: &[&str], rest: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, kind, |out| {
        texts.iter().for_each(|text| put_string(out, text.as_bytes()));
        out.extend_from_slice(rest);
    });
    out
}

/// A simple query.
#[must_use]
pub fn query(sql: &str) -> Vec<u8> {
    strings(b'Q', &[sql], &[])
}

/// Parse without parameter types.
#[must_use]
pub fn parse(name: &str, sql: &str) -> Vec<u8> {
    strings(b'P', &[name, sql], &[0, 0])
}

/// Bind without values, asking for text.
#[must_use]
pub fn bind(portal: &str, statement: &str) -> Vec<u8> {
    strings(b'B', &[portal, statement], &[0; 6])
}

/// Execute of at most `rows` rows; 0 for all.
#[must_use]
pub fn execute(portal: &str, rows: u8) -> Vec<u8> {
    strings(b'E', &[portal], &[0, 0, 0, rows])
}

/// Describe (`D`) or Close (`C`) of a statement (`S`) or portal (`P`).
#[must_use]
pub fn named(kind: u8, what: u8, name: &str) -> Vec<u8> {
    let mut body = vec![what];
    put_string(&mut body, name.as_bytes());
    message(kind, &body)
}

/// An error of these words.
#[must_use]
pub fn error(code: &str, text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    build_error("ERROR", code, text, None, None, &mut out);
    out
}
