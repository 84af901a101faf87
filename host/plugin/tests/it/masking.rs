use model::mask::{Action, Change, NativeMask};
use plugin::{Kind, OnFailure};
use serde_json::json;

use crate::components::{broken, column, config, first_party, load, name, shape};

#[tokio::test]
async fn redact_plans_native_masks_and_the_host_suppresses_what_nobody_takes() {
    let rules = json!({"pii.ssn": "keep-last-4", "pii.email": "pseudonym"});
    let plugins = load(vec![config("redact", Kind::Masker, first_party("redact"), rules)]).await;
    let shape = shape(&["pii.ssn", "", "pii.email", "pii.other"]);
    let active = plugins.maskers().plan(&[name("redact")], &shape).unwrap();
    let actions: Vec<_> = active
        .plan
        .actions
        .iter()
        .map(|planned| planned.action.clone())
        .collect();
    let domain = "pii.email".to_owned();
    assert_eq!(
        actions,
        [
            Action::Native(NativeMask::KeepLast(4)),
            Action::Keep,
            Action::Native(NativeMask::Pseudonym { domain }),
            Action::Suppress,
        ]
    );
    assert_eq!(active.plan.actions[0].plugin, Some(name("redact")));
    assert_eq!(active.plan.actions[3].plugin, None);
    let again = plugins.maskers().plan(&[name("redact")], &shape).unwrap();
    assert!(std::sync::Arc::ptr_eq(&active, &again), "a plan is kept");
}

#[tokio::test]
async fn without_a_masker_every_tagged_field_is_suppressed() {
    let plugins = load(vec![]).await;
    let active = plugins.maskers().plan(&[], &shape(&["pii.ssn", ""])).unwrap();
    let actions: Vec<_> = active
        .plan
        .actions
        .iter()
        .map(|planned| &planned.action)
        .collect();
    assert_eq!(actions, [&Action::Suppress, &Action::Keep]);
    let missing = plugins.maskers().plan(&[name("gone")], &shape(&[""]));
    assert_eq!(missing.map(|_| ()).unwrap_err().reason, "missing");
}

#[tokio::test]
async fn pii_scan_replaces_what_it_finds_and_nothing_else() {
    let plugins = load(vec![config(
        "pii-scan",
        Kind::Masker,
        first_party("pii-scan"),
        json!({}),
    )])
    .await;
    let active = plugins
        .maskers()
        .plan(&[name("pii-scan")], &shape(&["", ""]))
        .unwrap();
    assert!(
        active
            .plan
            .actions
            .iter()
            .all(|planned| planned.action == Action::Call)
    );
    let mut cells = active.cells();
    let found = column(&[
        Some("call 078-05-1120 now"),
        None,
        Some("nothing here"),
        Some("grüße an ana@example.com"),
    ]);
    let clean = column(&[Some("a"), Some("b"), Some("c"), Some("d")]);
    let changes = cells.mask(4, &[found.clone(), clean]).unwrap();
    let shown: Vec<_> = (0..4).map(|row| text(&changes[0], &found, row)).collect();
    assert!(!shown[0].contains("078-05-1120"), "{shown:?}");
    assert!(
        shown[0].starts_with("call ") && shown[0].ends_with(" now"),
        "{shown:?}"
    );
    assert_eq!(shown[2], "nothing here");
    assert!(
        !shown[3].contains("ana@example.com") && shown[3].starts_with("grüße"),
        "{shown:?}"
    );
    assert_eq!(changes[1], Change::None);
}

/// Returns a cell after a change, as the client would see it.
pub(crate) fn text(change: &Change, before: &model::mask::Column, row: usize) -> String {
    let cell = match change {
        Change::None => before.cell(row),
        Change::Dense(column) => column.cell(row),
        Change::Sparse { rows, values } => match rows.iter().position(|r| *r as usize == row) {
            Some(at) => values.cell(at),
            None => before.cell(row),
        },
        Change::All(bytes) => Some(bytes.as_slice()),
        Change::AllNull => None,
    };
    cell.map_or_else(
        || "NULL".to_owned(),
        |bytes| String::from_utf8(bytes.to_vec()).unwrap(),
    )
}

#[tokio::test]
async fn of_several_maskers_the_strictest_action_stands() {
    let plugins = load(vec![
        config("scan", Kind::Masker, first_party("pii-scan"), json!({})),
        config(
            "redact",
            Kind::Masker,
            first_party("redact"),
            json!({"pii.ssn": "keep-last-4"}),
        ),
    ])
    .await;
    let shape = shape(&["", "pii.ssn", ""]);
    let active = plugins
        .maskers()
        .plan(&[name("scan"), name("redact")], &shape)
        .unwrap();
    let actions: Vec<_> = active
        .plan
        .actions
        .iter()
        .map(|planned| planned.action.clone())
        .collect();
    assert_eq!(
        actions,
        [
            Action::Call,
            Action::Native(NativeMask::KeepLast(4)),
            Action::Call
        ]
    );

    // The scanner is called for two fields of the three it asked for and still tells them apart.
    let (first, last) = (
        column(&[Some("ssn 078-05-1120")]),
        column(&[Some("mail ana@example.com")]),
    );
    let changes = active.cells().mask(1, &[first.clone(), last.clone()]).unwrap();
    assert!(!text(&changes[0], &first, 0).contains("078-05-1120"));
    assert!(!text(&changes[1], &last, 0).contains("ana@"));
}

#[tokio::test]
async fn a_batch_that_does_not_fit_never_reaches_the_guest() {
    let plugins = load(vec![config(
        "scan",
        Kind::Masker,
        first_party("pii-scan"),
        json!({}),
    )])
    .await;
    let active = plugins.maskers().plan(&[name("scan")], &shape(&[""])).unwrap();
    let one = column(&[Some("a")]);
    for (rows, columns) in [
        (2, vec![one.clone()]),
        (1, vec![]),
        (1, vec![one.clone(), one.clone()]),
    ] {
        assert!(active.cells().mask(rows, &columns).is_err());
    }
    let mut wide = column(&[]);
    (0..2).for_each(|_| wide.push(Some(&[b'a'; model::mask::BATCH_BYTES_MAX])));
    assert!(active.cells().mask(2, &[wide]).is_err());
}

#[tokio::test]
async fn a_redacting_masker_turns_its_columns_into_nulls_for_the_rest_of_the_result() {
    let mut trap = config(
        "trap",
        Kind::Masker,
        broken("masker"),
        json!({"behaviour": "traps_in_mask"}),
    );
    trap.on_failure = OnFailure::Redact;
    let scan = config("scan", Kind::Masker, first_party("pii-scan"), json!({}));
    let plugins = load(vec![trap, scan]).await;
    let active = plugins
        .maskers()
        .plan(&[name("trap")], &shape(&["pii.ssn"]))
        .unwrap();
    let mut cells = active.cells();
    let column = column(&[Some("078-05-1120")]);
    for _ in 0..2 {
        assert_eq!(
            cells.mask(1, std::slice::from_ref(&column)).unwrap(),
            [Change::AllNull]
        );
    }
}
