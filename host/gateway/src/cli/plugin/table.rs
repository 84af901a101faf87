//! Rows for a masker to try: from CSV with a header, or from JSON.

use model::Tag;
use model::mask::{Column, Field, Shape};
use serde_json::Value;

/// Rows of one input: what a person tries a plugin with, not what a table holds.
const ROWS_MAX: usize = 1_000_000;

/// Names and cells. `None` is NULL.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Table {
    pub(super) names: Vec<String>,
    pub(super) rows: Vec<Vec<Option<String>>>,
}

impl Table {
    /// Reads rows: a JSON array of objects, or else CSV with a header. An empty field of CSV is
    /// an empty text.
    pub(super) fn parse(input: &[u8]) -> Result<Self, String> {
        let first = input.iter().find(|byte| !byte.is_ascii_whitespace());
        let table = if first == Some(&b'[') {
            Self::of_json(input)?
        } else {
            Self::of_csv(input)?
        };
        if table.names.is_empty() {
            return Err("it has no fields".to_owned());
        }
        Ok(table)
    }

    fn of_csv(input: &[u8]) -> Result<Self, String> {
        let mut reader = csv::Reader::from_reader(input);
        let header = reader.headers().map_err(|error| error.to_string())?;
        let names = header.iter().map(str::to_owned).collect();
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|error| error.to_string())?;
            within(rows.len())?;
            rows.push(record.iter().map(|cell| Some(cell.to_owned())).collect());
        }
        Ok(Self { names, rows })
    }

    fn of_json(input: &[u8]) -> Result<Self, String> {
        let objects: Vec<serde_json::Map<String, Value>> = serde_json::from_slice(input)
            .map_err(|error| format!("an array of objects is expected: {error}"))?;
        let mut names: Vec<String> = Vec::new();
        for name in objects.iter().flat_map(serde_json::Map::keys) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        within(objects.len().saturating_sub(1))?;
        let cell = |value: Option<&Value>| match value {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(other) => Some(other.to_string()),
        };
        let row = |object: &serde_json::Map<_, _>| names.iter().map(|name| cell(object.get(name))).collect();
        let rows = objects.iter().map(row).collect();
        Ok(Self { names, rows })
    }

    /// Returns the shape a masker is asked about. `tags` are `FIELD=TAG`, any number per field.
    pub(super) fn shape(&self, tags: &[(String, Tag)]) -> Result<Shape, String> {
        if let Some((field, _)) = tags.iter().find(|(field, _)| !self.names.contains(field)) {
            return Err(format!(
                "no field \"{field}\" in the input: it has {}",
                self.names.join(", ")
            ));
        }
        let field = |name: &String| {
            let own = tags.iter().filter(|(field, _)| field == name);
            Field::text(name, own.map(|(_, tag)| tag.clone()).collect())
        };
        Ok(Shape {
            fields: self.names.iter().map(field).collect(),
        })
    }

    /// Returns one field of these rows as a masker gets it.
    pub(super) fn column(&self, field: usize, rows: std::ops::Range<usize>) -> Column {
        let mut column = Column::default();
        for row in &self.rows[rows] {
            let cell = row.get(field).and_then(Option::as_deref);
            column.push(cell.map(str::as_bytes));
        }
        column
    }
}

fn within(rows: usize) -> Result<(), String> {
    if rows >= ROWS_MAX {
        return Err("more than 1,000,000 rows".to_owned());
    }
    Ok(())
}

/// Reads `FIELD=TAG`.
pub(super) fn tag(text: &str) -> Result<(String, Tag), String> {
    let shape = "write FIELD=TAG, e.g. ssn=pii.ssn";
    let (field, tag) = text.rsplit_once('=').ok_or(shape)?;
    if tag.is_empty() {
        return Err(shape.to_owned());
    }
    Ok((field.to_owned(), Tag::new(tag)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_from_csv_and_from_json() {
        let csv = Table::parse(b"name,ssn\n\"Ada, L.\",103-04\nBob,\n").expect("csv");
        assert_eq!(csv.names, ["name", "ssn"]);
        assert_eq!(
            csv.rows[0],
            [Some("Ada, L.".to_owned()), Some("103-04".to_owned())]
        );
        assert_eq!(csv.rows[1][1], Some(String::new()));
        let json =
            Table::parse(br#" [{"name": "Ada", "age": 36}, {"ssn": null, "name": "Bob"}]"#).expect("json");
        assert_eq!(json.names.len(), 3);
        let age = json.names.iter().position(|name| name == "age").expect("age");
        assert_eq!(json.rows[0][age], Some("36".to_owned()));
        assert_eq!(json.rows[1][age], None);
    }

    #[test]
    fn what_is_no_table_and_a_tag_of_no_field_are_told() {
        assert!(Table::parse(b"").is_err());
        assert!(Table::parse(b"[1]").is_err());
        assert!(Table::parse(b"a,b\n1\n").is_err());
        let table = Table::parse(b"a\n1\n").expect("a table");
        let wrong = table
            .shape(&[tag("b=pii.ssn").expect("a tag")])
            .expect_err("no field");
        assert_eq!(wrong, "no field \"b\" in the input: it has a");
        assert!(tag("b").is_err() && tag("b=").is_err());
    }
}
