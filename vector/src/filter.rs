//! The nearest of the rows of a filter.
//!
//! Few rows are scanned. Among more, a walk sees no others: where the filter holds neighbours back, what these lead to
//! stands for them (ACORN, Patel et al. 2024). It begins where a walk through all rows would; where nearly none of the
//! filter's rows lie there, also at rows from all over it. Where they lie so scattered that such a walk would lose its
//! way, they are scanned, or, if they are too many, enough of them lie among those that a walk through all rows meets.
//! Where all of them are far from the query, as where the filter leaves out what is near, no walk leads to the nearest;
//! what was drawn by lot and is still among them tells that, and they are scanned.

use crate::ask::Row;
use crate::bitmap::Bitmap;
use crate::error::Result;
use crate::links::{Links, lowest};
use crate::measure::Near;
use crate::scratch::{Pool, Unseen, Visited};
use crate::search::descend;
use crate::segment::View;
use crate::walk::{Graph, Measure, Walk};

/// Rows that are scanned in the time in which a walk through the rows of a filter keeps one candidate: 48 rows of 128
/// numbers of 32 bits, which are level at 3,000 rows and `ef` 64; more of fewer bits.
const SCANNED_EACH: usize = 48;
/// The same where nearly none of them lie near the query: there a walk may miss the nearest.
const SCANNED_FAR_EACH: usize = 2 * SCANNED_EACH;
/// Of rows that are far, those that are measured again, for each candidate asked for.
const FAR_SPARE: usize = 2;
/// Candidates that such a walk keeps, for every hundred asked for: it meets more rows from each.
const KEPT_PERCENT: usize = 75;
/// It ends when so many times as much work as candidates were asked for changed nothing among the nearest:
const PATIENCE: usize = 16;
/// The same where rows of the filter lie among all as if drawn by lot, for those that are near are then near one another:
/// from so many percent, where they are few, to all of the candidates, where they are all rows.
const LOT_KEPT_PERCENT: usize = 52;
const LOT_PATIENCE: usize = 12;
/// They do not where more of them lie near the start than so many percent of what would by lot.
const LOT_MOST_PERCENT: u64 = 150;
/// the distances from a row and, for its links, so many more.
const WORK_OF_ROW: usize = 16;
/// Rows from all over the filter that it begins with where fewer lie near its start than by lot would, divided by
/// [`FEWER`]: one of so many, and at least and at most
const SEEDS_PART: usize = 48;
const SEEDS_MIN: usize = 192;
const SEEDS_MAX: usize = 1024;
const FEWER: u64 = 2;
/// Where one of these rows is still among the nearest at the end, one of so many rows is drawn to judge by.
const JUDGES_PART: usize = 16;
/// It has lost its way where so many more of these rows are among the nearest than twice as many as by lot would be.
const SEEDS_LEFT: usize = 2;
/// Rows that it sees at most from each row, but for those that a last neighbour adds.
const PAST_MAX: usize = 48;
/// Neighbours that the filter holds back and that it looks past from each row; each row found there allows another.
const VIAS: usize = 6;
/// Neighbours of a row that it looks past at most.
const VIAS_MAX: usize = 64;
/// Lists of links that are asked for before they are read.
const AHEAD: usize = 8;
/// After so many rows it judges whether their neighbours suffice,
const JUDGED_ROWS: usize = 16;
/// which they do not if fewer than one of so many passes.
const SCATTERED: usize = 18;

/// Distances of a walk through all rows before it keeps any candidate: those from layer to layer.
const DESCENT: usize = 150;
/// Distances of such a walk for each candidate that it keeps.
const DISTANCES_EACH: usize = 9;
/// Rows that are scanned in the time of one of them: the next ones are known early.
const SCANNED_PER_DISTANCE: usize = 4;
/// Of the nearest rows met, those of the filter that it expects before it judges by them.
const EXPECTED: usize = 8;
/// It gives up when it met fewer.
const EXPECTED_MIN: usize = 4;
/// It judges after so many times the rows among which it expects them.
const JUDGED_AFTER: usize = 3;

/// What a search among the rows of a filter is asked for, and its memory.
pub(crate) struct Among<'a> {
    pub(crate) filter: &'a Bitmap,
    /// Rows to find, no more than the filter has.
    pub(crate) k: usize,
    pub(crate) ef: usize,
    pub(crate) hits: &'a mut Pool,
    pub(crate) unseen: &'a mut Unseen,
    pub(crate) seeds: &'a mut Vec<u32>,
}

/// What a walk through the rows of a filter came to.
#[derive(PartialEq, Eq)]
enum Came {
    Through,
    /// Too few of the rows are neighbours of others, even by way of one that is not of the filter.
    Apart,
    /// The rows are far from the query, and what is near among them is not near one another: of the rows that it
    /// began with, drawn by lot, too many are still among the nearest.
    Astray,
}

