//! One way through a run: the rows of entities that ascend, each chunk looked at once.

use std::ops::ControlFlow;

use super::merge::leap;
use super::{Chunk, Leaf, Row, Run};

/// Where a look at the rows of ever larger entities stands.
///
/// What of the run was not read before is not kept either, but for the chunk it stands in.
#[derive(Clone, Debug)]
pub struct Pass {
    run: Run,
    leaf: usize,
    slot: usize,
    row: usize,
    chunk: Option<Chunk>,
    /// The entity asked for last.
    last: Option<i64>,
    looked_at: u64,
}

impl Pass {
    /// Before the first row of a run that is sorted by entity.
    pub fn over(run: &Run) -> Pass {
        Pass {
            run: run.clone(),
            leaf: 0,
            slot: 0,
            row: 0,
            chunk: None,
            last: None,
            looked_at: 0,
        }
    }

    /// How many rows there were in the chunks it took, and among those that it gave.
    pub fn looked_at(&self) -> u64 {
        self.looked_at
    }

    /// Visits the rows of an entity in order, until `visit` has seen enough.
    ///
    /// Cost: O(log of the rows passed over) if the entity comes after the last one, else O(log of
    /// all rows). A read that fails is thrown, see [`fault`](crate::fault).
    pub fn visit(&mut self, e: i64, mut visit: impl FnMut(Row) -> ControlFlow<()>) {
        self.reach(e);
        while let Some(chunk) = &self.chunk {
            let start = leap(self.row..chunk.len(), |at| chunk.e[at] < e);
            let mut end = start;
            while end < chunk.len() && chunk.e[end] == e {
                if visit(chunk.row(end)).is_break() {
                    // The rest is not known: the next look begins anew.
                    self.last = None;
                    return;
                }
                end += 1;
            }
            self.looked_at += (end - start) as u64;
            self.row = end;
            if end < chunk.len() || !self.enter_next(e) {
                return;
            }
        }
    }

    /// Goes to the chunk in which the rows of an entity begin, if there are any.
    fn reach(&mut self, e: i64) {
        let goes_on = self.last.is_some_and(|last| last < e);
        self.last = Some(e);
        // They may begin in the chunk before the first that starts with the entity.
        let last_before = |fences: &[(i64, super::Cell)], from: usize| {
            let after = leap(from..fences.len(), |at| fences[at].0 < e);
            after.saturating_sub(1).max(from)
        };
        let fences = self.run.leaf_fences();
        if fences.is_empty() {
            return;
        }
        let leaf = last_before(fences, if goes_on { self.leaf } else { 0 });
        let from = match goes_on && leaf == self.leaf {
            true => self.slot,
            false => 0,
        };
        let slot = last_before(self.run.leaves()[leaf].fences(), from);
        if self.chunk.is_none() || (leaf, slot) != (self.leaf, self.slot) {
            self.enter(leaf, slot);
        } else if !goes_on {
            self.row = 0;
        }
    }

    /// Goes to the next chunk if it starts with an entity.
    fn enter_next(&mut self, e: i64) -> bool {
        let leaves = self.run.leaves();
        let (leaf, slot) = match self.slot + 1 < leaves[self.leaf].slots().len() {
            true => (self.leaf, self.slot + 1),
            false => (self.leaf + 1, 0),
        };
        let first = |leaf: &std::sync::Arc<Leaf>| match slot {
            0 => leaf.first().0,
            _ => leaf.fences()[slot].0,
        };
        let goes_on = leaves.get(leaf).map(first) == Some(e);
        if goes_on {
            self.enter(leaf, slot);
        }
        goes_on
    }

    fn enter(&mut self, leaf: usize, slot: usize) {
        let chunk = self.run.leaves()[leaf].look(slot);
        self.looked_at += chunk.len() as u64;
        self.chunk = Some(chunk);
        (self.leaf, self.slot, self.row) = (leaf, slot, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cell, Extra, SortOrder};
    use super::*;

    #[test]
    fn entities_are_found_wherever_they_lie() {
        // Every third entity has rows, one of them more than a chunk holds.
        let mut rows = Vec::new();
        for e in (0..9_000i64).step_by(3) {
            let values = if e == 3_000 { 5_000 } else { 1 + e % 2 };
            rows.extend((0..values).map(|v| Row::new(e, Cell::long(v), e)));
        }
        let run = Run::from_sorted(SortOrder::ByEntity, Extra::Nothing, &rows);
        let asked: [&[i64]; 5] = [
            &[-5, 0, 1, 2, 3, 2_999, 3_000, 3_001, 8_997, 9_000],
            &[3_000, 3_000, 2_997, 8_997, 8_997, 0],
            &[9_001, 0],
            &[3_003],
            &[],
        ];
        for asked in asked {
            let mut pass = Pass::over(&run);
            for &e in asked {
                let mut got = Vec::new();
                pass.visit(e, |row| {
                    got.push(row);
                    ControlFlow::Continue(())
                });
                let wanted: Vec<Row> = rows.iter().filter(|row| row.e == e).copied().collect();
                assert_eq!(got, wanted, "{e} of {asked:?}");
            }
        }
        let mut pass = Pass::over(&run);
        let mut count = 0;
        for e in 0..9_000 {
            pass.visit(e, |_| {
                count += 1;
                ControlFlow::Continue(())
            });
        }
        assert_eq!(count, rows.len());
        assert_eq!(pass.looked_at(), 2 * rows.len() as u64);
        pass.visit(3_000, |_| ControlFlow::Break(()));
        pass.visit(3_000, |_| {
            count += 1;
            ControlFlow::Continue(())
        });
        assert_eq!(count, rows.len() + 5_000);
        let mut empty = Pass::over(&Run::empty(SortOrder::ByEntity, Extra::Nothing));
        empty.visit(1, |_| unreachable!("there are no rows"));
    }
}
