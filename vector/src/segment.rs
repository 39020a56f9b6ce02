//! A segment: rows, their keys and their graph, read where the bytes lie.

use std::ops::Range;

use crate::ask::{Ask, Encoding, Key, Neighbour, Parameters, Row};
use crate::bitmap::Bitmap;
use crate::codes::Quantiser;
use crate::error::{Error, Result};
use crate::format::{Header, KEY_BYTES, Layout, f32_at, u32_at, u64_at};
use crate::scratch::Scratch;
use crate::search;
use crate::simd;
use crate::sums::Sums;

/// Rows of one length with their keys and their graph, in bytes that never change.
///
/// Bytes are checked when they are first read: an answer never comes from a corrupt block. Shared between threads
/// as it is.
#[derive(Debug)]
pub struct Segment<B> {
    bytes: B,
    header: Header,
    layout: Layout,
    sums: Sums,
    quantiser: Option<Quantiser>,
}

/// A segment whose bytes are at hand.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) header: &'a Header,
    pub(crate) layout: &'a Layout,
    pub(crate) sums: &'a Sums,
    pub(crate) quantiser: Option<&'a Quantiser>,
}

impl<B: AsRef<[u8]>> Segment<B> {
    /// Reads what the segment holds, not the rows: O(bytes / 2 MiB).
    ///
    /// Fails with [`Error::Corrupt`] or [`Error::Format`].
    pub fn open(bytes: B) -> Result<Segment<B>> {
        let all = bytes.as_ref();
        let (header, layout) = Header::read(all)?;
        let sums = Sums::open(all, &header, &layout)?;
        let mut quantiser = None;
        if !layout.mean.is_empty() {
            sums.check(all, &layout, layout.mean.clone())?;
            let mean = all[layout.mean.clone()]
                .chunks_exact(4)
                .map(|four| f32_at(four, 0));
            let distance = header.parameters.distance;
            quantiser = Some(Quantiser::with_mean(mean.collect(), distance));
        }
        Ok(Segment {
            bytes,
            header,
            layout,
            sums,
            quantiser,
        })
    }

    /// Rows of the segment.
    pub fn len(&self) -> usize {
        self.header.len
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.header.len == 0
    }

    /// Numbers of a row.
    pub fn dim(&self) -> usize {
        self.header.parameters.dim
    }

    /// What it was built with.
    pub fn parameters(&self) -> &Parameters {
        &self.header.parameters
    }

    /// The bytes that were opened.
    pub fn bytes(&self) -> &B {
        &self.bytes
    }

    /// The key of a row. Fails beyond the last, and where its block is corrupt.
    pub fn key(&self, row: Row) -> Result<Key> {
        self.view().has(row)?;
        let start = self.layout.keys.start + KEY_BYTES * row.0 as usize;
        self.view().check(start, KEY_BYTES)?;
        Ok(self.key_at(start))
    }

    fn key_at(&self, start: usize) -> Key {
        let bytes = self.bytes.as_ref();
        [u64_at(bytes, start), u64_at(bytes, start + 8)]
    }

    /// All keys with their rows, ascending; equal keys by row.
    ///
    /// Checks all keys first: O(len), then O(1) each.
    pub fn by_key(&self) -> Result<impl Iterator<Item = (Key, Row)>> {
        let (keys, by_key) = (self.layout.keys.clone(), self.layout.by_key.clone());
        self.sums
            .check(self.bytes.as_ref(), &self.layout, keys.clone())?;
        self.sums
            .check(self.bytes.as_ref(), &self.layout, by_key.clone())?;
        let len = self.header.len as u32;
        let rows = self.bytes.as_ref()[by_key]
            .chunks_exact(4)
            .map(|four| u32_at(four, 0));
        let known = rows.filter(move |row| *row < len);
        Ok(known.map(move |row| (self.key_at(keys.start + KEY_BYTES * row as usize), Row(row))))
    }

