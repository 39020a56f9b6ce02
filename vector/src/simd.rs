//! Distances of one query to many rows, by what the processor has.
//!
//! The only unsafe code of this crate. Each kernel has a scalar twin; a test compares them. Rows are bytes of any
//! alignment: `f32`, `f16` or the upper halves of `f32`, in little-endian order, or codes of 8 bits.
#![expect(
    unsafe_code,
    reason = "vector instructions; each block says why it is sound"
)]

use std::sync::OnceLock;

#[cfg(target_endian = "big")]
compile_error!("segments are read in place, as little-endian numbers");

/// Rows that kernels read: row `i` is the `width` bytes from `i * stride`.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) stride: usize,
    pub(crate) width: usize,
}

impl<'a> Rows<'a> {
    /// The bytes of one row. Panics beyond the last.
    pub(crate) fn row(&self, row: u32) -> &'a [u8] {
        &self.bytes[row as usize * self.stride..][..self.width]
    }
}

/// What a kernel sums, over which numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sum {
    SquaresF32,
    ProductsF32,
    SquaresF16,
    ProductsF16,
    SquaresBf16,
    ProductsBf16,
}

/// The numbers of a row: `f32`.
const FULL: u8 = 0;
/// `f16`.
const HALF: u8 = 1;
/// The upper halves of `f32`.
const UPPER: u8 = 2;

/// Bytes of a number.
const fn size(form: u8) -> usize {
    if form == FULL { 4 } else { 2 }
}

/// The widest instructions that kernels may use here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "aarch64")]
    Neon,
}

/// Found once; a library does not ask the processor for each row.
fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| levels().pop().unwrap_or(Level::Scalar))
}

/// What this processor has, the widest last.
fn levels() -> Vec<Level> {
    let mut levels = vec![Level::Scalar];
    #[cfg(target_arch = "x86_64")]
    {
        let avx2 = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni");
        levels.extend(avx2.then_some(Level::Avx2));
        levels.extend((avx2 && avx512).then_some(Level::Avx512));
    }
    #[cfg(target_arch = "aarch64")]
    levels.push(Level::Neon);
    levels
}

/// The bytes of numbers, as they stand in memory.
pub(crate) fn bytes_of(numbers: &[f32]) -> &[u8] {
    // SAFETY: any byte is a `u8`, which needs no alignment; the length is that of the same slice.
    unsafe { std::slice::from_raw_parts(numbers.as_ptr().cast(), size_of_val(numbers)) }
}

/// The sum of the squares of the differences to a row of `f32`.
pub(crate) fn squared(query: &[f32], row: &[u8]) -> f32 {
    one(level(), Sum::SquaresF32, query, row)
}

/// The sum of the products with a row of `f32`.
pub(crate) fn dot(query: &[f32], row: &[u8]) -> f32 {
    one(level(), Sum::ProductsF32, query, row)
}

/// Sets `out` to one sum for each of `ids`; reads ahead into the caches.
///
/// Panics where a row lies beyond the bytes or is not as wide as the query.
pub(crate) fn gather(sum: Sum, query: &[f32], rows: Rows, ids: &[u32], out: &mut Vec<f32>) {
    let wide = match sum {
        Sum::SquaresF32 | Sum::ProductsF32 => 4,
        _ => 2,
    };
    assert!(
        rows.width >= query.len() * wide,
        "rows as wide as the query"
    );
    match sum {
        Sum::SquaresF32 => gather_by::<true, FULL>(level(), query, rows, ids, out),
        Sum::ProductsF32 => gather_by::<false, FULL>(level(), query, rows, ids, out),
        Sum::SquaresF16 => gather_by::<true, HALF>(level(), query, rows, ids, out),
        Sum::ProductsF16 => gather_by::<false, HALF>(level(), query, rows, ids, out),
        Sum::SquaresBf16 => gather_by::<true, UPPER>(level(), query, rows, ids, out),
        Sum::ProductsBf16 => gather_by::<false, UPPER>(level(), query, rows, ids, out),
    }
}

