use super::*;
use crate::masker::WirePatch;

fn cells(data: &[u8], ends: &[u32], nulls: &[u8]) -> WireCells {
    WireCells {
        data: data.to_vec(),
        ends: ends.to_vec(),
        nulls: nulls.to_vec(),
    }
}

fn two_rows(change: WireChange, text: bool) -> Result<Vec<Change>, &'static str> {
    changes(vec![change], 2, [text].into_iter(), 0)
}

#[test]
fn well_formed_changes_pass() {
    assert!(two_rows(WireChange::None, true).is_ok());
    assert!(two_rows(WireChange::AllNull, true).is_ok());
    assert!(two_rows(WireChange::All(b"x".to_vec()), true).is_ok());
    assert!(two_rows(WireChange::Dense(cells("aä".as_bytes(), &[1, 3], &[])), true).is_ok());
    assert!(two_rows(WireChange::Dense(cells(b"\xFF", &[0, 1], &[1])), false).is_ok());
    let patch = WirePatch {
        rows: vec![1],
        values: cells(b"x", &[1], &[]),
    };
    assert!(two_rows(WireChange::Sparse(patch), true).is_ok());
    let empty = WirePatch {
        rows: vec![],
        values: cells(b"", &[], &[]),
    };
    assert!(two_rows(WireChange::Sparse(empty), true).is_ok());
}

#[test]
fn each_broken_rule_is_named() {
    for (data, ends, nulls, rule) in [
        (&b"ab"[..], &[2][..], &[][..], "one cell per row"),
        (b"ab", &[1, 2, 2], &[], "one cell per row"),
        (b"ab", &[2, 1], &[], "ends never fall"),
        (b"ab", &[1, 1], &[], "ends end with the data"),
        (b"ab", &[1, 3], &[], "ends end with the data"),
        (b"ab", &[1, u32::MAX], &[], "ends end with the data"),
        (b"ab", &[1, 2], &[1], "the bytes of a NULL cell are empty"),
        (b"\xFFb", &[1, 2], &[], NOT_UTF8),
        ("ä".as_bytes(), &[1, 2], &[], NOT_UTF8),
    ] {
        let broken = two_rows(WireChange::Dense(cells(data, ends, nulls)), true);
        assert_eq!(broken.err(), Some(rule));
    }
    let nine = changes(
        vec![WireChange::Dense(cells(b"", &[0; 9], &[1]))],
        9,
        [true].into_iter(),
        0,
    );
    assert_eq!(nine.err(), Some("a bit per cell in nulls"));
    assert_eq!(
        two_rows(WireChange::All(b"\xFF".to_vec()), true).err(),
        Some(NOT_UTF8)
    );
}

#[test]
fn rows_of_a_patch_ascend_within_the_batch() {
    for (rows, rule) in [
        (&[1, 0][..], "rows strictly ascending"),
        (&[0, 0], "rows strictly ascending"),
        (&[0, 2], "rows within the batch"),
    ] {
        let patch = WirePatch {
            rows: rows.to_vec(),
            values: cells(b"", &vec![0; rows.len()], &[]),
        };
        assert_eq!(two_rows(WireChange::Sparse(patch), true).err(), Some(rule));
    }
    let short = WirePatch {
        rows: vec![0, 1],
        values: cells(b"", &[0], &[]),
    };
    assert_eq!(
        two_rows(WireChange::Sparse(short), true).err(),
        Some("one cell per row")
    );
}

#[test]
fn an_answer_is_counted_and_held_to_its_size() {
    assert_eq!(
        changes(vec![], 1, [true].into_iter(), 0).err(),
        Some("one change per column")
    );
    let three = || WireChange::All(vec![b'x'; ANSWER_BYTES_SPARE / 2 + 1]);
    assert!(changes(vec![three()], 1, [true].into_iter(), 0).is_ok());
    let both = changes(vec![three(), three()], 1, [true, true].into_iter(), 0);
    assert_eq!(both.err(), Some("at most four times the bytes plus 64 KiB"));
    assert!(changes(vec![three(), three()], 1, [true, true].into_iter(), 1).is_ok());
}
