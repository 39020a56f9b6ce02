//! A query to neighbours: down the layers, through the lowest, then exact distances.

use crate::ask::{Ask, Neighbour, Row};
use crate::bitmap::Bitmap;
use crate::error::{Error, Result};
use crate::filter::Among;
use crate::links::{lowest, upper};
use crate::measure::{Exact, Near};
use crate::scratch::Scratch;
use crate::segment::View;
use crate::walk::{Measure, Walk};

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
    let count = ask.filter.map_or(len, Bitmap::count);
    let k = ask.k.min(count);
    let ef = ask.ef.max(k).min(len);
    if k == 0 {
        return Ok(Vec::new());
    }
    let Scratch {
        visited,
        pool,
        hits,
        unseen,
        seeds,
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
    match ask.filter {
        Some(filter) => {
            let among = Among {
                filter,
                k,
                ef,
                hits,
                unseen,
                seeds,
            };
            among.nearest(&mut walk, &mut near, view)?;
        }
        None if k == len => walk.scan(&mut near, 0..len as u32, k)?,
        None => {
            let start = descend(&mut walk, &mut near, view)?;
            walk.run(&lowest(view), &mut near, &[start], len, ef)?;
        }
    }
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

/// A row near the query: the nearest that is found from layer to layer above the lowest.
pub(crate) fn descend(walk: &mut Walk, near: &mut Near, view: View) -> Result<u32> {
    let mut start = 0;
    for layer in (0..view.header.counts.len()).rev() {
        let len = view.header.counts[layer] as usize;
        walk.run(&upper(view, layer), near, &[start], len, 1)?;
        start = walk.pool.iter().next().map_or(0, |(row, _)| row);
    }
    Ok(start)
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

fn neighbour((row, distance): (u32, f32)) -> Neighbour {
    Neighbour {
        row: Row(row),
        distance,
    }
}
