//! Finds personal data inside free text and replaces just that.
//!
//! | kind    | what is found | replaced by |
//! |---------|---------------|-------------|
//! | `ssn`   | US social security numbers as `123-45-6789` or with spaces; not the ranges that are never given out (area 000, 666, 900 and more, group 00, serial 0000) | `[ssn]` |
//! | `card`  | 13 to 19 digits, also in groups with single spaces or hyphens, whose check digit (Luhn) holds and which begin as card numbers do | `[card]` |
//! | `iban`  | country, check digits and account of the country's length, also in groups of four, whose check (mod 97) holds | `[iban]` |
//! | `email` | mail addresses with a domain of at least two labels | `[email]` |
//! | `phone` | `+` and 8 to 15 digits, or North American numbers as `(415) 555-2671`, `415-555-2671`, `415.555.2671` | `[phone]` |
//!
//! A number is found only where no other letter, digit or `_` touches it: order numbers and
//! hashes stay as they are. Where findings overlap, the one that begins first counts, and of
//! those the longest.
//!
//! It looks at every text-like field that carries no hidden tag (a tagged field is another
//! masker's and is hidden whole). Inside a JSON document a number that is found outside of a
//! string becomes a string, so that the document stays one.
//!
//! ```toml
//! [plugin.config]
//! find = ["ssn", "card", "iban", "email", "phone"]    # all unless named
//! [plugin.config.replace]                             # `mark` unless named
//! ssn   = "stars"      # every letter and digit becomes `*`: ***-**-****
//! card  = "last-4"     # but for the last four: **** **** **** 1111
//! email = "mark"       # [email]
//! ```

mod bytes;
mod card;
mod email;
mod iban;
mod json;
mod number;
mod replace;
mod scan;

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde::Deserialize;
use tidegate_sdk::masker::{Action, Cell, CellFormat, Cells, Changes, Field, Masker};
use tidegate_sdk::{Issue, Manifest, Plugin, export_masker};

pub use scan::Kind;
use scan::{Kinds, Search};

/// How a finding is replaced.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Style {
    /// Its kind in brackets.
    #[default]
    Mark,
    /// Every letter and digit becomes `*`.
    Stars,
    /// As `stars`, but for the last four letters and digits.
    #[serde(rename = "last-4")]
    LastFour,
}

/// What can be configured.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What to look for; everything unless named.
    pub find: Option<Vec<Kind>>,
    /// How to replace it.
    pub replace: BTreeMap<Kind, Style>,
}

/// The masker.
#[derive(Debug)]
pub struct PiiScan {
    kinds: Kinds,
    styles: [Style; Kind::COUNT],
    /// A document without its escapes; kept so that its memory is taken once.
    copy: RefCell<Vec<u8>>,
}

/// The modes of fields: how findings are written.
const PLAIN: u32 = 0;
const JSON: u32 = 1;

/// Types whose cells are free text. Others (numbers, dates, keys) have no room for a mark.
const TEXT_TYPES: &[&str] = &[
    "text",
    "varchar",
    "bpchar",
    "character varying",
    "character",
    "citext",
    "xml",
];
const JSON_TYPES: &[&str] = &["json", "jsonb"];

impl Plugin for PiiScan {
    type Config = Config;

    fn new(config: Config) -> Result<Self, Vec<Issue>> {
        let kinds = match config.find {
            None => Kinds::all(),
            Some(find) if find.is_empty() => {
                return Err(vec![Issue::new(
                    "/find",
                    "names nothing: leave it out to find everything",
                )]);
            }
            Some(find) => find.into_iter().fold(Kinds::default(), Kinds::with),
        };
        let mut styles = [Style::Mark; Kind::COUNT];
        for (kind, style) in config.replace {
            styles[kind as usize] = style;
        }
        Ok(Self {
            kinds,
            styles,
            copy: RefCell::default(),
        })
    }

    fn describe(manifest: &mut Manifest) {
        manifest.config_schema = include_str!("schema.json").to_owned();
    }
}

impl Masker for PiiScan {
    fn field(&self, field: &Field) -> Action {
        let is = |types: &[&str]| types.contains(&field.native_type.as_str());
        match field.format {
            _ if !field.tags.is_empty() => Action::Keep,
            CellFormat::Json => Action::CallAs(JSON),
            CellFormat::Utf8 if is(JSON_TYPES) => Action::CallAs(JSON),
            CellFormat::Utf8 if is(TEXT_TYPES) => Action::CallAs(PLAIN),
            CellFormat::Utf8 | CellFormat::Bytes => Action::Keep,
        }
    }

    fn column(&self, cells: &Cells<'_>, out: &mut Changes) {
        let json = cells.mode() == JSON;
        out.each(cells, |cell, out| {
            if let Some(first) = bytes::trigger(cell) {
                match json {
                    true => self.mask_json(cell, first, out),
                    false => self.mask(cell, first, out),
                }
            }
        });
    }
}

impl PiiScan {
    /// Replaces what is found in one cell, whose first digit or `@` is known; writes nothing where
    /// nothing is.
    fn mask(&self, cell: &[u8], first: usize, out: &mut Cell<'_>) {
        let mut search = Search::new(cell, self.kinds, first);
        let mut written = 0;
        while let Some(found) = search.find() {
            out.push(&cell[written..found.start]);
            self.replace(&cell[found.start..found.end], found.kind, out);
            written = found.end;
            search.take(written);
        }
        if written > 0 {
            out.push(&cell[written..]);
        }
    }

    /// The same in a JSON document: what is no string there becomes one.
    fn mask_json(&self, document: &[u8], first: usize, out: &mut Cell<'_>) {
        let mut copy;
        let text = if document.contains(&b'\\') {
            copy = self.copy.borrow_mut();
            json::without_escapes(document, &mut copy);
            copy.as_slice()
        } else {
            document
        };
        let mut search = Search::new(text, self.kinds, first);
        let mut strings = json::Strings::default();
        let mut written = 0;
        while let Some(found) = search.find() {
            let (place, quote) = if strings.inside(text, found.start) {
                (found.start..found.end, b"".as_slice())
            } else {
                (json::token(text, &found), b"\"".as_slice())
            };
            out.push(&document[written..place.start.max(written)]);
            out.push(quote);
            self.replace(&document[found.start..found.end], found.kind, out);
            out.push(quote);
            written = place.end;
            search.take(written);
        }
        if written > 0 {
            out.push(&document[written..]);
        }
    }

    fn replace(&self, found: &[u8], kind: Kind, out: &mut Cell<'_>) {
        replace::write(found, kind, self.styles[kind as usize], out);
    }
}

export_masker!(PiiScan);

#[cfg(test)]
mod tests;
