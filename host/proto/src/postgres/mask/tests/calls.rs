//! What guests may do to rows, and what their faults may not.

use std::cell::Cell;

use super::*;

/// Answers whatever it was told to.
struct Scripted(Result<Vec<Change>, MaskFault>);

impl CellMasker for Scripted {
    fn mask(&mut self, _rows: u32, _columns: &[Column]) -> Result<Vec<Change>, MaskFault> {
        self.0.clone()
    }
}

#[test]
fn call_fields_go_to_the_masker_and_native_ones_do_not() {
    let mut mask = mask(&[
        (TEXT, keep_last(1)),
        (TEXT, Action::Call),
        (INT4, Action::Call),
        (TEXT, Action::Keep),
    ]);
    assert!(mask.needs_masker());
    let frames = [
        row(&[Some(b"abc"), Some(b"abc"), Some(b"12"), Some(b"abc")]),
        row(&[None, None, Some(b"7"), None]),
    ]
    .concat();
    let expected = [
        row(&[Some(b"**c"), Some(b"cba"), Some(b"21"), Some(b"abc")]),
        row(&[None, None, Some(b"7"), None]),
    ]
    .concat();
    let mut cells = PerCell {
        mask: reversed,
        calls: Vec::new(),
    };
    let mut out = Vec::new();
    assert_eq!(
        mask.mask_rows(&frames, Some(&mut cells), &mut out),
        Ok(Masked { rows: 2, cells: 3 })
    );
    assert_eq!(out, expected);
    assert_eq!(cells.calls, [2]);
    assert_eq!(mask.mask_rows(&frames, None, &mut out), Err(MaskError::NoMasker));
    assert_eq!(out, expected);
}

#[test]
fn batches_are_bounded_in_rows_and_bytes() {
    let mut mask = mask(&[(TEXT, Action::Call)]);
    let mut sizes = |frames: Vec<u8>| {
        let mut cells = PerCell {
            mask: reversed,
            calls: Vec::new(),
        };
        mask.mask_rows(&frames, Some(&mut cells), &mut Vec::new())
            .expect("masked");
        cells.calls
    };
    assert_eq!(sizes(row(&[Some(b"x")]).repeat(2_500)), [1_024, 1_024, 452]);
    assert!(sizes(Vec::new()).is_empty());
    let half = row(&[Some(&[b'x'; CALL_BYTES_MAX / 2 - 11])]);
    assert_eq!(half.len(), CALL_BYTES_MAX / 2);
    assert_eq!(sizes(half.repeat(5)), [2, 2, 1]);
    let large = row(&[Some(&vec![b'x'; CALL_BYTES_MAX * 2])]);
    assert_eq!(sizes([&half[..], &large, &half].concat()), [1, 1, 1]);
}

#[test]
fn a_masker_may_change_all_some_or_none() {
    let mut mask = mask(&[(TEXT, Action::Call), (INT4, Action::Keep)]);
    let frames = [
        row(&[Some(b"a"), Some(b"1")]),
        row(&[None, None]),
        row(&[Some(b"c"), None]),
    ]
    .concat();
    let mut values = Column::default();
    values.push(Some(b"long value"));
    let rows = |cells: [Option<&[u8]>; 3]| {
        [
            row(&[cells[0], Some(b"1")]),
            row(&[cells[1], None]),
            row(&[cells[2], None]),
        ]
        .concat()
    };
    for (change, expected, cells) in [
        (Change::None, rows([Some(b"a"), None, Some(b"c")]), 0),
        (Change::AllNull, rows([None, None, None]), 2),
        (
            Change::All(b"*".to_vec()),
            rows([Some(b"*"), Some(b"*"), Some(b"*")]),
            3,
        ),
        (
            Change::Sparse {
                rows: vec![2],
                values,
            },
            rows([Some(b"a"), None, Some(b"long value")]),
            1,
        ),
    ] {
        let mut out = Vec::new();
        let masked = mask.mask_rows(&frames, Some(&mut Scripted(Ok(vec![change.clone()]))), &mut out);
        assert_eq!(masked, Ok(Masked { rows: 3, cells }), "{change:?}");
        assert_eq!(out, expected, "{change:?}");
    }
}

#[test]
fn a_failing_or_lying_masker_lets_nothing_out() {
    let mut mask = mask(&[(TEXT, Action::Call), (TEXT, keep_last(1))]);
    let frames = row(&[Some(b"secret"), Some(b"secret")]).repeat(3);
    let mut two = Column::default();
    two.push(Some(b"x"));
    two.push(Some(b"y"));
    let broken = Column {
        data: b"abc".to_vec(),
        ends: vec![3, 1, 3],
        nulls: Vec::new(),
    };
    let fault = MaskFault {
        plugin: PluginName::new("redact"),
        reason: "trap".to_owned(),
    };
    for answer in [
        Err(fault),
        Ok(Vec::new()),
        Ok(vec![Change::None; 2]),
        Ok(vec![Change::Dense(two.clone())]),
        Ok(vec![Change::Dense(broken)]),
        Ok(vec![Change::Sparse {
            rows: vec![1, 0],
            values: two.clone(),
        }]),
        Ok(vec![Change::Sparse {
            rows: vec![0, 3],
            values: two.clone(),
        }]),
        Ok(vec![Change::Sparse {
            rows: vec![0],
            values: two,
        }]),
        Ok(vec![Change::All(vec![b'x'; GROWTH_BYTES_MAX / 2])]),
    ] {
        let mut out = b"before".to_vec();
        let error = mask
            .mask_rows(&frames, Some(&mut Scripted(answer)), &mut out)
            .expect_err("refused");
        assert_eq!(error.fault(), Fault::Plugin);
        assert_eq!(out, b"before");
    }
}

#[test]
fn a_masker_that_fails_late_lets_nothing_of_the_run_out() {
    struct FailsSecond(Cell<u32>);
    impl CellMasker for FailsSecond {
        fn mask(&mut self, _rows: u32, columns: &[Column]) -> Result<Vec<Change>, MaskFault> {
            self.0.set(self.0.get() + 1);
            if self.0.get() == 2 {
                return Err(MaskFault {
                    plugin: PluginName::new("redact"),
                    reason: "deadline".to_owned(),
                });
            }
            Ok(vec![Change::AllNull; columns.len()])
        }
    }
    let mut mask = mask(&[(TEXT, Action::Call)]);
    let mut out = b"before".to_vec();
    let frames = row(&[Some(b"secret")]).repeat(CALL_ROWS_MAX + 1);
    assert!(
        mask.mask_rows(&frames, Some(&mut FailsSecond(Cell::new(0))), &mut out)
            .is_err()
    );
    assert_eq!(out, b"before");
}
