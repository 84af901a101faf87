//! The Merkle tree of RFC 6962, kept as the right edge of its tiles.
//!
//! Append-only: a leaf costs one hash, one copy and, spread out, one node hash. Whole tiles
//! are handed out as they fill. Pure: no files come here.

use sha2::{Digest, Sha256};

/// A SHA-256 hash of a leaf or node.
pub type Hash = [u8; HASH_BYTES];

/// Length of a hash in bytes.
pub(crate) const HASH_BYTES: usize = 32;

/// Hashes in a whole tile, entries in a whole bundle; fixed by tlog-tiles.
pub(crate) const TILE_WIDTH: usize = 256;

/// Levels of tiles that a log of 2^64 entries has.
pub(crate) const LEVELS_MAX: usize = 8;

/// The hash of an entry.
pub(crate) fn leaf_hash(entry: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0x00]);
    hasher.update(entry);
    hasher.finalize().into()
}

/// The hash of an inner node.
pub(crate) fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0x01]);
    hasher.update(left);
    hasher.update(right);
    hasher.finalize().into()
}

/// The root of a tree without leaves.
pub(crate) fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// Where a tile stands: `level` 0 is next to the leaves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TileId {
    pub(crate) level: usize,
    pub(crate) index: u64,
    /// 1 to [`TILE_WIDTH`].
    pub(crate) width: usize,
}

/// The right edge of a tree: per level, the hashes of the tile that is not full yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    size: u64,
    edge: [Vec<Hash>; LEVELS_MAX],
}

impl Tree {
    /// Rebuilds the edge of a tree of `size` leaves from its partial tiles.
    pub(crate) fn load<E>(
        size: u64,
        mut tile: impl FnMut(TileId) -> Result<Vec<Hash>, E>,
    ) -> Result<Self, E> {
        let mut tree = Self {
            size,
            ..Self::default()
        };
        for id in partial_tiles(size) {
            tree.edge[id.level] = tile(id)?;
        }
        Ok(tree)
    }

    /// Number of leaves.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Hashes of the tile at `level` that is not full yet.
    pub(crate) fn edge(&self, level: usize) -> &[Hash] {
        &self.edge[level]
    }

    /// Adds a leaf and hands out each tile that it fills, lowest level first.
    pub(crate) fn push<E>(
        &mut self,
        leaf: Hash,
        mut full: impl FnMut(TileId, &[Hash]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut index = self.size / TILE_WIDTH as u64;
        self.size += 1;
        let mut carried = leaf;
        for level in 0..LEVELS_MAX {
            self.edge[level].push(carried);
            if self.edge[level].len() < TILE_WIDTH {
                break;
            }
            let id = TileId {
                level,
                index,
                width: TILE_WIDTH,
            };
            full(id, &self.edge[level])?;
            carried = subtree_root(&self.edge[level]);
            self.edge[level].clear();
            index /= TILE_WIDTH as u64;
        }
        Ok(())
    }

    /// The root, RFC 6962 section 2.1.
    pub(crate) fn root(&self) -> Hash {
        let mut root: Option<Hash> = None;
        // From the right: the smallest subtree is the innermost right child.
        for hashes in &self.edge {
            let mut end = hashes.len();
            while end > 0 {
                let width = 1 << end.trailing_zeros();
                let peak = subtree_root(&hashes[end - width..end]);
                root = Some(root.map_or(peak, |right| node_hash(&peak, &right)));
                end -= width;
            }
        }
        root.unwrap_or_else(empty_root)
    }
}

/// The tiles that are not full in a tree of `size` leaves, lowest level first.
pub(crate) fn partial_tiles(size: u64) -> impl Iterator<Item = TileId> {
    (0..LEVELS_MAX).filter_map(move |level| {
        let nodes = size >> (8 * level);
        let width = usize::try_from(nodes % TILE_WIDTH as u64).expect("below 256");
        (width > 0).then_some(TileId {
            level,
            index: nodes / TILE_WIDTH as u64,
            width,
        })
    })
}

/// The root over a power of two of hashes.
pub(crate) fn subtree_root(hashes: &[Hash]) -> Hash {
    debug_assert!(hashes.len().is_power_of_two() && hashes.len() <= TILE_WIDTH);
    let mut level = [[0; HASH_BYTES]; TILE_WIDTH];
    level[..hashes.len()].copy_from_slice(hashes);
    let mut width = hashes.len();
    while width > 1 {
        width /= 2;
        for i in 0..width {
            level[i] = node_hash(&level[2 * i], &level[2 * i + 1]);
        }
    }
    level[0]
}

/// The bytes of a tile.
pub(crate) fn tile_bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.concat()
}

/// Reads the first `width` hashes of a tile; `None` if it is shorter or not whole hashes.
pub(crate) fn parse_tile(bytes: &[u8], width: usize) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<HASH_BYTES>();
    (rest.is_empty() && hashes.len() >= width).then(|| hashes[..width].to_vec())
}

#[cfg(test)]
mod tests;
