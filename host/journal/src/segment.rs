//! Segment files of the write-ahead part: blocks one after another, then zeros.
//!
//! A segment is filled with zeros and synced before it is used, so that a commit overwrites
//! bytes that the file system already knows: its `fdatasync` has no size to record, which
//! measured a fifth faster on ext4, and a full disk shows when the *next* segment is made
//! ready, while the present one still has room to say so.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{Advice, fadvise};

use crate::block::{self, Block, HEADER_BYTES, MAGIC, Parsed};
use crate::layout::{Layout, sync_dir};

/// Makes segment files and syncs tiles; replaced in tests by one that fails.
pub(crate) trait Device: Send + Sync {
    /// Makes a file of `capacity` zero bytes, synced.
    fn create(&self, path: &Path, capacity: u64) -> io::Result<Box<dyn Output>>;
    /// Begins to write a file out, to make a sync that follows shorter. Promises nothing.
    fn begin_sync(&self, file: &File);
    /// Makes a file durable that was just made and will not be changed: `fdatasync`.
    fn sync_file(&self, file: &File, path: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
}

/// A segment file open for writing.
pub(crate) trait Output: Send {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// `fdatasync`. Never called again on any file of the log once it has failed.
    fn sync(&mut self) -> io::Result<()>;
}

/// The real thing.
#[derive(Debug)]
pub(crate) struct Disk;

impl Device for Disk {
    fn create(&self, path: &Path, capacity: u64) -> io::Result<Box<dyn Output>> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)?;
        let zeros = vec![0; ZEROS_BYTES];
        let mut offset = 0;
        while offset < capacity {
            let step = (capacity - offset).min(ZEROS_BYTES as u64);
            let len = usize::try_from(step).expect("at most ZEROS_BYTES");
            file.write_all_at(&zeros[..len], offset)?;
            offset += step;
        }
        file.sync_all()?;
        Ok(Box::new(DiskFile(file)))
    }

    fn begin_sync(&self, file: &File) {
        // On Linux this begins to write out what is not on the device; only that is wanted of
        // it, and where it does not the sync does all the work.
        let _ = fadvise(file, 0, None, Advice::DontNeed);
    }

    fn sync_file(&self, file: &File, _path: &Path) -> io::Result<()> {
        file.sync_data()
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        sync_dir(path)
    }
}

struct DiskFile(File);

impl Output for DiskFile {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}

/// The segment made ready beforehand, if it is.
pub(crate) type Ready = Arc<Mutex<Option<Box<dyn Output>>>>;

/// The end of the log where blocks are written.
pub(crate) struct Wal {
    layout: Layout,
    device: Arc<dyn Device>,
    ready: Ready,
    out: Box<dyn Output>,
    offset: u64,
    capacity: u64,
    next: u64,
    ended: bool,
}

impl Wal {
    /// Starts a segment whose first entry will be `next`.
    pub(crate) fn start(
        layout: &Layout,
        device: Arc<dyn Device>,
        ready: Ready,
        next: u64,
        capacity: u64,
    ) -> io::Result<Self> {
        let out = device.create(&layout.segment(next), capacity)?;
        sync_dir(&layout.wal())?;
        Ok(Self {
            layout: layout.clone(),
            device,
            ready,
            out,
            offset: 0,
            capacity,
            next,
            ended: false,
        })
    }

    /// Seals and writes one block and makes it durable. Returns whether a new segment was begun.
    pub(crate) fn write(&mut self, block: &mut [u8], first: u64, count: u32) -> Result<bool, WriteError> {
        if self.ended || first != self.next {
            return Err(WriteError::Failed(io::Error::other("the log has ended")));
        }
        let room = self.capacity.saturating_sub(LAST_WORDS_BYTES as u64);
        let rotated = self.offset > 0 && self.offset + block.len() as u64 > room;
        if rotated {
            let out = self.next_output().map_err(WriteError::NoSegment)?;
            self.out = out;
            self.offset = 0;
            sync_dir(&self.layout.wal()).map_err(WriteError::Failed)?;
        }
        self.put(block, first, count).map_err(WriteError::Failed)?;
        Ok(rotated)
    }

    /// Writes one entry more into the room kept for it, after which nothing more is written.
    pub(crate) fn write_last(&mut self, entry: &[u8]) -> io::Result<()> {
        if self.ended {
            return Ok(());
        }
        let mut block = vec![0; HEADER_BYTES];
        block::push_frame(&mut block, entry);
        let put = self.put(&mut block, self.next, 1);
        self.ended = true;
        put
    }