impl Among<'_> {
    /// Leaves the nearest rows of the filter in the pool of `walk`, at least `k`.
    pub(crate) fn nearest(self, walk: &mut Walk, near: &mut Near, view: View) -> Result<()> {
        let (filter, k, ef) = (self.filter, self.k, self.ef);
        let (len, count) = (view.header.len, filter.count());
        // Codes order rows nearly: their nearest are measured again.
        let spare = if near.is_exact() { 0 } else { k / 2 };
        let rows = || filter.iter().map(|row| row.0);
        if k == count || count <= ef.saturating_mul(SCANNED_EACH) {
            return walk.scan(near, rows(), k + spare);
        }
        let start = descend(walk, near, view)?;
        let links = lowest(view);
        // Rows that are far are nearly as far as one another: of codes, more are measured again.
        let far = if near.is_exact() {
            k
        } else {
            (FAR_SPARE * ef).max(k + spare)
        };
        let mut kept = Kept {
            links,
            filter,
            unseen: self.unseen,
            seeds: self.seeds,
            is_by_lot: false,
            lot_kept_percent: 100,
            vias: (len / count).clamp(VIAS, VIAS_MAX),
            met: 0,
            passing: 0,
        };
        kept.begin(walk, start, len)?;
        if !kept.seeds.is_empty() && count <= ef.saturating_mul(SCANNED_FAR_EACH) {
            return walk.scan(near, rows(), far);
        }
        match kept.run(walk, near, k + spare, ef)? {
            Came::Through if walk.pool.len() >= k => return Ok(()),
            Came::Astray => return walk.scan(near, rows(), far),
            _ => {}
        }
        // As many as a walk with `ef` would find, had the filter held them back only then.
        let most = (k + spare).max((ef as u64 * count as u64 / len as u64) as usize);
        let expected = (most as u64 * len as u64 / count as u64) as usize;
        let walked = DESCENT + DISTANCES_EACH * expected;
        let mut through = Through {
            filter,
            hits: self.hits,
            most,
            len,
            ef,
        };
        if count > walked.saturating_mul(SCANNED_PER_DISTANCE)
            && through.all(walk, near, links, start, expected)?
        {
            std::mem::swap(walk.pool, self.hits);
            return Ok(());
        }
        walk.scan(near, rows(), k + spare)
    }
}

/// The lowest layer as if it held only the rows of a filter.
struct Kept<'a> {
    links: Links<'a>,
    filter: &'a Bitmap,
    unseen: &'a mut Unseen,
    /// Rows from all over the filter that it began with, ascending; none where it had no need.
    seeds: &'a mut Vec<u32>,
    /// Whether the rows of the filter lie near the start as if drawn by lot.
    is_by_lot: bool,
    /// Candidates that are kept then, for every hundred asked for.
    lot_kept_percent: usize,
    /// Neighbours to look past from each row at first.
    vias: usize,
    /// Links of the rows so far,
    met: usize,
    /// and those to rows of the filter.
    passing: usize,
}

