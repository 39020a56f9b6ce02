//! Where what stands in the bytes of a segment. `docs/format.md` has the table.

use std::ops::Range;

use xxhash_rust::xxh3::xxh3_64;

use crate::ask::{Encoding, Parameters, ROWS_MAX};
use crate::distance::Distance;
use crate::error::{Error, Result};

/// First bytes of every segment.
pub(crate) const MAGIC: [u8; 8] = *b"datavect";
/// The newest format that is read. Written is the oldest that can say what is to be said.
pub(crate) const FORMAT: u32 = 2;
/// The first format that may have rows in two halves.
const FORMAT_HALVES: u32 = 2;
/// Bytes that one checksum covers: a page, so that to check what a search reads reads no more of a mapped file.
pub(crate) const BLOCK: usize = 4096;
/// Most layers above the lowest.
pub(crate) const LAYERS_MAX: usize = 16;
/// Marks an absent neighbour; none follows it.
pub(crate) const NO_ROW: u32 = u32::MAX;
/// Bytes of a key.
pub(crate) const KEY_BYTES: usize = 16;
/// Bytes of the factor and the constant of a row of codes.
pub(crate) const TERM_BYTES: usize = 8;
/// Bytes that sections begin at multiples of: a cache line.
const ALIGN: u64 = 64;

/// Where the parts of the header begin.
mod at {
    pub(super) const FORMAT: usize = 8;
    pub(super) const DIM: usize = 12;
    pub(super) const LEN: usize = 16;
    pub(super) const M: usize = 20;
    pub(super) const EF: usize = 24;
    pub(super) const DISTANCE: usize = 28;
    pub(super) const ENCODING: usize = 29;
    pub(super) const LAYERS: usize = 30;
    pub(super) const SEED: usize = 32;
    pub(super) const TOTAL: usize = 40;
    pub(super) const DIGESTS: usize = 48;
    pub(super) const FACTOR: usize = 56;
    pub(super) const COUNTS: usize = 64;
    pub(super) const CHECK: usize = super::BLOCK - 8;
}

const _: () = assert!(at::COUNTS + 4 * LAYERS_MAX <= at::CHECK);
const _: () = assert!(at::CHECK + 8 == BLOCK);
const _: () = assert!(NO_ROW as usize > ROWS_MAX);

/// What the first block says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Header {
    pub(crate) parameters: Parameters,
    pub(crate) len: usize,
    /// Rows of each layer above the lowest, from below; those rows are the first of the segment.
    pub(crate) counts: Vec<u32>,
    /// What rows of halves were multiplied by.
    pub(crate) factor: f32,
    /// Checksum of the digests.
    pub(crate) digests: u64,
}

impl Header {
    /// The first block.
    pub(crate) fn to_bytes(&self) -> Result<[u8; BLOCK]> {
        let mut out = [0; BLOCK];
        let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
        let parameters = &self.parameters;
        put(0, &MAGIC);
        let format = match parameters.encoding {
            Encoding::Bf16 => FORMAT_HALVES,
            _ => 1,
        };
        put(at::FORMAT, &format.to_le_bytes());
        put(at::DIM, &(parameters.dim as u32).to_le_bytes());
        put(at::LEN, &(self.len as u32).to_le_bytes());
        put(at::M, &(parameters.m as u32).to_le_bytes());
        put(at::EF, &(parameters.ef_construction as u32).to_le_bytes());
        let distance = match parameters.distance {
            Distance::Euclidean => 0,
            Distance::Cosine => 1,
            Distance::InnerProduct => 2,
        };
        let encoding = match parameters.encoding {
            Encoding::F32 => 0,
            Encoding::F16 => 1,
            Encoding::Int8 => 2,
            Encoding::Bf16 => 3,
        };
        put(at::DISTANCE, &[distance, encoding, self.counts.len() as u8]);
        put(at::SEED, &parameters.seed.to_le_bytes());
        put(at::TOTAL, &self.layout()?.total.to_le_bytes());
        put(at::DIGESTS, &self.digests.to_le_bytes());
        put(at::FACTOR, &self.factor.to_le_bytes());
        for (i, count) in self.counts.iter().enumerate() {
            put(at::COUNTS + 4 * i, &count.to_le_bytes());
        }
        let check = xxh3_64(&out[..at::CHECK]);
        out[at::CHECK..].copy_from_slice(&check.to_le_bytes());
        Ok(out)
    }

