//! The walk through one layer of a graph towards a query (Malkov & Yashunin 2018, algorithm 2).

use crate::error::Result;
use crate::scratch::{Pool, Visited};

/// One layer of a graph: the one that is built, or that of a segment.
pub(crate) trait Graph {
    /// The neighbours of a row; rows beyond the last may be among them.
    fn neighbours(&self, row: u32) -> Result<impl Iterator<Item = u32>>;

    /// Asks for what [`Graph::neighbours`] will read.
    fn prefetch(&self, row: u32);
}

/// Distances from one query.
pub(crate) trait Measure {
    /// Sets `apart` to the distances of `rows`, all below the length of the graph.
    fn measure(&mut self, rows: &[u32], apart: &mut Vec<f32>) -> Result<()>;
}

/// The memory of a walk, apart from that of its measure.
pub(crate) struct Walk<'a> {
    pub(crate) visited: &'a mut Visited,
    pub(crate) pool: &'a mut Pool,
    pub(crate) fresh: &'a mut Vec<u32>,
    pub(crate) apart: &'a mut Vec<f32>,
}

impl Walk<'_> {
    /// Leaves in the pool the `ef` nearest rows that are found among the first `len`, from `starts` on.
    pub(crate) fn run(
        &mut self,
        graph: &impl Graph,
        measure: &mut impl Measure,
        starts: &[u32],
        len: usize,
        ef: usize,
    ) -> Result<()> {
        self.visited.begin(len);
        self.pool.begin(ef);
        self.fresh.clear();
        let unseen = starts.iter().filter(|row| self.visited.insert(**row));
        self.fresh.extend(unseen);
        loop {
            measure.measure(self.fresh, self.apart)?;
            for (row, apart) in self.fresh.iter().zip(self.apart.iter()) {
                self.pool.insert(*apart, *row);
            }
            let Some(row) = self.pool.pop() else {
                return Ok(());
            };
            if let Some(next) = self.pool.peek() {
                graph.prefetch(next);
            }
            self.fresh.clear();
            let visited = &mut *self.visited;
            let unseen = graph.neighbours(row)?.filter(|row| visited.insert(*row));
            self.fresh.extend(unseen);
        }
    }
}
