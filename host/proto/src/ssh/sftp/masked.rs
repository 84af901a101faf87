//! A file that a client reads masked.
//!
//! A mask needs a text from its beginning, in order, and what it makes of it has other places. So
//! the gateway reads the file itself, from its first byte on, as far as the client has asked, and
//! answers the client out of what the mask lets out. Of that it keeps what clients that ask ahead,
//! or ask once more, may still want: [`KEPT_BYTES_MAX`].

use std::collections::VecDeque;
use std::fmt;

use super::packet::{data, status};
use super::{END_OF_FILE, FAILURE, PERMISSION_DENIED};

/// Masks the text of one file.
pub trait FileMask: Send {
    /// Takes the next bytes, and appends what may go out to `out`.
    ///
    /// # Errors
    /// Why nothing more of this file may be read, in a sentence for people.
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), String>;

    /// Ends the text, and appends what was held back to `out`.
    ///
    /// # Errors
    /// As [`FileMask::feed`].
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), String>;

    /// Returns how much was masked, in lines.
    fn masked(&self) -> u64;
}

/// How much is read from the host at once, in bytes: what every server gives, and few packets.
pub(super) const CHUNK_BYTES: u32 = 32 << 10;

/// The longest answer to one read, in bytes. Clients ask again for what is missing.
const ANSWER_BYTES_MAX: usize = 256 << 10;

/// How many reads of one file the host is asked for ahead: with more, only hosts half a second
/// away would be faster.
const AHEAD_MAX: usize = 16;

/// How much is kept behind what was asked for last, in bytes, for clients that ask once more.
/// What clients ask for ahead need not be kept: it is read when they ask.
const KEPT_BYTES_MAX: usize = ANSWER_BYTES_MAX;

/// One file, open to be read.
pub(super) struct Masked {
    mask: Box<dyn FileMask>,
    /// What the client waits for, oldest first.
    wanted: VecDeque<Wanted>,
    /// How far the host's file has been read.
    at: u64,
    /// How far the host has been asked for it, and in how many reads that have no answer.
    asked: u64,
    under_way: usize,
    /// Whether an answer was not what the next one begins behind, so that those under way are of
    /// no use.
    gap: bool,
    /// Where in the masked file `kept` begins.
    from: u64,
    kept: Vec<u8>,
    /// How far the client has read it.
    read_to: u64,
    end: Option<End>,
}

struct Wanted {
    id: u32,
    offset: u64,
    length: usize,
}

/// Why nothing more comes.
enum End {
    OfFile,
    /// The mask lets nothing more out, or the host gives nothing more.
    Failed(u32, String),
}

impl Masked {
    pub(super) fn new(mask: Box<dyn FileMask>) -> Self {
        Self {
            mask,
            wanted: VecDeque::new(),
            at: 0,
            asked: 0,
            under_way: 0,
            gap: false,
            from: 0,
            kept: Vec::new(),
            read_to: 0,
            end: None,
        }
    }

    pub(super) fn masked(&self) -> u64 {
        self.mask.masked()
    }

    /// Takes a read of the client's.
    pub(super) fn want(&mut self, id: u32, offset: u64, length: u32) {
        let length = ANSWER_BYTES_MAX.min(length as usize);
        self.wanted.push_back(Wanted { id, offset, length });
    }

    /// Returns where the host is to be asked to read now; it is asked then.
    pub(super) fn reads_on(&mut self) -> Option<u64> {
        if self.under_way == 0 {
            // A short read leaves a gap: what was asked for behind it is asked for once more.
            self.asked = self.at;
            self.gap = false;
        }
        if self.gap || self.under_way >= AHEAD_MAX || self.end.is_some() || self.wanted.is_empty() {
            return None;
        }
        let at = self.asked;
        self.asked += u64::from(CHUNK_BYTES);
        self.under_way += 1;
        Some(at)
    }

