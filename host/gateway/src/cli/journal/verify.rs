//! `journal verify`: the whole journal, with public keys only.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use indicatif::{ProgressBar, ProgressStyle};
use journal::{Reader, VerifyError, VerifyOptions, VerifyReport, verify};
use serde::{Deserialize, Serialize};

use super::super::terminal::{Failure, escape, moment};
use super::super::{EXIT_FAILED, EXIT_IO};
use super::{VerifyArgs, lost};
use crate::state::read_anchors;

/// How often a journal is looked at again that went on while it was checked.
const LOOKS_MAX: usize = 3;

/// The largest anchor file; a signed checkpoint is below a kilobyte.
const ANCHOR_BYTES_MAX: u64 = 64 * 1024;

/// What was found right.
#[derive(Debug, Serialize)]
pub(super) struct Holds {
    holds: bool,
    journal: String,
    /// Signed entries.
    size: u64,
    /// As in the checkpoint: base64.
    root: String,
    unsigned: u64,
    torn: bool,
    checkpoints: u64,
    /// Recorded segments; absent if they were not looked at.
    recordings: Option<u64>,
    keys_from_log: bool,
    anchored: Option<u64>,
    first_us: Option<u64>,
    last_us: Option<u64>,
    #[serde(skip)]
    dir: PathBuf,
}

#[derive(Serialize)]
struct DoesNotHold<'a> {
    holds: bool,
    reason: &'a str,
}

pub(super) async fn run(args: VerifyArgs) -> Result<u8, Failure> {
    let json = args.json;
    let checked = match plan(args).await {
        Ok((dir, options)) => {
            let checking = tokio::task::spawn_blocking(move || check(dir, &options, &bar()));
            checking.await.map_err(lost)?
        }
        Err(failure) => Err(failure),
    };
    let mut out = io::stdout().lock();
    let written = match &checked {
        Ok(holds) if json => print_json(&mut out, holds),
        Ok(holds) => print(&mut out, holds),
        Err(failure) if json => print_json(
            &mut out,
            &DoesNotHold {
                holds: false,
                reason: &failure.reason,
            },
        ),
        Err(_) => Ok(()),
    };
    written.map_err(|error| Failure::of_output(&error))?;
    checked.map(|_| 0)
}

/// Finds out what to check, and against what.
async fn plan(args: VerifyArgs) -> Result<(PathBuf, VerifyOptions), Failure> {
    let (dir, config) = args.place.find()?;
    let mut options = VerifyOptions {
        vkeys: args.vkey,
        anchors: Vec::new(),
        recordings: args.recordings,
    };
    for path in &args.anchor {
        options.anchors.push(read_anchor(path)?);
    }
    if let Some(config) = config {
        let state = &config.state;
        options.recordings.get_or_insert(state.recordings.clone());
        // Before the journal is read: it can only have grown since.
        if state.database.exists() {
            let anchors = read_anchors(&state.database)
                .await
                .map_err(|error| Failure::of(EXIT_IO, &error))?;
            options
                .anchors
                .extend(anchors.into_iter().map(|anchor| anchor.note));
        }
    }
    Ok((dir, options))
}

fn read_anchor(path: &Path) -> Result<Vec<u8>, Failure> {
    use io::Read as _;

    let mut note = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(ANCHOR_BYTES_MAX).read_to_end(&mut note));
    read.map_err(|error| {
        Failure::new(
            EXIT_IO,
            format!("the anchor {} could not be read: {error}", path.display()),
        )
    })?;
    Ok(note)
}

/// Verifies. A journal that was signed again meanwhile is looked at again before it is called
/// wrong: its last files change with each checkpoint.
pub(super) fn check(dir: PathBuf, options: &VerifyOptions, bar: &ProgressBar) -> Result<Holds, Failure> {
    let checkpoint = || std::fs::read(dir.join("checkpoint")).ok();
    let mut looks = 0;
    let report = loop {
        let before = checkpoint();
        looks += 1;
        let verified = verify(&dir, options, &mut |done, all| {
            bar.set_length(all);
            bar.set_position(done);
        });
        match verified {
            Err(_) if looks < LOOKS_MAX && before.is_some() && checkpoint() != before => {}
            verified => break verified,
        }
    };
    bar.finish_and_clear();
    let report = report.map_err(|error| wrong(&dir, &error))?;
    let (first_us, last_us) = times(&dir, &report).map_err(|error| Failure::of(EXIT_IO, &error))?;
    Ok(Holds {
        holds: true,
        size: report.size,
        root: STANDARD.encode(report.root),
        unsigned: report.unsigned,
        torn: report.torn,
        checkpoints: report.checkpoints,
        recordings: options.recordings.is_some().then_some(report.recordings),
        keys_from_log: report.keys_from_log,
        anchored: report.anchored,
        journal: report.origin,
        first_us,
        last_us,
        dir,
    })
}