/// Sets `out` to the sum of the products with codes `0..=255` for each of `ids`; reads ahead.
///
/// Panics where a row lies beyond the bytes or is not as wide as the query.
pub(crate) fn gather_codes(query: &[i8], rows: Rows, ids: &[u32], out: &mut Vec<i32>) {
    assert!(rows.width >= query.len(), "rows as wide as the query");
    gather_codes_by(level(), query, rows, ids, out);
}

fn gather_codes_by(level: Level, query: &[i8], rows: Rows, ids: &[u32], out: &mut Vec<i32>) {
    out.clear();
    match level {
        Level::Scalar => out.extend(ids.iter().map(|id| codes_scalar(query, rows.row(*id)))),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `level` answers what the processor has.
        Level::Avx2 => unsafe { x86::gather_codes_256(query, rows, ids, out) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Avx512 => unsafe { x86::gather_codes_512(query, rows, ids, out) },
        #[cfg(target_arch = "aarch64")]
        Level::Neon => out.extend(ids.iter().map(|id| neon::codes(query, rows.row(*id)))),
    }
}

/// Asks for the cache lines of some bytes, which will be read soon.
#[inline]
pub(crate) fn prefetch(bytes: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    for line in bytes.chunks(64) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing a program could see, wherever it points; SSE is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = bytes;
}

/// Asks for the cache lines of row numbers, which will be read soon.
#[inline]
pub(crate) fn prefetch_rows(rows: &[u32]) {
    // SAFETY: any byte is a `u8`, which needs no alignment; the length is that of the same slice.
    prefetch(unsafe { std::slice::from_raw_parts(rows.as_ptr().cast(), size_of_val(rows)) });
}

fn one(level: Level, sum: Sum, query: &[f32], row: &[u8]) -> f32 {
    match sum {
        Sum::SquaresF32 => one_by::<true, FULL>(level, query, row),
        Sum::ProductsF32 => one_by::<false, FULL>(level, query, row),
        Sum::SquaresF16 => one_by::<true, HALF>(level, query, row),
        Sum::ProductsF16 => one_by::<false, HALF>(level, query, row),
        Sum::SquaresBf16 => one_by::<true, UPPER>(level, query, row),
        Sum::ProductsBf16 => one_by::<false, UPPER>(level, query, row),
    }
}

fn one_by<const SQUARES: bool, const FORM: u8>(level: Level, query: &[f32], row: &[u8]) -> f32 {
    match level {
        Level::Scalar => sum_scalar::<SQUARES, FORM>(query, row),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `level` comes from `levels`, which names only what the processor has.
        Level::Avx2 => unsafe { x86::sum_256::<SQUARES, FORM>(query, row) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Avx512 => unsafe { x86::sum_512::<SQUARES, FORM>(query, row) },
        #[cfg(target_arch = "aarch64")]
        Level::Neon => neon::sum::<SQUARES, FORM>(query, row),
    }
}

fn gather_by<const SQUARES: bool, const FORM: u8>(
    level: Level,
    query: &[f32],
    rows: Rows,
    ids: &[u32],
    out: &mut Vec<f32>,
) {
    out.clear();
    match level {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `level` comes from `levels`, which names only what the processor has.
        Level::Avx2 => unsafe { x86::gather_256::<SQUARES, FORM>(query, rows, ids, out) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Avx512 => unsafe { x86::gather_512::<SQUARES, FORM>(query, rows, ids, out) },
        _ => {
            let of = |id: &u32| one_by::<SQUARES, FORM>(level, query, rows.row(*id));
            out.extend(ids.iter().map(of));
        }
    }
}

/// The twin of the kernels for numbers. A row shorter than the query ends the sum.
fn sum_scalar<const SQUARES: bool, const FORM: u8>(query: &[f32], row: &[u8]) -> f32 {
    let term = |q: &f32, x: f32| match SQUARES {
        true => (q - x) * (q - x),
        false => q * x,
    };
    if FORM != FULL {
        let halves = row
            .chunks_exact(2)
            .map(|b| number_of::<FORM>(u16::from_le_bytes([b[0], b[1]])));
        query.iter().zip(halves).map(|(q, x)| term(q, x)).sum()
    } else {
        let singles = row
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        query.iter().zip(singles).map(|(q, x)| term(q, x)).sum()
    }
}

/// The twin of the kernels for codes.
fn codes_scalar(query: &[i8], row: &[u8]) -> i32 {
    let pairs = query.iter().zip(row);
    pairs.map(|(q, x)| i32::from(*q) * i32::from(*x)).sum()
}

/// The number that 16 bits stand for.
#[inline]
fn number_of<const FORM: u8>(bits: u16) -> f32 {
    match FORM {
        UPPER => f32::from_bits(u32::from(bits) << 16),
        _ => half_to_f32(bits),
    }
}

/// The number that the bits of a half stand for.
pub(crate) fn half_to_f32(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let rest = u32::from(bits & 0x7fff);
    match rest {
        // Zero and what is below the normal numbers: a count of 2^-24.
        0..0x400 => f32::from_bits((rest as f32 / 16_777_216.0).to_bits() | sign),
        0x400..0x7c00 => f32::from_bits(sign | ((rest << 13) + (112 << 23))),
        _ => f32::from_bits(sign | 0x7f80_0000 | (rest & 0x3ff) << 13),
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{HALF, Rows, UPPER, codes_scalar, prefetch, size, sum_scalar};

    /// Bytes that are asked for before they are summed: as much as is on its way at once.
    const AHEAD_BYTES: usize = 8192;

    /// Rows that are asked for before they are summed.
    fn ahead(rows: &Rows) -> usize {
        (AHEAD_BYTES / rows.width.max(1)).clamp(4, 16)
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c")]
    pub(super) fn gather_512<const SQUARES: bool, const FORM: u8>(
        query: &[f32],
        rows: Rows,
        ids: &[u32],
        out: &mut Vec<f32>,
    ) {
        let ahead = ahead(&rows);
        let first = ids.iter().take(ahead);
        first.for_each(|id| prefetch(rows.row(*id)));
        for (i, id) in ids.iter().enumerate() {
            if let Some(next) = ids.get(i + ahead) {
                prefetch(rows.row(*next));
            }
            out.push(sum_512::<SQUARES, FORM>(query, rows.row(*id)));
        }
    }

    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) fn gather_256<const SQUARES: bool, const FORM: u8>(
        query: &[f32],
        rows: Rows,
        ids: &[u32],
        out: &mut Vec<f32>,
    ) {
        let ahead = ahead(&rows);
        let first = ids.iter().take(ahead);
        first.for_each(|id| prefetch(rows.row(*id)));
        for (i, id) in ids.iter().enumerate() {
            if let Some(next) = ids.get(i + ahead) {
                prefetch(rows.row(*next));
            }
            out.push(sum_256::<SQUARES, FORM>(query, rows.row(*id)));
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c")]
    #[inline]
    pub(super) fn sum_512<const SQUARES: bool, const FORM: u8>(query: &[f32], row: &[u8]) -> f32 {
        let size = size(FORM);
        let dim = query.len().min(row.len() / size);
        let mut sums = [_mm512_setzero_ps(); 4];
        let mut at = 0;
        while at + 64 <= dim {
            for (lane, sum) in sums.iter_mut().enumerate() {
                *sum = step_512::<SQUARES, FORM>(*sum, query, row, at + 16 * lane, u16::MAX);
            }
            at += 64;
        }
        let mut lane = 0;
        while at < dim {
            let mask = if dim - at >= 16 {
                u16::MAX
            } else {
                (1 << (dim - at)) - 1
            };
            sums[lane] = step_512::<SQUARES, FORM>(sums[lane], query, row, at, mask);
            lane += 1;
            at += 16;
        }
        let halves = _mm512_add_ps(
            _mm512_add_ps(sums[0], sums[1]),
            _mm512_add_ps(sums[2], sums[3]),
        );
        _mm512_reduce_add_ps(halves)
    }

    /// Adds 16 terms from `at`; those without a bit in `mask` are not read.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c")]
    #[inline]
    fn step_512<const SQUARES: bool, const FORM: u8>(
        sum: __m512,
        query: &[f32],
        row: &[u8],
        at: usize,
        mask: u16,
    ) -> __m512 {
        // SAFETY: `sum_512` calls with `at` and `mask` such that each number read lies below `dim`, the shorter of
        // the query and the row; masked loads do not touch the others. Unaligned loads.
        let (q, x) = unsafe {
            let q = _mm512_maskz_loadu_ps(mask, query.as_ptr().add(at));
            let halves = row.as_ptr().cast::<i16>().wrapping_add(at);
            let x = match FORM {
                HALF => _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, halves)),
                UPPER => {
                    let wide = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, halves));
                    _mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide))
                }
                _ => _mm512_maskz_loadu_ps(mask, row.as_ptr().cast::<f32>().add(at)),
            };
            (q, x)
        };
        if SQUARES {
            let apart = _mm512_sub_ps(q, x);
            _mm512_fmadd_ps(apart, apart, sum)
        } else {
            _mm512_fmadd_ps(q, x, sum)
        }
    }

    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    pub(super) fn sum_256<const SQUARES: bool, const FORM: u8>(query: &[f32], row: &[u8]) -> f32 {
        let size = size(FORM);
        let dim = query.len().min(row.len() / size);
        let mut sums = [_mm256_setzero_ps(); 4];
        let mut at = 0;
        while at + 8 <= dim {
            let lane = at / 8 % 4;
            // SAFETY: eight numbers from `at` end at most at `dim`, the shorter of both. Unaligned loads.
            let (q, x) = unsafe {
                let q = _mm256_loadu_ps(query.as_ptr().add(at));
                let x = match FORM {
                    HALF => _mm256_cvtph_ps(_mm_loadu_si128(row.as_ptr().add(2 * at).cast())),
                    UPPER => {
                        let eight = _mm_loadu_si128(row.as_ptr().add(2 * at).cast());
                        let wide = _mm256_cvtepu16_epi32(eight);
                        _mm256_castsi256_ps(_mm256_slli_epi32::<16>(wide))
                    }
                    _ => _mm256_loadu_ps(row.as_ptr().add(4 * at).cast()),
                };
                (q, x)
            };
            let (a, b) = if SQUARES {
                (_mm256_sub_ps(q, x), _mm256_sub_ps(q, x))
            } else {
                (q, x)
            };
            sums[lane] = _mm256_fmadd_ps(a, b, sums[lane]);
            at += 8;
        }
        let all = _mm256_add_ps(
            _mm256_add_ps(sums[0], sums[1]),
            _mm256_add_ps(sums[2], sums[3]),
        );
        let four = _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps::<1>(all));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        let one = _mm_add_ss(two, _mm_movehdup_ps(two));
        _mm_cvtss_f32(one) + sum_scalar::<SQUARES, FORM>(&query[at..], &row[at * size..])
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c")]
    pub(super) fn gather_codes_512(query: &[i8], rows: Rows, ids: &[u32], out: &mut Vec<i32>) {
        let ahead = ahead(&rows);
        let first = ids.iter().take(ahead);
        first.for_each(|id| prefetch(rows.row(*id)));
        for (i, id) in ids.iter().enumerate() {
            if let Some(next) = ids.get(i + ahead) {
                prefetch(rows.row(*next));
            }
            out.push(codes_512(query, rows.row(*id)));
        }
    }

    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) fn gather_codes_256(query: &[i8], rows: Rows, ids: &[u32], out: &mut Vec<i32>) {
        let ahead = ahead(&rows);
        let first = ids.iter().take(ahead);
        first.for_each(|id| prefetch(rows.row(*id)));
        for (i, id) in ids.iter().enumerate() {
            if let Some(next) = ids.get(i + ahead) {
                prefetch(rows.row(*next));
            }
            out.push(codes_256(query, rows.row(*id)));
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c")]
    #[inline]
    fn codes_512(query: &[i8], row: &[u8]) -> i32 {
        let dim = query.len().min(row.len());
        let mut sums = [_mm512_setzero_si512(); 2];
        let mut at = 0;
        while at + 128 <= dim {
            sums[0] = codes_step_512(sums[0], query, row, at, u64::MAX);
            sums[1] = codes_step_512(sums[1], query, row, at + 64, u64::MAX);
            at += 128;
        }
        // Each sum by its own number: one by a variable would lie in memory.
        for (lane, sum) in sums.iter_mut().enumerate() {
            let left = dim.saturating_sub(at + 64 * lane);
            if left > 0 {
                let mask = if left >= 64 {
                    u64::MAX
                } else {
                    (1 << left) - 1
                };
                *sum = codes_step_512(*sum, query, row, at + 64 * lane, mask);
            }
        }
        _mm512_reduce_add_epi32(_mm512_add_epi32(sums[0], sums[1]))
    }

    /// Adds 64 products from `at`; those without a bit in `mask` are not read.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c")]
    #[inline]
    fn codes_step_512(sum: __m512i, query: &[i8], row: &[u8], at: usize, mask: u64) -> __m512i {
        // SAFETY: `codes_512` calls with `at` and `mask` such that each byte read lies below `dim`, the shorter of the
        // query and the row; masked loads do not touch the others.
        let (q, x) = unsafe {
            let q = _mm512_maskz_loadu_epi8(mask, query.as_ptr().add(at));
            let x = _mm512_maskz_loadu_epi8(mask, row.as_ptr().add(at).cast());
            (q, x)
        };
        _mm512_dpbusd_epi32(sum, x, q)
    }

    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    fn codes_256(query: &[i8], row: &[u8]) -> i32 {
        let dim = query.len().min(row.len());
        let mut sum = _mm256_setzero_si256();
        let mut at = 0;
        while at + 16 <= dim {
            // SAFETY: sixteen bytes from `at` end at most at `dim`, the shorter of both. Unaligned loads.
            let (q, x) = unsafe {
                let q = _mm_loadu_si128(query.as_ptr().add(at).cast());
                (q, _mm_loadu_si128(row.as_ptr().add(at).cast()))
            };
            let products = _mm256_madd_epi16(_mm256_cvtepi8_epi16(q), _mm256_cvtepu8_epi16(x));
            sum = _mm256_add_epi32(sum, products);
            at += 16;
        }
        let four = _mm_add_epi32(
            _mm256_castsi256_si128(sum),
            _mm256_extracti128_si256::<1>(sum),
        );
        let two = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));
        let one = _mm_add_epi32(two, _mm_shuffle_epi32::<1>(two));
        _mm_cvtsi128_si32(one) + codes_scalar(&query[at..], &row[at..])
    }
}

