//! `tidegate replay`: what a session sent and saw, from its recording.
//!
//! Before anything is shown, every segment's SHA-256 is compared with the journal. What was
//! recorded came from clients and servers and is not trusted: it is parsed within bounds and
//! nothing of it reaches the terminal raw. What was not kept is said to be missing.

mod cast;
mod channels;
mod copy;
mod decode;
mod exchanges;
mod find;
mod frames;
mod shown;
#[cfg(test)]
mod tests;
mod text;
mod value;

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use journal::recording::{Event, RecordingReader, ReplayError};
use journal::{ReadError, Reader};
use model::SessionId;

use self::channels::Channels;
use self::decode::Decoder;
use self::exchanges::Exchanges;
use self::find::Session;
use self::shown::{Show, Shown};
use super::terminal::Failure;
use super::{EXIT_FAILED, EXIT_IO, EXIT_USAGE};
use crate::config::Config;

/// The longest pause that is played; longer ones are no more telling.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// The arguments of `replay`.
#[derive(Args, Clone, Debug)]
#[command(after_help = HELP)]
pub struct ReplayArgs {
    /// The session's id, or its beginning if no other session begins like that.
    #[arg(value_name = "SESSION")]
    pub session: String,
    /// The configuration file: it names the journal and the recordings.
    #[arg(long, default_value = "tidegate.toml", value_name = "FILE")]
    pub config: PathBuf,
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
    /// Play it at this many times its speed; pauses are cut at five seconds.
    #[arg(long, value_name = "X", conflicts_with = "instant", value_parser = speed)]
    pub speed: Option<f64>,
    /// Show everything at once. This is the default.
    #[arg(long)]
    pub instant: bool,
    /// Write the first terminal of an SSH session to this file as asciicast v3, for players of
    /// terminal recordings, instead of showing anything.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["json", "speed", "instant"])]
    pub asciicast: Option<PathBuf>,
    /// How many rows of each result to show.
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub rows: usize,
}

const HELP: &str = "\
Exit status: 0, or 1 if there is no such session or its recording was changed, 64 for a bad command line or \
configuration, 74 if something could not be read.

Examples:
  tidegate replay 0192f0c1-2345-7abc-8def-0123456789ab --config tidegate.toml
  tidegate replay 0192f0c1-2345 --speed 4
  tidegate replay 0192f0c1 --json --rows 1000
  tidegate replay 0192f0c1 --asciicast session.cast && asciinema play session.cast";

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if (0.01..=10_000.0).contains(&speed) => Ok(speed),
        _ => Err("a number from 0.01 to 10000 is expected".to_owned()),
    }
}

/// Carries out the command; returns the exit status.
pub async fn command(args: ReplayArgs) -> u8 {
    let mut out = io::BufWriter::new(io::stdout());
    let done = match open(&args) {
        Ok(place) => match &args.asciicast {
            Some(file) => cast::write(&place, &args.session, file).await,
            None => replay(&place, (0, &args.session), &shape(&args), &mut out).await,
        },
        Err(failure) => Err(failure),
    };
    let done = done.and_then(|()| out.flush().map_err(|error| Failure::of_output(&error)));
    done.map_or_else(|failure| failure.say(), |()| 0)
}

/// Where the evidence is.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) reader: Reader,
    /// `file:` and the recordings' folder.
    pub(crate) recordings: String,
}

/// How a replay is shown.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shape {
    /// As JSON, one object a line.
    pub(crate) json: bool,
    /// How many rows of each result.
    pub(crate) rows: usize,
    /// At how many times its speed; `None` for all at once.
    pub(crate) speed: Option<f64>,
}

fn shape(args: &ReplayArgs) -> Shape {
    Shape {
        json: args.json,
        rows: args.rows,
        speed: args.speed,
    }
}

fn open(args: &ReplayArgs) -> Result<Place, Failure> {
    let config = Config::load(&args.config).map_err(|faults| Failure::of(EXIT_USAGE, &faults))?;
    let reader = Reader::open(&config.state.journal).map_err(|error| journal_failure(&error))?;
    Ok(Place {
        reader,
        recordings: format!("file:{}", config.state.recordings.display()),
    })
}

