//! Rebuilds the tree of a log: what is signed from its tiles, the rest from its segments.

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;

use super::{OpenError, Options, io_error};
use crate::block::Frames;
use crate::layout::{self, Layout};
use crate::note::{SignedCheckpoint, SigningNoteKey};
use crate::publish::{self, Builder};
use crate::segment::{Device, Ready, SegmentReader, Tail};
use crate::tree::{self, Hash, LEVELS_MAX, TILE_WIDTH, TileId, Tree};

/// Checks the log against its last checkpoint, takes in what came after it, and signs that.
/// Returns the builder and the number of bytes that were cut.
pub(super) fn replay(
    layout: &Layout,
    key: SigningNoteKey,
    device: &Arc<dyn Device>,
    ready: &Ready,
    options: &Options,
    latest: SignedCheckpoint,
) -> Result<(Builder, u64), OpenError> {
    let signed = latest.checkpoint.size;
    let tree = load(layout, signed, signed)?;
    if tree.root() != latest.checkpoint.root {
        return Err(OpenError::Forked { size: signed });
    }
    let bundle = last_bundle(layout, &tree)?;
    let (device, ready) = (Arc::clone(device), Arc::clone(ready));
    let mut builder = Builder::new(
        layout.clone(),
        key,
        device,
        ready,
        options.segment_bytes,
        options.checkpoint_every,
        tree,
        bundle,
        latest,
    );
    let mut cut_bytes = 0;
    let firsts = layout::segments(layout).map_err(io_error(&layout.wal(), "read"))?;
    for (at, first) in firsts.iter().enumerate() {
        let last = at + 1 == firsts.len();
        cut_bytes += replay_segment(layout, &mut builder, *first, last)?;
    }
    let size = builder.tree().size();
    remove_unsigned(layout, signed, size).map_err(io_error(&layout.tiles(), "cleared"))?;
    if size > signed {
        builder.publish().map_err(io_error(&layout.tiles(), "written"))?;
    }
    Ok((builder, cut_bytes))
}

/// Removes the partial files of a round that did not get as far as its checkpoint. It was of
/// no more than `size` entries: all it saw were durable.
fn remove_unsigned(layout: &Layout, signed: u64, size: u64) -> std::io::Result<()> {
    for level in 0..LEVELS_MAX {
        let tile = |entries: u64| entries >> (8 * level) >> 8;
        if size >> (8 * level) == 0 {
            break;
        }
        for index in tile(signed)..=tile(size) {
            let width = TILE_WIDTH;
            publish::remove_partials(layout, TileId { level, index, width }, signed)?;
        }
    }
    Ok(())
}

fn replay_segment(layout: &Layout, builder: &mut Builder, first: u64, last: bool) -> Result<u64, OpenError> {
    let path = layout.segment(first);
    let read = io_error(&path, "read");
    let damaged = |size| OpenError::Damaged {
        size,
        path: path.clone(),
    };
    if first > builder.tree().size() {
        return Err(damaged(builder.tree().size()));
    }
    let mut segment = SegmentReader::open(&path).map_err(&read)?;
    let mut next = first;
    while let Some(block) = segment.next_block().map_err(&read)? {
        if block.first != next {
            return Err(damaged(next));
        }
        next = block.end();
        let size = builder.tree().size();
        let mut frames = Frames::new(block.frames);
        for (index, entry) in (block.first..next).zip(&mut frames) {
            if index >= size {
                builder
                    .push(entry)
                    .map_err(io_error(&layout.tiles(), "written"))?;
            }
        }
        if !frames.rest().is_empty() || builder.tree().size() < next {
            return Err(damaged(builder.tree().size()));
        }
    }
    let offset = segment.offset();
    match segment.tail().map_err(&read)? {
        Tail::Clean => Ok(0),
        Tail::Torn if last => cut(&path, offset).map_err(io_error(&path, "cut")),
        Tail::Torn | Tail::Damaged => Err(damaged(next)),
    }
}

