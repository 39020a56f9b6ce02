//! Rows of a relation paired with rows of a run, and the columns that the pairs make.

use std::ops::Range;

use super::join::Pairs;
use crate::fork;
use crate::index::{Cell, Chunk, Column, Extra, Kind, Run};
use crate::limits::SEGMENT_CHUNK_ROWS;

/// Pairs of a relation's rows and an index's rows.
pub(super) struct Matches {
    left: Vec<u32>,
    rows: Rows,
    /// Whether the rows are those of the run by value.
    by_value: bool,
}

enum Rows {
    /// Rows of the run in order, one relation row to all of them.
    Ranges(Vec<Range<usize>>),
    /// Single rows, as [`RowRef`]s.
    Refs(Vec<RowRef>),
}

/// A row of a run: chunk and row within, packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowRef(pub(super) u32);

const ROW_BITS: u32 = 13;
const _: () = assert!(Chunk::ROWS_MAX <= 1 << ROW_BITS && SEGMENT_CHUNK_ROWS <= 1 << ROW_BITS);

impl RowRef {
    /// Chunks of a run whose rows can be numbered.
    pub(super) const CHUNKS: usize = 1 << (u32::BITS - ROW_BITS);

    pub(super) fn new(chunk: usize, row: usize) -> RowRef {
        RowRef(((chunk as u32) << ROW_BITS) | row as u32)
    }

    pub(super) fn chunk(self) -> usize {
        (self.0 >> ROW_BITS) as usize
    }

    pub(super) fn row(self) -> usize {
        (self.0 & ((1 << ROW_BITS) - 1)) as usize
    }
}

impl Matches {
    /// From pairs whose right side is rows of the run by entity.
    pub(super) fn of_pairs(pairs: Pairs<'_>) -> Matches {
        let refs = pairs.right.into_iter().map(RowRef).collect();
        Matches::of_refs(pairs.left, refs)
    }

    /// Rows of the relation, and as many of the run by entity, in step.
    pub(super) fn of_refs(left: Vec<u32>, refs: Vec<RowRef>) -> Matches {
        Matches {
            left,
            rows: Rows::Refs(refs),
            by_value: false,
        }
    }

    /// The one row of the relation with a range of the run by entity.
    pub(super) fn of_range(range: Range<usize>) -> Matches {
        Matches {
            left: vec![0; range.len()],
            rows: Rows::Ranges(vec![range]),
            by_value: false,
        }
    }

    /// The same rows of the run by value, if so, or by entity.
    #[must_use]
    pub(super) fn of_run(self, by_value: bool) -> Matches {
        Matches { by_value, ..self }
    }

    /// Pairs.
    pub(super) fn len(&self) -> usize {
        self.left.len()
    }

    /// Rows of the relation.
    pub(super) fn left(&self) -> &[u32] {
        &self.left
    }

    /// Which run the matched rows are of.
    pub(super) fn run<'a>(&self, by_entity: &'a Run, by_value: Option<&'a Run>) -> &'a Run {
        match by_value {
            Some(run) if self.by_value => run,
            _ => by_entity,
        }
    }

    /// Entities of the matched rows.
    pub(super) fn entities(&self, run: &Run) -> Column {
        let bits = self.collect(
            run,
            |chunk, row| chunk.e[row] as u64,
            |chunk, out| {
                out.extend(chunk.e.iter().map(|&e| e as u64));
            },
        );
        Column::uniform(Kind::Long, bits)
    }

    /// Values of the matched rows, in the database's dictionary.
    pub(super) fn values(&self, run: &Run) -> Column {
        match self.kind(run) {
            Some(kind) => {
                let bits = self.collect(
                    run,
                    |chunk, row| chunk.v.bits()[row],
                    |chunk, out| {
                        out.extend_from_slice(chunk.v.bits());
                    },
                );
                Column::uniform(kind, bits)
            }
            None => match &self.rows {
                Rows::Refs(refs) => Column::from_cells(refs.iter().map(|&at| cell_at(run, at))),
                Rows::Ranges(ranges) => {
                    let pieces: Vec<Column> = ranges
                        .iter()
                        .flat_map(|range| run.pieces(range.clone()))
                        .map(|piece| piece.v)
                        .collect();
                    Column::concat(&pieces)
                }
            },
        }
    }

    /// The one kind of the chunks that hold the matched rows, if they have one.
    fn kind(&self, run: &Run) -> Option<Kind> {
        let mut kinds: Box<dyn Iterator<Item = Option<Kind>>> = match &self.rows {
            Rows::Refs(refs) => Box::new(
                refs.chunk_by(|a, b| a.chunk() == b.chunk())
                    .map(|same| run.chunk(same[0].chunk()).v.kind()),
            ),
            Rows::Ranges(ranges) => Box::new(
                ranges
                    .iter()
                    .flat_map(|range| run.pieces(range.clone()))
                    .map(|piece| piece.v.kind()),
            ),
        };
        let first = kinds.next()??;
        kinds.all(|kind| kind == Some(first)).then_some(first)
    }

    /// Transactions of the matched rows.
    pub(super) fn txs(&self, run: &Run) -> Column {
        let bits = self.collect(
            run,
            |chunk, row| chunk.tx[row] as u64,
            |chunk, out| {
                out.extend(chunk.tx.iter().map(|&tx| tx as u64));
            },
        );
        Column::uniform(Kind::Long, bits)
    }

    /// Whether the matched rows are assertions.
    pub(super) fn added(&self, run: &Run) -> Column {
        if run.extra() != Extra::Added {
            return Column::constant(Cell::bool(true), self.len());
        }
        let flag = |chunk: &Chunk, row: usize| chunk.extra.as_ref().map_or(1, |x| x[row] as u64);
        let bits = self.collect(run, flag, |chunk, out| {
            out.extend((0..chunk.len()).map(|row| flag(chunk, row)));
        });
        Column::uniform(Kind::Bool, bits)
    }

    fn collect(
        &self,
        run: &Run,
        one: impl Fn(&Chunk, usize) -> u64 + Sync,
        all: impl Fn(&Chunk, &mut Vec<u64>) + Sync,
    ) -> Vec<u64> {
        match &self.rows {
            Rows::Refs(refs) => fork::fill(refs.len(), |start, out: &mut [u64]| {
                let mut refs = &refs[start..start + out.len()];
                let mut out = out.iter_mut();
                while let Some(first) = refs.first() {
                    let chunk = run.chunk(first.chunk());
                    let same = refs.iter().take_while(|at| at.chunk() == first.chunk());
                    let same = same.count();
                    let cells = out.by_ref().take(same);
                    cells
                        .zip(refs)
                        .for_each(|(cell, at)| *cell = one(chunk, at.row()));
                    refs = &refs[same..];
                }
            }),
            Rows::Ranges(ranges) => {
                let one_range = |range: &Range<usize>| {
                    let parts = fork::split(range.len(), |part| {
                        let mut out = Vec::with_capacity(part.len());
                        let part = range.start + part.start..range.start + part.end;
                        run.pieces(part).for_each(|piece| all(&piece, &mut out));
                        out
                    });
                    fork::concat(parts)
                };
                fork::concat(ranges.iter().map(one_range).collect())
            }
        }
    }
}

/// The value of a row.
pub(super) fn cell_at(run: &Run, at: RowRef) -> Cell {
    run.chunk(at.chunk()).v.cell(at.row())
}
