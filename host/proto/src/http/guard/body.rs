//! Chunked bodies, byte by byte: sizes, the ends of chunks, and what may follow the last one.

use super::Violation;
use super::head::split_field;

/// The most digits of a chunk's size: enough for [`CHUNK_BYTES_MAX`] with zeros before it.
const SIZE_DIGITS_MAX: usize = 16;

/// The largest chunk: what a client writes at once, and far from where arithmetic overflows.
const CHUNK_BYTES_MAX: u64 = 1 << 30;

/// The longest trailers: the few that may pass are digests.
const TRAILERS_BYTES_MAX: usize = 4 * 1024;

/// The trailers that may pass: they tell of the body's bytes and nothing else.
const TRAILERS_ALLOWED: [&[u8]; 2] = [b"content-digest", b"repr-digest"];

/// Follows one chunked body.
#[derive(Debug, Default)]
pub(super) struct Chunked {
    part: Part,
    /// What has come of a size, a line end or the trailers.
    held: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Part {
    #[default]
    Size,
    Data(u64),
    End,
    /// Where the trailer that is not read yet starts.
    Trailers(usize),
}

/// Whether the body has ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Progress {
    More,
    Done,
}

impl Chunked {
    /// Takes bytes until the body ends or none are left; what is not whole yet is kept back.
    pub(super) fn feed(&mut self, rest: &mut &[u8], out: &mut Vec<u8>) -> Result<Progress, Violation> {
        while let Some((&byte, after)) = rest.split_first() {
            if let Part::Data(left) = self.part {
                let length = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                super::pass(rest, length, out);
                self.passed_unseen(length as u64);
                continue;
            }
            *rest = after;
            self.held.push(byte);
            let is_whole = match self.part {
                Part::Size => self.size()?,
                Part::End => self.end()?,
                Part::Trailers(start) => {
                    if self.trailers(start)? {
                        out.append(&mut self.held);
                        return Ok(Progress::Done);
                    }
                    false
                }
                Part::Data(_) => false,
            };
            if is_whole {
                out.append(&mut self.held);
            }
        }
        Ok(Progress::More)
    }

    /// Returns what is left of the chunk at hand.
    pub(super) const fn unseen(&self) -> u64 {
        match self.part {
            Part::Data(left) => left,
            Part::Size | Part::End | Part::Trailers(_) => 0,
        }
    }

    /// Takes note of bytes of the chunk at hand that have passed.
    pub(super) fn passed_unseen(&mut self, count: u64) {
        if let Part::Data(left) = self.part {
            let left = left.saturating_sub(count);
            self.part = if left == 0 { Part::End } else { Part::Data(left) };
        }
    }

    fn size(&mut self) -> Result<bool, Violation> {
        let (digits, end) = match self.held.as_slice() {
            [digits @ .., b'\r', b'\n'] => (digits, true),
            [digits @ .., b'\r'] => (digits, false),
            [_, .., b';'] => return Err(Violation::ChunkExtension),
            digits if digits.len() <= SIZE_DIGITS_MAX => (digits, false),
            _ => return Err(Violation::ChunkTooLarge),
        };
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(Violation::ChunkSize);
        }
        if !end {
            return Ok(false);
        }
        let size = digits.iter().fold(0, |size, &digit| {
            (size << 4) | u64::from(char::from(digit).to_digit(16).unwrap_or(0))
        });
        self.part = match size {
            0 => Part::Trailers(0),
            _ if size > CHUNK_BYTES_MAX => return Err(Violation::ChunkTooLarge),
            _ => Part::Data(size),
        };
        Ok(true)
    }

    fn end(&mut self) -> Result<bool, Violation> {
        match self.held.as_slice() {
            b"\r" => Ok(false),
            b"\r\n" => {
                self.part = Part::Size;
                Ok(true)
            }
            _ => Err(Violation::ChunkEnd),
        }
    }

    /// Reads a trailer when its line ends; `true` after the empty line.
    fn trailers(&mut self, start: usize) -> Result<bool, Violation> {
        if self.held.len() > TRAILERS_BYTES_MAX {
            return Err(Violation::TrailersTooLarge);
        }
        if self.held.last() != Some(&b'\n') {
            return Ok(false);
        }
        let line = self.held.get(start..).and_then(|line| line.strip_suffix(b"\r\n"));
        let line = line.ok_or(Violation::Trailer)?;
        if line.is_empty() {
            return Ok(true);
        }
        let (name, _) = split_field(line).map_err(|_| Violation::Trailer)?;
        if !TRAILERS_ALLOWED
            .iter()
            .any(|allowed| name.eq_ignore_ascii_case(allowed))
        {
            return Err(Violation::Trailer);
        }
        self.part = Part::Trailers(self.held.len());
        Ok(false)
    }
}
