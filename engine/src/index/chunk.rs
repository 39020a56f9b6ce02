//! A chunk: up to [`Chunk::ROWS_MAX`] sorted rows of one attribute, as immutable columns.

use std::cmp::Ordering;

use arrow_buffer::ScalarBuffer;

use super::{Cell, Column, ColumnBuilder, Dictionary, SortOrder};

/// One row of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The entity.
    pub e: i64,
    /// The value.
    pub v: Cell,
    /// The transaction that asserted it (or, in a history view, that the datom belongs to).
    pub tx: i64,
    /// What the run's [`Extra`] column holds; 0 where it has none.
    pub extra: i64,
}

impl Row {
    /// A row of a current run.
    pub fn new(e: i64, v: Cell, tx: i64) -> Row {
        Row { e, v, tx, extra: 0 }
    }

    /// The order of a run: by entity then value, or by value then entity; then `tx` and `extra`.
    pub fn compare(&self, other: &Row, order: SortOrder, dictionary: &Dictionary) -> Ordering {
        self.compare_datom(other, order, dictionary)
            .then_with(|| (self.tx, self.extra).cmp(&(other.tx, other.extra)))
    }

    /// As [`Row::compare`], but blind to `tx` and `extra`.
    pub fn compare_datom(
        &self,
        other: &Row,
        order: SortOrder,
        dictionary: &Dictionary,
    ) -> Ordering {
        match order {
            SortOrder::ByEntity => self
                .e
                .cmp(&other.e)
                .then_with(|| self.v.compare(other.v, dictionary)),
            SortOrder::ByValue => self
                .v
                .compare(other.v, dictionary)
                .then_with(|| self.e.cmp(&other.e)),
        }
    }
}

/// What a run keeps beside `(e, v, tx)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extra {
    /// Nothing: a run of current rows.
    Nothing,
    /// The transaction that ended the row: a run of past rows.
    End,
    /// 1 for an assertion, 0 for a retraction: a run of a history view.
    Added,
}

/// Sorted rows as columns.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// Entities.
    pub e: ScalarBuffer<i64>,
    /// Values.
    pub v: Column,
    /// Transactions.
    pub tx: ScalarBuffer<i64>,
    /// The run's extra column, if it has one.
    pub extra: Option<ScalarBuffer<i64>>,
}

impl Chunk {
    /// Rows of a full chunk: small enough to copy for one new row, large enough to scan at speed.
    pub const ROWS_MAX: usize = 2048;

    /// Rows of a chunk at the end of a run after which more rows start another.
    pub const TAIL_ROWS: usize = 128;

    /// A chunk of the given rows.
    pub fn from_rows(rows: &[Row], extra: Extra) -> Chunk {
        let mut v = ColumnBuilder::default();
        rows.iter().for_each(|row| v.push(row.v));
        Chunk {
            e: rows.iter().map(|row| row.e).collect::<Vec<_>>().into(),
            v: v.finish(),
            tx: rows.iter().map(|row| row.tx).collect::<Vec<_>>().into(),
            extra: (extra != Extra::Nothing)
                .then(|| rows.iter().map(|row| row.extra).collect::<Vec<_>>().into()),
        }
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.e.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.e.is_empty()
    }

    /// One row.
    pub fn row(&self, at: usize) -> Row {
        let extra = self.extra.as_ref().map_or(0, |extra| extra[at]);
        Row {
            e: self.e[at],
            v: self.v.cell(at),
            tx: self.tx[at],
            extra,
        }
    }

    /// Rows `start .. start + len`, shared.
    pub fn slice(&self, start: usize, len: usize) -> Chunk {
        Chunk {
            e: self.e.slice(start, len),
            v: self.v.slice(start, len),
            tx: self.tx.slice(start, len),
            extra: self.extra.as_ref().map(|extra| extra.slice(start, len)),
        }
    }
}
