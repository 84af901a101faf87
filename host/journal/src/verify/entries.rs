//! Goes through the entries and compares everything made from them with the files.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::VerifyError;
use super::notes::{Claim, Signed};
use crate::block::Frames;
use crate::layout::{self, Layout};
use crate::tree::{self, Hash, TILE_WIDTH, TileId, Tree};

/// The walk from the first entry to the last.
pub(super) struct Walk<'a> {
    layout: &'a Layout,
    signed: &'a Signed,
    recordings: Option<&'a Path>,
    tree: Tree,
    /// Claims not reached yet.
    claims: &'a [Claim],
    /// Size of the last claim that held.
    holds: u64,
    recorded: u64,
}

#[derive(Deserialize)]
struct Fields<'a> {
    v: u8,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    path: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    sha256: Option<Cow<'a, str>>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(layout: &'a Layout, signed: &'a Signed, recordings: Option<&'a Path>) -> Self {
        Self {
            layout,
            signed,
            recordings,
            tree: Tree::default(),
            claims: &signed.claims,
            holds: 0,
            recorded: 0,
        }
    }

    pub(super) fn size(&self) -> u64 {
        self.tree.size()
    }

    pub(super) fn recordings(&self) -> u64 {
        self.recorded
    }

    /// Checks the entries under one level-0 tile.
    pub(super) fn bundle(&mut self, index: u64) -> Result<(), VerifyError> {
        let first = index * TILE_WIDTH as u64;
        let width = usize::try_from((self.signed.size - first).min(TILE_WIDTH as u64)).expect("at most 256");
        let bytes = self.read_bundle(index, width)?;
        let hashes = self.read_tile(TileId {
            level: 0,
            index,
            width,
        })?;
        let mut frames = Frames::new(&bytes);
        let found: Vec<Hash> = frames.by_ref().map(tree::leaf_hash).collect();
        let exact = frames.rest().is_empty() && found.len() == width;
        let same = found.len() >= width && found[..width] == hashes[..];
        // A wider bundle of a later round serves as well, if what is asked of it is right.
        let wider = same && found.len() > width && self.bundle_path(index, width)?.1 > width;
        if !(same && (exact || wider)) {
            return Err(self.name_difference(index, &hashes, &found));
        }
        for (at, entry) in (first..).zip(Frames::new(&bytes).take(width)) {
            self.check_claims()?;
            self.check_entry(at, entry)?;
            self.push(tree::leaf_hash(entry))?;
        }
        Ok(())
    }

    /// Checks what is only known at the end of the signed entries.
    pub(super) fn finish(&mut self) -> Result<(), VerifyError> {
        for id in tree::partial_tiles(self.tree.size()) {
            let hashes = self.read_tile(id)?;
            if hashes != self.tree.edge(id.level) {
                let path = self.layout.tile(id);
                return Err(VerifyError::TileChanged { path });
            }
        }
        self.check_claims()
    }

    /// Checks the form of an entry, and the recording it names.
    pub(super) fn check_entry(&mut self, index: u64, entry: &[u8]) -> Result<(), VerifyError> {
        let fields = serde_json::from_slice::<Fields<'_>>(entry);
        let fields = fields.ok().filter(|f| f.v == model::event::VERSION);
        let fields = fields.ok_or(VerifyError::EntryMalformed { index })?;
        let Some(recordings) = self.recordings else {
            return Ok(());
        };
        if fields.kind != "recording.segment" {
            return Ok(());
        }
        let (Some(path), Some(sha256)) = (fields.path, fields.sha256) else {
            return Err(VerifyError::EntryMalformed { index });
        };
        // An entry names a place below the folder, whatever it says.
        let plain = |part| matches!(part, std::path::Component::Normal(_));
        if !Path::new(path.as_ref()).components().all(plain) {
            return Err(VerifyError::EntryMalformed { index });
        }
        let path = recordings.join(path.as_ref());
        match file_sha256(&path) {
            Ok(found) if hex::encode(found) == *sha256 => {
                self.recorded += 1;
                Ok(())
            }
            Ok(_) => Err(VerifyError::RecordingChanged { index, path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(VerifyError::RecordingMissing { index, path })
            }
            Err(source) => Err(VerifyError::Io { path, source }),
        }
    }

    /// Compares the root with every claim about the present size.
    fn check_claims(&mut self) -> Result<(), VerifyError> {
        let size = self.tree.size();
        while let Some((claim, rest)) = self.claims.split_first().filter(|(c, _)| c.size == size) {
            if self.tree.root() != claim.root {
                return Err(if claim.anchor {
                    VerifyError::Replaced { size }
                } else {
                    VerifyError::RootDiffers {
                        size,
                        after: self.holds,
                    }
                });
            }
            self.holds = size;
            self.claims = rest;
        }
        Ok(())
    }

    fn push(&mut self, leaf: Hash) -> Result<(), VerifyError> {
        let mut full: Vec<(TileId, Vec<Hash>)> = Vec::new();
        self.tree.push(leaf, |id, hashes| {
            // Level 0 has been compared with its entries already.
            if id.level > 0 {
                full.push((id, hashes.to_vec()));
            }
            Ok::<(), VerifyError>(())
        })?;
        for (id, hashes) in full {
            let found = self.read_tile(id)?;
            if let Some(at) = (0..TILE_WIDTH).find(|at| found[*at] != hashes[*at]) {
                let leaves = (TILE_WIDTH as u64).pow(u32::try_from(id.level).expect("below 8"));
                let first = (id.index * TILE_WIDTH as u64 + at as u64) * leaves;
                return Err(VerifyError::StretchChanged {
                    first,
                    last: first + leaves - 1,
                    path: self.layout.tile(id),
                });
            }
        }
        Ok(())
    }

    /// Finds out what differs between a bundle and its tile.
    fn name_difference(&self, index: u64, tile: &[Hash], found: &[Hash]) -> VerifyError {
        let first = index * TILE_WIDTH as u64;
        let width = tile.len();
        let same = tile.iter().zip(found).take_while(|(a, b)| a == b).count();
        let whole = found.len() == width;
        if whole && !self.is_signed(index, tile) && self.is_signed(index, found) {
            let id = TileId {
                level: 0,
                index,
                width,
            };
            return VerifyError::TileChanged {
                path: self.layout.tile(id),
            };
        }
        let at = first + same as u64;
        let (Some(here), Some(_)) = (found.get(same), tile.get(same)) else {
            return match found.len() < width {
                true if at + 1 < self.signed.size && !self.is_last(index) => {
                    VerifyError::EntryMissing { index: at }
                }
                true => VerifyError::Cut {
                    held: at,
                    signed: self.signed.size,
                },
                false => VerifyError::EntryAdded { index: at },
            };
        };
        match tile.iter().position(|hash| hash == here) {
            Some(from) if from == same + 1 && found.get(same + 1) != Some(&tile[same]) => {
                VerifyError::EntryMissing { index: at }
            }
            Some(from) if from > same => VerifyError::EntryMoved {
                index: at,
                from: first + from as u64,
            },
            _ if found.get(same + 1) == Some(&tile[same]) => VerifyError::EntryAdded { index: at },
            _ => VerifyError::EntryChanged { index: at },
        }
    }

    fn is_last(&self, index: u64) -> bool {
        (index + 1) * TILE_WIDTH as u64 >= self.signed.size
    }

    /// Whether the signed tree has these hashes in the level-0 tile `index`.
    fn is_signed(&self, index: u64, hashes: &[Hash]) -> bool {
        if hashes.len() < TILE_WIDTH {
            let mut tree = self.tree.clone();
            let pushed = hashes
                .iter()
                .try_for_each(|hash| tree.push(*hash, |_, _| Ok::<(), ()>(())));
            return pushed.is_ok() && tree.root() == self.signed.root;
        }
        let above = TileId {
            level: 1,
            index: index / TILE_WIDTH as u64,
            width: usize::try_from(index % TILE_WIDTH as u64).expect("below 256") + 1,
        };
        let parent = self.read_tile(above).ok();
        parent.and_then(|hashes| hashes.last().copied()) == Some(tree::subtree_root(hashes))
    }

    /// The file that holds at least `width` entries of a bundle, and how many it should.
    fn bundle_path(&self, index: u64, width: usize) -> Result<(PathBuf, usize), VerifyError> {
        let full = self.layout.bundle(index, TILE_WIDTH);
        for width in widths(&full, width)? {
            let path = self.layout.bundle(index, width);
            if path.exists() {
                return Ok((path, width));
            }
        }
        let path = self.layout.bundle(index, width);
        Ok((path, width))
    }

    fn read_bundle(&self, index: u64, width: usize) -> Result<Vec<u8>, VerifyError> {
        let (path, _) = self.bundle_path(index, width)?;
        let read = layout::read_optional(&path).map_err(|source| VerifyError::Io { path, source })?;
        if let Some(bytes) = read {
            return Ok(bytes);
        }
        let first = index * TILE_WIDTH as u64;
        let later = (index + 1..self.signed.size.div_ceil(TILE_WIDTH as u64)).any(|later| {
            self.layout.bundle(later, TILE_WIDTH).exists()
                || Layout::partials(&self.layout.bundle(later, TILE_WIDTH)).exists()
        });
        if later {
            return Err(VerifyError::EntryMissing { index: first });
        }
        let shorter = widths(&self.layout.bundle(index, TILE_WIDTH), 0)?;
        let held = shorter.into_iter().filter(|w| *w < width).max().unwrap_or(0);
        Err(VerifyError::Cut {
            held: first + held as u64,
            signed: self.signed.size,
        })
    }

    fn read_tile(&self, id: TileId) -> Result<Vec<Hash>, VerifyError> {
        let full = self.layout.tile(TileId {
            width: TILE_WIDTH,
            ..id
        });
        for width in widths(&full, id.width)? {
            let path = self.layout.tile(TileId { width, ..id });
            let read = layout::read_optional(&path).map_err(|source| VerifyError::Io {
                path: path.clone(),
                source,
            })?;
            if let Some(bytes) = read {
                let hashes = tree::parse_tile(&bytes, width).filter(|_| bytes.len() == width * 32);
                let mut hashes = hashes.ok_or(VerifyError::TileChanged { path })?;
                hashes.truncate(id.width);
                return Ok(hashes);
            }
        }
        Err(VerifyError::TileMissing {
            path: self.layout.tile(id),
        })
    }
}

/// The widths from `least` on in which a tile or bundle may be there, ascending.
fn widths(full: &Path, least: usize) -> Result<Vec<usize>, VerifyError> {
    let mut widths = layout::partial_widths(full).map_err(|source| VerifyError::Io {
        path: full.to_path_buf(),
        source,
    })?;
    widths.push(TILE_WIDTH);
    widths.retain(|width| *width >= least);
    Ok(widths)
}

fn file_sha256(path: &Path) -> io::Result<Hash> {
    let mut hasher = Sha256::new();
    io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok(hasher.finalize().into())
}
