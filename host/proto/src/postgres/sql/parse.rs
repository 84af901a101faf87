//! Bytes to PostgreSQL's own syntax tree.
//!
//! The only place that calls the C parser. Nothing that could be read in two ways gets past it:
//! a backslash in a plain string means one thing under `standard_conforming_strings = on` and
//! another under `off`, so the second reading is handed out beside the first.

use std::sync::{Mutex, PoisonError};

use pg_query::ParserOptions;
use pg_query::protobuf::ParseResult;

/// A statement's tree, or trees if a backslash allows two readings.
#[derive(Debug)]
pub(crate) struct Parsed {
    /// The tree under `standard_conforming_strings = on`, which sessions are pinned to.
    pub(crate) tree: ParseResult,
    /// The tree under `off`, where it differs and parses.
    pub(crate) other: Option<ParseResult>,
}

/// Why bytes did not become a tree.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum ParseError {
    /// Longer than the gateway reads.
    #[error("the statement is longer than {max} bytes")]
    TooLong {
        /// The limit in bytes.
        max: usize,
    },
    /// Another encoding than UTF-8, or a NUL.
    #[error("the statement is not valid UTF-8 text")]
    NotText,
    /// Nested deeper than the parser goes.
    #[error("the statement is nested too deeply")]
    TooDeep,
    /// PostgreSQL's grammar refuses it; the message quotes the client's own text at most.
    #[error("the statement does not parse: {0}")]
    Syntax(String),
}

/// The C parser points the process's standard error at a pipe of its own while it runs. Two
/// parses at once would hand each other's pipe back as "the original", for ever.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Parses `sql`, at most `bytes_max` bytes of UTF-8.
pub(crate) fn parse(sql: &[u8], bytes_max: usize) -> Result<Parsed, ParseError> {
    if sql.len() > bytes_max {
        return Err(ParseError::TooLong { max: bytes_max });
    }
    let text = std::str::from_utf8(sql).map_err(|_| ParseError::NotText)?;
    if text.contains('\0') {
        return Err(ParseError::NotText);
    }
    let tree = parse_as(text, ParserOptions::DEFAULT)?;
    // Without a backslash the setting changes nothing. What does not parse under `off` the
    // server would refuse as well, so only a second tree is of interest.
    let other = if text.contains('\\') {
        match parse_as(text, ParserOptions::DISABLE_STANDARD_CONFORMING_STRINGS) {
            Ok(other) => Some(other).filter(|other| *other != tree),
            Err(ParseError::Syntax(_)) => None,
            Err(error) => return Err(error),
        }
    } else {
        None
    };
    Ok(Parsed { tree, other })
}

/// Lays a statement out over lines; `None` where it does not parse, or where what comes out
/// would not read as the same statement.
pub(crate) fn layout(sql: &str) -> Option<String> {
    let text = deparsed(sql, true)?;
    // The shape must be the same, and so must every literal.
    let same = fingerprint(sql)? == fingerprint(&text)? && deparsed(sql, false)? == deparsed(&text, false)?;
    same.then_some(text)
}

/// Comments are left out: whoever sends a statement could argue its case in them.
fn deparsed(sql: &str, pretty_print: bool) -> Option<String> {
    let tree = parse_as(sql, ParserOptions::DEFAULT).ok()?;
    let options = pg_query::DeparseOptions {
        pretty_print,
        ..pg_query::DeparseOptions::default()
    };
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    pg_query::deparse(&tree, options).ok()
}

fn fingerprint(sql: &str) -> Option<String> {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    pg_query::fingerprint(
        sql,
        ParserOptions::DEFAULT,
        pg_query::FingerprintOptions::FULL_RELNAME,
    )
    .ok()
    .map(|found| found.hex)
}

fn parse_as(text: &str, options: ParserOptions) -> Result<ParseResult, ParseError> {
    let result = {
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        pg_query::parse(text, options)
    };
    match result {
        Ok(parsed) => Ok(parsed.protobuf),
        // The tree is handed over in an encoding with a fixed depth of 100 messages.
        Err(pg_query::Error::Decode(_)) => Err(ParseError::TooDeep),
        // The C stack, the grammar's own stack, and the encoder's limit.
        Err(pg_query::Error::Parse(message))
            if ["stack depth limit", "memory exhausted", "nested too deeply"]
                .iter()
                .any(|depth| message.contains(depth)) =>
        {
            Err(ParseError::TooDeep)
        }
        Err(pg_query::Error::Parse(message)) => Err(ParseError::Syntax(message)),
        Err(error) => Err(ParseError::Syntax(error.to_string())),
    }
}
