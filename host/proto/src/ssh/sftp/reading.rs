//! The files of one session that are read masked, and the gateway's own reads of them.

use std::collections::HashMap;
use std::fmt;

use super::OWN_NUMBERS;
use super::masked::{CHUNK_BYTES, FileMask, Masked};
use super::packet::{SftpError, read};

/// How many files may be open to be read masked: each keeps up to 1.5 MiB.
const FILES_MAX: usize = 16;

/// How many reads of the gateway's own may be without an answer: no more than there are numbers.
const OWN_READS_MAX: usize = 512;

/// All files of a session that are read masked.
pub(super) struct Readings {
    masks: Box<dyn Fn() -> Box<dyn FileMask> + Send>,
    files: HashMap<Vec<u8>, Masked>,
    /// The gateway's own reads without an answer, by their number.
    own: HashMap<u32, Own>,
    next: u32,
    /// How much was masked of files that are closed.
    masked: u64,
}

/// A read of the gateway's own.
#[derive(Debug)]
pub(super) struct Own {
    /// The file's handle; `None` once it is closed, for hosts use handles again.
    pub(super) handle: Option<Vec<u8>>,
    pub(super) offset: u64,
}

impl Readings {
    pub(super) fn new(masks: Box<dyn Fn() -> Box<dyn FileMask> + Send>) -> Self {
        Self {
            masks,
            files: HashMap::new(),
            own: HashMap::new(),
            next: *OWN_NUMBERS.start(),
            masked: 0,
        }
    }

    /// Returns how much was masked, in lines.
    pub(super) fn masked(&self) -> u64 {
        self.masked + self.files.values().map(Masked::masked).sum::<u64>()
    }

    /// Whether one more file may be opened, when this many are about to be.
    pub(super) fn has_room(&self, opening: usize) -> bool {
        self.files.len() + opening < FILES_MAX
    }

    /// Begins to read a file.
    pub(super) fn open(&mut self, handle: &[u8]) -> Result<(), SftpError> {
        let file = Masked::new((self.masks)());
        match self.files.insert(handle.to_vec(), file) {
            None => Ok(()),
            Some(_) => Err(SftpError::Answer),
        }
    }

    /// Whether a file is open to be read by this handle.
    pub(super) fn reads(&self, handle: &[u8]) -> bool {
        self.files.contains_key(handle)
    }

    pub(super) fn file(&mut self, handle: &[u8]) -> Option<&mut Masked> {
        self.files.get_mut(handle)
    }

    /// Takes a read of the client's: its number, where, and how much.
    pub(super) fn want(&mut self, handle: &[u8], (id, offset, length): (u32, u64, u32)) {
        if let Some(file) = self.files.get_mut(handle) {
            file.want(id, offset, length);
        }
    }

    /// Answers what can be answered, and asks the host for more if that is needed; returns which
    /// of the client's requests were answered.
    pub(super) fn go_on(
        &mut self,
        handle: &[u8],
        to_client: &mut Vec<u8>,
        to_server: &mut Vec<u8>,
    ) -> Vec<u32> {
        let Some(file) = self.files.get_mut(handle) else {
            return Vec::new();
        };
        let answered = file.answer(to_client);
        // There are more numbers than reads are under way at once. A host that answers nothing while
        // files are opened and closed is asked no more.
        while self.own.len() < OWN_READS_MAX
            && let Some(offset) = file.reads_on()
        {
            let id = free(&self.own, &mut self.next);
            read(id, handle, offset, CHUNK_BYTES, to_server);
            let handle = Some(handle.to_vec());
            self.own.insert(id, Own { handle, offset });
        }
        answered
    }

    /// Returns what the host answers with this number, if the gateway asked.
    pub(super) fn is_own(&mut self, id: u32) -> Option<Own> {
        self.own.remove(&id)
    }

    /// Ends the reading of a file, if it is one; returns which requests of the client's were
    /// answered with that.
    pub(super) fn close(&mut self, handle: &[u8], to_client: &mut Vec<u8>) -> Vec<u32> {
        let Some(file) = self.files.remove(handle) else {
            return Vec::new();
        };
        self.masked += file.masked();
        for own in self.own.values_mut() {
            own.handle.take_if(|of| of == handle);
        }
        file.close(to_client)
    }
}

/// Returns a number that is not in use, of which there are always some.
fn free(own: &HashMap<u32, Own>, next: &mut u32) -> u32 {
    loop {
        let id = *next;
        *next = id + 1;
        if *next == *OWN_NUMBERS.end() {
            *next = *OWN_NUMBERS.start();
        }
        if !own.contains_key(&id) {
            return id;
        }
    }
}

impl fmt::Debug for Readings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readings")
            .field("files", &self.files)
            .field("own", &self.own.len())
            .finish_non_exhaustive()
    }
}