/// Finds the session whose id begins with a text, from an entry of the journal on, checks its
/// recording, then shows it.
pub(crate) async fn replay(
    place: &Place,
    (from, prefix): (u64, &str),
    shape: &Shape,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let session = match find::session(&place.reader, from, prefix).map_err(|error| journal_failure(&error))? {
        Ok(session) => session,
        Err(not_found) => return Err(Failure::new(EXIT_FAILED, not_found)),
    };
    let segments = check(place, &session).await?;
    let mut show = Show::new(out, shape.json);
    let wrote = |error| Failure::of_output(&error);
    show.begin(&session, segments).map_err(wrote)?;
    let mut recording = session_reader(place, &session)?;
    let mut decoder = Protocol::Postgres(Box::new(Decoder::new(shape.rows)));
    let mut before = None;
    while let Some(segment) = recording
        .next_segment()
        .await
        .map_err(|error| replay_failure(&error))?
    {
        match (segment.protocol.as_str(), &decoder) {
            ("postgres", Protocol::Postgres(_)) | ("http", Protocol::Http(_)) | ("ssh", Protocol::Ssh(_)) => {
            }
            ("http", Protocol::Postgres(_)) => decoder = Protocol::Http(Exchanges::default()),
            ("ssh", Protocol::Postgres(_)) => decoder = Protocol::Ssh(Channels::default()),
            (other, _) => {
                let protocol = super::terminal::quote(other);
                return Err(Failure::new(
                    EXIT_FAILED,
                    format!("the protocol {protocol} cannot be replayed"),
                ));
            }
        }
        for event in segment.events() {
            let event = event.map_err(|error| Failure::of(EXIT_FAILED, &error))?;
            let t_us = decoder.event(&event);
            pause(shape.speed, before.replace(t_us), t_us).await;
            for (t_us, what) in decoder.shown() {
                show.event(t_us, &what).map_err(wrote)?;
            }
            if shape.speed.is_some() {
                show.flush().map_err(wrote)?;
            }
        }
    }
    decoder.finish();
    for (t_us, what) in decoder.shown() {
        show.event(t_us, &what).map_err(wrote)?;
    }
    show.end(&session).map_err(wrote)
}

/// What makes sense of a recording, by the protocol that it is of.
enum Protocol {
    Postgres(Box<Decoder>),
    Http(Exchanges),
    Ssh(Channels),
}

impl Protocol {
    fn event(&mut self, event: &Event<'_>) -> u64 {
        match self {
            Self::Postgres(decoder) => decoder.event(event),
            Self::Http(exchanges) => exchanges.event(event),
            Self::Ssh(channels) => channels.event(event),
        }
    }

    fn shown(&mut self) -> Vec<(u64, Shown)> {
        match self {
            Self::Postgres(decoder) => decoder.shown(),
            Self::Http(exchanges) => exchanges.shown(),
            Self::Ssh(channels) => channels.shown(),
        }
    }

    fn finish(&mut self) {
        match self {
            Self::Postgres(decoder) => decoder.finish(),
            Self::Http(exchanges) => exchanges.finish(),
            Self::Ssh(channels) => channels.finish(),
        }
    }
}

/// Reads every segment once; returns how many there are, each as the journal names it.
async fn check(place: &Place, session: &Session) -> Result<u64, Failure> {
    let mut recording = session_reader(place, session)?;
    let mut segments = 0;
    while recording
        .next_segment()
        .await
        .map_err(|error| replay_failure(&error))?
        .is_some()
    {
        segments += 1;
    }
    Ok(segments)
}

fn session_reader(place: &Place, session: &Session) -> Result<RecordingReader, Failure> {
    let id = SessionId::parse(&session.id)
        .ok_or_else(|| Failure::new(EXIT_FAILED, format!("{} is not the id of a session", session.id)))?;
    RecordingReader::open(&place.recordings, &place.reader, id, session.index)
        .map_err(|error| replay_failure(&error))
}

async fn pause(speed: Option<f64>, before: Option<u64>, now: u64) {
    if let (Some(speed), Some(before)) = (speed, before) {
        let gap = Duration::from_micros(now.saturating_sub(before)).min(PAUSE_MAX);
        tokio::time::sleep(gap.div_f64(speed)).await;
    }
}

fn journal_failure(error: &ReadError) -> Failure {
    match error {
        ReadError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            Failure::of(EXIT_FAILED, error)
        }
        ReadError::Io { .. } => Failure::of(EXIT_IO, error),
        ReadError::Damaged { .. } => Failure::of(EXIT_FAILED, error),
    }
}

fn replay_failure(error: &ReplayError) -> Failure {
    match error {
        ReplayError::Open(_) => Failure::of(EXIT_IO, error),
        ReplayError::Journal(error) => journal_failure(error),
        ReplayError::Unknown { .. }
        | ReplayError::Missing { .. }
        | ReplayError::Changed { .. }
        | ReplayError::Format { .. }
        | ReplayError::Gap { .. } => Failure::of(EXIT_FAILED, error),
    }
}
