//! A column of cells: uniform in kind where possible, tagged per row where not.

use std::ops::Range;

use arrow_buffer::ScalarBuffer;

use super::cell::float_bits;
use super::{Cell, Kind};
use crate::fork;

/// The kinds of a column's rows.
#[derive(Clone, Debug)]
pub enum Kinds {
    /// Every row is of this kind.
    All(Kind),
    /// A kind per row, by number.
    Each(ScalarBuffer<u8>),
}

/// An immutable column of cells; clones and slices share the buffers.
#[derive(Clone, Debug)]
pub struct Column {
    kinds: Kinds,
    bits: ScalarBuffer<u64>,
}

impl Default for Column {
    fn default() -> Column {
        Column {
            kinds: Kinds::All(Kind::Nil),
            bits: ScalarBuffer::from(Vec::new()),
        }
    }
}

impl Column {
    /// A column of one kind.
    pub fn uniform(kind: Kind, bits: impl Into<ScalarBuffer<u64>>) -> Column {
        Column {
            kinds: Kinds::All(kind),
            bits: bits.into(),
        }
    }

    /// A column of entity ids or integers.
    pub fn longs(longs: &[i64]) -> Column {
        Column::uniform(
            Kind::Long,
            longs.iter().map(|&n| n as u64).collect::<Vec<_>>(),
        )
    }

    /// A column of floats.
    pub fn doubles(doubles: &[f64]) -> Column {
        let bits = doubles.iter().map(|&x| float_bits(x));
        Column::uniform(Kind::Double, bits.collect::<Vec<_>>())
    }

    /// The same cell `len` times.
    pub fn constant(cell: Cell, len: usize) -> Column {
        Column::uniform(cell.kind, vec![cell.bits; len])
    }

    /// A column from single cells.
    pub fn from_cells(cells: impl IntoIterator<Item = Cell>) -> Column {
        let mut builder = ColumnBuilder::default();
        cells.into_iter().for_each(|cell| builder.push(cell));
        builder.finish()
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.bits.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.bits.is_empty()
    }

    /// The bits of all rows.
    pub fn bits(&self) -> &[u64] {
        &self.bits
    }

    /// The bits of all rows, shared.
    pub fn buffer(&self) -> &ScalarBuffer<u64> {
        &self.bits
    }

    /// The kinds of all rows.
    pub fn kinds(&self) -> &Kinds {
        &self.kinds
    }

    /// The one kind of all rows, if there is one.
    pub fn kind(&self) -> Option<Kind> {
        match &self.kinds {
            Kinds::All(kind) => Some(*kind),
            Kinds::Each(_) => None,
        }
    }

    /// The kind of a row.
    pub fn kind_at(&self, row: usize) -> Kind {
        match &self.kinds {
            Kinds::All(kind) => *kind,
            Kinds::Each(kinds) => Kind::ALL[usize::from(kinds[row])],
        }
    }

    /// The cell of a row.
    pub fn cell(&self, row: usize) -> Cell {
        Cell {
            kind: self.kind_at(row),
            bits: self.bits[row],
        }
    }

    /// All cells in order.
    pub fn cells(&self) -> impl Iterator<Item = Cell> + '_ {
        (0..self.len()).map(|row| self.cell(row))
    }

    /// Rows `start .. start + len`, shared.
    pub fn slice(&self, start: usize, len: usize) -> Column {
        let kinds = match &self.kinds {
            Kinds::All(kind) => Kinds::All(*kind),
            Kinds::Each(kinds) => Kinds::Each(kinds.slice(start, len)),
        };
        Column {
            kinds,
            bits: self.bits.slice(start, len),
        }
    }

    /// The given rows, in the given order.
    pub fn gather(&self, rows: &[u32]) -> Column {
        let kinds = match &self.kinds {
            Kinds::All(kind) => Kinds::All(*kind),
            Kinds::Each(kinds) => Kinds::Each(gather(kinds, rows).into()),
        };
        Column {
            kinds,
            bits: gather(&self.bits, rows).into(),
        }
    }

    /// All rows of all columns, one after the other.
    pub fn concat(columns: &[Column]) -> Column {
        if let [column] = columns {
            return column.clone();
        }
        let mut builder = ColumnBuilder::default();
        columns.iter().for_each(|column| builder.extend(column));
        builder.finish()
    }
}

/// A column being built; stays uniform until a second kind comes.
#[derive(Clone, Debug, Default)]
pub struct ColumnBuilder {
    kind: Option<Kind>,
    kinds: Option<Vec<u8>>,
    bits: Vec<u64>,
}

impl ColumnBuilder {
    /// Appends a cell.
    pub fn push(&mut self, cell: Cell) {
        match (&mut self.kinds, self.kind) {
            (Some(kinds), _) => kinds.push(cell.kind as u8),
            (None, Some(kind)) if kind == cell.kind => {}
            (None, None) => self.kind = Some(cell.kind),
            (None, Some(kind)) => {
                let mut kinds = vec![kind as u8; self.bits.len()];
                kinds.push(cell.kind as u8);
                self.kinds = Some(kinds);
            }
        }
        self.bits.push(cell.bits);
    }