impl Kept<'_> {
    /// Leaves in `fresh` the rows that a walk begins with: those near `start` and, where they are few, some others.
    fn begin(&mut self, walk: &mut Walk, start: u32, len: usize) -> Result<()> {
        self.unseen.begin(self.filter);
        walk.visited.begin(len);
        walk.visited.insert(start);
        walk.fresh.clear();
        if self.unseen.take(start) {
            walk.fresh.push(start);
        }
        self.expand(start, walk.visited, walk.fresh)?;
        let count = self.filter.count();
        let (met, passing) = self.around(start)?;
        self.seeds.clear();
        let (here, by_lot) = (passing as u64 * len as u64, met as u64 * count as u64);
        self.is_by_lot = here * 100 <= by_lot * LOT_MOST_PERCENT;
        self.lot_kept_percent = LOT_KEPT_PERCENT + (100 - LOT_KEPT_PERCENT) * count / len;
        if here * FEWER < by_lot {
            self.is_by_lot = false;
            let seeds = (count / SEEDS_PART).clamp(SEEDS_MIN, SEEDS_MAX);
            let sample = self.filter.sample(seeds).map(|row| row.0);
            self.seeds
                .extend(sample.filter(|row| self.unseen.take(*row)));
            walk.fresh.extend_from_slice(self.seeds);
        }
        (self.met, self.passing) = (0, 0);
        Ok(())
    }

    /// Leaves in the pool the nearest rows that are found from those in `fresh` on.
    ///
    /// - `most`: the nearest that it tries to find.
    fn run(&mut self, walk: &mut Walk, near: &mut Near, most: usize, ef: usize) -> Result<Came> {
        let (percent, patience) = match self.is_by_lot {
            true => (self.lot_kept_percent, LOT_PATIENCE),
            false => (KEPT_PERCENT, PATIENCE),
        };
        let patience = ef.saturating_mul(patience);
        walk.pool
            .begin((ef.saturating_mul(percent) / 100).max(most));
        let (mut farthest, mut still, mut rows) = (None, 0, 0);
        loop {
            near.measure(walk.fresh, walk.apart)?;
            for (row, apart) in walk.fresh.iter().zip(walk.apart.iter()) {
                walk.pool.insert(*apart, *row);
            }
            let now = walk.pool.at(most - 1);
            still = if now == farthest && now.is_some() {
                still + WORK_OF_ROW + walk.fresh.len()
            } else {
                0
            };
            farthest = now;
            if rows == JUDGED_ROWS && self.passing * SCATTERED < self.met {
                return Ok(Came::Apart);
            }
            match walk.pool.pop() {
                Some((row, _)) if still <= patience => {
                    if let Some(next) = walk.pool.peek() {
                        self.links.prefetch(next);
                    }
                    walk.fresh.clear();
                    self.expand(row, walk.visited, walk.fresh)?;
                    rows += 1;
                }
                _ => break,
            }
        }
        self.judged(walk, near, most)
    }

    /// The links of a row's neighbours, and how many of them lead to rows of the filter.
    fn around(&self, row: u32) -> Result<(usize, usize)> {
        let (mut met, mut passing) = (0, 0);
        self.links.of(row)?.for_each(|to| self.links.prefetch(to));
        for to in self.links.of(row)? {
            for next in self.links.of(to)? {
                met += 1;
                passing += usize::from(self.filter.contains(Row(next)));
            }
        }
        Ok((met, passing))
    }

    /// Whether what a walk left in the pool can be the nearest: hardly, if of rows drawn by lot more are as near than
    /// would be.
    fn judged(&self, walk: &mut Walk, near: &mut Near, most: usize) -> Result<Came> {
        let nearest = walk.pool.iter().take(most);
        let left = nearest.filter(|(row, _)| self.seeds.binary_search(row).is_ok());
        let (left, count) = (left.count(), self.filter.count());
        let too_many = |drawn: usize| SEEDS_LEFT + 2 * drawn * most / count;
        if left == 0 || walk.pool.len() < most {
            return Ok(Came::Through);
        }
        if left >= too_many(self.seeds.len()) {
            return Ok(Came::Astray);
        }
        // Some are: more are drawn.
        let farthest = walk.pool.iter().nth(most - 1);
        let farthest = farthest.map_or(f32::INFINITY, |(_, apart)| apart);
        let drawn = (count / JUDGES_PART).max(1);
        walk.fresh.clear();
        walk.fresh
            .extend(self.filter.sample(drawn).map(|row| row.0));
        near.measure(walk.fresh, walk.apart)?;
        let nearer = walk.apart.iter().filter(|apart| **apart <= farthest);
        Ok(match nearer.count() >= too_many(drawn) {
            true => Came::Astray,
            false => Came::Through,
        })
    }

    /// Appends the rows to measure after a row: its neighbours, and theirs where the filter holds one back.
    fn expand(&mut self, row: u32, visited: &mut Visited, fresh: &mut Vec<u32>) -> Result<()> {
        let end = fresh.len() + PAST_MAX;
        let mut held = [0; VIAS_MAX];
        let mut count = 0;
        for to in self.links.of(row)? {
            self.met += 1;
            if self.filter.contains(Row(to)) {
                self.passing += 1;
                fresh.extend(self.unseen.take(to).then_some(to));
            } else if count < VIAS_MAX && !visited.contains(to) {
                held[count] = to;
                count += 1;
            }
        }
        let held = &held[..count];
        held.iter()
            .take(AHEAD)
            .for_each(|via| self.links.prefetch(*via));
        let mut left = self.vias;
        for (at, via) in held.iter().enumerate() {
            if left == 0 || fresh.len() >= end {
                break;
            }
            if let Some(next) = held.get(at + AHEAD) {
                self.links.prefetch(*next);
            }
            visited.insert(*via);
            left = left - 1 + self.append(*via, fresh)?;
        }
        Ok(())
    }

    /// Appends the unseen neighbours of a row; says how many. Branches on none: a processor could not guess them.
    fn append(&mut self, via: u32, fresh: &mut Vec<u32>) -> Result<usize> {
        let before = fresh.len();
        let mut end = before;
        fresh.resize(before + self.links.most(), 0);
        for to in self.links.of(via)? {
            fresh[end] = to;
            end += usize::from(self.unseen.contains(to));
        }
        let unseen = end;
        end = before;
        for at in before..unseen {
            let to = fresh[at];
            fresh[end] = to;
            end += usize::from(self.unseen.take(to));
        }
        fresh.truncate(end);
        Ok(end - before)
    }
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
