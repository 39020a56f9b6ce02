//! Nearest neighbours among rows of `f32`.
//!
//! Knows rows and distances, no datoms, and does no IO. What stands here is the exact search: the
//! oracle that any graph index is measured against, and the way selective filters are answered.

/// How far apart two rows are; smaller is nearer for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// Panics if the lengths differ.
    pub fn between(self, a: &[f32], b: &[f32]) -> f32 {
        assert_eq!(a.len(), b.len(), "rows of one index have one length");
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
        match self {
            Distance::Euclidean => a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum(),
            Distance::InnerProduct => 1.0 - dot(a, b),
            Distance::Cosine => {
                let norm = (dot(a, a) * dot(b, b)).sqrt();
                if norm == 0.0 {
                    1.0
                } else {
                    1.0 - dot(a, b) / norm
                }
            }
        }
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
    let candidates = rows
        .chunks_exact(query.len())
        .enumerate()
        .filter(|(row, _)| keep(*row));
    let mut found: Vec<(usize, f32)> = candidates
        .map(|(at, row)| (at, distance.between(query, row)))
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
