//! What holds for all rows, plans and ways of cutting a run.

use std::ops::Range;

use model::mask::DatePart;

use super::*;

const OIDS: [u32; 14] = [
    16, 20, 21, 23, 25, 114, 701, 1042, 1082, 1184, 1700, 2950, 3802, 99_999,
];

fn actions() -> impl Strategy<Value = Action> {
    prop_oneof![
        Just(Action::Keep),
        Just(Action::Call),
        Just(Action::Suppress),
        "[a-z0-9]{0,6}".prop_map(|value| constant(&value)),
        (0..6_u32).prop_map(keep_last),
        (0..6_u32).prop_map(|count| Action::Native(NativeMask::KeepFirst(count))),
        Just(Action::Native(NativeMask::GeneraliseDate(DatePart::Month))),
        (0..50_u64).prop_map(|step| Action::Native(NativeMask::GeneraliseNumber(step))),
        Just(Action::Native(NativeMask::Pseudonym {
            domain: "pii".to_owned()
        })),
    ]
}

fn cells() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop_oneof![
        Just(None),
        proptest::collection::vec(any::<u8>(), 0..12).prop_map(Some),
        "[a-zä0-9 .-]{0,14}".prop_map(|text| Some(text.into_bytes())),
        any::<i32>().prop_map(|number| Some(number.to_string().into_bytes())),
        any::<i32>().prop_map(|number| Some(number.to_be_bytes().to_vec())),
        "20[0-9]{2}-0[1-9]-[12][0-9]".prop_map(|date| Some(date.into_bytes())),
        Just(Some(b"\x01{\"a\":1}".to_vec())),
    ]
}

#[derive(Clone, Debug)]
struct Case {
    columns: Vec<(u32, Format, Action)>,
    rows: Vec<Vec<Option<Vec<u8>>>>,
}

fn cases() -> impl Strategy<Value = Case> {
    let format = prop_oneof![Just(Format::Text), Just(Format::Binary)];
    let column = (proptest::sample::select(&OIDS[..]), format, actions());
    proptest::collection::vec(column, 1..6).prop_flat_map(|columns| {
        let row = proptest::collection::vec(cells(), columns.len());
        (Just(columns), proptest::collection::vec(row, 0..20))
            .prop_map(|(columns, rows)| Case { columns, rows })
    })
}

impl Case {
    fn mask(&self) -> ResultMask {
        let fields: Vec<_> = self
            .columns
            .iter()
            .map(|(oid, format, _)| field(*oid, *format))
            .collect();
        let plugin = Some(PluginName::new("redact"));
        let planned = |(_, _, action): &(u32, Format, Action)| Planned {
            plugin: plugin.clone(),
            action: action.clone(),
        };
        let plan = Plan {
            actions: self.columns.iter().map(planned).collect(),
        };
        ResultMask::compile(&plan, &fields, &PseudonymKey::new([7; 32])).expect("compiles")
    }

    fn frames(&self) -> Vec<Vec<u8>> {
        let frame =
            |cells: &Vec<Option<Vec<u8>>>| row(&cells.iter().map(Option::as_deref).collect::<Vec<_>>());
        self.rows.iter().map(frame).collect()
    }
}

/// Masks by the cell alone: some cells anew, some NULL, some as they were.
fn whimsical(cell: Option<&[u8]>) -> Option<Vec<u8>> {
    let cell = cell?;
    match cell.len() % 4 {
        0 => Some(cell.to_vec()),
        1 => None,
        2 => Some(b"7".to_vec()),
        _ => reversed(Some(cell)),
    }
}

fn masked(mask: &mut ResultMask, frames: &[u8], out: &mut Vec<u8>) -> Masked {
    let mut cells = PerCell {
        mask: whimsical,
        calls: Vec::new(),
    };
    mask.mask_rows(frames, Some(&mut cells), out)
        .expect("well-formed rows are masked")
}

/// Where the cells of each row lie; panics unless everything is well-formed.
fn cells_of(frames: &[u8], width: usize) -> Vec<Vec<Option<Range<usize>>>> {
    let number = |at: usize| i32::from_be_bytes(*frames[at..].first_chunk().expect("four bytes"));
    let mut rows = Vec::new();
    let mut at = 0;
    while at < frames.len() {
        assert_eq!(frames[at], b'D');
        let end = at + 1 + usize::try_from(number(at + 1)).expect("a length");
        assert_eq!(
            usize::from(u16::from_be_bytes([frames[at + 5], frames[at + 6]])),
            width
        );
        at += 7;
        let row = (0..width).map(|_| {
            let length = number(at);
            at += 4;
            let length = usize::try_from(length).ok().or_else(|| {
                assert_eq!(length, -1);
                None
            })?;
            at += length;
            Some(at - length..at)
        });
        rows.push(row.collect());
        assert_eq!(at, end);
    }
    rows
}

proptest! {
    #[test]
    fn masked_rows_stay_well_formed_and_other_cells_untouched(case in cases()) {
        let frames = case.frames().concat();
        let mut out = Vec::new();
        let masked = masked(&mut case.mask(), &frames, &mut out);
        let rows = cells_of(&out, case.columns.len());
        prop_assert_eq!(rows.len(), case.rows.len());
        prop_assert_eq!(masked.rows, case.rows.len() as u64);
        for (after, before) in rows.iter().zip(&case.rows) {
            for ((after, before), (_, _, action)) in after.iter().zip(before).zip(&case.columns) {
                let after = after.clone().map(|range| &out[range]);
                match action {
                    Action::Keep => prop_assert_eq!(after, before.as_deref()),
                    Action::Suppress => prop_assert_eq!(after, None),
                    Action::Native(_) if before.is_none() => prop_assert_eq!(after, None),
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn how_a_run_is_cut_does_not_matter(case in cases(), cuts in proptest::collection::vec(any::<bool>(), 20)) {
        let frames = case.frames();
        let mut whole = Vec::new();
        let mut total = masked(&mut case.mask(), &frames.concat(), &mut whole);

        let mut pieces = Vec::new();
        let mut mask = case.mask();
        let mut run = Vec::new();
        for (frame, cut) in frames.iter().zip(cuts) {
            run.extend_from_slice(frame);
            if cut {
                let part = masked(&mut mask, &std::mem::take(&mut run), &mut pieces);
                total.rows -= part.rows;
                total.cells -= part.cells;
            }
        }
        let part = masked(&mut mask, &run, &mut pieces);
        prop_assert_eq!(whole, pieces);
        prop_assert_eq!(total, part);
    }

    #[test]
    fn arbitrary_bytes_are_masked_whole_or_not_at_all(case in cases(), bytes in proptest::collection::vec(any::<u8>(), 0..80), at in any::<usize>()) {
        let mut frames = case.frames().concat();
        let at = at % (frames.len() + 1);
        frames.splice(at..frames.len().min(at + bytes.len() / 2), bytes);
        for frames in [&frames[..], &frames[at..]] {
            let mut out = b"before".to_vec();
            let mut cells = PerCell { mask: whimsical, calls: Vec::new() };
            match case.mask().mask_rows(frames, Some(&mut cells), &mut out) {
                Ok(masked) => {
                    prop_assert_eq!(cells_of(&out[6..], case.columns.len()).len() as u64, masked.rows);
                }
                Err(_) => prop_assert_eq!(&out[..], b"before"),
            }
        }
    }
}
