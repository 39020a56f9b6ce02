//! In which order rows are inserted, and on which layers.

use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use crate::ask::Parameters;
use crate::format::LAYERS_MAX;
use crate::simd;

/// The order of insertion: rows of higher layers first, so that each layer holds the first rows.
///
/// Equal rows are inserted once. Their copies stand behind: hundreds of rows at distance zero from each other would
/// have no room for links to any other.
#[derive(Debug)]
pub(crate) struct Order {
    /// The caller's number of each row: those that are inserted, then copies.
    pub(crate) rows: Vec<u32>,
    /// Rows of each layer above the lowest, from below.
    pub(crate) counts: Vec<u32>,
    /// For each copy the place of the row that it equals, ascending.
    pub(crate) originals: Vec<u32>,
}

impl Order {
    /// Levels have the distribution of the paper: each layer holds one in `m` of the rows of that below.
    pub(crate) fn drawn(rows: &[f32], parameters: &Parameters) -> Order {
        let scale = 1.0 / (parameters.m.max(2) as f64).ln();
        let (originals, copies) = unlike(rows, parameters.dim);
        let mut drawn: Vec<(u8, u64, u32)> = originals
            .into_iter()
            .map(|row| {
                let bits = mixed(parameters.seed ^ mixed(u64::from(row)));
                let uniform = ((bits >> 11) as f64 + 1.0) / (1_u64 << 53) as f64;
                let level = (-uniform.ln() * scale).min(LAYERS_MAX as f64) as u8;
                (u8::MAX - level, mixed(bits), row)
            })
            .collect();
        drawn.sort_unstable();
        let rows = drawn
            .into_iter()
            .map(|(level, _, row)| (row, u8::MAX - level));
        Order::of_levels(&rows.collect::<Vec<_>>(), &copies)
    }

    /// - `levelled`: rows that are inserted, with the highest layer that each is on; those of higher layers first.
    /// - `copies`: the others, as `(original, copy)`.
    pub(crate) fn of_levels(levelled: &[(u32, u8)], copies: &[(u32, u32)]) -> Order {
        let levels = levelled.first().map_or(0, |(_, level)| *level);
        let count = |layer| levelled.partition_point(|(_, level)| *level >= layer) as u32;
        let counts = (1..=levels).map(count).collect();
        let mut rows: Vec<u32> = levelled.iter().map(|(row, _)| *row).collect();
        let mut places = vec![0; levelled.len() + copies.len()];
        for (place, row) in rows.iter().enumerate() {
            places[*row as usize] = place as u32;
        }
        let place = |(original, copy): &(u32, u32)| (places[*original as usize], *copy);
        let mut placed: Vec<(u32, u32)> = copies.iter().map(place).collect();
        placed.sort_unstable();
        rows.extend(placed.iter().map(|(_, copy)| *copy));
        Order {
            rows,
            counts,
            originals: placed.into_iter().map(|(original, _)| original).collect(),
        }
    }

    /// Rows that are inserted.
    pub(crate) fn inserted(&self) -> &[u32] {
        &self.rows[..self.rows.len() - self.originals.len()]
    }

    /// Whether the row at a place has copies.
    pub(crate) fn has_copies(&self, place: u32) -> bool {
        self.originals.binary_search(&place).is_ok()
    }

    /// The places of the copies of the row at a place.
    pub(crate) fn copies(&self, place: u32) -> std::ops::Range<u32> {
        let start = self.originals.partition_point(|original| *original < place);
        let count = self.originals[start..].partition_point(|original| *original == place);
        let first = (self.inserted().len() + start) as u32;
        first..first + count as u32
    }
}

/// The first of each set of rows that are equal to the bit, and the others as `(first, other)`.
pub(crate) fn unlike(rows: &[f32], dim: usize) -> (Vec<u32>, Vec<(u32, u32)>) {
    let bytes = |row: u32| simd::bytes_of(&rows[dim * row as usize..][..dim]);
    let hashes = (0..(rows.len() / dim) as u32).into_par_iter();
    let mut hashed: Vec<(u64, u32)> = hashes.map(|row| (xxh3_64(bytes(row)), row)).collect();
    hashed.par_sort_unstable();
    let (mut originals, mut copies) = (Vec::new(), Vec::new());
    for alike in hashed.chunk_by(|a, b| a.0 == b.0) {
        let first = alike[0].1;
        for (_, row) in alike {
            match *row != first && bytes(*row) == bytes(first) {
                true => copies.push((first, *row)),
                false => originals.push(*row),
            }
        }
    }
    (originals, copies)
}

/// Bits that look random (SplitMix64, Steele et al. 2014).
fn mixed(x: u64) -> u64 {
    let mut z = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::Distance;

    #[test]
    fn layers_shrink_and_no_row_is_lost() {
        let rows: Vec<f32> = (0..10_000).map(|row| (row / 2 * 2) as f32).collect();
        let order = Order::drawn(&rows, &Parameters::of(1, Distance::Euclidean));
        assert!((250..400).contains(&order.counts[0]), "{:?}", order.counts);
        assert!(order.counts.is_sorted_by(|a, b| a >= b));
        for (place, row) in order.inserted().iter().enumerate() {
            let copies: Vec<u32> = order.copies(place as u32).collect();
            assert_eq!(copies.len(), 1);
            assert_eq!(order.rows[copies[0] as usize], row + 1);
        }
        let mut rows = order.rows;
        rows.sort_unstable();
        assert!(rows.into_iter().eq(0..10_000));
    }
}
