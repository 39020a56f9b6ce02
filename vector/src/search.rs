//! A query to neighbours: down the layers, through the lowest, then exact distances.

use crate::ask::{Ask, Neighbour, Row};
use crate::bitmap::Bitmap;
use crate::error::{Error, Result};
use crate::format::{NO_ROW, u32_at};
use crate::measure::{Exact, Near};
use crate::scratch::Scratch;
use crate::segment::View;
use crate::simd;
use crate::walk::{Graph, Measure, Walk};

/// Rows whose distances are computed at once in a scan.
const SCAN_ROWS: usize = 256;
/// Candidates that a search within a radius begins with.
const EF_WITHIN: usize = 64;
/// How many times more it keeps when these were too few.
const EF_GROWTH: usize = 4;

/// The nearest rows to a query.
pub(crate) fn nearest(
    view: View,
    query: &[f32],
    ask: &Ask,
    scratch: &mut Scratch,
) -> Result<Vec<Neighbour>> {
    check(view, query, ask.filter)?;
    let len = view.header.len;
    let k = ask.k.min(len);
    if k == 0 {
        return Ok(Vec::new());
    }
    if let Some(filter) = ask.filter {
        return scan(view, query, k, filter.iter(), scratch);
    }
    if len <= k {
        return scan(view, query, k, (0..len as u32).map(Row), scratch);
    }
    walk(view, query, k, ask.ef.max(k).min(len), scratch)
}

/// The rows at most `radius` away.
pub(crate) fn within(
    view: View,
    query: &[f32],
    radius: f32,
    filter: Option<&Bitmap>,
    scratch: &mut Scratch,
) -> Result<Vec<Neighbour>> {
    check(view, query, filter)?;
    let most = filter.map_or(view.header.len, Bitmap::count);
    let mut ef = EF_WITHIN;
    loop {
        let ask = Ask { k: ef, ef, filter };
        let mut found = nearest(view, query, &ask, scratch)?;
        let inside = found.partition_point(|one| one.distance <= radius);
        if inside < found.len() || found.len() >= most {
            found.truncate(inside);
            return Ok(found);
        }
        ef = ef.saturating_mul(EF_GROWTH);
    }
}

fn check(view: View, query: &[f32], filter: Option<&Bitmap>) -> Result<()> {
    let expected = view.header.parameters.dim;
    if query.len() != expected {
        let found = query.len();
        return Err(Error::Dimension { expected, found });
    }
    if let Some(column) = query.iter().position(|x| !x.is_finite()) {
        return Err(Error::NotFinite { row: 0, column });
    }
    match filter {
        Some(filter) if filter.len() != view.header.len => Err(Error::Filter {
            expected: view.header.len,
            found: filter.len(),
        }),
        _ => Ok(()),
    }
}

/// The `k` nearest of some rows, exactly.
fn scan(
    view: View,
    query: &[f32],
    k: usize,
    rows: impl Iterator<Item = Row>,
    scratch: &mut Scratch,
) -> Result<Vec<Neighbour>> {
    let mut exact = Exact::new(view, query);
    let mut rows = rows.map(|row| row.0);
    let Scratch {
        pool, fresh, apart, ..
    } = scratch;
    pool.begin(k);
    loop {
        fresh.clear();
        fresh.extend(rows.by_ref().take(SCAN_ROWS));
        if fresh.is_empty() {
            return Ok(pool.iter().map(neighbour).collect());
        }
        exact.measure(fresh, apart)?;
        for (row, apart) in fresh.iter().zip(apart.iter()) {
            pool.insert(*apart, *row);
        }
    }
}

/// The `k` nearest rows that the walk finds.
fn walk(
    view: View,
    query: &[f32],
    k: usize,
    ef: usize,
    scratch: &mut Scratch,
) -> Result<Vec<Neighbour>> {
    let Scratch {
        visited,
        pool,
        fresh,
        apart,
        products,
        query: scaled,
        code,
    } = scratch;
    let mut near = Near::new(view, query, scaled, code, products);
    let mut walk = Walk {
        visited,
        pool,
        fresh,
        apart,
    };
    let mut start = 0;
    for layer in (0..view.header.counts.len()).rev() {
        let len = view.header.counts[layer] as usize;
        walk.run(&upper(view, layer), &mut near, &[start], len, 1)?;
        start = walk.pool.iter().next().map_or(0, |(row, _)| row);
    }
    walk.run(&lowest(view), &mut near, &[start], view.header.len, ef)?;
    if near.is_exact() {
        return Ok(walk.pool.iter().take(k).map(neighbour).collect());
    }
    walk.fresh.clear();
    walk.fresh.extend(walk.pool.iter().map(|(row, _)| row));
    Exact::new(view, query).measure(walk.fresh, walk.apart)?;
    let pairs = walk.fresh.iter().copied().zip(walk.apart.iter().copied());
    let mut found: Vec<Neighbour> = pairs.map(neighbour).collect();
    found.sort_unstable_by(Neighbour::order);
    found.truncate(k);
    Ok(found)
}

fn neighbour((row, distance): (u32, f32)) -> Neighbour {
    Neighbour {
        row: Row(row),
        distance,
    }
}

/// One layer of a segment.
struct Links<'a> {
    view: View<'a>,
    /// First byte.
    start: usize,
    /// Bytes of a row.
    width: usize,
}

/// The layer of all rows.
fn lowest(view: View<'_>) -> Links<'_> {
    Links {
        view,
        start: view.layout.links.start,
        width: 8 * view.header.parameters.m,
    }
}

/// A layer above it, 0 the first.
fn upper(view: View<'_>, layer: usize) -> Links<'_> {
    let width = 4 * view.header.parameters.m;
    let before: usize = view.header.counts[..layer]
        .iter()
        .map(|count| *count as usize)
        .sum();
    Links {
        view,
        start: view.layout.upper.start + width * before,
        width,
    }
}

impl Graph for Links<'_> {
    #[inline]
    fn neighbours(&self, row: u32) -> Result<impl Iterator<Item = u32>> {
        let start = self.start + self.width * row as usize;
        self.view.check(start, self.width)?;
        let links = self.view.bytes[start..start + self.width].chunks_exact(4);
        Ok(links
            .map(|four| u32_at(four, 0))
            .take_while(|row| *row != NO_ROW))
    }

    #[inline]
    fn prefetch(&self, row: u32) {
        let start = self.start + self.width * row as usize;
        simd::prefetch(&self.view.bytes[start..start + self.width]);
    }
}
