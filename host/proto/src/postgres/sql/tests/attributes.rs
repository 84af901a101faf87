//! Functions called as if they were columns.

use model::{OperationKind, Rule};

use super::{with_tags, without_tags};

const PEEK: &[&str] = &[
    "select o.peek from orders o",
    "select (o).peek from orders o",
    "select public.orders.peek from orders",
    "select ((o).peek).x from orders o",
    "select id from orders o where o.peek = 'x'",
    "update orders o set note = o.peek",
    "select (k).o.peek from (select o from orders o) k",
];

#[test]
fn a_function_called_like_a_column_is_not_reviewed_either() {
    for sql in PEEK {
        let refusal = with_tags(sql).refusal.unwrap_or_else(|| panic!("{sql}"));
        assert_eq!(refusal.rule, Rule::TaggedUse, "{sql}");
        assert!(refusal.message.contains("function peek"), "{}", refusal.message);
    }
}

#[test]
fn a_function_called_like_a_column_is_in_the_facts() {
    let used = |sql: &str| {
        let facts = without_tags(sql).facts.statements.remove(0);
        let names: Vec<String> = facts.functions.into_iter().map(|f| f.name).collect();
        (names.join(" "), facts.kind)
    };
    for sql in PEEK {
        assert_eq!(used(sql).0, "peek", "{sql}");
    }
    let cases = [
        ("select o.wipe from orders o", "wipe", OperationKind::Write),
        ("select (o).wipe from orders o", "wipe", OperationKind::Write),
        ("select o.peek from orders o", "peek", OperationKind::Read),
        (
            "select o.row_to_json, (o).count from orders o",
            "count row_to_json",
            OperationKind::Read,
        ),
        // Columns are no functions.
        (
            "select o.total, o.note, v.count from orders o, count_view v",
            "",
            OperationKind::Read,
        ),
        ("select k.max from (select 1 as max) k", "", OperationKind::Read),
        (
            "select k.max from (select max(id) from orders) k",
            "max",
            OperationKind::Read,
        ),
        ("select wipe from orders", "", OperationKind::Read),
        // No row can be its argument.
        ("select o.lookup from orders o", "", OperationKind::Read),
    ];
    for (sql, names, kind) in cases {
        assert_eq!(used(sql), (names.to_owned(), kind), "{sql}");
    }
}

#[test]
fn code_that_nobody_reviewed_may_change_settings() {
    let sets = |sql: &str| without_tags(sql).statements[0].changes_settings;
    for sql in [
        "select lookup(1)",
        "select o.wipe from orders o",
        "select never_heard_of(1)",
        "select 1 === 2",
        "insert into trg values (1)",
        "insert into ruled values (1)",
        "select 'x'::fancy",
    ] {
        assert!(sets(sql), "{sql}");
    }
    for sql in [
        "select approved(1), now(), nextval('s')",
        "select similarity(note, 'x') from orders",
        "select o.total from orders o",
        "insert into orders (note) values ($1)",
    ] {
        assert!(!sets(sql), "{sql}");
    }
}
