//! The graph that was built to the bytes of a segment.

use std::collections::VecDeque;

use rayon::prelude::*;

use super::draft::Draft;
use super::order::Order;
use crate::ask::{Encoding, Key, Parameters};
use crate::codes::{half_factor, scaling, stored, to_half};
use crate::distance::{Distance, inverse_norm};
use crate::error::Result;
use crate::format::{Header, KEY_BYTES, Layout, NO_ROW, TERM_BYTES};
use crate::simd;
use crate::sums;

/// All that is written, and where.
struct Frozen<'a> {
    given: &'a [f32],
    keys: &'a [Key],
    parameters: &'a Parameters,
    order: &'a Order,
    draft: &'a Draft,
    factor: f32,
    layout: Layout,
    /// The place in the order of insertion of each row of the segment.
    places: Vec<u32>,
}

/// Writes the segment of a graph.
pub(crate) fn freeze(
    given: &[f32],
    keys: &[Key],
    parameters: &Parameters,
    order: &Order,
    draft: &Draft,
) -> Result<Vec<u8>> {
    let factor = match parameters.encoding {
        Encoding::F16 => half_factor(given, parameters.distance),
        _ => 1.0,
    };
    let mut header = Header {
        parameters: *parameters,
        len: keys.len(),
        counts: order.counts.clone(),
        factor,
        digests: 0,
    };
    let layout = header.layout()?;
    let mut bytes = vec![0; layout.total as usize];
    let places = places(draft, order);
    let frozen = Frozen {
        given,
        keys,
        parameters,
        order,
        draft,
        factor,
        layout,
        places,
    };
    frozen.write_links(&mut bytes);
    frozen.write_codes(&mut bytes);
    frozen.write_rows(&mut bytes);
    frozen.write_keys(&mut bytes);
    sums::seal(&mut bytes, &mut header, &frozen.layout)?;
    Ok(bytes)
}

/// Rows that are near in the graph near in the segment: the order in which a walk along all links meets them, within
/// the rows of each layer. Copies stand last.
fn places(draft: &Draft, order: &Order) -> Vec<u32> {
    let lowest = &draft.layers[0];
    let mut met = vec![false; lowest.len()];
    let mut places: Vec<u32> = Vec::with_capacity(lowest.len());
    let mut next = VecDeque::new();
    for start in 0..lowest.len() as u32 {
        if !std::mem::replace(&mut met[start as usize], true) {
            next.push_back(start);
        }
        while let Some(place) = next.pop_front() {
            places.push(place);
            for to in lowest.links(place) {
                if !std::mem::replace(&mut met[*to as usize], true) {
                    next.push_back(*to);
                }
            }
        }
    }
    // A stable sort: within a layer the order of the walk stays.
    let level = |place: &u32| order.counts.partition_point(|count| place < count);
    places.sort_by_key(|place| std::cmp::Reverse(level(place)));
    places.extend(lowest.len() as u32..order.rows.len() as u32);
    places
}

