//! A replay in lines for people.

use std::io::{self, Write};

use super::super::terminal::{cut, escape, moment, quote};
use super::find::Session;
use super::shown::{Body, Rows, Said, Shown};

/// How much of a statement is shown, in characters.
const STATEMENT_MAX: usize = 4_000;

/// How much of a cell, so that a table keeps its shape.
const CELL_MAX: usize = 60;

/// How much of a bound value.
const VALUE_MAX: usize = 200;

/// The width of the time and the side before each line.
const INDENT: &str = "             ";

pub(super) fn begin(out: &mut dyn Write, session: &Session, segments: u64) -> io::Result<()> {
    writeln!(out, "session   {}", escape(&session.id))?;
    writeln!(
        out,
        "who       {} ({}), from {}",
        quote(&session.subject),
        quote(&session.issuer),
        quote(&session.client)
    )?;
    writeln!(out, "resource  {}", quote(&session.resource))?;
    writeln!(out, "began     {}", moment(session.began_us))?;
    let s = if segments == 1 { "" } else { "s" };
    writeln!(
        out,
        "checked   {segments} segment{s}, unchanged: the SHA-256 is the one in the journal\n"
    )
}

pub(super) fn end(out: &mut dyn Write, session: &Session) -> io::Result<()> {
    match &session.ended {
        Some((t_us, reason, operations)) => {
            let s = if *operations == 1 { "" } else { "s" };
            writeln!(
                out,
                "\nended     {}, {}, after {operations} operation{s}",
                moment(*t_us),
                escape(reason)
            )
        }
        None => writeln!(
            out,
            "\nThe journal has no end of this session: it is still running, or the gateway died. What crossed in \
             the last seconds may not be recorded."
        ),
    }
}

pub(super) fn event(out: &mut dyn Write, after_us: u64, what: &Shown) -> io::Result<()> {
    let time = format!("+{}.{:03}s", after_us / 1_000_000, after_us / 1_000 % 1_000);
    let side = match what {
        Shown::Query { .. }
        | Shown::Prepare { .. }
        | Shown::Bind { .. }
        | Shown::CopyIn { .. }
        | Shown::Client { .. }
        | Shown::Request { .. }
        | Shown::Command { .. }
        | Shown::NotKept { side: "client", .. }
        | Shown::Large { side: "client", .. }
        | Shown::Broken { side: "client", .. } => '>',
        _ => '<',
    };
    write!(out, "{time:>10} {side} ")?;
    match what {
        Shown::Query { statement } => lines(out, statement),
        Shown::Prepare { name, statement } if name.is_empty() => lines(out, statement),
        Shown::Prepare { name, statement } => {
            write!(out, "prepare {}: ", quote(name))?;
            lines(out, statement)
        }
        Shown::Bind {
            name,
            statement,
            values,
        } => bind(out, name, statement.as_deref(), values),
        Shown::CopyIn {
            bytes,
            bytes_not_kept,
            complete,
        } => {
            let end = if *complete { "" } else { ", then gave up" };
            copied(out, *bytes, *bytes_not_kept, end)
        }
        Shown::Client { what } => writeln!(out, "the client {what}"),
        Shown::Rows(rows) => table(out, rows),
        Shown::Done { tag } => writeln!(out, "{}", escape(tag)),
        Shown::Error(said) | Shown::Notice(said) => message(out, said),
        Shown::Notification { channel, payload } => {
            writeln!(out, "notification on {}: {}", quote(channel), quote(payload))
        }
        Shown::CopyOut {
            bytes,
            bytes_not_kept,
        } => copied(out, *bytes, *bytes_not_kept, ""),
        Shown::Request {
            exchange,
            method,
            target,
            headers,
            body,
        } => {
            writeln!(out, "#{exchange} {} {}", escape(method), escape(target))?;
            message_of(out, headers, body)
        }
        Shown::Response {
            exchange,
            status,
            headers,
            body,
        } => {
            writeln!(out, "#{exchange} {status}")?;
            message_of(out, headers, body)
        }
        Shown::Command { .. } | Shown::Text { .. } | Shown::Ended { .. } => channel(out, what),
        Shown::NotKept { side, bytes, sha256 } => {
            writeln!(
                out,
                "[{bytes} more bytes of what the {side} sent were not kept; their SHA-256 is {sha256}]"
            )
        }
        Shown::Large { bytes, .. } => writeln!(out, "[a message of {bytes} bytes, not shown]"),
        Shown::Broken { side, reason } => {
            writeln!(
                out,
                "[from here on nothing can be made of what the {side} sent: {}]",
                escape(reason)
            )
        }
    }
}