#[cfg(target_arch = "aarch64")]
mod neon {
    use std::arch::aarch64::*;

    use super::{FULL, codes_scalar, number_of, size, sum_scalar};

    /// Halves are widened one by one: conversions of vectors need more than NEON has everywhere.
    pub(super) fn sum<const SQUARES: bool, const FORM: u8>(query: &[f32], row: &[u8]) -> f32 {
        let size = size(FORM);
        let dim = query.len().min(row.len() / size);
        let mut at = 0;
        // SAFETY: NEON is part of AArch64; four numbers from `at` end at most at `dim`, the shorter of both.
        let total = unsafe {
            let mut sum = vdupq_n_f32(0.0);
            while at + 4 <= dim {
                let q = vld1q_f32(query.as_ptr().add(at));
                let x = if FORM != FULL {
                    let half = |i: usize| {
                        number_of::<FORM>(u16::from_le_bytes([row[2 * i], row[2 * i + 1]]))
                    };
                    let four = [half(at), half(at + 1), half(at + 2), half(at + 3)];
                    vld1q_f32(four.as_ptr())
                } else {
                    vreinterpretq_f32_u8(vld1q_u8(row.as_ptr().add(4 * at)))
                };
                let (a, b) = if SQUARES {
                    (vsubq_f32(q, x), vsubq_f32(q, x))
                } else {
                    (q, x)
                };
                sum = vfmaq_f32(sum, a, b);
                at += 4;
            }
            vaddvq_f32(sum)
        };
        total + sum_scalar::<SQUARES, FORM>(&query[at..], &row[at * size..])
    }

