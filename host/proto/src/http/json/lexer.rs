//! Reads JSON as RFC 8259 says and not a byte laxer, in pieces of any length.
//!
//! What it reports is a function of the whole input: pieces may end anywhere, within an escape
//! or a character too. Only texts come in as many parts as the pieces make of them.

use crate::http::body::BodyMaskError;
use crate::mask::Leaf;

/// How deep arrays and objects nest: what a bit set holds, and as deep as usual readers go.
pub const DEPTH_MAX: u32 = 128;

/// What the lexer reports. Places are offsets in the piece at hand.
pub(super) trait Events {
    /// An object or an array begins: the value that is next.
    fn open(&mut self, array: bool) -> Result<(), BodyMaskError>;
    /// The innermost object or array ends.
    fn close(&mut self);
    /// A key begins with the quote at `at`.
    fn key(&mut self, at: usize);
    /// A value that is no object or array begins at `at`.
    fn leaf(&mut self, leaf: Leaf, at: usize) -> Result<(), BodyMaskError>;
    /// A part of a key or leaf: of a string decoded and whole characters, else as it stands.
    fn text(&mut self, part: &[u8]) -> Result<(), BodyMaskError>;
    /// The key or leaf ends before `at`.
    fn end(&mut self, at: usize) -> Result<(), BodyMaskError>;
}

/// Where in the grammar the next byte stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// A value.
    Value,
    /// A value, or the end of an array.
    FirstElement,
    /// A key.
    Key,
    /// A key, or the end of an object.
    FirstKey,
    Colon,
    /// A comma, or the end of an array or object.
    After,
    /// Only blanks: the document is whole.
    Whole,
    /// Within a string.
    Text,
    /// After a backslash.
    Escape,
    /// Within the four digits of an escape; a high surrogate may have come before.
    Unicode {
        digits: u8,
        unit: u16,
        high: Option<u16>,
    },
    /// After a high surrogate: a backslash, and then `u`.
    Low {
        high: u16,
        slash: bool,
    },
    Number(Number),
    /// Within a literal, so many bytes of which have come.
    Literal {
        word: &'static [u8],
        come: u8,
    },
}

/// What of a number has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Number {
    Minus,
    Zero,
    Whole,
    Point,
    Fraction,
    Exponent,
    Sign,
    Power,
}

/// One document, read in pieces.
#[derive(Debug)]
pub(super) struct Lexer {
    state: State,
    /// Whether the string at hand is a key.
    in_key: bool,
    depth: u32,
    /// The open arrays and objects, the innermost in the lowest bit; a set bit is an object.
    objects: u128,
    /// The bytes of a character that the last piece broke off.
    broken: [u8; 4],
    broken_length: usize,
    /// How many bytes came before the piece at hand.
    before: u64,
}

impl Lexer {
    /// Begins a document after `before` bytes of other content.
    pub(super) const fn new(before: u64) -> Self {
        Self {
            state: State::Value,
            in_key: false,
            depth: 0,
            objects: 0,
            broken: [0; 4],
            broken_length: 0,
            before,
        }
    }

    /// Returns how many bytes came before the piece at hand.
    pub(super) const fn before(&self) -> u64 {
        self.before
    }

    /// Returns whether nothing but blanks has come.
    pub(super) fn is_blank(&self) -> bool {
        self.state == State::Value && self.depth == 0
    }

    /// Reads a piece.
    pub(super) fn feed(&mut self, piece: &[u8], events: &mut impl Events) -> Result<(), BodyMaskError> {
        let mut at = 0;
        while at < piece.len() {
            at = match self.state {
                State::Text => self.string(piece, at, events)?,
                State::Number(number) => self.number(number, piece, at, events)?,
                State::Escape => self.escape(piece, at, events)?,
                State::Unicode { digits, unit, high } => {
                    self.unicode((digits, unit, high), piece, at, events)?
                }
                State::Low { high, slash } => self.low(high, slash, piece, at)?,
                State::Literal { word, come } => self.literal(word, come, piece, at, events)?,
                state => self.structure(state, piece, at, events)?,
            };
        }
        self.before += piece.len() as u64;
        Ok(())
    }

    /// Ends the document.
    pub(super) fn finish(&mut self, events: &mut impl Events) -> Result<(), BodyMaskError> {
        if let State::Number(Number::Zero | Number::Whole | Number::Fraction | Number::Power) = self.state {
            events.end(0)?;
            self.value_ends();
        }
        if self.state == State::Whole {
            Ok(())
        } else {
            Err(self.malformed(0, "the document is cut short"))
        }
    }