/// Cuts a segment to `offset`, so that what was torn is not met again. Returns what was cut.
fn cut(path: &PathBuf, offset: u64) -> std::io::Result<u64> {
    let bytes = fs::metadata(path)?.len().saturating_sub(offset);
    let file = File::options().write(true).open(path)?;
    file.set_len(offset)?;
    file.sync_all()?;
    Ok(bytes)
}

/// Loads the right edge of the tree at `size` from the tiles; `signed` entries are.
pub(super) fn load(layout: &Layout, size: u64, signed: u64) -> Result<Tree, OpenError> {
    Tree::load(size, |id| match signed_tile(layout, id, signed)? {
        Some(hashes) => Ok(hashes),
        None => Err(OpenError::RolledBack {
            held: held(layout)?,
            signed: size,
        }),
    })
}

/// Reads the first `id.width` hashes of a tile from the one that `signed` entries have, or, if
/// that is not there, from any that is wide enough.
fn signed_tile(layout: &Layout, id: TileId, signed: u64) -> Result<Option<Vec<Hash>>, OpenError> {
    let nodes = (signed >> (8 * id.level)).saturating_sub(id.index * TILE_WIDTH as u64);
    let claimed = usize::try_from(nodes).map_or(TILE_WIDTH, |nodes| nodes.min(TILE_WIDTH));
    let full = layout.tile(TileId {
        width: TILE_WIDTH,
        ..id
    });
    let widths = layout::partial_widths(&full).map_err(io_error(&full, "read"))?;
    let widths = [claimed].into_iter().chain(widths).chain([TILE_WIDTH]);
    for width in widths.filter(|width| *width >= id.width) {
        let path = layout.tile(TileId { width, ..id });
        let bytes = layout::read_optional(&path).map_err(io_error(&path, "read"))?;
        if let Some(hashes) = bytes.and_then(|bytes| tree::parse_tile(&bytes, id.width)) {
            return Ok(Some(hashes));
        }
    }
    Ok(None)
}

/// The frames under the tree's partial level-0 tile, checked against it.
fn last_bundle(layout: &Layout, tree: &Tree) -> Result<Vec<u8>, OpenError> {
    let edge = tree.edge(0);
    if edge.is_empty() {
        return Ok(Vec::new());
    }
    let index = tree.size() / TILE_WIDTH as u64;
    let full = layout.bundle(index, TILE_WIDTH);
    let widths = layout::partial_widths(&full).map_err(io_error(&full, "read"))?;
    for width in widths
        .into_iter()
        .chain([TILE_WIDTH])
        .filter(|w| *w >= edge.len())
    {
        let path = layout.bundle(index, width);
        let Some(mut bytes) = layout::read_optional(&path).map_err(io_error(&path, "read"))? else {
            continue;
        };
        let mut frames = Frames::new(&bytes);
        let same = edge
            .iter()
            .all(|hash| frames.next().is_some_and(|entry| tree::leaf_hash(entry) == *hash));
        if !same {
            return Err(OpenError::Forked { size: tree.size() });
        }
        let len = bytes.len() - frames.rest().len();
        bytes.truncate(len);
        return Ok(bytes);
    }
    Err(OpenError::RolledBack {
        held: held(layout)?,
        signed: tree.size(),
    })
}

/// How many entries the bundles hold, counted from the first without a gap.
fn held(layout: &Layout) -> Result<u64, OpenError> {
    let mut whole = 0;
    while layout.bundle(whole, TILE_WIDTH).exists() {
        whole += 1;
    }
    let next = layout.bundle(whole, TILE_WIDTH);
    let widths = layout::partial_widths(&next).map_err(io_error(&next, "read"))?;
    let partial = widths.last().copied().unwrap_or(0);
    Ok(whole * TILE_WIDTH as u64 + partial as u64)
}