    /// After a failed write or sync nothing may be written any more.
    pub(crate) fn end(&mut self) {
        self.ended = true;
    }

    fn put(&mut self, block: &mut [u8], first: u64, count: u32) -> io::Result<()> {
        block::seal(block, first, count);
        self.out.write_at(block, self.offset)?;
        self.out.sync()?;
        self.offset += block.len() as u64;
        self.next += u64::from(count);
        Ok(())
    }

    fn next_output(&self) -> io::Result<Box<dyn Output>> {
        let path = self.layout.segment(self.next);
        let ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner).take();
        match ready {
            Some(out) => std::fs::rename(self.layout.next_segment(), &path).map(|()| out),
            // Nobody made one ready in time: one without zeros is slower but as safe.
            None => self.device.create(&path, 0),
        }
    }
}

/// Why a block could not be made durable.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// There is no segment for it; in the present one nothing was touched.
    NoSegment(io::Error),
    /// Nothing is known about what is on the device now.
    Failed(io::Error),
}

/// Reads the blocks of one segment in order; may run beside its writer.
#[derive(Debug)]
pub(crate) struct SegmentReader {
    file: File,
    /// Where `buffer` begins in the file.
    base: u64,
    buffer: Vec<u8>,
    /// The next block begins here in `buffer`.
    at: usize,
}

/// What stands after the last whole block of a segment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Tail {
    /// Zeros or nothing.
    Clean,
    /// Bytes of a block that was never whole.
    Torn,
    /// A damaged block, and a whole one after it: not what a crash leaves behind.
    Damaged,
}

impl SegmentReader {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: File::open(path)?,
            base: 0,
            buffer: Vec::new(),
            at: 0,
        })
    }

    /// Where the next block begins in the file.
    pub(crate) fn offset(&self) -> u64 {
        self.base + self.at as u64
    }

    /// Returns the next whole block; `None` if none is there yet.
    pub(crate) fn next_block(&mut self) -> io::Result<Option<Block<'_>>> {
        let mut wanted = READ_BYTES;
        let mut fresh = false;
        let len = loop {
            match block::parse(&self.buffer[self.at..]) {
                Parsed::Whole(block) => break block.len(),
                Parsed::Needs(bytes) if fresh && bytes <= wanted => return Ok(None),
                Parsed::Needs(bytes) => wanted = wanted.max(bytes),
                // What was read ahead may have been written since.
                Parsed::Broken if fresh => return Ok(None),
                Parsed::Broken => {}
            }
            self.refill(wanted)?;
            fresh = true;
        };
        let start = self.at;
        self.at += len;
        match block::parse(&self.buffer[start..]) {
            Parsed::Whole(block) => Ok(Some(block)),
            Parsed::Needs(_) | Parsed::Broken => Ok(None),
        }
    }

    /// Looks at what follows the last whole block.
    pub(crate) fn tail(&mut self) -> io::Result<Tail> {
        let len = self.file.metadata()?.len().saturating_sub(self.offset());
        let len = usize::try_from(len).map_err(io::Error::other)?;
        self.refill(len)?;
        if self.buffer.iter().all(|byte| *byte == 0) {
            return Ok(Tail::Clean);
        }
        let later = self
            .buffer
            .windows(MAGIC.len())
            .enumerate()
            .skip(1)
            .filter(|(_, window)| *window == MAGIC)
            .any(|(at, _)| matches!(block::parse(&self.buffer[at..]), Parsed::Whole(_)));
        Ok(if later { Tail::Damaged } else { Tail::Torn })
    }

    fn refill(&mut self, wanted: usize) -> io::Result<()> {
        self.base = self.offset();
        self.at = 0;
        self.buffer.resize(wanted, 0);
        let mut have = 0;
        while have < wanted {
            match self
                .file
                .read_at(&mut self.buffer[have..], self.base + have as u64)
            {
                Ok(0) => break,
                Ok(read) => have += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.buffer.truncate(have);
        Ok(())
    }
}

/// Kept free at the end of each segment, so that a full disk can still be put on record.
pub(crate) const LAST_WORDS_BYTES: usize = 4096;

/// One read of a segment: large enough that its system call costs nothing per entry.
const READ_BYTES: usize = 256 * 1024;

/// One write of zeros.
const ZEROS_BYTES: usize = 1024 * 1024;