    /// Appends all rows of a column.
    pub fn extend(&mut self, column: &Column) {
        match (column.kind(), self.kind, &self.kinds) {
            (Some(kind), None, None) => {
                if !column.is_empty() {
                    self.kind = Some(kind);
                    self.bits.extend_from_slice(column.bits());
                }
            }
            (Some(kind), Some(mine), None) if kind == mine => {
                self.bits.extend_from_slice(column.bits());
            }
            _ => column.cells().for_each(|cell| self.push(cell)),
        }
    }

    /// Takes the first rows away as a column.
    pub fn cut(&mut self, rows: usize) -> Column {
        let bits = self.bits[..rows].to_vec();
        self.bits.drain(..rows);
        let kinds = match &mut self.kinds {
            None => Kinds::All(self.kind.unwrap_or(Kind::Nil)),
            Some(each) => {
                let cut = each[..rows].to_vec();
                each.drain(..rows);
                if let Some(first) = only(each) {
                    (self.kind, self.kinds) = (first, None);
                }
                match only(&cut) {
                    Some(kind) => Kinds::All(kind.unwrap_or(Kind::Nil)),
                    None => Kinds::Each(cut.into()),
                }
            }
        };
        if self.bits.is_empty() {
            self.kind = None;
        }
        Column {
            kinds,
            bits: bits.into(),
        }
    }

    /// A copy of some rows.
    pub fn part(&self, rows: Range<usize>) -> Column {
        let kinds = match &self.kinds {
            None => Kinds::All(self.kind.unwrap_or(Kind::Nil)),
            Some(each) => Kinds::Each(each[rows.clone()].to_vec().into()),
        };
        Column {
            kinds,
            bits: self.bits[rows].to_vec().into(),
        }
    }

    /// The given rows, in the given order.
    pub fn gather(&self, rows: &[u32]) -> Column {
        let kinds = match &self.kinds {
            None => Kinds::All(self.kind.unwrap_or(Kind::Nil)),
            Some(each) => Kinds::Each(gather(each, rows).into()),
        };
        Column {
            kinds,
            bits: gather(&self.bits, rows).into(),
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        let kinds = self.kinds.as_ref().map_or(0, Vec::capacity);
        self.bits.capacity() * size_of::<u64>() + kinds
    }

    /// The one kind of what was pushed, if there is one.
    pub fn kind(&self) -> Option<Kind> {
        match self.kinds {
            None => Some(self.kind.unwrap_or(Kind::Nil)),
            Some(_) => None,
        }
    }

    /// A cell that was pushed.
    pub fn cell(&self, row: usize) -> Cell {
        let kind = match &self.kinds {
            None => self.kind.unwrap_or(Kind::Nil),
            Some(each) => Kind::ALL[usize::from(each[row])],
        };
        Cell {
            kind,
            bits: self.bits[row],
        }
    }

    /// Rows so far.
    pub fn len(&self) -> usize {
        self.bits.len()
    }

    /// Whether there are no rows so far.
    pub fn is_empty(&self) -> bool {
        self.bits.is_empty()
    }

    /// The column.
    pub fn finish(self) -> Column {
        let kinds = match self.kinds {
            Some(kinds) => Kinds::Each(kinds.into()),
            None => Kinds::All(self.kind.unwrap_or(Kind::Nil)),
        };
        Column {
            kinds,
            bits: self.bits.into(),
        }
    }
}

fn gather<T: Copy + Default + Send + Sync>(all: &[T], rows: &[u32]) -> Vec<T> {
    fork::fill(rows.len(), |start, part: &mut [T]| {
        let rows = &rows[start..start + part.len()];
        part.iter_mut()
            .zip(rows)
            .for_each(|(cell, &row)| *cell = all[row as usize]);
    })
}

/// The kind that all of these are, none for no rows; nothing if they differ.
fn only(kinds: &[u8]) -> Option<Option<Kind>> {
    let Some(first) = kinds.first() else {
        return Some(None);
    };
    let are_same = kinds.iter().all(|kind| kind == first);
    are_same.then(|| Some(Kind::ALL[usize::from(*first)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_is_uniform_where_it_can_be() {
        let cells = [Cell::long(1), Cell::long(2), Cell::NIL, Cell::long(3)];
        let mut builder = ColumnBuilder::default();
        cells.iter().for_each(|cell| builder.push(*cell));
        let parts = [builder.cut(2), builder.cut(1), builder.cut(1)];
        let kinds = parts.each_ref().map(Column::kind);
        assert_eq!(kinds, [Some(Kind::Long), Some(Kind::Nil), Some(Kind::Long)]);
        let all: Vec<Cell> = parts.iter().flat_map(Column::cells).collect();
        assert_eq!(all, cells);
    }
}
