//! Makes sense of the frames of both sides. Pure.
//!
//! A queue of what the client asked for ties each of the server's messages to its cause, as the
//! protocol does: the description of a prepared statement's rows may be long ago when it is
//! executed. What does not fit is shown without that tie; nothing is believed.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use journal::recording::{Direction, Event};
use proto::postgres::frame::{Body, FrameError};

use super::copy::Copying;
use super::frames::{Frames, Piece};
use super::shown::{Rows, Said, Shown};
use super::value::{TEXT, render};

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
            Event::Truncated { t_us, bytes, sha256 } => {
                self.now_us = t_us;
                // The cut goes through whatever row had begun; the next message is whole.
                self.server.cut();
                match &mut self.open {
                    Some(open) => open.rows.bytes_not_kept += bytes,
                    None => self.show(Shown::NotKept {
                        bytes,
                        sha256: hex::encode(sha256),
                    }),
                }
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

    fn client_frame(&mut self, kind: u8, frame: &[u8]) -> Result<(), FrameError> {
        let mut body = Body::of(frame);
        match kind {
            b'Q' => {
                let statement = lossy(body.string()?);
                self.owe(Owed::Query);
                self.show(Shown::Query { statement });
            }
            b'P' => self.parse(&mut body)?,
            b'B' => self.bind(&mut body)?,
            b'D' => {
                let owed = match body.byte()? {
                    b'S' => Owed::DescribeStatement(body.string()?.to_vec()),
                    _ => Owed::DescribePortal(body.string()?.to_vec()),
                };
                self.owe(owed);
            }
            b'E' => self.owe(Owed::Execute(body.string()?.to_vec())),
            b'C' => {
                match body.byte()? {
                    b'S' => drop(self.prepared.remove(body.string()?)),
                    _ => drop(self.portals.remove(body.string()?)),
                }
                self.owe(Owed::Close);
            }
            b'S' => self.owe(Owed::Sync),
            b'd' => self.copy_in.count(frame.len()),
            b'c' => self.end_copy_in(true),
            b'f' => self.end_copy_in(false),
            b'F' => self.show(Shown::Client {
                what: "called a function directly",
            }),
            b'X' => self.show(Shown::Client {
                what: "said good-bye",
            }),
            _ => {}
        }
        Ok(())
    }

    fn parse(&mut self, body: &mut Body<'_>) -> Result<(), FrameError> {
        let (name, statement) = (body.string()?, lossy(body.string()?));
        let mut parameters = Vec::new();
        for _ in 0..body.count()? {
            parameters.push(body.i32()?.cast_unsigned());
        }
        self.owe(Owed::Parse);
        if self.prepared.len() < REMEMBERED_MAX {
            let prepared = Prepared {
                statement: statement.clone(),
                parameters,
                columns: None,
            };
            self.prepared.insert(name.to_vec(), prepared);
        }
        self.show(Shown::Prepare {
            name: lossy(name),
            statement,
        });
        Ok(())
    }

    fn bind(&mut self, body: &mut Body<'_>) -> Result<(), FrameError> {
        let (portal, name) = (body.string()?, body.string()?);
        let prepared = self.prepared.get(name).cloned().unwrap_or_default();
        let formats = counted(body)?;
        let mut values = Vec::new();
        for at in 0..body.count()? {
            let oid = prepared.parameters.get(at).copied().unwrap_or(0);
            let value = body.value()?;
            values.push(value.map(|bytes| render(oid, format_of(&formats, at), bytes)));
        }
        let formats = counted(body)?;
        self.owe(Owed::Bind);
        if self.portals.len() < REMEMBERED_MAX {
            let bound = Portal {
                statement: name.to_vec(),
                formats,
                columns: None,
            };
            self.portals.insert(portal.to_vec(), bound);
        }
        // Of an unnamed statement the text was shown a moment ago.
        let statement = (!name.is_empty() && !prepared.statement.is_empty()).then_some(prepared.statement);
        self.show(Shown::Bind {
            name: lossy(name),
            statement,
            values,
        });
        Ok(())
    }

    fn server_frame(&mut self, kind: u8, frame: &[u8]) -> Result<(), FrameError> {
        let mut body = Body::of(frame);
        match kind {
            b'1' | b'2' | b'3' => self.pop_if(|owed| matches!(owed, Owed::Parse | Owed::Bind | Owed::Close)),
            b't' => self.parameters(&mut body)?,
            b'T' => self.columns(&mut body)?,
            b'n' => self.pop_if(|owed| matches!(owed, Owed::DescribeStatement(_) | Owed::DescribePortal(_))),
            b'D' => self.row(&mut body)?,
            b'd' => self.copy_out.count(frame.len()),
            b'C' => {
                let tag = lossy(body.string()?);
                self.end_copy_out();
                self.complete(tag);
            }
            b'I' => self.complete("an empty statement".to_owned()),
            b's' => self.complete("more rows were not asked for yet".to_owned()),
            b'E' => {
                self.end_rows(None);
                self.end_copy_out();
                let said = said(&mut body)?;
                self.show(Shown::Error(said));
                while !matches!(self.owed.front(), None | Some(Owed::Query | Owed::Sync)) {
                    self.owed.pop_front();
                }
            }
            b'N' => {
                let said = said(&mut body)?;
                self.show(Shown::Notice(said));
            }
            b'A' => {
                body.i32()?;
                let (channel, payload) = (lossy(body.string()?), lossy(body.string()?));
                self.show(Shown::Notification { channel, payload });
            }
            b'Z' => {
                self.end_rows(None);
                while let Some(owed) = self.owed.pop_front() {
                    if matches!(owed, Owed::Query | Owed::Sync) {
                        break;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn parameters(&mut self, body: &mut Body<'_>) -> Result<(), FrameError> {
        let Some(Owed::DescribeStatement(name)) = self.owed.front() else {
            return Ok(());
        };
        let Some(prepared) = self.prepared.get_mut(name) else {
            return Ok(());
        };
        prepared.parameters.clear();
        for _ in 0..body.count()? {
            prepared.parameters.push(body.i32()?.cast_unsigned());
        }
        Ok(())
    }

    fn columns(&mut self, body: &mut Body<'_>) -> Result<(), FrameError> {
        let mut columns = Vec::new();
        for _ in 0..body.count()? {
            let name = lossy(body.string()?);
            // The table's OID and the attribute's number.
            body.bytes(6)?;
            let oid = body.i32()?.cast_unsigned();
            // The type's length and modifier.
            body.bytes(6)?;
            columns.push(Column {
                name,
                oid,
                format: body.u16()?,
            });
        }
        let columns: Rc<[Column]> = columns.into();
        match self.owed.front() {
            Some(Owed::DescribeStatement(name)) => {
                if let Some(prepared) = self.prepared.get_mut(name) {
                    prepared.columns = Some(columns);
                }
                self.owed.pop_front();
            }
            Some(Owed::DescribePortal(name)) => {
                if let Some(portal) = self.portals.get_mut(name) {
                    portal.columns = Some(columns);
                }
                self.owed.pop_front();
            }
            _ => {
                self.end_rows(None);
                self.open = Some(Open::new(Some(columns), Vec::new()));
            }
        }
        Ok(())
    }

    /// Returns the result under way, or begins one for what is being executed.
    fn rows(&mut self) -> &mut Open {
        let (owed, portals, prepared) = (&self.owed, &self.portals, &self.prepared);
        self.open.get_or_insert_with(|| {
            let Some(Owed::Execute(name)) = owed.front() else {
                return Open::new(None, Vec::new());
            };
            let portal = portals.get(name).cloned().unwrap_or_default();
            let of_statement = || {
                prepared
                    .get(&portal.statement)
                    .and_then(|prepared| prepared.columns.clone())
            };
            // A portal's own description has the formats already.
            match portal.columns {
                Some(columns) => Open::new(Some(columns), Vec::new()),
                None => Open::new(of_statement(), portal.formats),
            }
        })
    }

    fn row(&mut self, body: &mut Body<'_>) -> Result<(), FrameError> {
        let rows_max = self.rows_max;
        let open = self.rows();
        open.rows.recorded += 1;
        if open.rows.rows.len() >= rows_max {
            return Ok(());
        }
        let mut row = Vec::new();
        for at in 0..body.count()? {
            let column = open.columns.as_ref().and_then(|columns| columns.get(at));
            let format = match (open.formats.is_empty(), column) {
                (false, _) => format_of(&open.formats, at),
                (true, Some(column)) => column.format,
                (true, None) => TEXT,
            };
            let value = body.value()?;
            row.push(value.map(|bytes| render(column.map_or(0, |column| column.oid), format, bytes)));
        }
        open.rows.rows.push(row);
        Ok(())
    }

    fn complete(&mut self, tag: String) {
        // A result without rows may still have had columns.
        let has_columns = matches!(self.owed.front(), Some(Owed::Execute(_))) && self.describes_rows();
        if self.open.is_some() || has_columns {
            self.rows();
            self.end_rows(Some(tag));
        } else {
            self.show(Shown::Done { tag });
        }
        self.pop_if(|owed| matches!(owed, Owed::Execute(_)));
    }

    fn describes_rows(&self) -> bool {
        let Some(Owed::Execute(name)) = self.owed.front() else {
            return false;
        };
        let Some(portal) = self.portals.get(name) else {
            return false;
        };
        let prepared = || {
            self.prepared
                .get(&portal.statement)
                .is_some_and(|prepared| prepared.columns.is_some())
        };
        portal.columns.is_some() || prepared()
    }

    fn end_rows(&mut self, tag: Option<String>) {
        if let Some(Open { rows, .. }) = self.open.take() {
            self.show(Shown::Rows(Rows { tag, ..rows }));
        }
    }

    fn end_copy_in(&mut self, complete: bool) {
        if let Some(bytes) = self.copy_in.take() {
            self.show(Shown::CopyIn { bytes, complete });
        }
    }

    fn end_copy_out(&mut self) {
        if let Some(bytes) = self.copy_out.take() {
            self.show(Shown::CopyOut { bytes });
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

/// Reads a counted list of formats.
fn counted(body: &mut Body<'_>) -> Result<Vec<u16>, FrameError> {
    let mut formats = Vec::new();
    for _ in 0..body.count()? {
        formats.push(body.u16()?);
    }
    Ok(formats)
}

/// No format means text for all, one format means that one for all.
fn format_of(formats: &[u16], at: usize) -> u16 {
    match formats {
        [] => TEXT,
        [all] => *all,
        each => each.get(at).copied().unwrap_or(TEXT),
    }
}

fn said(body: &mut Body<'_>) -> Result<Said, FrameError> {
    let mut said = Said::default();
    loop {
        let field = body.byte()?;
        if field == 0 {
            return Ok(said);
        }
        let text = lossy(body.string()?);
        match field {
            b'S' => said.severity = text,
            b'C' => said.sqlstate = text,
            b'M' => said.message = text,
            b'D' => said.detail = Some(text),
            b'H' => said.hint = Some(text),
            _ => {}
        }
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
