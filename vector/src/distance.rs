//! How far apart two rows are, and the exact search that any graph is measured against.

use crate::simd;

/// How far apart two rows are; smaller is nearer for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Distance {
    /// The square of the Euclidean distance.
    Euclidean,
    /// One minus the cosine of the angle; 1 for a row of zeros.
    Cosine,
    /// One minus the inner product.
    InnerProduct,
}

impl Distance {
    /// The distance between two rows of equal length.
    ///
    /// The same to the bit as [`nearest`] and a segment answer on the same machine.
    /// Panics if the lengths differ.
    pub fn between(self, a: &[f32], b: &[f32]) -> f32 {
        assert_eq!(a.len(), b.len(), "rows of one index have one length");
        self.apart(a, inverse_norm(a), b)
    }

    /// The distance of a row to a query, of which `inverse` is the [`inverse_norm`].
    fn apart(self, query: &[f32], inverse: f32, row: &[f32]) -> f32 {
        let there = simd::bytes_of(row);
        match self {
            Distance::Euclidean => simd::squared(query, there),
            Distance::InnerProduct => 1.0 - simd::dot(query, there),
            Distance::Cosine => 1.0 - simd::dot(query, there) * (inverse * inverse_norm(row)),
        }
    }
}

/// One over the Euclidean norm; 0 for a row of zeros.
pub(crate) fn inverse_norm(row: &[f32]) -> f32 {
    // In `f64`: the square of a large or small `f32` is no `f32`.
    let squares: f64 = row.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
    if squares == 0.0 {
        0.0
    } else {
        (1.0 / squares.sqrt()) as f32
    }
}

/// The `k` rows nearest to `query`, nearest first, as `(row, distance)`; ties by row.
///
/// - `rows`: `[rows × dim]`, row-major, `dim` the length of `query`; a partial last row is ignored.
/// - `keep`: which rows may be answered.
/// - Cost: O(rows · dim + rows · log k).
pub fn nearest(
    rows: &[f32],
    query: &[f32],
    k: usize,
    distance: Distance,
    keep: impl Fn(usize) -> bool,
) -> Vec<(usize, f32)> {
    if query.is_empty() || k == 0 {
        return Vec::new();
    }
    let inverse = inverse_norm(query);
    let candidates = rows.chunks_exact(query.len()).enumerate();
    let mut found: Vec<(usize, f32)> = candidates
        .filter(|(row, _)| keep(*row))
        .map(|(at, row)| (at, distance.apart(query, inverse, row)))
        .collect();
    let nearer = |a: &(usize, f32), b: &(usize, f32)| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0));
    if k < found.len() {
        found.select_nth_unstable_by(k - 1, nearer);
        found.truncate(k);
    }
    found.sort_unstable_by(nearer);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_first_and_filtered() {
        let rows = [0.0, 0.0, 3.0, 4.0, 1.0, 0.0, 0.0, 2.0];
        let at =
            |k, keep: fn(usize) -> bool| nearest(&rows, &[0.0, 0.0], k, Distance::Euclidean, keep);
        assert_eq!(at(2, |_| true), [(0, 0.0), (2, 1.0)]);
        assert_eq!(at(9, |row| row != 0), [(2, 1.0), (3, 4.0), (1, 25.0)]);
        assert_eq!(at(0, |_| true), []);
    }

    #[test]
    fn distances_of_known_pairs() {
        assert_eq!(Distance::Cosine.between(&[1.0, 0.0], &[0.0, 2.0]), 1.0);
        assert_eq!(Distance::Cosine.between(&[1.0, 1.0], &[0.0, 0.0]), 1.0);
        assert_eq!(
            Distance::InnerProduct.between(&[1.0, 2.0], &[3.0, 4.0]),
            -10.0
        );
    }
}
