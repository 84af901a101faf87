//! What can be said where bytes were not kept. Pure.

use journal::recording::Direction;
use proto::postgres::frame::HEADER_BYTES;

use super::super::frames::Cut;
use super::super::shown::Shown;
use super::{Decoder, Owed, Prepared, REMEMBERED_MAX, lossy};

impl Decoder {
    /// Takes in that `bytes` bytes of one side were not kept from here on.
    pub(super) fn cut(&mut self, direction: Direction, bytes: u64, sha256: &[u8; 32]) {
        let (side, frames, copying) = match direction {
            Direction::FromClient => ("client", &mut self.client, &mut self.copy_in),
            Direction::ToClient => ("server", &mut self.server, &mut self.copy_out),
        };
        // The cut goes through whatever message had begun; the next one is whole.
        let cut = frames.cut();
        match (direction, cut.kind) {
            (_, Some(b'd')) => return copying.cut(bytes, cut.beginning.len(), cut.missing),
            (Direction::ToClient, Some(b'D')) => {
                self.rows().rows.bytes_not_kept += bytes;
                return;
            }
            (Direction::ToClient, _) => {}
            (Direction::FromClient, _) => self.cut_batch(&cut),
        }
        self.show(Shown::NotKept {
            side,
            bytes,
            sha256: hex::encode(sha256),
        });
    }

    /// Shows the statement that was cut, if one was.
    fn cut_batch(&mut self, cut: &Cut) {
        let body = cut.beginning.get(HEADER_BYTES..).unwrap_or_default();
        match cut.kind {
            Some(b'Q') => {
                self.owe(Owed::Query);
                if !body.is_empty() {
                    let statement = lossy(body);
                    self.show(Shown::Query { statement });
                }
                return;
            }
            Some(b'P') => {
                let mut parts = body.splitn(2, |byte| *byte == 0);
                if let (Some(name), Some(statement)) = (parts.next(), parts.next()) {
                    self.cut_parse(name, lossy(statement));
                }
            }
            _ => {}
        }
        self.owe(Owed::Unknown);
    }

    fn cut_parse(&mut self, name: &[u8], statement: String) {
        if self.prepared.len() < REMEMBERED_MAX {
            let prepared = Prepared {
                statement: statement.clone(),
                ..Prepared::default()
            };
            self.prepared.insert(name.to_vec(), prepared);
        }
        self.show(Shown::Prepare {
            name: lossy(name),
            statement,
        });
    }
}
