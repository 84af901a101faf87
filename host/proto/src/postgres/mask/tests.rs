use model::PluginName;
use model::mask::{Action, Change, NativeMask, Plan, Planned};
use proptest::prelude::*;

use super::*;

mod calls;
mod properties;

const TEXT: u32 = 25;
const INT4: u32 = 23;

fn field(type_oid: u32, format: Format) -> FieldDescription {
    let name = b"x".to_vec();
    FieldDescription {
        name,
        table_oid: 0,
        attnum: 0,
        type_oid,
        type_size: -1,
        type_modifier: -1,
        format,
    }
}

fn compiled(columns: &[(u32, Action)]) -> Result<ResultMask, PlanFault> {
    let fields: Vec<_> = columns.iter().map(|(oid, _)| field(*oid, Format::Text)).collect();
    let plan = columns.iter().map(|(_, action)| Planned {
        plugin: Some(PluginName::new("redact")),
        action: action.clone(),
    });
    ResultMask::compile(
        &Plan {
            actions: plan.collect(),
        },
        &fields,
        &PseudonymKey::new([7; 32]),
    )
}

fn mask(columns: &[(u32, Action)]) -> ResultMask {
    compiled(columns).expect("a plan that compiles")
}

const fn keep_last(count: u32) -> Action {
    Action::Native(NativeMask::KeepLast(count))
}

fn constant(value: &str) -> Action {
    Action::Native(NativeMask::Constant(value.to_owned()))
}

fn row(cells: &[Option<&[u8]>]) -> Vec<u8> {
    let mut frame = b"D\0\0\0\0".to_vec();
    frame.extend_from_slice(&u16::try_from(cells.len()).expect("few cells").to_be_bytes());
    for cell in cells {
        let length = cell.map_or(-1, |cell| i32::try_from(cell.len()).expect("short"));
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(cell.unwrap_or_default());
    }
    let length = u32::try_from(frame.len() - 1).expect("short");
    frame[1..5].copy_from_slice(&length.to_be_bytes());
    frame
}

/// Masks by a function over cells that does not look at rows, and notes how it was called.
struct PerCell<F> {
    mask: F,
    calls: Vec<u32>,
}

impl<F: Fn(Option<&[u8]>) -> Option<Vec<u8>>> CellMasker for PerCell<F> {
    fn mask(&mut self, rows: u32, columns: &[Column]) -> Result<Vec<Change>, MaskFault> {
        self.calls.push(rows);
        let change = |column: &Column| {
            assert_eq!(column.len(), rows as usize);
            let mut masked = Column::default();
            for index in 0..column.len() {
                masked.push((self.mask)(column.cell(index)).as_deref());
            }
            Change::Dense(masked)
        };
        Ok(columns.iter().map(change).collect())
    }
}

fn reversed(cell: Option<&[u8]>) -> Option<Vec<u8>> {
    cell.map(|cell| cell.iter().rev().copied().collect())
}

#[test]
fn rows_are_rewritten_and_counted() {
    let mut mask = mask(&[
        (INT4, Action::Keep),
        (TEXT, keep_last(4)),
        (TEXT, Action::Suppress),
        (TEXT, constant("redacted")),
        (TEXT, Action::Keep),
    ]);
    let frames = [
        row(&[
            Some(b"1"),
            Some(b"123-45-6789"),
            Some(b"x"),
            Some(b"y"),
            Some(b"end"),
        ]),
        row(&[Some(b"2"), None, None, None, None]),
        row(&[None, Some("Žižková".as_bytes()), Some(b""), Some(b""), Some(b"")]),
        row(&[
            Some(b"4"),
            Some(b"\xff"),
            Some(b"x"),
            Some(b"a long value here"),
            None,
        ]),
    ]
    .concat();
    let expected = [
        row(&[
            Some(b"1"),
            Some(b"***-**-6789"),
            None,
            Some(b"redacted"),
            Some(b"end"),
        ]),
        row(&[Some(b"2"), None, None, None, None]),
        row(&[
            None,
            Some("***ková".as_bytes()),
            None,
            Some(b"redacted"),
            Some(b""),
        ]),
        row(&[Some(b"4"), None, None, Some(b"redacted"), None]),
    ]
    .concat();
    let mut out = b"before".to_vec();
    assert_eq!(
        mask.mask_rows(&frames, None, &mut out),
        Ok(Masked { rows: 4, cells: 9 })
    );
    assert_eq!(out, [b"before", &expected[..]].concat());
}