impl Frozen<'_> {
    /// The row given that has a place in the order of insertion.
    fn given(&self, place: u32) -> &[f32] {
        let dim = self.parameters.dim;
        let row = self.order.rows[place as usize] as usize;
        &self.given[dim * row..][..dim]
    }

    fn write_links(&self, bytes: &mut [u8]) {
        let mut rows = vec![0_u32; self.places.len()];
        for (row, place) in self.places.iter().enumerate() {
            rows[*place as usize] = row as u32;
        }
        let write = |(list, links): (&mut [u8], Vec<u32>)| {
            let links = links.iter().map(|to| rows[*to as usize]);
            let padded = links.chain(std::iter::repeat(NO_ROW));
            for (four, to) in list.chunks_exact_mut(4).zip(padded) {
                four.copy_from_slice(&to.to_le_bytes());
            }
        };
        let width = 8 * self.parameters.m;
        let lists = bytes[self.layout.links.clone()].par_chunks_exact_mut(width);
        let lowest = self.places.par_iter().map(|place| self.lowest(*place));
        lists.zip(lowest).for_each(write);
        let width = 4 * self.parameters.m;
        let mut start = self.layout.upper.start;
        for layer in &self.draft.layers[1..] {
            let end = start + width * layer.len();
            let lists = bytes[start..end].par_chunks_exact_mut(width);
            let links = self
                .places
                .par_iter()
                .map(|place| layer.links(*place).to_vec());
            lists.zip(links).for_each(write);
            start = end;
        }
    }

    /// The links of a row in the lowest layer.
    ///
    /// The copies of a row hang on it as a tree, each with as many below it as a list holds.
    fn lowest(&self, place: u32) -> Vec<u32> {
        let most = 2 * self.parameters.m;
        let inserted = self.order.inserted().len() as u32;
        if place < inserted {
            let mut links = self.draft.layers[0].links(place).to_vec();
            links.extend(self.order.copies(place).take(1));
            return links;
        }
        let original = self.order.originals[(place - inserted) as usize];
        let copies = self.order.copies(original);
        let below = copies.start as usize + most * (place - copies.start) as usize + 1;
        (below..copies.end as usize)
            .take(most)
            .map(|place| place as u32)
            .collect()
    }

    fn write_codes(&self, bytes: &mut [u8]) {
        let layout = &self.layout;
        let codes = &self.draft.codes;
        match self.parameters.encoding {
            Encoding::F32 => {}
            Encoding::Bf16 => {
                let rows = bytes[layout.codes.clone()].par_chunks_exact_mut(layout.code_stride);
                rows.zip(&self.places).for_each(|(out, place)| {
                    for (two, x) in out.chunks_exact_mut(2).zip(self.given(*place)) {
                        two.copy_from_slice(&x.to_le_bytes()[2..]);
                    }
                });
            }
            Encoding::F16 => {
                let rows = bytes[layout.codes.clone()].par_chunks_exact_mut(layout.code_stride);
                rows.zip(&self.places).for_each(|(out, place)| {
                    let row = self.given(*place);
                    let factor = self.factor * scaling(self.parameters.distance, row);
                    for (two, x) in out.chunks_exact_mut(2).zip(row) {
                        two.copy_from_slice(&to_half(x * factor).to_le_bytes());
                    }
                });
            }
            Encoding::Int8 => {
                let rows = bytes[layout.codes.clone()].par_chunks_exact_mut(layout.code_stride);
                rows.zip(&self.places).for_each(|(out, place)| {
                    let code = codes.code(*place);
                    out[..code.len()].copy_from_slice(code);
                    out[code.len()..].fill(stored(0));
                });
                let terms = bytes[layout.terms.clone()].chunks_exact_mut(TERM_BYTES);
                for (out, place) in terms.zip(&self.places) {
                    let term = codes.terms[*place as usize];
                    out[..4].copy_from_slice(&term.scale.to_le_bytes());
                    out[4..].copy_from_slice(&term.start.to_le_bytes());
                }
                bytes[layout.mean.clone()].copy_from_slice(simd::bytes_of(&codes.quantiser.mean));
            }
        }
    }

    fn write_rows(&self, bytes: &mut [u8]) {
        let layout = &self.layout;
        let rows = bytes[layout.rows.clone()].par_chunks_exact_mut(layout.row_stride);
        rows.zip(&self.places).for_each(|(out, place)| {
            let row = self.given(*place);
            if self.parameters.encoding == Encoding::Bf16 {
                for (two, x) in out.chunks_exact_mut(2).zip(row) {
                    two.copy_from_slice(&x.to_le_bytes()[..2]);
                }
            } else {
                let row = simd::bytes_of(row);
                out[..row.len()].copy_from_slice(row);
            }
        });
        if self.parameters.distance == Distance::Cosine {
            let norms = bytes[layout.inverse.clone()].par_chunks_exact_mut(4);
            norms.zip(&self.places).for_each(|(out, place)| {
                out.copy_from_slice(&inverse_norm(self.given(*place)).to_le_bytes());
            });
        }
    }

    fn write_keys(&self, bytes: &mut [u8]) {
        let key = |place: &u32| self.keys[self.order.rows[*place as usize] as usize];
        let keys = bytes[self.layout.keys.clone()].chunks_exact_mut(KEY_BYTES);
        for (out, place) in keys.zip(&self.places) {
            let [high, low] = key(place);
            out[..8].copy_from_slice(&high.to_le_bytes());
            out[8..].copy_from_slice(&low.to_le_bytes());
        }
        let mut by_key: Vec<(Key, u32)> = self.places.iter().map(key).zip(0..).collect();
        by_key.sort_unstable();
        let rows = bytes[self.layout.by_key.clone()].chunks_exact_mut(4);
        for (out, (_, row)) in rows.zip(by_key) {
            out.copy_from_slice(&row.to_le_bytes());
        }
    }
}