    /// Reads the first block of `bytes`, all of which must be there.
    pub(crate) fn read(bytes: &[u8]) -> Result<(Header, Layout)> {
        let corrupt = |part, at: usize| Error::Corrupt {
            part,
            at: at as u64,
        };
        let block = bytes.get(..BLOCK).ok_or(corrupt("header", 0))?;
        if block[..8] != MAGIC {
            return Err(corrupt("magic", 0));
        }
        let found = u32_at(block, at::FORMAT);
        if !(1..=FORMAT).contains(&found) {
            return Err(Error::Format { found });
        }
        if u64_at(block, at::CHECK) != xxh3_64(&block[..at::CHECK]) {
            return Err(corrupt("header", 0));
        }
        let distance = match block[at::DISTANCE] {
            0 => Distance::Euclidean,
            1 => Distance::Cosine,
            2 => Distance::InnerProduct,
            _ => return Err(corrupt("distance", at::DISTANCE)),
        };
        let encoding = match block[at::ENCODING] {
            0 => Encoding::F32,
            1 => Encoding::F16,
            2 => Encoding::Int8,
            3 => Encoding::Bf16,
            _ => return Err(corrupt("encoding", at::ENCODING)),
        };
        let parameters = Parameters {
            dim: u32_at(block, at::DIM) as usize,
            distance,
            encoding,
            m: u32_at(block, at::M) as usize,
            ef_construction: u32_at(block, at::EF) as usize,
            seed: u64_at(block, at::SEED),
        };
        parameters
            .check()
            .map_err(|_| corrupt("parameters", at::DIM))?;
        let layers = usize::from(block[at::LAYERS]);
        let len = u32_at(block, at::LEN) as usize;
        if layers > LAYERS_MAX || len > ROWS_MAX {
            return Err(corrupt("sizes", at::LEN));
        }
        let counts: Vec<u32> = (0..layers)
            .map(|i| u32_at(block, at::COUNTS + 4 * i))
            .collect();
        let below = std::iter::once(len as u32).chain(counts.iter().copied());
        if below
            .zip(&counts)
            .any(|(below, count)| *count > below || *count == 0)
        {
            return Err(corrupt("layers", at::COUNTS));
        }
        let header = Header {
            parameters,
            len,
            counts,
            factor: f32::from_bits(u32_at(block, at::FACTOR)),
            digests: u64_at(block, at::DIGESTS),
        };
        let layout = header.layout()?;
        if layout.total != bytes.len() as u64 || layout.total != u64_at(block, at::TOTAL) {
            return Err(corrupt("length", at::TOTAL));
        }
        Ok((header, layout))
    }

    /// Where the sections stand.
    pub(crate) fn layout(&self) -> Result<Layout> {
        let Parameters {
            dim,
            m,
            distance,
            encoding,
            ..
        } = self.parameters;
        let (dim, m, len) = (dim as u64, m as u64, self.len as u64);
        let code_width = match encoding {
            Encoding::F32 => 0,
            Encoding::F16 | Encoding::Bf16 => 2 * dim,
            Encoding::Int8 => dim,
        };
        // Of rows in two halves the upper ones are codes.
        let row_width = match encoding {
            Encoding::Bf16 => 2 * dim,
            _ => 4 * dim,
        };
        let code_stride = stride(code_width);
        let row_stride = stride(row_width);
        let terms = if encoding == Encoding::Int8 {
            TERM_BYTES as u64
        } else {
            0
        };
        let inverse = if distance == Distance::Cosine { 4 } else { 0 };
        let mean = if encoding == Encoding::Int8 {
            4 * dim
        } else {
            0
        };
        let upper: u64 = self.counts.iter().map(|count| u64::from(*count)).sum();
        let mut end = BLOCK as u64;
        let mut next = |bytes: u64, align: u64| {
            let start = end.next_multiple_of(align);
            end = start + bytes;
            let fits = |n: u64| {
                usize::try_from(n).map_err(|_| Error::TooManyRows {
                    rows: self.len,
                    most: usize::MAX / (4 * self.parameters.dim),
                })
            };
            Ok::<_, Error>(fits(start)?..fits(end)?)
        };
        Ok(Layout {
            mean: next(mean, ALIGN)?,
            upper: next(4 * m * upper, ALIGN)?,
            links: next(8 * m * len, ALIGN)?,
            codes: next(code_stride * len, ALIGN)?,
            terms: next(terms * len, ALIGN)?,
            inverse: next(inverse * len, ALIGN)?,
            rows: next(row_stride * len, ALIGN)?,
            keys: next(KEY_BYTES as u64 * len, ALIGN)?,
            by_key: next(4 * len, ALIGN)?,
            sums: next(0, BLOCK as u64)?,
            digests: 0..0,
            total: 0,
            row_width: row_width as usize,
            row_stride: row_stride as usize,
            code_width: code_width as usize,
            code_stride: code_stride as usize,
        }
        .with_sums())
    }
}

/// Where the sections of a segment stand, in bytes.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) mean: Range<usize>,
    pub(crate) upper: Range<usize>,
    pub(crate) links: Range<usize>,
    pub(crate) codes: Range<usize>,
    pub(crate) terms: Range<usize>,
    pub(crate) inverse: Range<usize>,
    pub(crate) rows: Range<usize>,
    pub(crate) keys: Range<usize>,
    pub(crate) by_key: Range<usize>,
    /// A checksum for each block before.
    pub(crate) sums: Range<usize>,
    /// A checksum for each block of checksums.
    pub(crate) digests: Range<usize>,
    pub(crate) total: u64,
    pub(crate) row_width: usize,
    pub(crate) row_stride: usize,
    pub(crate) code_width: usize,
    pub(crate) code_stride: usize,
}

impl Layout {
    /// Adds what covers the sections, which end where `sums` begins.
    fn with_sums(mut self) -> Layout {
        let start = self.sums.start;
        self.sums = start..start + 8 * (start / BLOCK);
        let digests = self.sums.end.next_multiple_of(BLOCK);
        self.digests = digests..digests + 8 * self.sums.len().div_ceil(BLOCK);
        self.total = self.digests.end as u64;
        self
    }
}

/// Bytes from row to row: whole cache lines where that wastes little.
fn stride(width: u64) -> u64 {
    let lines = width.next_multiple_of(ALIGN);
    if lines - width <= width / 24 {
        lines
    } else {
        width.next_multiple_of(4)
    }
}

/// The number at a byte that must be there.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut four = [0; 4];
    four.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(four)
}

/// The number at a byte that must be there.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(eight)
}

/// The number at a byte that must be there.
pub(crate) fn f32_at(bytes: &[u8], at: usize) -> f32 {
    f32::from_bits(u32_at(bytes, at))
}
