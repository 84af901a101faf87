use super::{Action, Cell, Change, Column, Field, Instance, Masker, Shape};
use crate::{Issue, Plugin};

/// Empties `e`, makes `n` NULL, doubles `d`, leaves the rest.
struct Letters;

impl Plugin for Letters {
    type Config = serde_json::Value;

    fn new(_: Self::Config) -> Result<Self, Vec<Issue>> {
        Ok(Self)
    }
}

impl Masker for Letters {
    fn field(&self, _: &Field) -> Action {
        Action::CallAs(0x0102_0304)
    }

    fn cell(&self, cell: &[u8], out: &mut Cell<'_>) {
        match cell {
            b"e" => out.push(b""),
            b"n" => {
                out.push(b"not seen");
                out.null();
            }
            b"d" => out.push(b"dd"),
            _ => {}
        }
    }
}

fn column(cells: &[&str]) -> Column {
    let mut column = Column::default();
    for cell in cells {
        column.data.extend_from_slice(cell.as_bytes());
        column.ends.push(u32::try_from(column.data.len()).expect("small"));
    }
    column
}

fn instance() -> Instance<Letters> {
    let instance = Instance::new();
    instance.configure("{}").expect("no configuration");
    let shape = Shape {
        kind: "table".to_owned(),
        fields: vec![Field::text("x")],
        attrs: Vec::new(),
    };
    let plan = instance.make_plan(&shape).expect("a plan");
    assert_eq!(plan.state, [4, 3, 2, 1]);
    instance.load_plan(9, &plan.state).expect("a state of its own");
    instance
}

fn mask(cells: &[&str]) -> Change {
    let rows = u32::try_from(cells.len()).expect("few");
    instance()
        .mask(9, rows, &[column(cells)])
        .expect("a batch")
        .remove(0)
}

#[test]
fn a_column_without_changes_is_none() {
    assert_eq!(mask(&["a", "b"]), Change::None);
    assert_eq!(mask(&[]), Change::None);
}

#[test]
fn a_column_changed_whole_is_dense() {
    assert_eq!(mask(&["d", "e"]), Change::Dense(column(&["dd", ""])));
}

#[test]
fn a_column_changed_in_part_is_sparse() {
    let Change::Sparse(patch) = mask(&["a", "d", "b", "n"]) else {
        panic!("a sparse change")
    };
    assert_eq!(patch.rows, [1, 3]);
    assert_eq!(
        (patch.values.data.as_slice(), patch.values.ends.as_slice()),
        (&b"dd"[..], &[2, 2][..])
    );
    assert_eq!(patch.values.nulls, [0b10]);
}

#[test]
fn null_cells_do_not_come_to_the_masker() {
    let nulls = Column {
        nulls: vec![0b01],
        ..column(&["", "d"])
    };
    let changes = instance().mask(9, 2, &[nulls]).expect("a batch");
    let Change::Sparse(patch) = &changes[0] else {
        panic!("a sparse change")
    };
    assert_eq!(patch.rows, [1]);
}

#[test]
fn a_batch_that_does_not_fit_is_an_error_and_no_panic() {
    let instance = instance();
    assert!(instance.mask(8, 1, &[column(&["a"])]).is_err(), "another plan");
    assert!(instance.mask(9, 1, &[]).is_err(), "no columns");
    assert!(
        instance.mask(9, 2, &[column(&["a"])]).is_err(),
        "another number of rows"
    );
    for ends in [vec![1, 0], vec![9], vec![0]] {
        let rows = u32::try_from(ends.len()).expect("few");
        let bad = Column {
            data: vec![b'a'],
            ends,
            nulls: Vec::new(),
        };
        assert!(instance.mask(9, rows, &[bad]).is_err());
    }
    instance.drop_plan(9);
    assert!(instance.mask(9, 1, &[column(&["a"])]).is_err(), "a dropped plan");
}

#[test]
fn an_instance_is_configured_once_and_before_anything_else() {
    let instance = Instance::<Letters>::new();
    assert!(instance.mask(9, 0, &[]).is_err());
    assert_eq!(instance.configure("{}"), Ok(()));
    assert!(instance.configure("{}").is_err());
    assert!(Instance::<Letters>::new().configure("{} x").is_err());
}
