//! One rule: its two written forms and the mask it stands for.

use serde_json::{Map, Value};
use tidegate_sdk::masker::Native;

/// The most characters that a partial mask may keep; the contract's limit.
const KEPT_MAX: u64 = 64;

/// What happens to the values of a tag.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Rule {
    /// Any native mask but a pseudonym in the tag's own domain.
    Mask(Native),
    /// A pseudonym in the domain that is named as the tag.
    PseudonymOfTag,
}

/// What is wrong with a rule.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Fault {
    /// The member of the long form, if the fault is in one.
    pub(crate) member: Option<&'static str>,
    /// What would be right.
    pub(crate) message: String,
}

impl Rule {
    pub(crate) fn parse(value: &Value) -> Result<Self, Fault> {
        match value {
            Value::String(short) => Self::parse_short(short),
            Value::Object(long) => Self::parse_long(long),
            _ => Err(fault(
                None,
                "a rule is a text like \"keep-last-4\" or a table with `op`",
            )),
        }
    }

    fn parse_short(short: &str) -> Result<Self, Fault> {
        let number = |prefix| {
            short
                .strip_prefix(prefix)
                .and_then(|digits: &str| digits.parse::<u64>().ok())
        };
        let rule = match short {
            "null" => Native::Null,
            "pseudonym" => return Ok(Self::PseudonymOfTag),
            "generalise-date-month" => Native::GeneraliseToMonth,
            "generalise-date-year" => Native::GeneraliseToYear,
            _ => {
                if let Some(n) = number("keep-first-") {
                    Native::KeepFirst(kept(n, None)?)
                } else if let Some(n) = number("keep-last-") {
                    Native::KeepLast(kept(n, None)?)
                } else if let Some(step) = number("generalise-number-").filter(|step| *step > 0) {
                    Native::GeneraliseNumber(step)
                } else {
                    return Err(fault(
                        None,
                        "not a rule; known are null, keep-first-N, keep-last-N, pseudonym, \
                         generalise-date-month, generalise-date-year, generalise-number-STEP",
                    ));
                }
            }
        };
        Ok(Self::Mask(rule))
    }

    fn parse_long(long: &Map<String, Value>) -> Result<Self, Fault> {
        let op = long.get("op").and_then(Value::as_str);
        let op = op.ok_or_else(|| fault(Some("op"), "`op` is missing or no text"))?;
        let (rule, member) = match op {
            "null" => (Self::Mask(Native::Null), None),
            "constant" => (Self::Mask(Native::Constant(text(long, "value")?)), Some("value")),
            "keep-first" => (
                Self::Mask(Native::KeepFirst(kept(number(long, "n")?, Some("n"))?)),
                Some("n"),
            ),
            "keep-last" => (
                Self::Mask(Native::KeepLast(kept(number(long, "n")?, Some("n"))?)),
                Some("n"),
            ),
            "pseudonym" if !long.contains_key("domain") => (Self::PseudonymOfTag, None),
            "pseudonym" => match text(long, "domain")? {
                domain if domain.is_empty() => return Err(fault(Some("domain"), "a name, not empty")),
                domain => (Self::Mask(Native::Pseudonym(domain)), Some("domain")),
            },
            "generalise-date" => match text(long, "to")?.as_str() {
                "month" => (Self::Mask(Native::GeneraliseToMonth), Some("to")),
                "year" => (Self::Mask(Native::GeneraliseToYear), Some("to")),
                _ => return Err(fault(Some("to"), "`month` or `year`")),
            },
            "generalise-number" => match number(long, "step")? {
                0 => return Err(fault(Some("step"), "a whole number from 1")),
                step => (Self::Mask(Native::GeneraliseNumber(step)), Some("step")),
            },
            _ => {
                return Err(fault(
                    Some("op"),
                    "known are null, constant, keep-first, keep-last, pseudonym, generalise-date, \
                     generalise-number",
                ));
            }
        };
        match long
            .keys()
            .find(|key| *key != "op" && Some(key.as_str()) != member)
        {
            Some(key) => Err(fault(None, format!("`{op}` knows no `{key}`"))),
            None => Ok(rule),
        }
    }

    /// Returns the mask for a value of this tag.
    pub(crate) fn native(&self, tag: &str) -> Native {
        match self {
            Self::Mask(native) => native.clone(),
            Self::PseudonymOfTag => Native::Pseudonym(tag.to_owned()),
        }
    }

    /// Orders rules by how little they leave: the higher, the less.
    pub(crate) fn strictness(&self) -> (u8, u64) {
        match self {
            Self::Mask(Native::Null) => (5, 0),
            Self::Mask(Native::Constant(_)) => (4, 0),
            Self::Mask(Native::Pseudonym(_)) | Self::PseudonymOfTag => (3, 0),
            Self::Mask(Native::GeneraliseToYear) => (2, u64::MAX),
            Self::Mask(Native::GeneraliseToMonth) => (2, 0),
            Self::Mask(Native::GeneraliseNumber(step)) => (2, *step),
            Self::Mask(Native::KeepFirst(n) | Native::KeepLast(n)) => (1, KEPT_MAX - u64::from(*n)),
        }
    }
}

fn text(long: &Map<String, Value>, member: &'static str) -> Result<String, Fault> {
    let text = long.get(member).and_then(Value::as_str);
    text.map(str::to_owned)
        .ok_or_else(|| fault(Some(member), format!("`{member}` is missing or no text")))
}

fn number(long: &Map<String, Value>, member: &'static str) -> Result<u64, Fault> {
    let number = long.get(member).and_then(Value::as_u64);
    number.ok_or_else(|| fault(Some(member), format!("`{member}` is missing or no whole number")))
}

fn kept(n: u64, member: Option<&'static str>) -> Result<u32, Fault> {
    let n = u32::try_from(n).ok().filter(|n| u64::from(*n) <= KEPT_MAX);
    n.ok_or_else(|| fault(member, "at most 64 characters can be kept"))
}

fn fault(member: Option<&'static str>, message: impl Into<String>) -> Fault {
    Fault {
        member,
        message: message.into(),
    }
}
