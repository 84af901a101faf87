//! Makes batches of the journal's entries.

use journal::{Entries, ReadError, Reader};
use plugin::{BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, Batch};

/// How many entries make a batch that is sent at once: half of what a plugin may be given.
pub(super) const ENTRIES_MAX: usize = 500;

/// How many bytes make a batch that is sent at once. The entry that reaches it is in the batch.
const BYTES_MAX: usize = 1 << 20;

const _: () =
    assert!(ENTRIES_MAX <= BATCH_ENTRIES_MAX && BYTES_MAX + journal::ENTRY_BYTES_MAX < BATCH_BYTES_MAX);

/// Reads on where it left off, as long as it is asked to.
#[derive(Debug)]
pub(super) struct BatchReader {
    reader: Reader,
    entries: Entries,
}

impl BatchReader {
    pub(super) fn new(reader: Reader) -> Self {
        let entries = reader.entries(0);
        Self { reader, entries }
    }

    /// Returns at most `entries_max` entries from `first` on, as they stand, each with a line
    /// feed; `None` if there is none. Blocks.
    pub(super) fn read(
        &mut self,
        log: &str,
        first: u64,
        entries_max: usize,
    ) -> Result<Option<Batch>, ReadError> {
        if self.entries.position() != first {
            self.entries = self.reader.entries(first);
        }
        let mut batch = Batch {
            log: log.to_owned(),
            first_seq: first,
            data: Vec::new(),
            ends: Vec::new(),
            attempt: 0,
        };
        while batch.ends.len() < entries_max.min(ENTRIES_MAX) && batch.data.len() < BYTES_MAX {
            let Some(entry) = self.entries.next() else {
                break;
            };
            let entry = match entry {
                Ok(entry) => entry,
                // What was read before the fault is good.
                Err(_) if !batch.ends.is_empty() => break,
                Err(error) => return Err(error),
            };
            batch.data.extend_from_slice(&entry.bytes);
            batch.data.push(b'\n');
            batch
                .ends
                .push(u32::try_from(batch.data.len()).expect("a batch is far below 4 GiB"));
        }
        Ok((!batch.ends.is_empty()).then_some(batch))
    }
}

/// Returns the entry with the number `seq`, without its line feed.
pub(super) fn entry(batch: &Batch, seq: u64) -> Option<&[u8]> {
    let at = usize::try_from(seq.checked_sub(batch.first_seq)?).ok()?;
    let end = *batch.ends.get(at)? as usize;
    let start = match at {
        0 => 0,
        _ => *batch.ends.get(at - 1)? as usize,
    };
    batch.data.get(start..end)?.strip_suffix(b"\n")
}

/// Returns the number of the last entry.
pub(super) fn last_seq(batch: &Batch) -> u64 {
    batch.first_seq + (batch.ends.len() as u64).saturating_sub(1)
}
