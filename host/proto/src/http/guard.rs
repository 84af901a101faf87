//! Stands between the socket and the HTTP library, and lets no ambiguous framing pass.
//!
//! The library reads more than a gateway may: two lengths, codings around codings, line ends of
//! one character. The guard follows the same stream byte by byte (head, body, next head) and
//! passes it on unchanged up to the first head or chunk that has no single reading. That one the
//! library never sees.
//!
//! Pure: the driver feeds what the socket gave and hands what comes out to the library. On a
//! [`Violation`] in a head it hands over [`Guard::POISON_HEAD`] instead, and answers the request
//! that follows the [`Guard::heads`] passed so far with [`Violation::rejection`].

mod body;
mod head;
mod violation;

use body::{Chunked, Progress};
use head::{Framing, Head};

pub use violation::Violation;

/// The largest head: what common servers take at most, and room for a token of 16 KiB.
pub const HEAD_BYTES_MAX: usize = 32 * 1024;

/// The most header fields, as the HTTP library has it.
pub const HEADERS_MAX: usize = 100;

/// The longest request target: what common servers and caches take at most.
pub const TARGET_BYTES_MAX: usize = 8 * 1024;

/// The most bytes kept back while it is open whether the connection switches protocols. Nothing has
/// to be sent in that time; a client that is early sends a message or two.
pub const HELD_BYTES_MAX: usize = 16 * 1024;

/// What an HTTP/2 client says first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The protocol that a connection speaks, as its first bytes tell.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// HTTP/1.0 or 1.1.
    Http1,
    /// HTTP/2: frames, whose own lengths leave nothing to guard here.
    Http2,
}

/// Follows what one client sends.
#[derive(Debug, Default)]
pub struct Guard {
    state: State,
    /// What has come of the head, the preface, or behind an offer to switch protocols.
    held: Vec<u8>,
    heads: u64,
}

#[derive(Debug, Default)]
enum State {
    /// Nothing tells the protocols apart yet.
    #[default]
    Start,
    Head(Head),
    Length(u64),
    Chunked(Chunked),
    /// A head with `Upgrade` has passed, and the driver has not said what came of it.
    Offered,
    /// Nothing is HTTP/1 any more.
    Open(Protocol),
    Broken(Violation),
}

impl Guard {
    /// A valid request, which the driver hands to the library in place of a head that was stopped.
    /// Its answer is the rejection, and the connection ends with it.
    pub const POISON_HEAD: &'static [u8] =
        b"GET / HTTP/1.1\r\nHost: refused.invalid\r\nConnection: close\r\n\r\n";

