//! The links of a segment, as walks follow them.

use crate::error::Result;
use crate::format::{NO_ROW, u32_at};
use crate::scratch::Visited;
use crate::segment::View;
use crate::simd;
use crate::walk::Graph;

/// One layer of a segment.
#[derive(Clone, Copy)]
pub(crate) struct Links<'a> {
    view: View<'a>,
    /// First byte.
    start: usize,
    /// Bytes of a row.
    width: usize,
}

/// The layer of all rows.
pub(crate) fn lowest(view: View<'_>) -> Links<'_> {
    Links {
        view,
        start: view.layout.links.start,
        width: 8 * view.header.parameters.m,
    }
}

/// A layer above it, 0 the first.
pub(crate) fn upper(view: View<'_>, layer: usize) -> Links<'_> {
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

impl Links<'_> {
    /// Most neighbours of a row.
    pub(crate) fn most(&self) -> usize {
        self.width / 4
    }

    /// The neighbours of a row; rows beyond the last may be among them.
    #[inline]
    pub(crate) fn of(&self, row: u32) -> Result<impl Iterator<Item = u32>> {
        let start = self.start + self.width * row as usize;
        self.view.check(start, self.width)?;
        let links = self.view.bytes[start..start + self.width].chunks_exact(4);
        Ok(links
            .map(|four| u32_at(four, 0))
            .take_while(|row| *row != NO_ROW))
    }
}

impl Graph for Links<'_> {
    #[inline]
    fn expand(&self, row: u32, visited: &mut Visited, fresh: &mut Vec<u32>) -> Result<()> {
        fresh.extend(self.of(row)?.filter(|to| visited.insert(*to)));
        Ok(())
    }

    #[inline]
    fn prefetch(&self, row: u32) {
        let start = self.start + self.width * row as usize;
        simd::prefetch(&self.view.bytes[start..start + self.width]);
    }
}
