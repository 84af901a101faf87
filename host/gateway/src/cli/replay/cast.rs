//! `tidegate replay --asciicast`: the first terminal of an SSH session, for players.

use std::path::Path;

use journal::recording::Event;
use proto::ssh::asciicast::Cast;
use proto::ssh::record::Part;

use super::super::terminal::Failure;
use super::super::{EXIT_FAILED, EXIT_IO};
use super::{Place, check, find, journal_failure, replay_failure, session_reader};

/// Checks a session's recording, and writes what its first terminal showed.
pub(super) async fn write(place: &Place, prefix: &str, file: &Path) -> Result<(), Failure> {
    let session = find::session(&place.reader, 0, prefix).map_err(|error| journal_failure(&error))?;
    let session = session.map_err(|not_found| Failure::new(EXIT_FAILED, not_found))?;
    check(place, &session).await?;
    let mut recording = session_reader(place, &session)?;
    let mut out = Vec::new();
    let mut cast: Option<Cast> = None;
    'segments: while let Some(segment) = recording
        .next_segment()
        .await
        .map_err(|error| replay_failure(&error))?
    {
        if segment.protocol != "ssh" {
            return Err(Failure::new(EXIT_FAILED, "only sessions over SSH have terminals"));
        }
        for event in segment.events() {
            let event = event.map_err(|error| Failure::of(EXIT_FAILED, &error))?;
            let Event::Bytes { t_us, bytes, .. } = event else {
                continue;
            };
            let Some((part, bytes)) = Part::decode(bytes) else {
                continue;
            };
            match &mut cast {
                None => cast = Cast::begin(t_us, &part, &mut out),
                Some(cast) => {
                    if cast.part(t_us, &part, bytes, &mut out) {
                        break 'segments;
                    }
                }
            }
        }
    }
    if cast.is_none() {
        return Err(Failure::new(EXIT_FAILED, "the session had no terminal"));
    }
    std::fs::write(file, out).map_err(|error| Failure::new(EXIT_IO, format!("{}: {error}", file.display())))
}
