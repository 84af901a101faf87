//! Reads one table of a configuration file: what is asked for is taken, the rest is a fault.
//!
//! Every method reports what is wrong and goes on, so that one run finds all faults.

use std::cell::{Cell, RefCell};
use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::report::{Problem, Report, nearest, problem};

/// One table, with its place in the file.
pub(super) struct Section<'a> {
    pub(super) report: &'a Report,
    /// The path to it, e.g. `resource[customers]`; empty for the file itself.
    pub(super) path: String,
    pub(super) span: Range<usize>,
    table: &'a DeTable<'a>,
    asked: RefCell<Vec<&'static str>>,
    passed_over: Cell<bool>,
}

impl<'a> Section<'a> {
    pub(super) fn root(report: &'a Report, table: &'a Spanned<DeTable<'a>>) -> Self {
        Self::at(report, String::new(), table.span(), table.get_ref())
    }

    fn at(report: &'a Report, path: String, span: Range<usize>, table: &'a DeTable<'a>) -> Self {
        Self {
            report,
            path,
            span,
            table,
            asked: RefCell::default(),
            passed_over: Cell::new(false),
        }
    }

    /// Returns the full name of `key`.
    pub(super) fn key(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// Returns where `key` stands, or else the section.
    pub(super) fn span_of(&self, key: &str) -> Range<usize> {
        self.table
            .get(key)
            .map_or_else(|| self.span.clone(), Spanned::span)
    }

    /// Reports a fault of `key`.
    pub(super) fn fault(&self, key: &str, problem: Problem) {
        // What the file lacks as a whole has no line.
        let placed = !self.path.is_empty() || self.has(key);
        self.report
            .fault(placed.then(|| self.span_of(key)), self.key(key), problem);
    }

    /// Returns whether `key` is set to `[]`.
    pub(super) fn is_empty_list(&self, key: &str) -> bool {
        let value = self.table.get(key).and_then(|value| value.get_ref().as_array());
        value.is_some_and(|items| items.is_empty())
    }

    /// Returns whether `key` is set at all, without asking for it.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    fn take(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.borrow_mut().push(key);
        self.table.get(key)
    }

    fn wrong_type(&self, key: &str, value: &DeValue<'_>, wanted: &str) {
        self.fault(
            key,
            problem(
                format!("expected {wanted}, found {}", value.type_str()),
                format!("write {wanted}"),
            ),
        );
    }

    /// Reads a text through `parse`.
    pub(super) fn parse<T>(
        &self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, Problem>,
    ) -> Option<T> {
        let value = self.take(key)?.get_ref();
        let Some(text) = value.as_str() else {
            self.wrong_type(key, value, "a text in quotes");
            return None;
        };
        parse(text).map_err(|wrong| self.fault(key, wrong)).ok()
    }

    /// Reads a text through `parse`; its absence is a fault, with `remedy`.
    pub(super) fn require<T>(
        &self,
        key: &'static str,
        remedy: &str,
        parse: impl FnOnce(&str) -> Result<T, Problem>,
    ) -> Option<T> {
        if !self.has(key) {
            self.asked.borrow_mut().push(key);
            self.fault(key, problem("is missing", remedy));
            return None;
        }
        self.parse(key, parse)
    }

    /// Returns whether a key has a list.
    pub(super) fn is_list(&self, key: &str) -> bool {
        self.table
            .get(key)
            .is_some_and(|value| value.get_ref().is_array())
    }

    /// Reads `true` or `false`; absent is `false`.
    pub(super) fn flag(&self, key: &'static str) -> bool {
        let Some(value) = self.take(key) else {
            return false;
        };
        value.get_ref().as_bool().unwrap_or_else(|| {
            self.wrong_type(key, value.get_ref(), "true or false");
            false
        })
    }

    /// Reads a whole number within `range`.
    pub(super) fn number(&self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let value = self.take(key)?.get_ref();
        let parsed = value
            .as_integer()
            .and_then(|number| u64::from_str_radix(number.as_str(), number.radix()).ok())
            .filter(|number| range.contains(number));
        if parsed.is_none() {
            let wanted = format!("a whole number from {} to {}", range.start(), range.end());
            if value.is_integer() {
                self.fault(
                    key,
                    problem(format!("must be {wanted}"), format!("write {wanted}")),
                );
            } else {
                self.wrong_type(key, value, &wanted);
            }
        }
        parsed
    }