    /// Takes what the host has read at `offset`.
    pub(super) fn take(&mut self, offset: u64, bytes: &[u8]) {
        self.under_way -= 1;
        self.gap |= offset != self.at || bytes.len() < CHUNK_BYTES as usize;
        if offset != self.at || self.end.is_some() {
            return;
        }
        if bytes.is_empty() || bytes.len() > CHUNK_BYTES as usize {
            return self.failed("the host's answer is none");
        }
        self.at += bytes.len() as u64;
        if let Err(why) = self.mask.feed(bytes, &mut self.kept) {
            self.end = Some(End::Failed(PERMISSION_DENIED, why));
        }
    }

    /// Takes that the host gives nothing at `offset`: because the file has ended, or else.
    pub(super) fn ends(&mut self, offset: u64, code: u32) {
        self.under_way -= 1;
        self.gap |= offset != self.at;
        if offset != self.at || self.end.is_some() {
            return;
        }
        if code != END_OF_FILE {
            return self.failed("the host cannot read on");
        }
        self.end = Some(match self.mask.finish(&mut self.kept) {
            Ok(()) => End::OfFile,
            Err(why) => End::Failed(PERMISSION_DENIED, why),
        });
    }

    fn failed(&mut self, why: &str) {
        self.end = Some(End::Failed(FAILURE, why.to_owned()));
    }

    /// Answers what can be answered; returns which requests were.
    pub(super) fn answer(&mut self, out: &mut Vec<u8>) -> Vec<u32> {
        let mut answered = Vec::new();
        let mut wanted = std::mem::take(&mut self.wanted);
        wanted.retain(|wanted| {
            let is_answered = self.answer_one(wanted, out);
            if is_answered {
                answered.push(wanted.id);
                self.read_to = self
                    .read_to
                    .max(wanted.offset.saturating_add(wanted.length as u64));
            }
            !is_answered
        });
        self.wanted = wanted;
        self.forget();
        answered
    }

    fn answer_one(&self, wanted: &Wanted, out: &mut Vec<u8>) -> bool {
        let Wanted { id, offset, length } = *wanted;
        if offset < self.from {
            let why = "what is masked is read in order, and this was read before";
            status(id, FAILURE, why, out);
            return true;
        }
        let begin = usize::try_from(offset - self.from).unwrap_or(usize::MAX);
        let rest = self.kept.get(begin..).unwrap_or_default();
        match &self.end {
            _ if length > 0 && rest.len() >= length => data(id, &rest[..length], out),
            None => return false,
            // What was masked before a failure is right as it is.
            Some(_) if !rest.is_empty() => data(id, &rest[..rest.len().min(length)], out),
            Some(End::OfFile) => status(id, END_OF_FILE, "the file has ended", out),
            Some(End::Failed(code, why)) => status(id, *code, why, out),
        }
        true
    }

    /// Forgets what lies far behind whatever may be asked for next.
    fn forget(&mut self) {
        let known = self.from + self.kept.len() as u64;
        let oldest = self.wanted.iter().map(|wanted| wanted.offset).min();
        let needed = oldest.unwrap_or(self.read_to).min(known);
        let keep_from = needed.saturating_sub(KEPT_BYTES_MAX as u64);
        // Not at each answer: it moves what is kept.
        if keep_from.saturating_sub(self.from) > KEPT_BYTES_MAX as u64 {
            let gone = usize::try_from(keep_from - self.from).unwrap_or(usize::MAX);
            self.kept.drain(..gone.min(self.kept.len()));
            self.from = keep_from;
        }
    }

    /// Gives up on what the client still waits for, because it closes the file.
    pub(super) fn close(self, out: &mut Vec<u8>) -> Vec<u32> {
        let give_up = |wanted: Wanted| {
            status(wanted.id, FAILURE, "the file was closed", out);
            wanted.id
        };
        self.wanted.into_iter().map(give_up).collect()
    }
}

impl fmt::Debug for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the text.
        f.debug_struct("Masked")
            .field("at", &self.at)
            .field("wanted", &self.wanted.len())
            .finish_non_exhaustive()
    }
}
