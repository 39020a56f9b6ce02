//! Checksums of blocks, checked when a block is first read.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, Result};
use crate::format::{BLOCK, Header, Layout, u64_at};

/// Which blocks were checked.
///
/// Bits are set and read without order between threads: at worst two check the same block.
#[derive(Debug)]
pub(crate) struct Sums {
    blocks: Vec<AtomicU64>,
    tables: Vec<AtomicU64>,
    /// Blocks that are not yet checked.
    left: AtomicUsize,
}

impl Sums {
    /// None is checked but the first, which the header covers itself, and the digests, which it covers too.
    pub(crate) fn open(bytes: &[u8], header: &Header, layout: &Layout) -> Result<Sums> {
        if xxh3_64(&bytes[layout.digests.clone()]) != header.digests {
            let at = layout.digests.start as u64;
            return Err(Error::Corrupt {
                part: "digests",
                at,
            });
        }
        let bits = |count: usize| (0..count.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        let blocks = layout.sums.start / BLOCK;
        let sums = Sums {
            blocks: bits(blocks),
            tables: bits(layout.sums.len().div_ceil(BLOCK)),
            left: AtomicUsize::new(blocks),
        };
        sums.mark(0);
        Ok(sums)
    }

    /// Whether every block of the sections was checked.
    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }

    /// Checks the blocks that some bytes of the sections lie in, but those that were checked before.
    #[inline]
    pub(crate) fn check(&self, bytes: &[u8], layout: &Layout, range: Range<usize>) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        for block in range.start / BLOCK..=(range.end - 1) / BLOCK {
            let word = self
                .blocks
                .get(block / 64)
                .map_or(0, |word| word.load(Ordering::Relaxed));
            if word >> (block % 64) & 1 == 0 {
                self.check_block(bytes, layout, block)?;
            }
        }
        Ok(())
    }

    #[cold]
    fn check_block(&self, bytes: &[u8], layout: &Layout, block: usize) -> Result<()> {
        let table = 8 * block / BLOCK;
        let word = &self.tables[table / 64];
        if word.load(Ordering::Relaxed) >> (table % 64) & 1 == 0 {
            let start = layout.sums.start + table * BLOCK;
            let digest = u64_at(bytes, layout.digests.start + 8 * table);
            if xxh3_64(&bytes[start..start + BLOCK]) != digest {
                return Err(Error::Corrupt {
                    part: "checksums",
                    at: start as u64,
                });
            }
            word.fetch_or(1 << (table % 64), Ordering::Relaxed);
        }
        let start = block * BLOCK;
        if xxh3_64(&bytes[start..start + BLOCK]) != u64_at(bytes, layout.sums.start + 8 * block) {
            return Err(Error::Corrupt {
                part: part_at(layout, start),
                at: start as u64,
            });
        }
        self.mark(block);
        Ok(())
    }

    /// Checks every block that was not yet.
    pub(crate) fn check_all(&self, bytes: &[u8], layout: &Layout) -> Result<()> {
        self.check(bytes, layout, 0..layout.sums.start)
    }

    fn mark(&self, block: usize) {
        let bit = 1 << (block % 64);
        if self.blocks[block / 64].fetch_or(bit, Ordering::Relaxed) & bit == 0 {
            self.left.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Writes the checksums of all that stands before them, and the header.
pub(crate) fn seal(bytes: &mut [u8], header: &mut Header, layout: &Layout) -> Result<()> {
    let (sections, rest) = bytes.split_at_mut(layout.sums.start);
    let (table, digests) = rest.split_at_mut(layout.digests.start - layout.sums.start);
    let sums: Vec<u64> = sections.par_chunks(BLOCK).map(xxh3_64).collect();
    // The first block cannot have one here: it covers, in the end, this very number.
    for (place, sum) in table.chunks_exact_mut(8).zip(sums).skip(1) {
        place.copy_from_slice(&sum.to_le_bytes());
    }
    for (place, block) in digests.chunks_exact_mut(8).zip(table.chunks(BLOCK)) {
        place.copy_from_slice(&xxh3_64(block).to_le_bytes());
    }
    header.digests = xxh3_64(digests);
    sections[..BLOCK].copy_from_slice(&header.to_bytes()?);
    Ok(())
}

/// The name of the section at a byte.
fn part_at(layout: &Layout, at: usize) -> &'static str {
    let sections = [
        (&layout.mean, "mean"),
        (&layout.upper, "upper layers"),
        (&layout.links, "links"),
        (&layout.codes, "codes"),
        (&layout.terms, "terms"),
        (&layout.inverse, "norms"),
        (&layout.rows, "rows"),
        (&layout.keys, "keys"),
        (&layout.by_key, "order of keys"),
    ];
    let covers = sections
        .iter()
        .rev()
        .find(|(range, _)| range.start <= at && at < range.end);
    covers.map_or("padding", |(_, name)| name)
}