/// What happened on a channel to a host.
fn channel(out: &mut dyn Write, what: &Shown) -> io::Result<()> {
    match what {
        Shown::Command {
            channel,
            what,
            command,
            account,
            terminal,
        } => {
            let on = if *terminal { " on a terminal" } else { "" };
            write!(out, "#{channel} {} as {}{on}", escape(what), quote(account))?;
            match command {
                Some(command) => {
                    write!(out, ": ")?;
                    lines(out, command)
                }
                None => writeln!(out),
            }
        }
        Shown::Text {
            channel,
            stream,
            text,
        } => {
            let stream = match *stream {
                "output" => "",
                "errors" => " err",
                _ => " in",
            };
            write!(out, "#{channel}{stream} ")?;
            lines(out, text.trim_end_matches('\n'))
        }
        Shown::Ended {
            channel,
            status,
            signal,
            bytes,
            bytes_not_kept,
            sha256,
        } => {
            let how = match (status, signal) {
                (Some(status), _) => format!("with status {status}"),
                (None, Some(signal)) => format!("by signal {}", escape(signal)),
                (None, None) => "and nobody knows how".to_owned(),
            };
            write!(out, "#{channel} ended {how}; {bytes} bytes")?;
            match bytes_not_kept {
                0 => writeln!(out),
                kept => writeln!(
                    out,
                    ", {kept} of them not kept; SHA-256 of all {}",
                    escape(sha256)
                ),
            }
        }
        _ => Ok(()),
    }
}

/// Headers and a body, below the first line of a message.
fn message_of(out: &mut dyn Write, headers: &[(String, String)], body: &Body) -> io::Result<()> {
    for (name, value) in headers {
        let (shown, left) = cut(value, VALUE_MAX);
        let more = if left > 0 {
            format!("…+{left}")
        } else {
            String::new()
        };
        writeln!(out, "{INDENT}{}: {}{more}", escape(name), escape(shown))?;
    }
    if !body.text.is_empty() {
        write!(out, "{INDENT}")?;
        lines(out, &body.text)?;
    }
    match body.bytes {
        Some(bytes) if bytes as usize > body.text.len() => {
            writeln!(out, "{INDENT}[of {bytes} bytes, not all were kept]")
        }
        None if !body.text.is_empty() => writeln!(out, "{INDENT}[the body was cut off]"),
        _ => Ok(()),
    }
}

fn copied(out: &mut dyn Write, bytes: u64, not_kept: u64, end: &str) -> io::Result<()> {
    if not_kept > 0 {
        writeln!(
            out,
            "{bytes} bytes of copy data, and {not_kept} more that were not kept{end}"
        )
    } else {
        writeln!(out, "{bytes} bytes of copy data{end}")
    }
}

/// A text of several lines, each below the other.
fn lines(out: &mut dyn Write, text: &str) -> io::Result<()> {
    let (shown, left) = cut(text.trim_end(), STATEMENT_MAX);
    for (at, line) in shown.split('\n').enumerate() {
        let indent = if at == 0 { "" } else { INDENT };
        writeln!(out, "{indent}{}", escape(line.trim_end_matches('\r')))?;
    }
    if left > 0 {
        writeln!(out, "{INDENT}[{left} more bytes]")?;
    }
    Ok(())
}

