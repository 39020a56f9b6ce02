//! In which order rows are inserted, and on which layers.

use crate::ask::Parameters;
use crate::format::LAYERS_MAX;

/// The order of insertion: rows of higher layers first, so that each layer holds the first rows.
#[derive(Debug)]
pub(crate) struct Order {
    /// The caller's number of each row.
    pub(crate) rows: Vec<u32>,
    /// Rows of each layer above the lowest, from below.
    pub(crate) counts: Vec<u32>,
}

impl Order {
    /// Levels have the distribution of the paper: each layer holds one in `m` of the rows of that below.
    pub(crate) fn drawn(len: usize, parameters: &Parameters) -> Order {
        let scale = 1.0 / (parameters.m.max(2) as f64).ln();
        let mut drawn: Vec<(u8, u64, u32)> = (0..len as u32)
            .map(|row| {
                let bits = mixed(parameters.seed ^ mixed(u64::from(row)));
                let uniform = ((bits >> 11) as f64 + 1.0) / (1_u64 << 53) as f64;
                let level = (-uniform.ln() * scale).min(LAYERS_MAX as f64) as u8;
                (u8::MAX - level, mixed(bits), row)
            })
            .collect();
        drawn.sort_unstable();
        let levels = drawn.first().map_or(0, |(level, ..)| u8::MAX - level);
        let count = |layer| drawn.partition_point(|(level, ..)| u8::MAX - level >= layer) as u32;
        Order {
            counts: (1..=levels).map(count).collect(),
            rows: drawn.into_iter().map(|(_, _, row)| row).collect(),
        }
    }
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
        let order = Order::drawn(10_000, &Parameters::of(4, Distance::Euclidean));
        assert!((500..800).contains(&order.counts[0]), "{:?}", order.counts);
        assert!(order.counts.is_sorted_by(|a, b| a >= b));
        let mut rows = order.rows;
        rows.sort_unstable();
        assert!(rows.into_iter().eq(0..10_000));
    }
}