    /// Reads a list of texts, each through `parse`; absent is empty.
    pub(super) fn list<T>(
        &self,
        key: &'static str,
        mut parse: impl FnMut(&str) -> Result<T, Problem>,
    ) -> Vec<T> {
        let Some(value) = self.take(key) else {
            return Vec::new();
        };
        let Some(items) = value.get_ref().as_array() else {
            self.wrong_type(key, value.get_ref(), "a list of texts in [ ]");
            return Vec::new();
        };
        let mut out = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let place = || format!("{}[{index}]", self.key(key));
            match item.get_ref().as_str().map(&mut parse) {
                Some(Ok(parsed)) => out.push(parsed),
                Some(Err(wrong)) => self.report.fault(Some(item.span()), place(), wrong),
                None => {
                    let found = format!("expected a text in quotes, found {}", item.get_ref().type_str());
                    self.report.fault(
                        Some(item.span()),
                        place(),
                        problem(found, "write a text in quotes"),
                    );
                }
            }
        }
        out
    }

    /// Reads one text or a list of texts.
    pub(super) fn one_or_more<T>(
        &self,
        key: &'static str,
        mut parse: impl FnMut(&str) -> Result<T, Problem>,
    ) -> Vec<T> {
        match self.table.get(key).map(Spanned::get_ref) {
            Some(DeValue::String(_)) => self.parse(key, parse).into_iter().collect(),
            _ => self.list(key, &mut parse),
        }
    }

    /// Reads a table below this one.
    pub(super) fn table(&self, key: &'static str) -> Option<Section<'a>> {
        let value = self.take(key)?;
        let Some(table) = value.get_ref().as_table() else {
            self.wrong_type(key, value.get_ref(), "a table");
            return None;
        };
        Some(Section::at(self.report, self.key(key), value.span(), table))
    }

    /// Reads the tables written as `[[key]]`, each known by its `name` where it has one.
    pub(super) fn tables(&self, key: &'static str) -> Vec<Section<'a>> {
        let Some(value) = self.take(key) else {
            return Vec::new();
        };
        let Some(items) = value.get_ref().as_array() else {
            self.wrong_type(key, value.get_ref(), &format!("tables headed [[{key}]]"));
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let Some(table) = item.get_ref().as_table() else {
                self.wrong_type(key, item.get_ref(), &format!("tables headed [[{key}]]"));
                continue;
            };
            let name = table.get("name").and_then(|name| name.get_ref().as_str());
            let label = name.map_or_else(|| index.to_string(), str::to_owned);
            let path = format!("{}[{label}]", self.key(key));
            sections.push(Section::at(self.report, path, item.span(), table));
        }
        sections
    }

    /// Returns the names given in the tables `[[key]]`, valid or not, without reporting.
    pub(super) fn names(&self, key: &str) -> Vec<String> {
        let items = self.table.get(key).and_then(|value| value.get_ref().as_array());
        let tables = items
            .into_iter()
            .flatten()
            .filter_map(|item| item.get_ref().as_table());
        tables
            .filter_map(|table| table.get("name")?.get_ref().as_str())
            .map(str::to_owned)
            .collect()
    }

    /// Reads a table of texts, each through `parse`, in the order of their keys.
    pub(super) fn texts<T>(
        &self,
        key: &'static str,
        mut parse: impl FnMut(&str) -> Result<T, Problem>,
    ) -> Vec<(String, T)> {
        let Some(section) = self.table(key) else {
            return Vec::new();
        };
        let mut out = Vec::new();
        for (name, value) in section.table {
            let wrong = match value.get_ref().as_str().map(&mut parse) {
                Some(Ok(parsed)) => {
                    out.push((name.get_ref().to_string(), parsed));
                    continue;
                }
                Some(Err(wrong)) => wrong,
                None => problem("expected a text in quotes", "write a text in quotes"),
            };
            section
                .report
                .fault(Some(value.span()), section.key(name.get_ref()), wrong);
        }
        out
    }

    /// Reads anything, as JSON; absent is an empty object.
    pub(super) fn json(&self, key: &'static str) -> serde_json::Value {
        let Some(value) = self.take(key) else {
            return serde_json::Value::Object(serde_json::Map::new());
        };
        to_json(value.get_ref()).unwrap_or_else(|wrong| {
            self.fault(key, wrong);
            serde_json::Value::Null
        })
    }

    /// Takes every key for known: what they mean depends on one that is wrong.
    pub(super) fn pass_over(&self) {
        self.passed_over.set(true);
    }

    /// Reports every key that nothing asked for.
    pub(super) fn finish(self) {
        if self.passed_over.get() {
            return;
        }
        let asked = self.asked.into_inner();
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if asked.contains(&name) {
                continue;
            }
            let remedy = match nearest(name, asked.iter().copied()) {
                Some(meant) => format!("did you mean \"{meant}\"?"),
                None => format!("known here: {}", asked.join(", ")),
            };
            let path = if self.path.is_empty() {
                name.to_owned()
            } else {
                format!("{}.{name}", self.path)
            };
            self.report
                .fault(Some(key.span()), path, problem("unknown key", remedy));
        }
    }
}

fn to_json(value: &DeValue<'_>) -> Result<serde_json::Value, Problem> {
    use serde_json::Value;

    let bad_number = || problem("holds a number out of range", "use a number that fits 64 bits");
    Ok(match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map(Value::from)
            .map_err(|_| bad_number())?,
        DeValue::Float(number) => {
            let parsed: f64 = number.as_str().parse().map_err(|_| bad_number())?;
            serde_json::Number::from_f64(parsed)
                .map(Value::Number)
                .ok_or_else(bad_number)?
        }
        DeValue::Boolean(flag) => Value::from(*flag),
        DeValue::Datetime(moment) => Value::from(moment.to_string()),
        DeValue::Array(items) => Value::Array(
            items
                .iter()
                .map(|item| to_json(item.get_ref()))
                .collect::<Result<_, _>>()?,
        ),
        DeValue::Table(table) => Value::Object(
            table
                .iter()
                .map(|(key, value)| Ok((key.get_ref().to_string(), to_json(value.get_ref())?)))
                .collect::<Result<_, Problem>>()?,
        ),
    })
}
