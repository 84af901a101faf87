//! What a session sent and saw. The journal names whoever read it.

use std::io;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use model::SessionId;
use tokio::runtime::Handle;

use super::Console;
use super::approval::short;
use super::front::html;
use super::shell::Shell;
use super::text::Text;
use super::visitor::Here;
use crate::admin::Site;
use crate::admin::input::Id;
use crate::admin::operation::{Deed, Door, perform};
use crate::admin::problem::Problem;
use crate::cli::replay::{Place, Shape, replay};

/// How many rows of each result are shown.
const ROWS: usize = 20;

/// How much of a recording a page shows, in bytes; the command line shows all of it.
const SHOWN_BYTES_MAX: usize = 512 << 10;

/// The page.
#[derive(Template)]
#[template(path = "recording.html")]
pub(crate) struct RecordingPage {
    pub(crate) shell: Shell,
    pub(crate) id: String,
    pub(crate) short: String,
    pub(crate) text: Text,
    pub(crate) cut: bool,
}

/// `GET /console/sessions/{id}/recording`.
pub(super) async fn show(
    State(console): State<Console>,
    here: Here,
    Id(id): Id<SessionId>,
) -> Result<Response, Problem> {
    let deed = Deed::read("read recording", format!("session/{id}"));
    let (services, visitor) = (&console.site.services, &here.visitor.principal);
    let read = read(&console.site, id);
    let (text, cut) = perform(services, visitor, Door::Console, deed, read).await?;
    let id = id.to_string();
    Ok(html(&RecordingPage {
        shell: here.shell(&console, "Recording").await,
        short: short(&id),
        id,
        text: Text::lines(&text),
        cut,
    }))
}

/// Replays a recording on a thread that may block, until a page is full.
async fn read(site: &Site, id: SessionId) -> Result<(String, bool), Problem> {
    let Ok(slot) = site.replays.clone().try_acquire_owned() else {
        return Err(Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too-many-replays",
            "too many recordings are being read; try again later",
        ));
    };
    let (services, starts, session) = (site.services.clone(), site.starts.clone(), id.to_string());
    let runtime = Handle::current();
    let reading = tokio::task::spawn_blocking(move || {
        let _slot = slot;
        let reader = services.journal.reader();
        let begun = starts
            .find(&reader, &session, &mut 0)
            .map_err(|error| Problem::broken("the journal could not be read", &error))?
            .ok_or_else(|| Problem::not_found("session"))?;
        let place = Place {
            reader,
            recordings: services.recordings_place.clone(),
        };
        let shape = Shape {
            rows: ROWS,
            ..Shape::default()
        };
        let mut page = Page::default();
        let replayed = runtime.block_on(replay(&place, (begun.index, &session), &shape, &mut page));
        match replayed {
            Ok(()) => Ok(page.close()),
            Err(_) if page.full => Ok(page.close()),
            Err(failure) => {
                tracing::warn!(session, reason = failure.reason, "a recording was not replayed");
                Err(Problem::new(
                    StatusCode::NOT_FOUND,
                    "no-recording",
                    "there is no recording of this session that agrees with the journal",
                )
                .hint("tidegate replay tells the operator what is wrong with it"))
            }
        }
    });
    reading
        .await
        .unwrap_or_else(|error| Err(Problem::broken("the replay broke down", &error)))
}

/// Takes in what a replay writes until it is full; what is in it by then was checked.
#[derive(Default)]
struct Page {
    bytes: Vec<u8>,
    full: bool,
}

impl Page {
    fn close(self) -> (String, bool) {
        (String::from_utf8_lossy(&self.bytes).into_owned(), self.full)
    }
}

impl io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = SHOWN_BYTES_MAX - self.bytes.len();
        if bytes.len() > room {
            self.full = true;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