    pub(super) fn codes(query: &[i8], row: &[u8]) -> i32 {
        let dim = query.len().min(row.len());
        let mut at = 0;
        // SAFETY: NEON is part of AArch64; eight bytes from `at` end at most at `dim`, the shorter of both.
        let total = unsafe {
            let mut sum = vdupq_n_s32(0);
            while at + 8 <= dim {
                let q = vmovl_s8(vld1_s8(query.as_ptr().add(at)));
                let x = vreinterpretq_s16_u16(vmovl_u8(vld1_u8(row.as_ptr().add(at))));
                sum = vmlal_s16(sum, vget_low_s16(q), vget_low_s16(x));
                sum = vmlal_s16(sum, vget_high_s16(q), vget_high_s16(x));
                at += 8;
            }
            vaddvq_s32(sum)
        };
        total + codes_scalar(&query[at..], &row[at..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers between -1 and 1 that look random.
    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2_654_435_769) | 1;
        let draw = |_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as f32 / (u32::MAX / 2) as f32 - 1.0
        };
        (0..count).map(draw).collect()
    }

    /// Lengths around those of vectors.
    const DIMS: [usize; 17] = [
        0, 1, 3, 7, 8, 15, 16, 17, 63, 64, 65, 100, 127, 128, 129, 384, 1000,
    ];

