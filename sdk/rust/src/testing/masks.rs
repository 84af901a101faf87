//! The host's side of a masker.

use crate::bindings::masker::exports::tidegate::masker::masker as contract;
use crate::masker::{Action, CellFormat, Change, Column, Field, Instance, Masker, Shape};

/// What a plan's state may hold, in bytes.
const STATE_BYTES_MAX: usize = 64 << 10;

/// Starts a test of a masker with this configuration (JSON).
///
/// # Panics
/// When the configuration is refused.
#[must_use]
pub fn check<P: Masker>(config: &str) -> Check<P> {
    let instance = Instance::new();
    if let Err(issues) = instance.configure(config) {
        panic!("the configuration is refused: {issues:?}");
    }
    Check {
        instance,
        fields: Vec::new(),
        columns: Vec::new(),
    }
}

/// Returns what a masker plans for one field.
///
/// # Panics
/// When the configuration is refused.
#[must_use]
pub fn plans<P: Masker>(config: &str, field: &Field) -> Action {
    super::plugin::<P>(config).field(field)
}

/// A masker and a table for it to mask.
#[derive(Debug)]
pub struct Check<P> {
    instance: Instance<P>,
    fields: Vec<Field>,
    columns: Vec<Vec<Option<Vec<u8>>>>,
}

impl<P: Masker> Check<P> {
    /// Adds an untagged column of type `text`.
    #[must_use]
    pub fn column<C: AsRef<[u8]>>(self, name: &str, cells: impl IntoIterator<Item = C>) -> Self {
        self.field(Field::text(name), cells.into_iter().map(Some))
    }

    /// Adds a column of type `text` with this tag, named as the tag.
    #[must_use]
    pub fn tagged<C: AsRef<[u8]>>(self, tag: &str, cells: impl IntoIterator<Item = C>) -> Self {
        let field = Field {
            tags: vec![tag.to_owned()],
            ..Field::text(tag)
        };
        self.field(field, cells.into_iter().map(Some))
    }

    /// Adds a column of any kind; `None` is NULL.
    #[must_use]
    pub fn field<C: AsRef<[u8]>>(mut self, field: Field, cells: impl IntoIterator<Item = Option<C>>) -> Self {
        let cells = cells
            .into_iter()
            .map(|cell| cell.map(|c| c.as_ref().to_vec()))
            .collect();
        self.fields.push(field);
        self.columns.push(cells);
        self
    }

    /// Masks the table and compares the last column added.
    ///
    /// # Panics
    /// When a cell differs, when the column is not planned as `call` or `keep`, or when the
    /// plugin breaks the contract.
    pub fn gives<C: AsRef<[u8]>>(self, cells: impl IntoIterator<Item = C>) {
        let expected: Vec<_> = cells.into_iter().map(|c| Some(c.as_ref().to_vec())).collect();
        let got = self.masked().pop().unwrap_or_default();
        assert_eq!(shown(&got), shown(&expected));
    }

    /// Masks the table and returns its columns; `None` is NULL.
    ///
    /// # Panics
    /// As [`Check::gives`].
    #[must_use]
    pub fn masked(self) -> Vec<Vec<Option<Vec<u8>>>> {
        let Self {
            instance,
            fields,
            mut columns,
        } = self;
        let shape = Shape {
            kind: "table".to_owned(),
            fields,
            attrs: Vec::new(),
        };
        let plan = instance
            .make_plan(&shape)
            .unwrap_or_else(|error| panic!("no plan: {error:?}"));
        assert_eq!(plan.actions.len(), columns.len(), "one action per field");
        assert!(
            plan.state.len() <= STATE_BYTES_MAX,
            "a state of {} bytes",
            plan.state.len()
        );
        instance
            .load_plan(1, &plan.state)
            .unwrap_or_else(|error| panic!("no plan loaded: {error:?}"));

        let mut called = Vec::new();
        for (index, action) in plan.actions.iter().enumerate() {
            match action {
                contract::Action::Call => called.push(index),
                contract::Action::Keep => {}
                contract::Action::Suppress => columns[index].fill(None),
                other => panic!("column {index} is planned as {other:?}: test it with `plans`"),
            }
        }
        let batch: Vec<_> = called.iter().map(|index| column(&columns[*index])).collect();
        let rows = u32::try_from(columns.first().map_or(0, Vec::len)).expect("a test has few rows");
        let changes = instance
            .mask(1, rows, &batch)
            .unwrap_or_else(|error| panic!("the masker failed: {error:?}"));
        assert_eq!(changes.len(), called.len(), "one change per column");
        for (index, change) in called.into_iter().zip(changes) {
            let text = shape.fields[index].format != CellFormat::Bytes;
            apply(change, &mut columns[index], text);
        }
        columns
    }
}

fn column(cells: &[Option<Vec<u8>>]) -> Column {
    let mut column = Column {
        nulls: vec![0; cells.len().div_ceil(8)],
        ..Column::default()
    };
    for (index, cell) in cells.iter().enumerate() {
        match cell {
            Some(bytes) => column.data.extend_from_slice(bytes),
            None => column.nulls[index / 8] |= 1 << (index % 8),
        }
        column
            .ends
            .push(u32::try_from(column.data.len()).expect("a test has few bytes"));
    }
    column
}

/// Cuts a column that came from a plugin, with the host's checks.
fn cells(column: &Column, text: bool) -> Vec<Option<Vec<u8>>> {
    let mut start = 0;
    let nulls = |index: usize| {
        column
            .nulls
            .get(index / 8)
            .is_some_and(|b| b & (1 << (index % 8)) != 0)
    };
    assert!(
        column.nulls.is_empty() || column.nulls.len() * 8 >= column.ends.len(),
        "too few bits for NULL"
    );
    let mut cut = Vec::new();
    for (index, end) in column.ends.iter().enumerate() {
        let bytes = column
            .data
            .get(start..*end as usize)
            .expect("the ends are in order");
        assert!(
            !text || std::str::from_utf8(bytes).is_ok(),
            "cell {index} is not UTF-8"
        );
        cut.push((!nulls(index)).then(|| bytes.to_vec()));
        start = *end as usize;
    }
    assert_eq!(start, column.data.len(), "the ends end with the data");
    cut
}

fn apply(change: Change, target: &mut [Option<Vec<u8>>], text: bool) {
    match change {
        Change::None => {}
        Change::Dense(column) => {
            let new = cells(&column, text);
            assert_eq!(new.len(), target.len(), "one cell per row");
            target.clone_from_slice(&new);
        }
        Change::Sparse(patch) => {
            assert!(patch.rows.is_sorted_by(|a, b| a < b), "rows ascend");
            let new = cells(&patch.values, text);
            assert_eq!(new.len(), patch.rows.len(), "one cell per row");
            for (row, cell) in patch.rows.iter().zip(new) {
                target[*row as usize] = cell;
            }
        }
        Change::All(bytes) => target.fill(Some(bytes)),
        Change::AllNull => target.fill(None),
    }
}

fn shown(cells: &[Option<Vec<u8>>]) -> Vec<String> {
    cells
        .iter()
        .map(|cell| match cell {
            Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            None => "NULL".to_owned(),
        })
        .collect()
}
