//! What one statement shows.

use tidegate_sdk::classifier::{Access, Kind, Relation, Statement};

use crate::Config;
use crate::functions::{Reach, reach};

/// One finding before its score.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) id: &'static str,
    pub(crate) message: String,
    pub(crate) labels: &'static [&'static str],
}

/// Every finding's usual score.
pub(crate) const SCORES: &[(&str, u8)] = &[
    ("sql.privilege-change", 95),
    ("sql.drop", 95),
    ("sql.server-file", 95),
    ("sql.truncate", 90),
    ("sql.outside-connection", 90),
    ("sql.delete-without-where", 90),
    ("sql.update-without-where", 85),
    ("sql.server-control", 80),
    ("sql.unknown", 80),
    ("sql.unbounded-export", 75),
    ("sql.schema-change", 70),
    ("sql.many-statements", 55),
    ("sql.tagged-write", 50),
    ("sql.write", 30),
];

/// Returns what a statement shows, gravest kinds first.
pub(crate) fn findings(statement: &Statement, config: &Config) -> Vec<Found> {
    let mut found = Vec::new();
    definition(statement, &mut found);
    functions(statement, &mut found);
    change(statement, &mut found);
    export(statement, config, &mut found);
    found
}

fn definition(statement: &Statement, found: &mut Vec<Found>) {
    let verb = statement.verb.as_str();
    let verb_upper = verb.to_uppercase();
    let first = verb.split(' ').next().unwrap_or("");
    let (id, message, labels): (_, _, &[_]) = match (first, statement.kind) {
        ("drop", _) => (
            "sql.drop",
            format!("{verb_upper} removes{} for good.", names(statement)),
            &["ddl"],
        ),
        ("truncate", _) => (
            "sql.truncate",
            format!("TRUNCATE empties{}.", names(statement)),
            &["ddl"],
        ),
        (_, Kind::Privilege) => (
            "sql.privilege-change",
            format!("{verb_upper} changes who may do what."),
            &["privilege"],
        ),
        (_, Kind::Schema) => (
            "sql.schema-change",
            format!("{verb_upper} changes the schema."),
            &["ddl"],
        ),
        (_, Kind::Unknown) => (
            "sql.unknown",
            format!("{verb_upper} is of a kind this plugin does not know."),
            &["unknown"],
        ),
        // COPY with a program or a file runs on the server; through the connection it does not.
        _ if first == "copy" && (verb.contains("program") || verb.contains("file")) => (
            "sql.server-file",
            format!("{verb_upper} reaches the server's files or programs."),
            &["file"],
        ),
        _ => return,
    };
    found.push(Found {
        id,
        message: cut(message),
        labels,
    });
}

fn functions(statement: &Statement, found: &mut Vec<Found>) {
    for function in &statement.functions {
        let name = &function.name;
        let (id, message, labels): (_, _, &[_]) = match reach(name) {
            None => continue,
            Some(Reach::Files) => (
                "sql.server-file",
                format!("{name} reaches data that no rule on tables covers."),
                &["file"],
            ),
            Some(Reach::Outside) => (
                "sql.outside-connection",
                format!("{name} connects to another server."),
                &["egress"],
            ),
            Some(Reach::Control) => (
                "sql.server-control",
                format!("{name} acts on the server or its time."),
                &["control"],
            ),
        };
        found.push(Found {
            id,
            message: cut(message),
            labels,
        });
    }
}

fn change(statement: &Statement, found: &mut Vec<Found>) {
    if statement.kind != Kind::Write {
        return;
    }
    match statement.verb.as_str() {
        "delete" if !statement.has_where => found.push(Found {
            id: "sql.delete-without-where",
            message: cut(format!(
                "DELETE without WHERE removes every row of{}.",
                names(statement)
            )),
            labels: &["bulk"],
        }),
        "update" if !statement.has_where => found.push(Found {
            id: "sql.update-without-where",
            message: cut(format!(
                "UPDATE without WHERE changes every row of{}.",
                names(statement)
            )),
            labels: &["bulk"],
        }),
        _ => {}
    }
    let written = |r: &&Relation| r.access != Access::Read;
    let tagged = statement
        .relations
        .iter()
        .filter(written)
        .find(|r| !r.tags.is_empty());
    found.push(match tagged {
        Some(relation) => Found {
            id: "sql.tagged-write",
            message: cut(format!(
                "Writes to {}, which holds {}.",
                relation.name,
                relation.tags.join(", ")
            )),
            labels: &["write"],
        },
        None => Found {
            id: "sql.write",
            message: cut(format!("{} changes data.", statement.verb.to_uppercase())),
            labels: &["write"],
        },
    });
}

fn export(statement: &Statement, config: &Config, found: &mut Vec<Found>) {
    let bounded = statement.has_where || statement.limit.is_some_and(|rows| rows <= config.export_rows_max);
    let reads = matches!(statement.kind, Kind::Read | Kind::Write | Kind::Unknown);
    let copies = statement.verb.starts_with("copy");
    // The WHERE of a COPY filters what comes in, not what goes out.
    // Without a column, as in `count(*)`, rows are counted and none is read out.
    let exports = copies || reads && !bounded && !statement.columns.is_empty();
    if !exports {
        return;
    }
    let read = |r: &&Relation| r.access == Access::Read || r.access == Access::Unknown;
    if let Some(relation) = statement
        .relations
        .iter()
        .filter(read)
        .find(|r| !r.tags.is_empty())
    {
        found.push(Found {
            id: "sql.unbounded-export",
            message: cut(format!(
                "Reads all of {}, which holds {}; a WHERE or a LIMIT of at most {} would bound it.",
                relation.name,
                relation.tags.join(", "),
                config.export_rows_max
            )),
            labels: &["export"],
        });
    }
}

/// Names what a statement works on, with a space before it, or says that it is not known.
fn names(statement: &Statement) -> String {
    let names: Vec<_> = statement
        .relations
        .iter()
        .filter(|r| r.access != Access::Read)
        .map(|r| r.name.as_str())
        .take(NAMES_MAX)
        .collect();
    if names.is_empty() {
        " what it names".to_owned()
    } else {
        format!(" {}", names.join(", "))
    }
}

/// How many names a sentence holds: more than these nobody reads.
const NAMES_MAX: usize = 5;

/// The contract's limit for a message, in bytes.
const MESSAGE_BYTES_MAX: usize = 500;

fn cut(mut message: String) -> String {
    message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
    message
}
