//! Makes sense of the frames of both sides. Pure.
//!
//! A queue of what the client asked for ties each of the server's messages to its cause, as the
//! protocol does: the description of a prepared statement's rows may be long ago when it is
//! executed. What does not fit is shown without that tie; nothing is believed.

mod client;
mod cut;
mod server;

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use journal::recording::{Direction, Event};

use super::copy::{Copied, Copying};
use super::frames::{Frames, Piece};
use super::shown::{Rows, Shown};
use super::value::TEXT;

/// How many prepared statements, portals and open requests are remembered. A client with more
/// is shown without column names.
const REMEMBERED_MAX: usize = 10_000;

/// A column of a result.
#[derive(Debug)]
struct Column {
    name: String,
    oid: u32,
    format: u16,
}

#[derive(Clone, Debug, Default)]
struct Prepared {
    statement: String,
    parameters: Vec<u32>,
    columns: Option<Rc<[Column]>>,
}

#[derive(Clone, Debug, Default)]
struct Portal {
    statement: Vec<u8>,
    formats: Vec<u16>,
    columns: Option<Rc<[Column]>>,
}

/// What the server owes.
#[derive(Debug)]
enum Owed {
    Parse,
    Bind,
    Close,
    DescribeStatement(Vec<u8>),
    DescribePortal(Vec<u8>),
    Execute(Vec<u8>),
    Query,
    Sync,
    /// What the part of a batch asked for that was not kept: one Sync, as far as can be told.
    Unknown,
}

impl Owed {
    /// Whether it ends with ReadyForQuery.
    fn is_ready(&self) -> bool {
        matches!(self, Self::Query | Self::Sync | Self::Unknown)
    }
}

/// A result that is under way.
#[derive(Debug)]
struct Open {
    columns: Option<Rc<[Column]>>,
    formats: Vec<u16>,
    rows: Rows,
}

/// Takes in a recording, event by event.
#[derive(Debug)]
pub(super) struct Decoder {
    client: Frames,
    server: Frames,
    rows_max: usize,
    now_us: u64,
    owed: VecDeque<Owed>,
    prepared: HashMap<Vec<u8>, Prepared>,
    portals: HashMap<Vec<u8>, Portal>,
    open: Option<Open>,
    copy_in: Copying,
    copy_out: Copying,
    shown: Vec<(u64, Shown)>,
}

impl Decoder {
    /// Keeps the first `rows_max` rows of each result.
    pub(super) fn new(rows_max: usize) -> Self {
        Self {
            client: Frames::new(Direction::FromClient),
            server: Frames::new(Direction::ToClient),
            rows_max,
            now_us: 0,
            owed: VecDeque::new(),
            prepared: HashMap::new(),
            portals: HashMap::new(),
            open: None,
            copy_in: Copying::default(),
            copy_out: Copying::default(),
            shown: Vec::new(),
        }
    }

    /// Takes in what was recorded next; returns its time.
    pub(super) fn event(&mut self, event: &Event<'_>) -> u64 {
        match *event {
            Event::Bytes {
                t_us,
                direction,
                bytes,
            } => {
                self.now_us = t_us;
                self.bytes(direction, bytes);
            }
            Event::Truncated {
                t_us,
                direction,
                bytes,
                sha256,
            } => {
                self.now_us = t_us;
                self.cut(direction, bytes, &sha256);
            }
        }
        self.now_us
    }

    /// Takes what can be shown by now, with its time.
    pub(super) fn shown(&mut self) -> Vec<(u64, Shown)> {
        std::mem::take(&mut self.shown)
    }

    /// The recording ends here.
    pub(super) fn finish(&mut self) {
        self.end_rows(None);
        self.end_copy_in(false);
        self.end_copy_out();
        for (side, frames) in [("client", &self.client), ("server", &self.server)] {
            if frames.is_within() {
                let reason = "the recording ends within a message".to_owned();
                self.shown.push((self.now_us, Shown::Broken { side, reason }));
            }
        }
    }

    fn bytes(&mut self, direction: Direction, bytes: &[u8]) {
        // Taken out for the time of the call, so that pieces can be handled by `self`.
        let side = match direction {
            Direction::FromClient => &mut self.client,
            Direction::ToClient => &mut self.server,
        };
        let mut frames = std::mem::replace(side, Frames::new(direction));
        frames.push(bytes, |piece| self.piece(direction, &piece));
        match direction {
            Direction::FromClient => self.client = frames,
            Direction::ToClient => self.server = frames,
        }
    }

    fn piece(&mut self, direction: Direction, piece: &Piece<'_>) {
        let side = match direction {
            Direction::FromClient => "client",
            Direction::ToClient => "server",
        };
        let read = match (direction, piece) {
            (Direction::FromClient, Piece::Frame(kind, frame)) => self.client_frame(*kind, frame),
            (Direction::ToClient, Piece::Frame(kind, frame)) => self.server_frame(*kind, frame),
            (Direction::FromClient, Piece::Large(b'd', bytes)) => {
                self.copy_in.count(*bytes);
                Ok(())
            }
            (Direction::ToClient, Piece::Large(b'd', bytes)) => {
                self.copy_out.count(*bytes);
                Ok(())
            }
            (Direction::ToClient, Piece::Large(b'D', bytes)) => {
                self.rows().rows.recorded += 1;
                self.show(Shown::Large { side, bytes: *bytes });
                Ok(())
            }
            (_, Piece::Large(_, bytes)) => {
                self.show(Shown::Large { side, bytes: *bytes });
                Ok(())
            }
            (_, Piece::Broken(error)) => Err(*error),
        };
        if let Err(error) = read {
            self.show(Shown::Broken {
                side,
                reason: error.to_string(),
            });
        }
    }

    fn end_rows(&mut self, tag: Option<String>) {
        if let Some(Open { rows, .. }) = self.open.take() {
            self.show(Shown::Rows(Rows { tag, ..rows }));
        }
    }

    fn end_copy_in(&mut self, complete: bool) {
        if let Some(Copied {
            bytes,
            bytes_not_kept,
        }) = self.copy_in.take()
        {
            self.show(Shown::CopyIn {
                bytes,
                bytes_not_kept,
                complete,
            });
        }
    }

    fn end_copy_out(&mut self) {
        if let Some(Copied {
            bytes,
            bytes_not_kept,
        }) = self.copy_out.take()
        {
            self.show(Shown::CopyOut {
                bytes,
                bytes_not_kept,
            });
        }
    }

    fn owe(&mut self, owed: Owed) {
        if self.owed.len() < REMEMBERED_MAX {
            self.owed.push_back(owed);
        }
    }

    fn pop_if(&mut self, fits: impl FnOnce(&Owed) -> bool) {
        if self.owed.front().is_some_and(fits) {
            self.owed.pop_front();
        }
    }

    fn show(&mut self, what: Shown) {
        self.shown.push((self.now_us, what));
    }
}

impl Open {
    fn new(columns: Option<Rc<[Column]>>, formats: Vec<u16>) -> Self {
        let names = columns.iter().flat_map(|columns| columns.iter());
        let rows = Rows {
            columns: names.map(|column| column.name.clone()).collect(),
            ..Rows::default()
        };
        Self {
            columns,
            formats,
            rows,
        }
    }
}

/// No format means text for all, one format means that one for all.
fn format_of(formats: &[u16], at: usize) -> u16 {
    match formats {
        [] => TEXT,
        [all] => *all,
        each => each.get(at).copied().unwrap_or(TEXT),
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
