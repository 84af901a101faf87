//! `journal tail`: the last entries, and those that come.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::{self, IsTerminal as _, Write};
use std::time::Duration;

use journal::{Entry, ReadError, Reader};

use super::super::terminal::{Failure, safe_json};
use super::super::{EXIT_FAILED, EXIT_IO};
use super::{TailArgs, line, lost};
use crate::cli::head::Head;

/// How many entries are shown to people who did not say.
const LINES: usize = 20;

/// How often another process's journal is looked at again.
const FOLLOW_EVERY: Duration = Duration::from_millis(250);

/// What to show.
#[derive(Debug)]
pub(super) struct Wanted {
    /// How many entries; `None` for all.
    pub(super) lines: Option<usize>,
    pub(super) session: Option<String>,
    pub(super) kinds: Vec<String>,
    pub(super) form: Form,
}

/// How an entry is shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    /// A line for people.
    Line,
    /// The entry's bytes.
    Exact,
    /// The entry's JSON, with what a terminal would obey escaped.
    SafeJson,
}

/// Why not everything was shown.
#[derive(Debug)]
pub(super) enum TailError {
    Read(ReadError),
    Write(io::Error),
}

pub(super) async fn run(args: TailArgs) -> Result<u8, Failure> {
    let (dir, _) = args.place.find()?;
    let reader = Reader::open(&dir).map_err(|error| read_failure(&error))?;
    let form = match args.json {
        true if io::stdout().is_terminal() => Form::SafeJson,
        true => Form::Exact,
        false => Form::Line,
    };
    let wanted = Wanted {
        lines: args.lines.or((!args.json).then_some(LINES)),
        session: args.session,
        kinds: args.kind,
        form,
    };
    let tailing = tokio::task::spawn_blocking(move || {
        let mut out = io::BufWriter::new(io::stdout().lock());
        show(&reader, &wanted, &mut out, &mut || {
            if args.follow {
                std::thread::sleep(FOLLOW_EVERY);
            }
            args.follow
        })
    });
    match tailing.await.map_err(lost)? {
        Ok(0) => Ok(0),
        Ok(bad) => Err(Failure::new(
            EXIT_FAILED,
            format!("{bad} of the entries are not journal entries; run `tidegate journal verify`"),
        )),
        Err(TailError::Read(error)) => Err(read_failure(&error)),
        Err(TailError::Write(error)) => Err(Failure::of_output(&error)),
    }
}

fn read_failure(error: &ReadError) -> Failure {
    match error {
        ReadError::Io { source, path } if source.kind() == io::ErrorKind::NotFound => Failure::new(
            EXIT_FAILED,
            format!("there is no journal: {} is missing", path.display()),
        ),
        ReadError::Io { .. } => Failure::of(EXIT_IO, error),
        ReadError::Damaged { .. } => Failure::of(EXIT_FAILED, error),
    }
}

/// Shows what is wanted, and goes on for as long as `more` returns true at the end. Returns
/// how many entries were not entries.
pub(super) fn show(
    reader: &Reader,
    wanted: &Wanted,
    out: &mut dyn Write,
    more: &mut dyn FnMut() -> bool,
) -> Result<u64, TailError> {
    let mut entries = reader.entries(first(reader, wanted)?);
    let mut bad = 0;
    // What is there already is only known to be the last once all of it was seen.
    let mut kept = VecDeque::new();
    for entry in entries.by_ref() {
        let entry = entry.map_err(TailError::Read)?;
        if !wants(wanted, &entry) {
            continue;
        }
        match wanted.lines {
            Some(lines) => {
                kept.push_back(entry);
                if kept.len() > lines {
                    kept.pop_front();
                }
            }
            None => bad += write(&entry, wanted.form, out)?,
        }
    }
    for entry in kept {
        bad += write(&entry, wanted.form, out)?;
    }
    out.flush().map_err(TailError::Write)?;
    while more() {
        for entry in entries.by_ref() {
            let entry = entry.map_err(TailError::Read)?;
            if wants(wanted, &entry) {
                bad += write(&entry, wanted.form, out)?;
            }
        }
        out.flush().map_err(TailError::Write)?;
    }
    Ok(bad)
}

/// Where to begin: without a filter, only the last entries need to be read.
fn first(reader: &Reader, wanted: &Wanted) -> Result<u64, TailError> {
    match wanted.lines {
        Some(lines) if wanted.session.is_none() && wanted.kinds.is_empty() => {
            let size = reader.size().map_err(TailError::Read)?;
            Ok(size.saturating_sub(lines as u64))
        }
        _ => Ok(0),
    }
}

fn wants(wanted: &Wanted, entry: &Entry) -> bool {
    if wanted.session.is_none() && wanted.kinds.is_empty() {
        return true;
    }
    let Ok(head) = serde_json::from_slice::<Head<'_>>(&entry.bytes) else {
        return false;
    };
    let session = wanted.session.as_ref();
    let of_session =
        session.is_none_or(|session| !head.session.is_empty() && head.session.starts_with(session.as_str()));
    let within = |kind: &String| {
        head.kind
            .strip_prefix(kind.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    of_session && (wanted.kinds.is_empty() || wanted.kinds.iter().any(within))
}

/// Writes an entry; returns 1 if it is not one.
fn write(entry: &Entry, form: Form, out: &mut dyn Write) -> Result<u64, TailError> {
    let line = line::render(entry.index, &entry.bytes);
    let (text, bad): (Cow<'_, [u8]>, _) = match (line, form) {
        (Ok(line), Form::Line) => (line.into_bytes().into(), 0),
        (Ok(_), Form::Exact) => (entry.bytes.as_ref().into(), 0),
        (Ok(_), Form::SafeJson) => (safe_json(&entry.bytes).into_bytes().into(), 0),
        (Err(line), Form::Line) => (line.into_bytes().into(), 1),
        // Something else than JSON lines would mislead whoever reads them.
        (Err(_), Form::Exact | Form::SafeJson) => return Ok(1),
    };
    out.write_all(&text)
        .and_then(|()| out.write_all(b"\n"))
        .map_err(TailError::Write)?;
    Ok(bad)
}
