//! Messages of either side, as they stand on the wire.

use proto::postgres::frame::{put, put_string};

pub(super) fn message(kind: u8, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, kind, write);
    out
}

pub(super) fn query(statement: &str) -> Vec<u8> {
    message(b'Q', |out| put_string(out, statement.as_bytes()))
}

pub(super) fn columns(columns: &[(&str, u32)]) -> Vec<u8> {
    message(b'T', |out| {
        out.extend_from_slice(&(columns.len() as u16).to_be_bytes());
        for (name, oid) in columns {
            put_string(out, name.as_bytes());
            out.extend_from_slice(&[0; 6]);
            out.extend_from_slice(&oid.to_be_bytes());
            out.extend_from_slice(&[0; 8]);
        }
    })
}

pub(super) fn row(values: &[Option<&[u8]>]) -> Vec<u8> {
    message(b'D', |out| {
        out.extend_from_slice(&(values.len() as u16).to_be_bytes());
        for value in values {
            match value {
                None => out.extend_from_slice(&(-1_i32).to_be_bytes()),
                Some(value) => {
                    out.extend_from_slice(&(value.len() as u32).to_be_bytes());
                    out.extend_from_slice(value);
                }
            }
        }
    })
}

pub(super) fn done(tag: &str) -> Vec<u8> {
    let mut out = message(b'C', |out| put_string(out, tag.as_bytes()));
    out.extend_from_slice(b"Z\0\0\0\x05I");
    out
}

pub(super) fn error(message_text: &str) -> Vec<u8> {
    message(b'E', |out| {
        for (field, text) in [
            (b'S', "ERROR"),
            (b'C', "42501"),
            (b'M', message_text),
            (b'H', "ask for it"),
        ] {
            out.push(field);
            put_string(out, text.as_bytes());
        }
        out.push(0);
    })
}

pub(super) fn parse(name: &str, statement: &str) -> Vec<u8> {
    message(b'P', |out| {
        put_string(out, name.as_bytes());
        put_string(out, statement.as_bytes());
        out.extend_from_slice(&[0, 1, 0, 0, 0, 23]);
    })
}

/// Binds one binary value and asks for binary results.
pub(super) fn bind(name: &str, value: &[u8]) -> Vec<u8> {
    message(b'B', |out| {
        put_string(out, b"");
        put_string(out, name.as_bytes());
        out.extend_from_slice(&[0, 1, 0, 1, 0, 1]);
        out.extend_from_slice(&(value.len() as u32).to_be_bytes());
        out.extend_from_slice(value);
        out.extend_from_slice(&[0, 1, 0, 1]);
    })
}

pub(super) fn copy_data(bytes: &[u8]) -> Vec<u8> {
    message(b'd', |out| out.extend_from_slice(bytes))
}
