//! What a client's frames mean. Pure.

use proto::postgres::frame::{Body, FrameError};

use super::super::shown::Shown;
use super::super::value::render;
use super::{Decoder, Owed, Portal, Prepared, REMEMBERED_MAX, format_of, lossy};

impl Decoder {
    pub(super) fn client_frame(&mut self, kind: u8, frame: &[u8]) -> Result<(), FrameError> {
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
}

/// Reads a counted list of formats.
fn counted(body: &mut Body<'_>) -> Result<Vec<u16>, FrameError> {
    let mut formats = Vec::new();
    for _ in 0..body.count()? {
        formats.push(body.u16()?);
    }
    Ok(formats)
}