    #[inline]
    fn structure(
        &mut self,
        state: State,
        piece: &[u8],
        at: usize,
        events: &mut impl Events,
    ) -> Result<usize, BodyMaskError> {
        match (state, piece[at]) {
            (_, b' ' | b'\n' | b'\r' | b'\t') => {}
            (State::FirstElement, b']') => self.close(events),
            (State::FirstKey, b'}') => self.close(events),
            (State::Value | State::FirstElement, byte) => return self.value(byte, at, events),
            (State::Key | State::FirstKey, b'"') => {
                events.key(at);
                self.in_key = true;
                self.state = State::Text;
            }
            (State::Key | State::FirstKey, _) => return Err(self.malformed(at, "no key where one must be")),
            (State::Colon, b':') => self.state = State::Value,
            (State::Colon, _) => return Err(self.malformed(at, "no colon after a key")),
            (State::After, b',') => {
                self.state = if self.objects & 1 == 1 {
                    State::Key
                } else {
                    State::Value
                };
            }
            (State::After, b'}') if self.objects & 1 == 1 => self.close(events),
            (State::After, b']') if self.objects & 1 == 0 => self.close(events),
            (State::After, _) => return Err(self.malformed(at, "neither a comma nor an end after a value")),
            _ => return Err(self.malformed(at, "more after the document's end")),
        }
        Ok(at + 1)
    }

    #[inline]
    fn value(&mut self, byte: u8, at: usize, events: &mut impl Events) -> Result<usize, BodyMaskError> {
        let (leaf, state) = match byte {
            b'"' => (Leaf::Text, State::Text),
            b'{' | b'[' => return self.open(byte == b'[', at, events),
            b'-' => (Leaf::Number, State::Number(Number::Minus)),
            b'0' => (Leaf::Number, State::Number(Number::Zero)),
            b'1'..=b'9' => (Leaf::Number, State::Number(Number::Whole)),
            b't' => (Leaf::Boolean, literal(b"true")),
            b'f' => (Leaf::Boolean, literal(b"false")),
            b'n' => (Leaf::Null, literal(b"null")),
            _ => return Err(self.malformed(at, "no value where one must be")),
        };
        events.leaf(leaf, at)?;
        if leaf != Leaf::Text {
            events.text(&[byte])?;
        }
        self.in_key = false;
        self.state = state;
        Ok(at + 1)
    }

    fn open(&mut self, array: bool, at: usize, events: &mut impl Events) -> Result<usize, BodyMaskError> {
        if self.depth == DEPTH_MAX {
            return Err(self.malformed(at, "nested deeper than 128"));
        }
        events.open(array)?;
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(!array);
        self.state = if array {
            State::FirstElement
        } else {
            State::FirstKey
        };
        Ok(at + 1)
    }

    fn close(&mut self, events: &mut impl Events) {
        events.close();
        self.depth -= 1;
        self.objects >>= 1;
        self.value_ends();
    }

    #[inline]
    fn value_ends(&mut self) {
        self.state = if self.depth == 0 {
            State::Whole
        } else {
            State::After
        };
    }

    #[inline]
    fn string(&mut self, piece: &[u8], at: usize, events: &mut impl Events) -> Result<usize, BodyMaskError> {
        if self.broken_length > 0 {
            return self.mend(piece, at, events);
        }
        let end = at + super::run::plain(&piece[at..]);
        if end > at {
            self.plain(&piece[at..end], at, end == piece.len(), events)?;
        }
        match piece.get(end) {
            None => Ok(end),
            Some(b'"') => {
                events.end(end + 1)?;
                if self.in_key {
                    self.state = State::Colon;
                } else {
                    self.value_ends();
                }
                Ok(end + 1)
            }
            Some(b'\\') => {
                self.state = State::Escape;
                Ok(end + 1)
            }
            Some(_) => Err(self.malformed(end, "a control character in a string")),
        }
    }

    /// Reports a run of plain bytes. The `last` of a piece may break a character off.
    #[inline]
    fn plain(
        &mut self,
        run: &[u8],
        at: usize,
        last: bool,
        events: &mut impl Events,
    ) -> Result<(), BodyMaskError> {
        let Err(error) = std::str::from_utf8(run) else {
            return events.text(run);
        };
        let (whole, rest) = run.split_at(error.valid_up_to());
        // In its turn also where an error follows, so that it is the same error in every split.
        events.text(whole)?;
        if error.error_len().is_some() || !last {
            return Err(self.malformed(at + whole.len(), NOT_UTF8));
        }
        self.broken[..rest.len()].copy_from_slice(rest);
        self.broken_length = rest.len();
        Ok(())
    }

    /// Completes a character that the last piece broke off, by one byte.
    fn mend(&mut self, piece: &[u8], at: usize, events: &mut impl Events) -> Result<usize, BodyMaskError> {
        self.broken[self.broken_length] = piece[at];
        self.broken_length += 1;
        let character = self.broken;
        let character = &character[..self.broken_length];
        match std::str::from_utf8(character) {
            Ok(_) => {
                self.broken_length = 0;
                events.text(character)?;
            }
            // No character has more than four bytes, so this ends.
            Err(error) if error.error_len().is_none() => {}
            Err(_) => {
                let begin = (self.before + at as u64 + 1).saturating_sub(character.len() as u64);
                return Err(BodyMaskError::Malformed {
                    at: begin,
                    reason: NOT_UTF8,
                });
            }
        }
        Ok(at + 1)
    }