    /// Starts before the first byte of a connection.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends to `out` what may pass.
    ///
    /// # Errors
    /// [`Violation`] at the first head, chunk or trailer that may not; what stood before it is in
    /// `out`. Nothing passes any more from there on, and the same violation is returned again.
    pub fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), Violation> {
        let mut rest = input;
        loop {
            match self.step(&mut rest, out) {
                Ok(Step::More) if !rest.is_empty() => {}
                Ok(_) => return Ok(()),
                Err(violation) => {
                    self.held = Vec::new();
                    self.state = State::Broken(violation);
                    return Err(violation);
                }
            }
        }
    }

    /// Returns how many bytes may pass unseen from here on: what is left of a body's length or of a
    /// chunk, or of a connection on which nothing is HTTP/1. A driver that lets bytes pass so says
    /// how many with [`Guard::passed_unseen`].
    #[must_use]
    pub const fn unseen(&self) -> u64 {
        match &self.state {
            State::Length(left) => *left,
            State::Chunked(chunked) => chunked.unseen(),
            State::Open(_) => u64::MAX,
            State::Start | State::Head(_) | State::Offered | State::Broken(_) => 0,
        }
    }

    /// Takes note of bytes that passed unseen, at most [`Guard::unseen`].
    pub fn passed_unseen(&mut self, count: u64) {
        match &mut self.state {
            State::Length(left) => {
                *left = left.saturating_sub(count);
                if *left == 0 {
                    self.state = State::Head(Head::default());
                }
            }
            State::Chunked(chunked) => chunked.passed_unseen(count),
            State::Start | State::Head(_) | State::Offered | State::Open(_) | State::Broken(_) => {}
        }
    }

    /// Returns how many heads have passed.
    #[must_use]
    pub const fn heads(&self) -> u64 {
        self.heads
    }

    /// Returns the protocol, once the first bytes have told.
    #[must_use]
    pub const fn protocol(&self) -> Option<Protocol> {
        match self.state {
            State::Start => None,
            State::Open(Protocol::Http2) => Some(Protocol::Http2),
            _ => Some(Protocol::Http1),
        }
    }

    /// Returns the violation that ended the stream, if one did.
    #[must_use]
    pub const fn violation(&self) -> Option<Violation> {
        match self.state {
            State::Broken(violation) => Some(violation),
            _ => None,
        }
    }

    /// Returns whether a head with `Upgrade` has passed and neither [`Guard::switched`] nor
    /// [`Guard::declined`] was called since.
    #[must_use]
    pub const fn is_offered(&self) -> bool {
        matches!(self.state, State::Offered)
    }

    /// The upstream has switched protocols and the client is told so: everything passes from here on, what was held
    /// back first.
    pub fn switched(&mut self, out: &mut Vec<u8>) {
        if self.is_offered() {
            out.append(&mut self.held);
            self.state = State::Open(Protocol::Http1);
        }
    }

    /// The connection goes on with HTTP/1: what was held back is the next head.
    ///
    /// # Errors
    /// As [`Guard::feed`].
    pub fn declined(&mut self, out: &mut Vec<u8>) -> Result<(), Violation> {
        if !self.is_offered() {
            return Ok(());
        }
        self.state = State::Head(Head::default());
        let held = std::mem::take(&mut self.held);
        self.feed(&held, out)
    }

    /// Takes a run of bytes that one state can deal with.
    fn step(&mut self, rest: &mut &[u8], out: &mut Vec<u8>) -> Result<Step, Violation> {
        match &mut self.state {
            State::Start => self.start(rest, out),
            State::Head(_) => self.head(rest, out),
            State::Length(left) => {
                let length = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                pass(rest, length, out);
                *left -= length as u64;
                if *left == 0 {
                    self.state = State::Head(Head::default());
                }
                Ok(Step::More)
            }
            State::Chunked(chunked) => {
                if chunked.feed(rest, out)? == Progress::Done {
                    self.state = State::Head(Head::default());
                }
                Ok(Step::More)
            }
            State::Offered => {
                if self.held.len() + rest.len() > HELD_BYTES_MAX {
                    return Err(Violation::Impatient);
                }
                let length = rest.len();
                pass(rest, length, &mut self.held);
                Ok(Step::Wait)
            }
            State::Open(_) => {
                let length = rest.len();
                pass(rest, length, out);
                Ok(Step::Wait)
            }
            State::Broken(violation) => Err(*violation),
        }
    }

    /// Keeps bytes back as long as they could be the preface.
    fn start(&mut self, rest: &mut &[u8], out: &mut Vec<u8>) -> Result<Step, Violation> {
        while let Some((&byte, after)) = rest.split_first() {
            if byte != PREFACE[self.held.len()] {
                self.state = State::Head(Head::default());
                let held = std::mem::take(&mut self.held);
                self.feed(&held, out)?;
                return Ok(Step::More);
            }
            self.held.push(byte);
            *rest = after;
            if self.held.len() == PREFACE.len() {
                out.append(&mut self.held);
                self.state = State::Open(Protocol::Http2);
                return Ok(Step::More);
            }
        }
        Ok(Step::Wait)
    }

    /// Takes one line of a head, or what there is of it.
    fn head(&mut self, rest: &mut &[u8], out: &mut Vec<u8>) -> Result<Step, Violation> {
        let State::Head(head) = &mut self.state else {
            return Ok(Step::More);
        };
        let end = rest.iter().position(|&byte| byte == b'\n').map(|at| at + 1);
        let length = end.unwrap_or(rest.len());
        head.check_room(self.held.len() + length)?;
        pass(rest, length, &mut self.held);
        if end.is_none() {
            return Ok(Step::Wait);
        }
        if let Some(framing) = head.line(&self.held)? {
            out.append(&mut self.held);
            self.heads += 1;
            self.state = match framing {
                Framing::None | Framing::Length(0) => State::Head(Head::default()),
                Framing::Length(length) => State::Length(length),
                Framing::Chunked => State::Chunked(Chunked::default()),
                Framing::Upgrade => State::Offered,
            };
        }
        Ok(Step::More)
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    /// Go on while bytes are left.
    More,
    /// All bytes are taken.
    Wait,
}

/// Moves the first `length` bytes of `rest` to `out`.
fn pass(rest: &mut &[u8], length: usize, out: &mut Vec<u8>) {
    let (passed, after) = rest.split_at(length);
    out.extend_from_slice(passed);
    *rest = after;
}

#[cfg(test)]
mod tests;
