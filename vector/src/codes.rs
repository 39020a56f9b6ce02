//! Rows as codes of 8 or 16 bits.
//!
//! A row of 8 bits is `mean + scale · code`, with a scale of its own. Distances between codes are those of the rows
//! that they stand for, so that the error grows with the distance and not with the length of the rows.

use crate::distance::{Distance, inverse_norm};

/// Added to the codes of stored rows, which are `u8`; queries are `i8`.
const OFFSET: i32 = 128;
/// Largest code.
const CODE_MAX: f32 = 127.0;

/// What codes of 8 bits are relative to.
#[derive(Clone, Debug)]
pub(crate) struct Quantiser {
    distance: Distance,
    pub(crate) mean: Vec<f32>,
    /// Part of each distance that is the same for all.
    shift: f32,
}

/// What a row's code is multiplied by, and what its distances begin with.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Term {
    pub(crate) scale: f32,
    pub(crate) start: f32,
}

/// A query as code: from the products of codes to distances.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Coded {
    factor: f32,
    start: f32,
    offset: i32,
}

impl Coded {
    /// The distance of a row, for the sum of its products with the query's code.
    #[inline]
    pub(crate) fn apart(&self, product: i32, term: Term) -> f32 {
        self.start + term.start - self.factor * term.scale * (product - self.offset) as f32
    }
}

impl Quantiser {
    /// Relative to the mean of `rows`: `[rows × dim]`, row-major.
    pub(crate) fn of_rows(rows: &[f32], dim: usize, distance: Distance) -> Quantiser {
        let mut sums = vec![0.0_f64; dim];
        for row in rows.chunks_exact(dim) {
            let inverse = scaling(distance, row);
            for (sum, x) in sums.iter_mut().zip(row) {
                *sum += f64::from(*x * inverse);
            }
        }
        let count = (rows.len() / dim).max(1) as f64;
        Quantiser::with_mean(
            sums.iter().map(|sum| (sum / count) as f32).collect(),
            distance,
        )
    }

    pub(crate) fn with_mean(mean: Vec<f32>, distance: Distance) -> Quantiser {
        let shift = match distance {
            Distance::InnerProduct => 1.0 - mean.iter().map(|x| x * x).sum::<f32>(),
            _ => 0.0,
        };
        Quantiser {
            distance,
            mean,
            shift,
        }
    }

    /// Puts a row's code into `code`, of `i8`.
    pub(crate) fn encode(&self, row: &[f32], code: &mut [i8]) -> Term {
        let inverse = scaling(self.distance, row);
        let moved = || {
            row.iter()
                .zip(&self.mean)
                .map(|(x, mean)| x * inverse - mean)
        };
        let most = moved().fold(0.0_f32, |most, x| most.max(x.abs()));
        let scale = most / CODE_MAX;
        let per = if scale > 0.0 { 1.0 / scale } else { 0.0 };
        let mut squares = 0.0;
        let mut along = 0.0;
        for ((place, x), mean) in code.iter_mut().zip(moved()).zip(&self.mean) {
            let rounded = (x * per).round_ties_even();
            *place = rounded as i8;
            squares += rounded * rounded;
            along += rounded * mean;
        }
        let start = match self.distance {
            Distance::Euclidean => squares * scale * scale,
            // Two, not one, from every row of length one: as far as a row at a right angle.
            Distance::Cosine if inverse == 0.0 => squares * scale * scale + 1.0,
            Distance::Cosine => squares * scale * scale,
            Distance::InnerProduct => -along * scale,
        };
        Term { scale, start }
    }

    /// A row or query as the one that distances are measured from.
    pub(crate) fn coded(&self, code: &[i8], term: Term) -> Coded {
        let sum: i32 = code.iter().map(|x| i32::from(*x)).sum();
        let factor = match self.distance {
            Distance::InnerProduct => 1.0,
            _ => 2.0,
        };
        Coded {
            factor: factor * term.scale,
            start: term.start + self.shift,
            offset: OFFSET * sum,
        }
    }
}

/// What a row is multiplied by before it is coded: cosines compare rows of length one.
pub(crate) fn scaling(distance: Distance, row: &[f32]) -> f32 {
    match distance {
        Distance::Cosine => inverse_norm(row),
        _ => 1.0,
    }
}

/// A code as it is stored.
pub(crate) fn stored(code: i8) -> u8 {
    code as u8 ^ 0x80
}

/// A stored code as a query.
pub(crate) fn asked(code: u8) -> i8 {
    (code ^ 0x80) as i8
}

/// A power of two that brings all numbers of `rows` into the middle of what halves can say.
pub(crate) fn half_factor(rows: &[f32], distance: Distance) -> f32 {
    let most = rows.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    if distance == Distance::Cosine || most == 0.0 {
        return 1.0;
    }
    let exponent = (most.to_bits() >> 23) as i32 - 127;
    2.0_f32.powi((4 - exponent).clamp(-126, 126))
}

/// The nearest half, ties to even; infinite beyond the largest.
pub(crate) fn to_half(x: f32) -> u16 {
    let bits = x.to_bits();
    let sign = (bits >> 16 & 0x8000) as u16;
    let size = f32::from_bits(bits & 0x7fff_ffff);
    if size.is_nan() {
        return sign | 0x7e00;
    }
    if size >= 65_520.0 {
        return sign | 0x7c00;
    }
    if size < 1.0 / 16_384.0 {
        // Below the normal halves: a count of 2^-24.
        return sign | (size * 16_777_216.0).round_ties_even() as u16;
    }
    let kept = size.to_bits() - (112 << 23);
    let odd = kept >> 13 & 1;
    sign | ((kept + 0xfff + odd) >> 13) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::half_to_f32;

    #[test]
    fn halves_are_the_nearest() {
        for bits in 0..0x7c00_u16 {
            let (x, above) = (half_to_f32(bits), half_to_f32(bits + 1));
            assert_eq!((to_half(x), to_half(-x)), (bits, bits | 0x8000));
            if above.is_finite() {
                let middle = (x + above) / 2.0;
                assert_eq!(to_half(middle), bits + (bits & 1), "{x}");
                assert_eq!(to_half(middle * 1.00001), bits + 1, "{x}");
            }
        }
        assert_eq!((to_half(1e9), to_half(f32::NAN)), (0x7c00, 0x7e00));
    }

    #[test]
    fn codes_stand_for_their_rows() {
        let rows: Vec<f32> = (0..40).map(|i| ((i * 37) % 19) as f32 - 3.0).collect();
        for distance in [
            Distance::Euclidean,
            Distance::Cosine,
            Distance::InnerProduct,
        ] {
            let quantiser = Quantiser::of_rows(&rows, 8, distance);
            let code = |row: &[f32]| {
                let mut code = vec![0; 8];
                let term = quantiser.encode(row, &mut code);
                (code, term)
            };
            for a in rows.chunks(8) {
                for b in rows.chunks(8) {
                    let ((a_code, a_term), (b_code, b_term)) = (code(a), code(b));
                    let pairs = a_code.iter().zip(&b_code);
                    let product = pairs
                        .map(|(a, b)| i32::from(*a) * i32::from(stored(*b)))
                        .sum();
                    let apart = quantiser.coded(&a_code, a_term).apart(product, b_term);
                    let expected = match distance {
                        Distance::Cosine => 2.0 * distance.between(a, b),
                        _ => distance.between(a, b),
                    };
                    let bound = 0.02 * (1.0 + expected.abs());
                    assert!(
                        (apart - expected).abs() < bound,
                        "{distance:?} {apart} {expected}"
                    );
                }
            }
        }
    }
}
