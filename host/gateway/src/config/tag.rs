//! `[[tag]]`: which columns, places in JSON and headers hold what class of data.

use http::header::HeaderName;
use model::{ResourceName, Tag};

use super::quantity::name;
use super::report::{Problem, nearest, problem};
use super::section::Section;

/// A class of data and where it lives.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TagConfig {
    /// The class, e.g. `pii.ssn`.
    pub name: Tag,
    /// The columns that hold it.
    pub columns: Vec<ColumnName>,
    /// Where it stands in JSON bodies.
    pub paths: Vec<BodyPath>,
    /// The headers of answers that hold it.
    pub headers: Vec<(ResourceName, HeaderName)>,
}

/// A place in the JSON bodies of one upstream.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct BodyPath {
    /// The resource.
    pub resource: ResourceName,
    /// The JSON path, e.g. `$.customers[*].ssn`.
    pub path: String,
}

/// One column of one upstream, as the upstream's catalog spells it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ColumnName {
    /// The resource.
    pub resource: ResourceName,
    /// The schema.
    pub schema: String,
    /// The table or view.
    pub table: String,
    /// The column.
    pub column: String,
}

pub(super) fn read(section: Section<'_>, resources: &[String]) -> Option<TagConfig> {
    let name = section.require("name", "name the tag, e.g. \"pii.ssn\"", name);
    if !["columns", "paths", "headers"].iter().any(|key| section.has(key)) {
        let remedy = "list the columns, e.g. [\"customers:public.customers.ssn\"], or the paths in JSON, e.g. \
                      paths = [\"orders:$..ssn\"]";
        section.fault("columns", problem("is missing", remedy));
    }
    let columns = section.list("columns", |text| column(text, resources));
    let paths = section.list("paths", |text| body_path(text, resources));
    let headers = section.list("headers", |text| header(text, resources));
    section.finish();
    Some(TagConfig {
        name: Tag::new(name?),
        columns,
        paths,
        headers,
    })
}

/// Reads `RESOURCE:$.a.b`.
fn body_path(text: &str, resources: &[String]) -> Result<BodyPath, Problem> {
    let malformed = || {
        problem(
            format!("\"{text}\" is not a place in JSON"),
            "write RESOURCE:$.a.b[*].c",
        )
    };
    let (resource, path) = text.split_once(':').ok_or_else(malformed)?;
    let resource = known(resource, resources)?;
    if !path.starts_with('$') {
        return Err(malformed());
    }
    Ok(BodyPath {
        resource,
        path: path.to_owned(),
    })
}

/// Reads `RESOURCE:HEADER`.
fn header(text: &str, resources: &[String]) -> Result<(ResourceName, HeaderName), Problem> {
    let malformed = || {
        problem(
            format!("\"{text}\" is not a header"),
            "write RESOURCE:HEADER-NAME",
        )
    };
    let (resource, name) = text.split_once(':').ok_or_else(malformed)?;
    let resource = known(resource, resources)?;
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| malformed())?;
    Ok((resource, name))
}

fn known(resource: &str, resources: &[String]) -> Result<ResourceName, Problem> {
    if resources.iter().any(|known| known == resource) {
        return Ok(ResourceName::new(resource));
    }
    let remedy = match nearest(resource, resources.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean \"{meant}\"?"),
        None => "add the [[resource]], or correct the name".to_owned(),
    };
    Err(problem(format!("there is no resource \"{resource}\""), remedy))
}

/// Reads `RESOURCE:SCHEMA.TABLE.COLUMN`; parts with a dot are put in double quotes.
fn column(text: &str, resources: &[String]) -> Result<ColumnName, Problem> {
    let malformed = || {
        problem(
            format!("\"{text}\" is not a column"),
            "write RESOURCE:SCHEMA.TABLE.COLUMN, spelt as in the catalog, with \"\" around parts that hold a dot",
        )
    };
    let (resource, path) = text.split_once(':').ok_or_else(malformed)?;
    let resource = known(resource, resources)?;
    let parts = identifiers(path).ok_or_else(malformed)?;
    let [schema, table, column] = <[String; 3]>::try_from(parts).map_err(|_| malformed())?;
    Ok(ColumnName {
        resource,
        schema,
        table,
        column,
    })
}

/// Splits `a."b.c".d` into its parts; `""` within quotes is one quote.
fn identifiers(path: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = path;
    loop {
        let part;
        if let Some(quoted) = rest.strip_prefix('"') {
            (part, rest) = quoted_identifier(quoted)?;
        } else {
            let end = rest.find('.').unwrap_or(rest.len());
            part = rest[..end].to_owned();
            rest = &rest[end..];
            if part.contains(['"', '*', ' ']) {
                return None;
            }
        }
        if part.is_empty() {
            return None;
        }
        parts.push(part);
        if rest.is_empty() {
            return Some(parts);
        }
        rest = rest.strip_prefix('.')?;
    }
}

fn quoted_identifier(text: &str) -> Option<(String, &str)> {
    let mut part = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('"')?;
        part.push_str(before);
        match after.strip_prefix('"') {
            Some(after) => {
                part.push('"');
                rest = after;
            }
            None => return Some((part, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_read_with_and_without_quotes() {
        let read = |text: &str| identifiers(text).map(|parts| parts.join("|"));
        assert_eq!(
            read("public.customers.ssn").as_deref(),
            Some("public|customers|ssn")
        );
        assert_eq!(read(r#"a."b.c"."d""e""#).as_deref(), Some(r#"a|b.c|d"e"#));
        for bad in ["", ".", "a.", ".a", "a..b", r#""a"#, r#""a"b"#, r#"a"b"#, "a.*"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
