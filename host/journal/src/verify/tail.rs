//! Checks what is written ahead of the bundles.

use std::io;
use std::path::Path;

use super::VerifyError;
use super::entries::Walk;
use crate::block::Frames;
use crate::layout::{self, Layout};
use crate::read::Reader;
use crate::segment::{SegmentReader, Tail};

/// What was found after the signed entries.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ahead {
    pub(super) unsigned: u64,
    pub(super) torn: bool,
}

/// Checks that segments hold the same entries as bundles where they overlap, and go on from
/// there without a gap.
pub(super) fn check(layout: &Layout, walk: &mut Walk<'_>, signed: u64) -> Result<Ahead, VerifyError> {
    let firsts = layout::segments(layout).map_err(io_error(&layout.wal()))?;
    let mut size = signed;
    let mut torn = false;
    for (at, first) in firsts.iter().enumerate() {
        let path = layout.segment(*first);
        let mut segment = match SegmentReader::open(&path) {
            Ok(segment) => segment,
            // The writer beside us has just made it superfluous.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(io_error(&path)(error)),
        };
        if *first > size {
            return Err(VerifyError::EntryMissing { index: size });
        }
        size = segment_entries(layout, walk, &mut segment, *first, (signed, size))?;
        let end = segment.tail().map_err(io_error(&path))?;
        torn = end == Tail::Torn;
        if end == Tail::Damaged || torn && at + 1 < firsts.len() {
            return Err(VerifyError::WalDamaged { size, path });
        }
    }
    Ok(Ahead {
        unsigned: size - signed,
        torn,
    })
}

/// Goes through one segment. Returns the size of the log after it.
fn segment_entries(
    layout: &Layout,
    walk: &mut Walk<'_>,
    segment: &mut SegmentReader,
    first: u64,
    (signed, mut size): (u64, u64),
) -> Result<u64, VerifyError> {
    let path = layout.segment(first);
    let bundles = Reader::bundles_only(layout, signed);
    let mut kept = bundles.entries(first);
    let mut next = first;
    while let Some(block) = segment.next_block().map_err(io_error(&path))? {
        if block.first != next {
            return Err(VerifyError::WalDamaged { size: next, path });
        }
        let mut frames = Frames::new(block.frames);
        for entry in &mut frames {
            if next < signed {
                let bundled = kept.next().and_then(Result::ok);
                if bundled.is_none_or(|bundled| bundled.bytes != entry) {
                    return Err(VerifyError::WalDamaged { size: next, path });
                }
            } else {
                walk.check_entry(next, entry)?;
                size = size.max(next + 1);
            }
            next += 1;
        }
        if next != block.end() || !frames.rest().is_empty() {
            return Err(VerifyError::WalDamaged { size: next, path });
        }
    }
    Ok(size)
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> VerifyError + use<> {
    let path = path.to_path_buf();
    move |source| VerifyError::Io {
        path: path.clone(),
        source,
    }
}
