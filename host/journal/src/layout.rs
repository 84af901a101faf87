//! Where everything stands in a log's directory, and how a file gets there for good.
//!
//! The names under `tile/` and `checkpoint` are those of C2SP tlog-tiles, so a static server
//! over the directory is a tlog-tiles server.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::tree::{TILE_WIDTH, TileId};

/// The paths of one log.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    dir: PathBuf,
}

impl Layout {
    pub(crate) fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_path_buf(),
        }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The latest signed checkpoint.
    pub(crate) fn checkpoint(&self) -> PathBuf {
        self.dir.join("checkpoint")
    }

    /// Every signed checkpoint ever, in order.
    pub(crate) fn checkpoints_log(&self) -> PathBuf {
        self.dir.join("checkpoints.log")
    }

    /// Verification keys, one a line, oldest first.
    pub(crate) fn vkeys(&self) -> PathBuf {
        self.dir.join("keys").join("vkeys.txt")
    }

    /// Held locked by the one writer.
    pub(crate) fn lock(&self) -> PathBuf {
        self.dir.join("lock")
    }

    /// The size at the last orderly close: no operation was open then.
    pub(crate) fn closed(&self) -> PathBuf {
        self.dir.join("closed")
    }

    pub(crate) fn wal(&self) -> PathBuf {
        self.dir.join("wal")
    }

    /// The segment whose first entry is `first`.
    pub(crate) fn segment(&self, first: u64) -> PathBuf {
        self.wal().join(format!("{first:020}"))
    }

    /// The segment that is made ready before it is needed.
    pub(crate) fn next_segment(&self) -> PathBuf {
        self.wal().join("next")
    }

    pub(crate) fn tiles(&self) -> PathBuf {
        self.dir.join("tile")
    }

    /// A hash tile.
    pub(crate) fn tile(&self, id: TileId) -> PathBuf {
        self.numbered(self.tiles().join(id.level.to_string()), id.index, id.width)
    }

    /// The entries under level-0 tile `index`, `width` of them.
    pub(crate) fn bundle(&self, index: u64, width: usize) -> PathBuf {
        self.numbered(self.tiles().join("entries"), index, width)
    }

    /// The folder of partial bundles or tiles with this path when full.
    pub(crate) fn partials(full: &Path) -> PathBuf {
        let mut name = full.as_os_str().to_owned();
        name.push(".p");
        PathBuf::from(name)
    }

    fn numbered(&self, mut path: PathBuf, index: u64, width: usize) -> PathBuf {
        // Groups of three digits, all but the last with an `x` before them.
        let mut groups = vec![format!("{:03}", index % 1000)];
        let mut rest = index / 1000;
        while rest > 0 {
            groups.push(format!("x{:03}", rest % 1000));
            rest /= 1000;
        }
        path.extend(groups.iter().rev());
        if width < TILE_WIDTH {
            path = Self::partials(&path).join(width.to_string());
        }
        path
    }
}

/// The widths of the partial files that exist beside the full path `full`, ascending.
pub(crate) fn partial_widths(full: &Path) -> io::Result<Vec<usize>> {
    let entries = match fs::read_dir(Layout::partials(full)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut widths = Vec::new();
    for entry in entries {
        if let Some(width) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) {
            widths.push(width);
        }
    }
    widths.sort_unstable();
    Ok(widths)
}

/// The first indexes of the segments that exist, ascending.
pub(crate) fn segments(layout: &Layout) -> io::Result<Vec<u64>> {
    let entries = match fs::read_dir(layout.wal()) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut firsts = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        if let Some(first) = name
            .to_str()
            .filter(|n| n.len() == 20)
            .and_then(|n| n.parse().ok())
        {
            firsts.push(first);
        }
    }
    firsts.sort_unstable();
    Ok(firsts)
}

/// Writes a file so that it is there whole or not at all, whatever happens, once the folder
/// has been synced with [`sync_dir`].
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    make_dirs(parent)?;
    let temporary = temporary(path);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

/// What a file is called until it is whole.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

/// Makes a folder and those above it, each synced into its parent.
pub(crate) fn make_dirs(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = dir.parent().filter(|p| !p.as_os_str().is_empty());
    if let Some(parent) = parent {
        make_dirs(parent)?;
    }
    match fs::create_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    sync_dir(parent.unwrap_or(Path::new(".")))
}

/// Makes the names in a folder durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Reads a file; `None` if it does not exist.
pub(crate) fn read_optional(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        let layout = Layout::new(Path::new("log"));
        let tile = |level, index, width| layout.tile(TileId { level, index, width }).display().to_string();
        assert_eq!(tile(0, 1_234_067, 256), "log/tile/0/x001/x234/067");
        assert_eq!(tile(3, 5, 17), "log/tile/3/005.p/17");
        assert_eq!(layout.bundle(1000, 256), Path::new("log/tile/entries/x001/000"));
        assert_eq!(layout.bundle(0, 3), Path::new("log/tile/entries/000.p/3"));
    }
}