    /// Sums differ by rounding only: by less than 4e-6 for each term, none of which is above 4.
    #[test]
    fn kernels_agree_with_their_twin() {
        let sums = [
            (Sum::SquaresF32, 4),
            (Sum::ProductsF32, 4),
            (Sum::SquaresF16, 2),
            (Sum::ProductsF16, 2),
            (Sum::SquaresBf16, 2),
            (Sum::ProductsBf16, 2),
        ];
        for (dim, (sum, size)) in DIMS.iter().flat_map(|dim| sums.map(|sum| (*dim, sum))) {
            let query = numbers(dim, 7);
            let singles = numbers(dim, 8);
            let mut row = vec![0]; // Not aligned.
            match size {
                4 => row.extend(bytes_of(&singles)),
                _ => row.extend((0..dim).flat_map(|i| (i as u16 * 37 % 0x3c00).to_le_bytes())),
            }
            let row = &row[1..];
            let expected = one(Level::Scalar, sum, &query, row);
            for level in levels() {
                let found = one(level, sum, &query, row);
                let bound = 4e-6 * dim as f32;
                assert!((found - expected).abs() <= bound, "{sum:?} {level:?} {dim}");
            }
            let rows = Rows {
                bytes: row,
                stride: 0,
                width: row.len(),
            };
            let mut out = Vec::new();
            gather(sum, &query, rows, &[0, 0, 0, 0, 0], &mut out);
            assert!(
                out.iter()
                    .all(|found| *found == one(level(), sum, &query, row))
            );
            assert_eq!(out.len(), 5);
        }
    }

    #[test]
    fn sums_of_codes_are_the_same_everywhere() {
        for dim in DIMS {
            let query: Vec<i8> = (0..dim).map(|i| (i * 89 % 255) as i8).collect();
            let row: Vec<u8> = (0..dim).map(|i| (255 - i * 31 % 256) as u8).collect();
            let expected = codes_scalar(&query, &row);
            let rows = Rows {
                bytes: &row,
                stride: 0,
                width: dim,
            };
            for level in levels() {
                let mut out = Vec::new();
                gather_codes_by(level, &query, rows, &[0, 0, 0, 0, 0, 0, 0], &mut out);
                assert_eq!(out, [expected; 7], "{level:?} {dim}");
            }
        }
    }

    #[test]
    fn halves_have_their_values() {
        for (bits, x) in [
            (0, 0.0),
            (1, 2.0_f32.powi(-24)),
            (0x3c00, 1.0),
            (0xc000, -2.0),
        ] {
            assert_eq!(half_to_f32(bits), x);
        }
        assert_eq!(half_to_f32(0x7c00), f32::INFINITY);
        assert!(half_to_f32(0x7e00).is_nan());
    }
}
