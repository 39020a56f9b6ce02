//! Sets of rows, one bit each.

use crate::ask::Row;

/// A set of rows of one segment, which knows how many it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bitmap {
    words: Vec<u64>,
    len: usize,
    count: usize,
}

impl Bitmap {
    /// No rows of the `len` of a segment.
    pub fn empty(len: usize) -> Bitmap {
        Bitmap {
            words: vec![0; len.div_ceil(64)],
            len,
            count: 0,
        }
    }

    /// All `len` rows of a segment.
    pub fn full(len: usize) -> Bitmap {
        let mut all = Bitmap {
            words: vec![u64::MAX; len.div_ceil(64)],
            len,
            count: len,
        };
        if let (Some(last), used @ 1..) = (all.words.last_mut(), len % 64) {
            *last = (1 << used) - 1;
        }
        all
    }

    /// Adds a row; says whether it was absent. Panics beyond the last.
    pub fn insert(&mut self, row: Row) -> bool {
        self.change(row, |word, bit| word | bit)
    }

    /// Takes a row out; says whether it was there. Panics beyond the last.
    pub fn remove(&mut self, row: Row) -> bool {
        self.change(row, |word, bit| word & !bit)
    }

    fn change(&mut self, row: Row, to: impl Fn(u64, u64) -> u64) -> bool {
        let at = row.0 as usize;
        assert!(at < self.len, "row {at} of a set of {}", self.len);
        let word = &mut self.words[at / 64];
        let before = *word;
        *word = to(before, 1 << (at % 64));
        self.count = self.count + word.count_ones() as usize - before.count_ones() as usize;
        *word != before
    }

    /// Whether a row is in the set; false beyond the last.
    #[inline]
    pub fn contains(&self, row: Row) -> bool {
        let at = row.0 as usize;
        let word = self.words.get(at / 64).copied().unwrap_or(0);
        word >> (at % 64) & 1 == 1
    }

    /// Rows of the segment that the set is for.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no row is in the set.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Rows in the set.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The bits of the rows, in words of 64 from the first row on.
    pub(crate) fn words(&self) -> &[u64] {
        &self.words
    }

    /// About `most` rows of the set, at even steps in ascending order.
    pub(crate) fn sample(&self, most: usize) -> impl Iterator<Item = Row> {
        let step = (self.count / most.max(1)).max(1);
        let mut next = step / 2;
        let mut before = 0;
        self.words.iter().enumerate().flat_map(move |(at, word)| {
            let first = next - before;
            let count = word.count_ones() as usize;
            next += step * count.saturating_sub(first).div_ceil(step);
            before += count;
            let ranks = (first..count).step_by(step);
            ranks.map(move |rank| {
                let rest = (0..rank).fold(*word, |rest, _| rest & (rest - 1));
                Row(64 * at as u32 + rest.trailing_zeros())
            })
        })
    }

    /// The rows in the set, ascending.
    pub fn iter(&self) -> impl Iterator<Item = Row> {
        self.words.iter().enumerate().flat_map(|(at, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = (rest != 0).then(|| rest.trailing_zeros())?;
                rest &= rest - 1;
                Some(Row(64 * at as u32 + bit))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_it_holds() {
        for len in [0, 1, 63, 64, 65, 200] {
            let mut rows = Bitmap::full(len);
            assert_eq!((rows.count(), rows.iter().count()), (len, len));
            if len > 0 {
                assert!(rows.remove(Row(len as u32 - 1)) && !rows.remove(Row(len as u32 - 1)));
                assert_eq!(rows.count(), len - 1);
                assert!(rows.insert(Row(len as u32 - 1)));
            }
            assert_eq!(rows, Bitmap::full(len));
            assert!(!rows.contains(Row(len as u32)));
            assert!(rows.sample(len).eq(rows.iter()));
        }
    }
    #[test]
    fn samples_are_spread_over_all_rows() {
        let mut rows = Bitmap::empty(1000);
        (300..900).step_by(2).for_each(|row| {
            rows.insert(Row(row));
        });
        for (most, found) in [(1, 1), (7, 7), (100, 100), (300, 300), (9999, 300)] {
            let sample: Vec<u32> = rows.sample(most).map(|row| row.0).collect();
            assert_eq!(sample.len(), found);
            let step = 2 * (300 / most).max(1) as u32;
            assert!(sample.is_sorted_by(|a, b| a + step == *b));
            assert!(sample.iter().all(|row| rows.contains(Row(*row))));
        }
    }
}
