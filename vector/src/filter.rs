//! The nearest of the rows of a filter.
//!
//! Few rows are scanned. Of many, enough lie among those that a walk through all rows meets. Where they do not, since
//! the filter keeps rows that are far from the query, the walk sees its rows alone.

use crate::ask::Row;
use crate::bitmap::Bitmap;
use crate::error::Result;
use crate::format::NO_ROW;
use crate::links::{Links, lowest};
use crate::measure::Near;
use crate::scratch::{Pool, Visited};
use crate::search::descend;
use crate::segment::View;
use crate::walk::{Graph, Measure, Walk};

/// Distances of a walk before it keeps any candidate: those from layer to layer.
const DESCENT: usize = 150;
/// Distances of a walk for each candidate that it keeps.
const DISTANCES_EACH: usize = 9;
/// Rows that are scanned in the time of one distance of a walk, times two: the next ones are known early.
const SCANNED_PER_TWO: usize = 5;
/// Rows that are scanned in the time in which a walk through the rows of a filter keeps one candidate.
const SCANNED_EACH: usize = 80;
/// Of the nearest rows met, those of the filter that a walk through all rows expects before it judges by them.
const EXPECTED: usize = 8;
/// It gives up when it met fewer.
const EXPECTED_MIN: usize = 4;
/// It judges after so many times the rows among which it expects them.
const JUDGED_AFTER: usize = 3;
/// Rows of the filter that a walk through them begins with, beside those already met.
const SEEDS: usize = 256;
/// Rows that such a walk sees at most from each row.
const PAST_MAX: usize = 32;
/// Neighbours that it looks past from each row.
const BETWEEN_MAX: usize = 64;

/// Leaves the nearest rows of a filter in the pool of `walk`, at least `k` if it has as many.
///
/// - `hits`: memory.
pub(crate) fn nearest(
    walk: &mut Walk,
    near: &mut Near,
    view: View,
    k: usize,
    ef: usize,
    filter: &Bitmap,
    hits: &mut Pool,
) -> Result<()> {
    let (len, count) = (view.header.len, filter.count());
    // As many as a walk with `ef` would find, had the filter held them back only then.
    let spare = if near.is_exact() { 0 } else { k / 2 };
    let most = (k + spare).max((ef as u64 * count as u64 / len as u64) as usize);
    let expected = (most as u64 * len as u64 / count as u64) as usize;
    let walked = DESCENT + DISTANCES_EACH * expected;
    if k == count || count <= walked.saturating_mul(SCANNED_PER_TWO) / 2 {
        return walk.scan(near, filter.iter().map(|row| row.0), most);
    }
    let start = descend(walk, near, view)?;
    let links = lowest(view);
    let mut through = Through {
        filter,
        hits,
        most,
        len,
        ef,
    };
    if through.all(walk, near, links, start, expected)? {
        std::mem::swap(walk.pool, hits);
        return Ok(());
    }
    if count <= ef.saturating_mul(SCANNED_EACH) {
        return walk.scan(near, filter.iter().map(|row| row.0), most);
    }
    let graph = Kept { links, filter };
    let each = (count / SEEDS).max(1);
    let seeds = filter.iter().step_by(each).map(|row| row.0);
    let starts: Vec<u32> = hits.iter().map(|(row, _)| row).chain(seeds).collect();
    walk.run(&graph, near, &starts, len, ef)?;
    if walk.pool.len() < k {
        return walk.scan(near, filter.iter().map(|row| row.0), most);
    }
    Ok(())
}

/// A walk through all rows that counts those of a filter.
struct Through<'a> {
    filter: &'a Bitmap,
    hits: &'a mut Pool,
    /// Rows of the filter to find.
    most: usize,
    /// Rows of the segment.
    len: usize,
    /// Candidates that it keeps though they do not pass.
    ef: usize,
}

impl Through<'_> {
    /// Leaves rows of the filter in `hits`; says whether they are the nearest, as far as a walk knows.
    ///
    /// - `expected`: candidates among which there are `most` rows of the filter, were it drawn by lot.
    fn all(
        &mut self,
        walk: &mut Walk,
        near: &mut Near,
        links: Links,
        start: u32,
        expected: usize,
    ) -> Result<bool> {
        walk.visited.begin(self.len);
        walk.visited.insert(start);
        walk.pool
            .begin(expected.saturating_mul(2).max(self.ef).min(self.len));
        self.hits.begin(self.most);
        walk.fresh.clear();
        walk.fresh.push(start);
        let judged = JUDGED_AFTER * EXPECTED * self.len / self.filter.count();
        let mut measured = 0;
        loop {
            near.measure(walk.fresh, walk.apart)?;
            for (row, apart) in walk.fresh.iter().zip(walk.apart.iter()) {
                walk.pool.insert(*apart, *row);
                if self.filter.contains(Row(*row)) {
                    self.hits.insert(*apart, *row);
                }
            }
            let before = measured;
            measured += walk.fresh.len();
            if before < judged && measured >= judged && self.is_elsewhere(walk) {
                return Ok(false);
            }
            match walk.pool.pop() {
                Some((row, apart))
                    if walk.pool.popped() <= self.ef || !self.hits.refuses(apart) =>
                {
                    if let Some(next) = walk.pool.peek() {
                        links.prefetch(next);
                    }
                    walk.fresh.clear();
                    links.expand(row, walk.visited, walk.fresh)?;
                }
                // A hit beyond the candidates was met on the way: nearer ones may not have been.
                _ => return Ok(self.hits.is_full() && !walk.pool.refuses(self.hits.farthest())),
            }
        }
    }

    /// Whether the filter keeps rows that are far from the query.
    fn is_elsewhere(&self, walk: &Walk) -> bool {
        let among = EXPECTED * self.len / self.filter.count();
        let nearest = walk.pool.iter().take(among);
        let kept = nearest.filter(|(row, _)| self.filter.contains(Row(*row)));
        kept.count() < EXPECTED_MIN
    }
}

/// The lowest layer as if it held only the rows of a filter.
///
/// What a row's neighbours lead to stands for those that the filter holds back (ACORN, Patel et al. 2024): up to
/// [`PAST_MAX`] rows.
struct Kept<'a> {
    links: Links<'a>,
    filter: &'a Bitmap,
}

impl Graph for Kept<'_> {
    fn expand(&self, row: u32, visited: &mut Visited, fresh: &mut Vec<u32>) -> Result<()> {
        let end = fresh.len() + PAST_MAX;
        let mut between = [NO_ROW; BETWEEN_MAX];
        let mut count = 0;
        for to in self.links.of(row)? {
            if self.filter.contains(Row(to)) {
                if visited.insert(to) {
                    fresh.push(to);
                }
            } else if count < BETWEEN_MAX && !visited.contains(to) {
                between[count] = to;
                count += 1;
                self.links.prefetch(to);
            }
        }
        for via in &between[..count] {
            if fresh.len() >= end {
                break;
            }
            visited.insert(*via);
            let passing = self
                .links
                .of(*via)?
                .filter(|to| self.filter.contains(Row(*to)));
            fresh.extend(passing.filter(|to| visited.insert(*to)));
        }
        Ok(())
    }

    #[inline]
    fn prefetch(&self, row: u32) {
        self.links.prefetch(row);
    }
}
