//! The messages of both sides, as short as they can be written.

use crate::postgres::frame::{put, put_string};
use crate::postgres::mask::{FieldDescription, Format, build_error, build_notice, write_row_description};

pub(super) fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, kind, |out| out.extend_from_slice(body));
    out
}

fn strings(kind: u8, texts: &[&str], rest: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, kind, |out| {
        texts.iter().for_each(|text| put_string(out, text.as_bytes()));
        out.extend_from_slice(rest);
    });
    out
}

pub(super) fn query(sql: &str) -> Vec<u8> {
    strings(b'Q', &[sql], &[])
}

pub(super) fn parse(name: &str, sql: &str) -> Vec<u8> {
    strings(b'P', &[name, sql], &[0, 0])
}

/// Binds no values and asks for text.
pub(super) fn bind(portal: &str, statement: &str) -> Vec<u8> {
    strings(b'B', &[portal, statement], &[0; 6])
}

/// Binds no values and asks for one result format for all columns.
pub(super) fn bind_as(portal: &str, statement: &str, format: u8) -> Vec<u8> {
    strings(b'B', &[portal, statement], &[0, 0, 0, 0, 0, 1, 0, format])
}

pub(super) fn describe(kind: u8, name: &str) -> Vec<u8> {
    let mut body = vec![kind];
    put_string(&mut body, name.as_bytes());
    frame(b'D', &body)
}

pub(super) fn close(kind: u8, name: &str) -> Vec<u8> {
    let mut body = vec![kind];
    put_string(&mut body, name.as_bytes());
    frame(b'C', &body)
}

pub(super) fn execute(portal: &str) -> Vec<u8> {
    strings(b'E', &[portal], &[0; 4])
}

pub(super) fn execute_rows(portal: &str, rows: u8) -> Vec<u8> {
    strings(b'E', &[portal], &[0, 0, 0, rows])
}

/// Parse, Bind and Execute of the unnamed statement.
pub(super) fn extended(sql: &str) -> Vec<u8> {
    [parse("", sql), bind("", ""), execute("")].concat()
}

pub(super) fn sync() -> Vec<u8> {
    frame(b'S', &[])
}

pub(super) fn flush() -> Vec<u8> {
    frame(b'H', &[])
}

pub(super) fn terminate() -> Vec<u8> {
    frame(b'X', &[])
}

pub(super) fn copy_data(data: &str) -> Vec<u8> {
    frame(b'd', data.as_bytes())
}

pub(super) fn copy_done() -> Vec<u8> {
    frame(b'c', &[])
}

pub(super) fn copy_fail(reason: &str) -> Vec<u8> {
    strings(b'f', &[reason], &[])
}

pub(super) fn parsed() -> Vec<u8> {
    frame(b'1', &[])
}

pub(super) fn bound() -> Vec<u8> {
    frame(b'2', &[])
}

pub(super) fn closed() -> Vec<u8> {
    frame(b'3', &[])
}

pub(super) fn no_data() -> Vec<u8> {
    frame(b'n', &[])
}

pub(super) fn suspended() -> Vec<u8> {
    frame(b's', &[])
}

pub(super) fn parameters() -> Vec<u8> {
    frame(b't', &[0, 0])
}

/// A description of text columns, each from a relation of this number; 0 is an expression.
pub(super) fn columns(relations: &[u32]) -> Vec<u8> {
    let fields: Vec<_> = relations
        .iter()
        .map(|&table_oid| FieldDescription {
            name: b"c".to_vec(),
            table_oid,
            attnum: i16::from(table_oid != 0),
            type_oid: 25,
            type_size: -1,
            type_modifier: -1,
            format: Format::Text,
        })
        .collect();
    let mut out = Vec::new();
    write_row_description(&fields, &mut out);
    out
}

pub(super) fn row(cells: &[&str]) -> Vec<u8> {
    let mut body = u16::try_from(cells.len())
        .expect("few columns")
        .to_be_bytes()
        .to_vec();
    for cell in cells {
        body.extend_from_slice(&u32::try_from(cell.len()).expect("short").to_be_bytes());
        body.extend_from_slice(cell.as_bytes());
    }
    frame(b'D', &body)
}

pub(super) fn complete(tag: &str) -> Vec<u8> {
    strings(b'C', &[tag], &[])
}

pub(super) fn ready(status: u8) -> Vec<u8> {
    frame(b'Z', &[status])
}

pub(super) fn error(code: &str, message: &str) -> Vec<u8> {
    let mut out = Vec::new();
    build_error("ERROR", code, message, None, None, &mut out);
    out
}

pub(super) fn fatal(code: &str, message: &str) -> Vec<u8> {
    let mut out = Vec::new();
    build_error("FATAL", code, message, None, None, &mut out);
    out
}

pub(super) fn notice(message: &str) -> Vec<u8> {
    let mut out = Vec::new();
    build_notice("NOTICE", "00000", message, None, None, &mut out);
    out
}

pub(super) fn status(name: &str, value: &str) -> Vec<u8> {
    strings(b'S', &[name, value], &[])
}

pub(super) fn notification() -> Vec<u8> {
    strings(b'A', &["\0\0\0", "jobs", "42"], &[])
}

pub(super) fn copy_in() -> Vec<u8> {
    frame(b'G', &[0, 0, 0])
}

pub(super) fn copy_out() -> Vec<u8> {
    frame(b'H', &[0, 0, 0])
}
