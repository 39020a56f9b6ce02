//! The walk through one layer of a graph towards a query (Malkov & Yashunin 2018, algorithm 2).

use crate::error::Result;
use crate::scratch::{Pool, Visited};

/// Rows whose distances are computed at once in a scan.
const SCAN_ROWS: usize = 256;

/// One layer of a graph: the one that is built, or that of a segment.
pub(crate) trait Graph {
    /// Appends the rows to measure after a row: its neighbours that were not seen.
    fn expand(&self, row: u32, visited: &mut Visited, fresh: &mut Vec<u32>) -> Result<()>;

    /// Asks for what [`Graph::expand`] will read.
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
        self.fresh.clear();
        let unseen = starts.iter().filter(|row| self.visited.insert(**row));
        self.fresh.extend(unseen);
        self.go_on(graph, measure, ef)
    }

    /// Leaves in the pool the `most` nearest of some rows.
    pub(crate) fn scan(
        &mut self,
        measure: &mut impl Measure,
        mut rows: impl Iterator<Item = u32>,
        most: usize,
    ) -> Result<()> {
        self.pool.begin(most);
        loop {
            self.fresh.clear();
            self.fresh.extend(rows.by_ref().take(SCAN_ROWS));
            if self.fresh.is_empty() {
                return Ok(());
            }
            measure.measure(self.fresh, self.apart)?;
            for (row, apart) in self.fresh.iter().zip(self.apart.iter()) {
                self.pool.insert(*apart, *row);
            }
        }
    }

    /// Leaves in the pool the `ef` nearest rows that are found from those in `fresh` on, which were seen.
    pub(crate) fn go_on(
        &mut self,
        graph: &impl Graph,
        measure: &mut impl Measure,
        ef: usize,
    ) -> Result<()> {
        self.pool.begin(ef);
        loop {
            measure.measure(self.fresh, self.apart)?;
            for (row, apart) in self.fresh.iter().zip(self.apart.iter()) {
                self.pool.insert(*apart, *row);
            }
            let Some((row, _)) = self.pool.pop() else {
                return Ok(());
            };
            if let Some(next) = self.pool.peek() {
                graph.prefetch(next);
            }
            self.fresh.clear();
            graph.expand(row, self.visited, self.fresh)?;
        }
    }
}