fn bind(
    out: &mut dyn Write,
    name: &str,
    statement: Option<&str>,
    values: &[Option<String>],
) -> io::Result<()> {
    let values = values.iter().enumerate().map(|(at, value)| {
        let shown = match value.as_deref().map(|value| cut(value, VALUE_MAX)) {
            None => "NULL".to_owned(),
            Some((shown, 0)) => literal(shown),
            Some((shown, left)) => format!("{}…+{left}", literal(shown)),
        };
        format!("${} = {shown}", at + 1)
    });
    let values = values.collect::<Vec<_>>().join(", ");
    let name = if name.is_empty() {
        String::new()
    } else {
        format!(" {}", quote(name))
    };
    if values.is_empty() {
        writeln!(out, "execute{name}")?;
    } else {
        writeln!(out, "execute{name} with {values}")?;
    }
    match statement {
        Some(statement) => {
            write!(out, "{INDENT}")?;
            lines(out, statement)
        }
        None => Ok(()),
    }
}

/// A value in single quotes, so that it cannot be taken for another one.
fn literal(value: &str) -> String {
    format!("'{}'", escape(&value.replace('\'', "''")))
}

fn message(out: &mut dyn Write, said: &Said) -> io::Result<()> {
    let (severity, sqlstate) = (escape(&said.severity), escape(&said.sqlstate));
    write!(out, "{severity} {sqlstate}: ")?;
    lines(out, &said.message)?;
    for (word, text) in [("detail", &said.detail), ("hint", &said.hint)] {
        if let Some(text) = text {
            write!(out, "{INDENT}{word}: ")?;
            lines(out, text)?;
        }
    }
    Ok(())
}

/// An aligned table of the first rows, and what is to be known of the others.
fn table(out: &mut dyn Write, rows: &Rows) -> io::Result<()> {
    let count = rows
        .rows
        .iter()
        .map(Vec::len)
        .chain([rows.columns.len()])
        .max()
        .unwrap_or(0);
    let header: Vec<_> = (0..count)
        .map(|at| {
            rows.columns
                .get(at)
                .map_or_else(|| format!("column {}", at + 1), |name| cell(name))
        })
        .collect();
    let cells: Vec<Vec<_>> = rows
        .rows
        .iter()
        .map(|row| {
            row.iter()
                .map(|value| value.as_deref().map_or_else(|| "NULL".to_owned(), cell))
                .collect()
        })
        .collect();
    let width = |at: usize| {
        let column = cells.iter().filter_map(|row| row.get(at)).chain([&header[at]]);
        column.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..count).map(width).collect();
    if count > 0 {
        row(out, &header, &widths)?;
        let rule: Vec<_> = widths.iter().map(|width| "-".repeat(*width)).collect();
        writeln!(out, "{INDENT}{}", rule.join("-+-"))?;
    }
    for cells in &cells {
        write!(out, "{INDENT}")?;
        row(out, cells, &widths)?;
    }
    let indent = if count > 0 { INDENT } else { "" };
    write!(
        out,
        "{indent}({} row{}",
        rows.recorded,
        if rows.recorded == 1 { "" } else { "s" }
    )?;
    let more = rows.recorded.saturating_sub(rows.rows.len() as u64);
    if more > 0 {
        write!(out, ", {more} of them not shown")?;
    }
    match &rows.tag {
        Some(tag) => writeln!(out, ") {}", escape(tag))?,
        None => writeln!(out, ") the result did not end in order")?,
    }
    if rows.bytes_not_kept > 0 {
        let bytes = rows.bytes_not_kept;
        writeln!(
            out,
            "{INDENT}[{bytes} more bytes of rows went to the client and were not kept]"
        )?;
    }
    Ok(())
}

fn row(out: &mut dyn Write, cells: &[String], widths: &[usize]) -> io::Result<()> {
    let padded = cells.iter().zip(widths).map(|(cell, width)| {
        let pad = width.saturating_sub(cell.chars().count());
        format!("{cell}{}", " ".repeat(pad))
    });
    writeln!(out, "{}", padded.collect::<Vec<_>>().join(" | ").trim_end())
}

fn cell(text: &str) -> String {
    let (shown, left) = cut(text, CELL_MAX);
    let mut cell = escape(shown);
    if left > 0 {
        cell.push('…');
    }
    cell
}
