//! What a server's frames mean. Pure.

use std::rc::Rc;

use proto::postgres::frame::{Body, FrameError};

use super::super::shown::{Said, Shown};
use super::super::value::{TEXT, render};
use super::{Column, Decoder, Open, Owed, format_of, lossy};

impl Decoder {
    pub(super) fn server_frame(&mut self, kind: u8, frame: &[u8]) -> Result<(), FrameError> {
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
                while self.owed.front().is_some_and(|owed| !owed.is_ready()) {
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
                    if owed.is_ready() {
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
    pub(super) fn rows(&mut self) -> &mut Open {
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
