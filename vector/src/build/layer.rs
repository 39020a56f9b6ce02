//! Links of one layer of the graph that is built.

use super::pack::Codes;
use super::select::Selector;
use crate::error::Result;
use crate::scratch::Visited;
use crate::simd;
use crate::walk::Graph;

/// A neighbour and its distance.
pub(crate) type Link = (u32, f32);

/// Before they are pruned, lists grow by this part of what they hold in the end: each is pruned less often.
const ROOM_PART: usize = 4;

/// The links of the first rows, `len` of them.
pub(crate) struct Layer {
    /// Most links of a row in the end.
    pub(crate) most: usize,
    /// Most links of a row until they are pruned.
    room: usize,
    len: usize,
    links: Vec<u32>,
    apart: Vec<f32>,
    counts: Vec<u16>,
}

impl Layer {
    pub(crate) fn empty(len: usize, most: usize) -> Layer {
        let room = most + most / ROOM_PART;
        Layer {
            most,
            room,
            len,
            links: vec![0; len * room],
            apart: vec![0.0; len * room],
            counts: vec![0; len],
        }
    }

    /// Rows of the layer.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The neighbours of a row, in no order.
    pub(crate) fn links(&self, row: u32) -> &[u32] {
        let start = row as usize * self.room;
        &self.links[start..start + usize::from(self.counts[row as usize])]
    }

    /// Sets all links of a row.
    pub(crate) fn set(&mut self, row: u32, links: &[Link]) {
        let start = row as usize * self.room;
        for (i, (to, apart)) in links.iter().enumerate() {
            self.links[start + i] = *to;
            self.apart[start + i] = *apart;
        }
        self.counts[row as usize] = links.len() as u16;
    }

    /// The links of a row, in no order.
    pub(crate) fn measured(&self, row: u32) -> impl Iterator<Item = Link> {
        let apart = &self.apart[row as usize * self.room..];
        self.links(row).iter().copied().zip(apart.iter().copied())
    }

    /// The links of a row with some more, pruned if there is no room for them.
    pub(crate) fn with(
        &self,
        row: u32,
        more: impl Iterator<Item = Link>,
        codes: &Codes,
        selector: &mut Selector,
    ) -> Vec<Link> {
        let links: Vec<Link> = self.measured(row).chain(more).collect();
        match links.len() > self.room {
            true => selector.pruned(codes, links, self.most),
            false => links,
        }
    }
}

impl Graph for Layer {
    #[inline]
    fn expand(&self, row: u32, visited: &mut Visited, fresh: &mut Vec<u32>) -> Result<()> {
        fresh.extend(self.links(row).iter().filter(|to| visited.insert(**to)));
        Ok(())
    }

    #[inline]
    fn prefetch(&self, row: u32) {
        simd::prefetch_rows(self.links(row));
    }
}