    fn escape(&mut self, piece: &[u8], at: usize, events: &mut impl Events) -> Result<usize, BodyMaskError> {
        let meant = match piece[at] {
            byte @ (b'"' | b'\\' | b'/') => byte,
            b'b' => 0x08,
            b'f' => 0x0C,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                self.state = State::Unicode {
                    digits: 0,
                    unit: 0,
                    high: None,
                };
                return Ok(at + 1);
            }
            _ => return Err(self.malformed(at, "an unknown escape")),
        };
        self.state = State::Text;
        events.text(&[meant])?;
        Ok(at + 1)
    }

    fn unicode(
        &mut self,
        (digits, unit, high): (u8, u16, Option<u16>),
        piece: &[u8],
        at: usize,
        events: &mut impl Events,
    ) -> Result<usize, BodyMaskError> {
        let digit = char::from(piece[at])
            .to_digit(16)
            .and_then(|digit| u16::try_from(digit).ok())
            .ok_or_else(|| self.malformed(at, "an escape without four digits"))?;
        let (digits, unit) = (digits + 1, unit << 4 | digit);
        self.state = match (digits, high, unit) {
            (0..4, ..) => State::Unicode { digits, unit, high },
            (_, None, 0xD800..0xDC00) => State::Low {
                high: unit,
                slash: false,
            },
            _ => {
                let units = high.into_iter().chain([unit]);
                let Some(Ok(character)) = char::decode_utf16(units).next() else {
                    return Err(self.malformed(at, "a lone surrogate"));
                };
                events.text(character.encode_utf8(&mut [0; 4]).as_bytes())?;
                State::Text
            }
        };
        Ok(at + 1)
    }

    fn low(&mut self, high: u16, slash: bool, piece: &[u8], at: usize) -> Result<usize, BodyMaskError> {
        self.state = match (slash, piece[at]) {
            (false, b'\\') => State::Low { high, slash: true },
            (true, b'u') => State::Unicode {
                digits: 0,
                unit: 0,
                high: Some(high),
            },
            _ => return Err(self.malformed(at, "a lone surrogate")),
        };
        Ok(at + 1)
    }

    #[inline]
    fn number(
        &mut self,
        mut number: Number,
        piece: &[u8],
        start: usize,
        events: &mut impl Events,
    ) -> Result<usize, BodyMaskError> {
        let mut at = start;
        while let Some(next) = piece.get(at).and_then(|byte| number.after(*byte)) {
            number = next;
            at += 1;
        }
        self.state = State::Number(number);
        if at > start {
            events.text(&piece[start..at])?;
        }
        if at == piece.len() {
            return Ok(at);
        }
        if let Number::Minus | Number::Point | Number::Exponent | Number::Sign = number {
            return Err(self.malformed(at, "a number without a digit where one must be"));
        }
        events.end(at)?;
        self.value_ends();
        Ok(at)
    }

    fn literal(
        &mut self,
        word: &'static [u8],
        come: u8,
        piece: &[u8],
        at: usize,
        events: &mut impl Events,
    ) -> Result<usize, BodyMaskError> {
        if word.get(usize::from(come)) != Some(&piece[at]) {
            return Err(self.malformed(at, "no value where one must be"));
        }
        events.text(&piece[at..=at])?;
        let come = come + 1;
        if word.len() == usize::from(come) {
            events.end(at + 1)?;
            self.value_ends();
        } else {
            self.state = State::Literal { word, come };
        }
        Ok(at + 1)
    }

    fn malformed(&self, at: usize, reason: &'static str) -> BodyMaskError {
        BodyMaskError::Malformed {
            at: self.before + at as u64,
            reason,
        }
    }
}

const NOT_UTF8: &str = "a string that is not UTF-8";

const fn literal(word: &'static [u8]) -> State {
    State::Literal { word, come: 1 }
}

impl Number {
    /// Returns what has come once `byte` has, if the number goes on with it.
    #[inline]
    const fn after(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Minus, b'0') => Self::Zero,
            (Self::Minus | Self::Whole, b'0'..=b'9') => Self::Whole,
            (Self::Zero | Self::Whole, b'.') => Self::Point,
            (Self::Point | Self::Fraction, b'0'..=b'9') => Self::Fraction,
            (Self::Zero | Self::Whole | Self::Fraction, b'e' | b'E') => Self::Exponent,
            (Self::Exponent, b'+' | b'-') => Self::Sign,
            (Self::Exponent | Self::Sign | Self::Power, b'0'..=b'9') => Self::Power,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests;