#[test]
fn masks_that_keep_lengths_fall_back_where_one_does_not() {
    let mut mask = mask(&[(TEXT, keep_last(1)), (TEXT, Action::Keep), (TEXT, keep_last(2))]);
    let frames = [
        row(&[Some(b"abc"), Some(b"abc"), Some(b"abc")]),
        row(&[Some(b"abc"), Some(b"abc"), Some("äbc".as_bytes())]),
        row(&[Some(b"abc"), Some(b"abc"), Some(b"abc")]),
        row(&[Some(b"\xffbc"), None, Some(b"abc")]),
    ]
    .concat();
    let expected = [
        row(&[Some(b"**c"), Some(b"abc"), Some(b"*bc")]),
        row(&[Some(b"**c"), Some(b"abc"), Some(b"*bc")]),
        row(&[Some(b"**c"), Some(b"abc"), Some(b"*bc")]),
        row(&[None, None, Some(b"*bc")]),
    ]
    .concat();
    let mut out = Vec::new();
    assert_eq!(
        mask.mask_rows(&frames, None, &mut out),
        Ok(Masked { rows: 4, cells: 8 })
    );
    assert_eq!(out, expected);
}

#[test]
fn a_plan_that_keeps_everything_is_the_identity() {
    let mut mask = mask(&[(TEXT, Action::Keep), (INT4, Action::Keep)]);
    assert!(mask.is_identity() && !mask.needs_masker());
    let frames = row(&[Some(b"a"), None]);
    let mut out = Vec::new();
    assert_eq!(
        mask.mask_rows(&frames, None, &mut out),
        Ok(Masked { rows: 1, cells: 0 })
    );
    assert_eq!(out, frames);
}

#[test]
fn a_plan_that_does_not_fit_or_denies_is_refused() {
    let key = PseudonymKey::new([7; 32]);
    let plan = Plan {
        actions: vec![Planned {
            plugin: None,
            action: Action::Keep,
        }],
    };
    assert_eq!(
        ResultMask::compile(&plan, &[], &key).err(),
        Some(PlanFault::Count {
            actions: 1,
            fields: 0
        })
    );
    let denied = compiled(&[(TEXT, Action::Keep), (TEXT, Action::Deny("too much".to_owned()))]);
    let (plugin, reason) = (Some(PluginName::new("redact")), "too much".to_owned());
    assert_eq!(
        denied.err(),
        Some(PlanFault::Denied {
            field: 1,
            plugin,
            reason
        })
    );
    let long = compiled(&[(TEXT, constant(&"x".repeat(CONSTANT_BYTES_MAX + 1)))]);
    assert_eq!(long.err(), Some(PlanFault::ConstantTooLong { field: 0 }));
    let plan = Plan {
        actions: vec![Planned {
            plugin: None,
            action: Action::Call,
        }],
    };
    let nameless = ResultMask::compile(&plan, &[field(TEXT, Format::Text)], &key);
    assert_eq!(nameless.err(), Some(PlanFault::Nameless { field: 0 }));
}

#[test]
fn a_malformed_row_lets_nothing_of_its_run_out() {
    let good = row(&[Some(b"abcdef"), Some(b"x")]);
    let with = |at: usize, byte: u8| {
        let mut frame = good.clone();
        frame[at] = byte;
        frame
    };
    for (bad, reason) in [
        (good[..good.len() - 1].to_vec(), "frame cut short"),
        (good[..6].to_vec(), "frame cut short"),
        (with(0, b'd'), "not a row"),
        (with(4, 3), "frame length"),
        (with(4, 5), "frame length"),
        (with(4, good[4] - 1), "cell length"),
        (with(4, good[4] + 1), "frame cut short"),
        (with(6, 1), "column count"),
        (with(5, 0xFF), "column count"),
        (with(7, 0xFF), "cell length"),
        (with(7, 0x80), "cell length"),
        (with(10, 200), "cell length"),
        (with(good.len() - 2, 0), "bytes left over"),
        (row(&[Some(b"abcdef")]), "column count"),
    ] {
        for action in [keep_last(1), Action::Suppress, Action::Keep, Action::Call] {
            let mut mask = mask(&[(TEXT, action.clone()), (TEXT, Action::Keep)]);
            let mut cells = PerCell {
                mask: reversed,
                calls: Vec::new(),
            };
            let mut out = b"before".to_vec();
            let masked = mask.mask_rows(&[&good[..], &bad].concat(), Some(&mut cells), &mut out);
            assert_eq!(
                masked,
                Err(MaskError::MalformedRow(reason)),
                "{action:?}: {}",
                bad.escape_ascii()
            );
            assert_eq!(out, b"before");
        }
    }
}

#[test]
fn a_row_beyond_the_limit_is_refused() {
    let frame = [
        b"D",
        &u32::try_from(ROW_BYTES_MAX).expect("64 MiB").to_be_bytes()[..],
        &[0, 1],
    ]
    .concat();
    let mut out = Vec::new();
    assert_eq!(
        mask(&[(TEXT, keep_last(1))]).mask_rows(&frame, None, &mut out),
        Err(MaskError::RowTooLong {
            bytes: ROW_BYTES_MAX + 1
        })
    );
}

#[test]
fn a_mask_does_not_print_what_it_holds() {
    let printed = format!("{:?}", mask(&[(TEXT, constant("needle"))]));
    assert!(!printed.contains("needle"), "{printed}");
}