fn wrong(dir: &Path, error: &VerifyError) -> Failure {
    let Failure { status, reason } = Failure::of(EXIT_FAILED, error);
    match error {
        VerifyError::Io { .. } => Failure::new(EXIT_IO, reason),
        VerifyError::NoLog { .. } => Failure::new(status, reason),
        _ => {
            let dir = dir.display();
            Failure::new(status, format!("the journal in {dir} does not hold: {reason}"))
        }
    }
}

/// Returns when the first and the last signed entry were written.
fn times(dir: &Path, report: &VerifyReport) -> Result<(Option<u64>, Option<u64>), journal::ReadError> {
    #[derive(Deserialize)]
    struct Time {
        t_us: u64,
    }
    let reader = Reader::open(dir)?;
    let time = |index| {
        let entry = reader.entry(index)?;
        Ok(entry
            .and_then(|entry| serde_json::from_slice::<Time>(&entry.bytes).ok())
            .map(|time| time.t_us))
    };
    match report.size.checked_sub(1) {
        Some(last) => Ok((time(0)?, time(last)?)),
        None => Ok((None, None)),
    }
}

fn bar() -> ProgressBar {
    // Drawn on standard error, and only if that is a terminal.
    let bar = ProgressBar::new(0);
    if let Ok(style) =
        ProgressStyle::with_template("checking {bar:30} {human_pos} of {human_len} entries, {eta} left")
    {
        bar.set_style(style);
    }
    bar
}

fn print_json(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)?;
    out.flush()
}

/// Prints what holds, what that does not prove, and how to check it without this program.
pub(super) fn print(out: &mut dyn Write, holds: &Holds) -> io::Result<()> {
    writeln!(
        out,
        "The journal holds: every signed entry is there as it was signed, in its place.\n"
    )?;
    writeln!(out, "  journal      {}", escape(&holds.journal))?;
    match holds.unsigned {
        0 => writeln!(out, "  entries      {}", holds.size)?,
        more => writeln!(
            out,
            "  entries      {}, and {more} that are whole but not signed yet",
            holds.size
        )?,
    }
    if let (Some(first), Some(last)) = (holds.first_us, holds.last_us) {
        writeln!(out, "  written      from {} to {}", moment(first), moment(last))?;
    }
    writeln!(out, "  root         {}", holds.root)?;
    writeln!(out, "  checkpoints  {}", holds.checkpoints)?;
    match holds.anchored {
        Some(size) => writeln!(
            out,
            "  anchor       goes on from the checkpoint of {size} entries that was kept elsewhere"
        )?,
        None => writeln!(
            out,
            "  anchor       none: an older copy of the whole folder would pass; give --anchor or --config"
        )?,
    }
    match holds.recordings {
        Some(count) => writeln!(
            out,
            "  recordings   {count} segments, each as the journal names it"
        )?,
        None => writeln!(out, "  recordings   not looked at; give --recordings or --config")?,
    }
    if holds.keys_from_log {
        writeln!(
            out,
            "  key          the journal's own: who could replace the whole folder could replace it; give --vkey"
        )?;
    }
    if holds.torn {
        writeln!(
            out,
            "  crash        what was being written in a crash is not whole; none of it was acknowledged"
        )?;
    }
    let dir = holds.dir.to_string_lossy().replace('\'', r"'\''");
    writeln!(out, "\nTo check the last signature without this program:\n")?;
    writeln!(out, "  cd '{}'", escape(&dir))?;
    for line in OPENSSL {
        writeln!(out, "  {line}")?;
    }
    writeln!(
        out,
        "\nThe files are a C2SP tlog-tiles log; any program for those can compute the root again."
    )?;
    out.flush()
}

/// RFC 8410 gives the twelve bytes before an Ed25519 key; C2SP signed-note the rest: the
/// signature is the last 64 bytes of the last line, the text what is before the empty line.
const OPENSSL: &[&str] = &[
    r"T=$(mktemp -d)",
    r"sed '/^$/Q' checkpoint > $T/text; cat $T/text",
    r"tail -n 1 checkpoint | cut -d' ' -f3 | base64 -d | tail -c 64 > $T/signature",
    r"(printf '\060\052\060\005\006\003\053\145\160\003\041\000'; tail -n 1 keys/vkeys.txt | cut -d+ -f3- | base64 -d | tail -c 32) > $T/key",
    r"openssl pkeyutl -verify -pubin -keyform DER -inkey $T/key -rawin -in $T/text -sigfile $T/signature",
];
