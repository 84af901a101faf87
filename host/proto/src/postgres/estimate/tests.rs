use model::{OperationKind, StatementFacts};

use super::*;

fn statement(verb: &str) -> StatementFacts {
    StatementFacts {
        verb: verb.to_owned(),
        ..StatementFacts::bare(OperationKind::Read)
    }
}

#[test]
fn only_one_statement_that_touches_rows_is_planned() {
    for verb in COUNTED {
        assert!(is_countable(&Facts::of(statement(verb))), "{verb}");
    }
    for verb in ["execute", "create table", "copy", ""] {
        assert!(!is_countable(&Facts::of(statement(verb))), "{verb}");
    }
    let mut two = Facts::of(statement("delete"));
    two.statements.push(statement("select"));
    assert!(!is_countable(&two));
    assert!(!is_countable(&Facts::default()));
    let utility = StatementFacts {
        utility: true,
        ..statement("select")
    };
    assert!(!is_countable(&Facts::of(utility)), "select into makes a table");
}

#[test]
fn the_question_carries_the_clients_text_types_and_values() {
    // One format for all, binary; two values, an int4 and NULL; then two formats of the result.
    let bound = [
        0, 1, 0, 1, 0, 2, 0, 0, 0, 4, 0, 0, 0, 7, 0xFF, 0xFF, 0xFF, 0xFF, 0, 2, 0, 1, 0, 0,
    ];
    let types = [0, 0, 0, 23, 0, 0, 0, 25];
    let asked = question("delete from t where a = $1", &types, Some(&bound)).expect("short");
    let mut expected = b"P\0\0\0\x40\0EXPLAIN (FORMAT JSON) delete from t where a = $1\0\0\x02".to_vec();
    expected.extend_from_slice(&types);
    expected.extend_from_slice(b"B\0\0\0\x1a\0\0");
    expected.extend_from_slice(&bound[..18]);
    expected.extend_from_slice(b"\0\0E\0\0\0\x09\0\0\0\0\0S\0\0\0\x04");
    assert_eq!(asked, expected);
}

#[test]
fn a_simple_query_is_asked_about_without_values() {
    let asked = question("select 1", &[], None).expect("short");
    assert_eq!(
        asked,
        b"P\0\0\0\x26\0EXPLAIN (FORMAT JSON) select 1\0\0\0B\0\0\0\x0c\0\0\0\0\0\0\0\0E\0\0\0\x09\0\0\0\0\0S\0\0\0\x04"
    );
}

#[test]
fn what_is_long_or_cut_is_not_asked_about() {
    assert_eq!(question(&" ".repeat(PLANNED_BYTES_MAX + 1), &[], None), None);
    assert_eq!(question("select 1\0; drop table t", &[], None), None);
    for cut in [&[0][..], &[0, 1], &[0, 0, 0, 1, 0, 0, 0, 4, 0]] {
        assert_eq!(question("select $1", &[], Some(cut)), None, "{cut:?}");
    }
}

#[test]
fn the_rows_are_those_of_the_top_of_the_plan() {
    let plan = r#"[{"Plan": {"Node Type": "Limit", "Plan Rows": 10, "Plans": [
        {"Node Type": "Seq Scan", "Parent Relationship": "Outer", "Plan Rows": 1000}]}}]"#;
    assert_eq!(rows(plan), Some(10));
}

#[test]
fn the_rows_of_a_change_are_those_that_go_into_it() {
    let plan = r#"[{"Plan": {"Node Type": "ModifyTable", "Operation": "Delete", "Plan Rows": 0, "Plans": [
        {"Node Type": "Result", "Parent Relationship": "InitPlan", "Plan Rows": 1},
        {"Node Type": "Seq Scan", "Parent Relationship": "Outer", "Plan Rows": 1204}]}}]"#;
    assert_eq!(rows(plan), Some(1204));
    let partitions = r#"[{"Plan": {"Node Type": "ModifyTable", "Plan Rows": 5, "Plans": [
        {"Node Type": "Seq Scan", "Parent Relationship": "Member", "Plan Rows": 2},
        {"Node Type": "Seq Scan", "Parent Relationship": "Member", "Plan Rows": 3}]}}]"#;
    assert_eq!(rows(partitions), Some(5));
}

#[test]
fn a_number_beyond_all_rows_is_the_largest_and_no_plan_is_no_number() {
    let huge = r#"[{"Plan": {"Node Type": "Result", "Plan Rows": 100000000000000000000000000}}]"#;
    assert_eq!(rows(huge), Some(u64::MAX));
    for other in [
        "",
        "[]",
        "{}",
        "[{\"Plan\": {}}]",
        "[{\"Plan\": {\"Node Type\": \"Result\", \"Plan Rows\": -1}}]",
        "[{\"Plan\": {\"Node Type\": \"Result\", \"Plan Rows\": \"many\"}}]",
        "[{\"Plan\": {\"Node Type\": \"ModifyTable\", \"Plan Rows\": 0}}]",
    ] {
        assert_eq!(rows(other), None, "{other}");
    }
}