    /// Adds the rows whose keys begin with a number, in order of their keys.
    ///
    /// Checks the keys it meets. Cost: O(log len + rows added).
    pub fn rows_of(&self, first: u64, out: &mut Vec<(Key, Row)>) -> Result<()> {
        let (mut low, mut high) = (0, self.header.len);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.ranked(middle)?.0[0] < first {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        for rank in low..self.header.len {
            let found = self.ranked(rank)?;
            if found.0[0] != first {
                break;
            }
            out.push(found);
        }
        Ok(())
    }

    /// The row of a key by the number of keys before it.
    fn ranked(&self, rank: usize) -> Result<(Key, Row)> {
        let start = self.layout.by_key.start + 4 * rank;
        self.view().check(start, 4)?;
        let row = Row(u32_at(self.bytes.as_ref(), start));
        Ok((self.key(row)?, row))
    }

    /// A row as it was given, to the bit. Fails beyond the last, and where its block is corrupt.
    pub fn vector(&self, row: Row) -> Result<Vec<f32>> {
        let view = self.view();
        view.has(row)?;
        let mut out = Vec::with_capacity(self.dim());
        match self.header.parameters.encoding {
            Encoding::Bf16 => view.join(row.0, &mut out)?,
            _ => {
                let start = self.layout.rows.start + self.layout.row_stride * row.0 as usize;
                let width = self.layout.row_width;
                view.check(start, width)?;
                let numbers = self.bytes.as_ref()[start..start + width].chunks_exact(4);
                out.extend(numbers.map(|four| f32_at(four, 0)));
            }
        }
        Ok(out)
    }

    /// Checks every byte that was not yet: after it, no search checks any.
    ///
    /// Fails with [`Error::Corrupt`] at the first block that is.
    pub fn verify(&self) -> Result<()> {
        self.sums.check_all(self.bytes.as_ref(), &self.layout)
    }

    /// The nearest rows that the walk finds, nearest first, ties by row; with their exact distances.
    ///
    /// - With a filter, those of its rows; exact where they are few.
    /// - Cost: about O(ef · m · dim) and O(log len) steps from layer to layer.
    /// - Fails with [`Error::Dimension`], [`Error::NotFinite`], [`Error::Filter`], [`Error::Corrupt`].
    pub fn search(
        &self,
        query: &[f32],
        ask: &Ask,
        scratch: &mut Scratch,
    ) -> Result<Vec<Neighbour>> {
        search::nearest(self.view(), query, ask, scratch)
    }

    /// The rows at most `radius` away, nearest first, ties by row; nearly all of them.
    ///
    /// The walk keeps more candidates until the farthest lies beyond the radius: O(found · m · dim).
    /// Fails as [`Segment::search`].
    pub fn within(
        &self,
        query: &[f32],
        radius: f32,
        filter: Option<&Bitmap>,
        scratch: &mut Scratch,
    ) -> Result<Vec<Neighbour>> {
        search::within(self.view(), query, radius, filter, scratch)
    }

    fn view(&self) -> View<'_> {
        View {
            bytes: self.bytes.as_ref(),
            header: &self.header,
            layout: &self.layout,
            sums: &self.sums,
            quantiser: self.quantiser.as_ref(),
        }
    }
}

impl View<'_> {
    /// Fails beyond the last row.
    fn has(&self, row: Row) -> Result<()> {
        let len = self.header.len;
        match (row.0 as usize) < len {
            true => Ok(()),
            false => Err(Error::NoSuchRow { row: row.0, len }),
        }
    }

    /// Sets `out` to a row whose numbers lie in two halves.
    pub(crate) fn join(&self, row: u32, out: &mut Vec<f32>) -> Result<()> {
        let layout = self.layout;
        let part = |section: &Range<usize>, stride: usize| {
            let start = section.start + stride * row as usize;
            self.check(start, layout.row_width)?;
            Ok(self.bytes[start..start + layout.row_width].as_chunks().0)
        };
        let upper = part(&layout.codes, layout.code_stride)?;
        let lower = part(&layout.rows, layout.row_stride)?;
        let wide = |half: &[u8; 2]| u32::from(u16::from_le_bytes(*half));
        let halves = upper.iter().zip(lower);
        out.clear();
        out.extend(halves.map(|(upper, lower)| f32::from_bits(wide(upper) << 16 | wide(lower))));
        Ok(())
    }

    /// Asks for the halves of a row that no walk has read.
    pub(crate) fn prefetch_lower(&self, row: u32) {
        let start = self.layout.rows.start + self.layout.row_stride * row as usize;
        simd::prefetch(&self.bytes[start..start + self.layout.row_width]);
    }

    /// Checks the blocks of some bytes of the sections, if any block was not yet.
    #[inline]
    pub(crate) fn check(&self, start: usize, width: usize) -> Result<()> {
        if self.sums.is_done() {
            return Ok(());
        }
        self.sums
            .check(self.bytes, self.layout, start..start + width)
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::build;
    use crate::distance::Distance;
    use crate::sums::seal;

    /// Whoever writes bytes can write their checksums: answers may be wrong then, but there is one.
    #[test]
    fn bytes_with_right_checksums_and_wrong_content_are_answered() {
        let (len, dim) = (300, 6);
        let rows: Vec<f32> = (0..len * dim)
            .map(|i| (i * 7919 % 1009) as f32 - 500.0)
            .collect();
        let keys: Vec<Key> = (0..len as u64).map(|row| [row, row]).collect();
        let mut bits = 1_u64;
        for (round, encoding) in [Encoding::F32, Encoding::Bf16, Encoding::F16, Encoding::Int8]
            .iter()
            .cycle()
            .take(120)
            .enumerate()
        {
            let parameters = Parameters {
                encoding: *encoding,
                m: 4,
                ..Parameters::of(dim, Distance::Cosine)
            };
            let go_on = |_| ControlFlow::Continue(());
            let mut bytes = build(&rows, &keys, &parameters, &go_on).unwrap();
            let (mut header, layout) = Header::read(&bytes).unwrap();
            for _ in 0..1 << (round % 12) {
                bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let at = 4096 + (bits >> 33) as usize % (layout.sums.start - 4096);
                bytes[at] = (bits >> 20) as u8;
            }
            seal(&mut bytes, &mut header, &layout).unwrap();
            let segment = Segment::open(bytes).unwrap();
            segment.verify().unwrap();
            let mut scratch = Scratch::default();
            let mut filter = Bitmap::empty(len);
            (0..len as u32)
                .step_by(3)
                .for_each(|row| assert!(filter.insert(Row(row))));
            for filter in [None, Some(&filter)] {
                let ask = Ask {
                    k: 10,
                    ef: 20,
                    filter,
                };
                let found = segment.search(&rows[..dim], &ask, &mut scratch).unwrap();
                assert!(found.iter().all(|one| (one.row.0 as usize) < len));
                segment
                    .within(&rows[..dim], 0.1, filter, &mut scratch)
                    .unwrap();
            }
            assert!(segment.by_key().unwrap().count() <= len);
        }
    }
}
