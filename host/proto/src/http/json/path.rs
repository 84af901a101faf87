//! The paths that tags are given by: a part of JSONPath (RFC 9535) that can be followed while a
//! document streams by.
//!
//! `$`, `.name`, `['name']`, `[n]`, `[*]`, `.*`, `..name`, `..['name']` and `..*`. Everything
//! else, filters and slices above all, would need to look ahead, and is a fault.

/// The most steps of one path: documents nest at most 128 deep.
pub const STEPS_MAX: usize = 128;

/// The longest name in a path, in bytes: longer keys are not known of any service, and every key
/// is held up to the longest name.
pub const NAME_BYTES_MAX: usize = 1_024;

/// The largest index: RFC 9535's, what every reader of JSON can count to.
const INDEX_MAX: u64 = (1 << 53) - 1;

/// What every fault ends with.
const KNOWN: &str = "known are $, .name, ['name'], [n], [*], .*, ..name, ..['name'] and ..*";

/// Why a path can't be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PathFault {
    /// The path is not one, or not one that can be followed in a stream.
    #[error("the path {path:?} can't be followed: {reason} at byte {at}; {KNOWN}")]
    Malformed {
        /// The path as it was given.
        path: String,
        /// Where it goes wrong, in bytes from 0.
        at: usize,
        /// How.
        reason: &'static str,
    },
    /// All paths together are too much.
    #[error("the paths together are too much: {0}")]
    TooMany(&'static str),
}

/// One step of a path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Step {
    /// Whether any number of steps may come before it.
    pub(super) descends: bool,
    pub(super) to: To,
}

/// To which children a step goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum To {
    /// All of an object or an array.
    Any,
    /// An element of an array.
    Index(u64),
    /// A member of an object, by its decoded name.
    Name(String),
}

/// Reads a path.
pub(super) fn parse(path: &str) -> Result<Vec<Step>, PathFault> {
    let mut reader = Reader { path, at: 0 };
    reader.steps().map_err(|reason| PathFault::Malformed {
        path: path.to_owned(),
        at: reader.at,
        reason,
    })
}

struct Reader<'a> {
    path: &'a str,
    /// Always at a character's start.
    at: usize,
}

impl Reader<'_> {
    fn steps(&mut self) -> Result<Vec<Step>, &'static str> {
        if !self.take("$") {
            return Err("a path begins with $");
        }
        let mut steps = Vec::new();
        while self.at < self.path.len() {
            if steps.len() == STEPS_MAX {
                return Err("more than 128 steps");
            }
            steps.push(self.step()?);
        }
        Ok(steps)
    }

    fn step(&mut self) -> Result<Step, &'static str> {
        let descends = self.take("..");
        if descends && self.take("['") {
            let to = To::Name(self.quoted()?);
            return Ok(Step { descends, to });
        }
        if descends || self.take(".") {
            let to = if self.take("*") {
                To::Any
            } else {
                To::Name(self.plain()?)
            };
            return Ok(Step { descends, to });
        }
        let to = if self.take("[*]") {
            To::Any
        } else if self.take("['") {
            To::Name(self.quoted()?)
        } else if self.take("[") {
            To::Index(self.index()?)
        } else {
            return Err("a step begins with . or [");
        };
        Ok(Step { descends, to })
    }

    /// RFC 9535's shorthand: letters, digits, `_` and everything beyond ASCII.
    fn plain(&mut self) -> Result<String, &'static str> {
        let rest = &self.path[self.at..];
        let holds = |c: char| c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii();
        let length = rest.find(|c| !holds(c)).unwrap_or(rest.len());
        if length == 0 || rest.starts_with(|c: char| c.is_ascii_digit()) {
            return Err("no name, or one that must stand in ['…']");
        }
        if length > NAME_BYTES_MAX {
            return Err("a name longer than 1,024 bytes");
        }
        self.at += length;
        Ok(rest[..length].to_owned())
    }

    /// A name up to `']`; in it, `\'` and `\\` stand for what they escape.
    fn quoted(&mut self) -> Result<String, &'static str> {
        let mut name = String::new();
        loop {
            let mut rest = self.path[self.at..].chars();
            match (rest.next(), rest.next()) {
                (Some('\''), Some(']')) => break,
                (Some('\\'), Some(escaped @ ('\'' | '\\'))) => {
                    name.push(escaped);
                    self.at += 2;
                }
                (Some('\\'), _) => return Err("an escape other than \\' and \\\\"),
                (Some('\''), _) => return Err("a quoted name ends with ']"),
                (Some(plain), _) => {
                    name.push(plain);
                    self.at += plain.len_utf8();
                }
                (None, _) => return Err("a quoted name ends with ']"),
            }
            if name.len() > NAME_BYTES_MAX {
                return Err("a name longer than 1,024 bytes");
            }
        }
        self.at += 2;
        Ok(name)
    }

    fn index(&mut self) -> Result<u64, &'static str> {
        let rest = &self.path[self.at..];
        let length = rest.find(']').ok_or("an index ends with ]")?;
        let digits = &rest[..length];
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.is_empty();
        if !plain || (digits.len() > 1 && digits.starts_with('0')) {
            return Err("neither an index from 0, nor * nor a quoted name");
        }
        let index = digits.parse().ok().filter(|index| *index <= INDEX_MAX);
        let index = index.ok_or("an index beyond 2^53 - 1")?;
        self.at += length + 1;
        Ok(index)
    }

    fn take(&mut self, word: &str) -> bool {
        let taken = self.path[self.at..].starts_with(word);
        if taken {
            self.at += word.len();
        }
        taken
    }
}

#[cfg(test)]
mod tests;
