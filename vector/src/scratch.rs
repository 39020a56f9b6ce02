//! What a walk needs beside the graph: kept between searches, so that none allocates.

use crate::bitmap::Bitmap;

/// Memory of searches: one for each thread, for any segment. About a byte for each row of the largest.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(crate) visited: Visited,
    pub(crate) pool: Pool,
    pub(crate) hits: Pool,
    pub(crate) unseen: Unseen,
    pub(crate) seeds: Vec<u32>,
    pub(crate) fresh: Vec<u32>,
    pub(crate) apart: Vec<f32>,
    pub(crate) products: Vec<i32>,
    pub(crate) query: Vec<f32>,
    pub(crate) code: Vec<i8>,
}

/// Which rows a walk has seen. To forget them is to count on: a row is seen if its mark is the walk's number.
#[derive(Debug, Default)]
pub(crate) struct Visited {
    marks: Vec<u8>,
    walk: u8,
    len: usize,
}

impl Visited {
    /// Forgets all rows.
    pub(crate) fn begin(&mut self, len: usize) {
        if self.marks.len() < len {
            self.marks.resize(len, 0);
        }
        self.len = len;
        self.walk = self.walk.wrapping_add(1);
        if self.walk == 0 {
            self.marks.fill(0);
            self.walk = 1;
        }
    }

    /// Whether a row was seen.
    #[inline]
    pub(crate) fn contains(&self, row: u32) -> bool {
        self.marks[..self.len]
            .get(row as usize)
            .is_none_or(|mark| *mark == self.walk)
    }

    /// Marks a row; says whether it was unseen. A row beyond the last counts as seen.
    #[inline]
    pub(crate) fn insert(&mut self, row: u32) -> bool {
        match self.marks[..self.len].get_mut(row as usize) {
            Some(mark) if *mark != self.walk => {
                *mark = self.walk;
                true
            }
            _ => false,
        }
    }
}

/// The rows of a filter that a walk has not seen: one bit each, which is what fits into the nearest cache.
#[derive(Debug, Default)]
pub(crate) struct Unseen {
    words: Vec<u64>,
}

impl Unseen {
    /// All rows of a filter.
    pub(crate) fn begin(&mut self, filter: &Bitmap) {
        self.words.clear();
        self.words.extend_from_slice(filter.words());
    }

    /// Whether a row of the filter was not seen.
    #[inline]
    pub(crate) fn contains(&self, row: u32) -> bool {
        let word = self.words.get(row as usize / 64).copied().unwrap_or(0);
        word >> (row % 64) & 1 == 1
    }

    /// Takes a row out; says whether it was there.
    #[inline]
    pub(crate) fn take(&mut self, row: u32) -> bool {
        let Some(word) = self.words.get_mut(row as usize / 64) else {
            return false;
        };
        let bit = 1 << (row % 64);
        let was = *word & bit != 0;
        *word &= !bit;
        was
    }
}

/// The nearest rows so far, sorted, with a mark on those whose neighbours were seen.
///
/// An entry is the order of the distance, the row and the mark, from the highest bit down: 32, 31 and 1 bits.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    entries: Vec<u64>,
    most: usize,
    /// No entry before it is unmarked.
    next: usize,
}

impl Pool {
    pub(crate) fn begin(&mut self, most: usize) {
        self.entries.clear();
        self.most = most.max(1);
        self.next = 0;
    }

    /// The farthest entry.
    #[inline]
    fn bound(&self) -> u64 {
        self.entries.last().copied().unwrap_or(u64::MAX)
    }

    /// The distance of the farthest row; infinite if there is none.
    pub(crate) fn farthest(&self) -> f32 {
        self.entries
            .last()
            .map_or(f32::INFINITY, |one| apart_of(*one))
    }

    /// Rows in the pool.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds as many as it may.
    pub(crate) fn is_full(&self) -> bool {
        self.entries.len() == self.most
    }

    /// Whether a row at this distance would not enter.
    pub(crate) fn refuses(&self, apart: f32) -> bool {
        self.is_full() && entry(apart, 0) >= self.bound()
    }

    /// Enters a row that is not in the pool, in place of the farthest if full; says whether it did.
    #[inline]
    pub(crate) fn insert(&mut self, apart: f32, row: u32) -> bool {
        let one = entry(apart, row);
        if self.is_full() {
            if one >= self.bound() {
                return false;
            }
            self.entries.pop();
        }
        let at = self.entries.partition_point(|other| *other < one);
        self.entries.insert(at, one);
        self.next = self.next.min(at);
        true
    }

    /// Marks the nearest unmarked row.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<(u32, f32)> {
        while let Some(one) = self.entries.get_mut(self.next) {
            self.next += 1;
            if *one & 1 == 0 {
                *one |= 1;
                return Some((row_of(*one), apart_of(*one)));
            }
        }
        None
    }

    /// How many rows lie before the one that [`Pool::pop`] gave last, and that one.
    pub(crate) fn popped(&self) -> usize {
        self.next
    }

    /// The row at a place and its distance as one number; that of none if there are fewer.
    pub(crate) fn at(&self, place: usize) -> Option<u64> {
        self.entries.get(place).map(|one| one | 1)
    }

    /// The nearest unmarked row, as far as it is known without a search.
    #[inline]
    pub(crate) fn peek(&self) -> Option<u32> {
        self.entries.get(self.next).map(|one| row_of(*one))
    }

    /// Rows and distances, nearest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, f32)> {
        self.entries
            .iter()
            .map(|one| (row_of(*one), apart_of(*one)))
    }
}

/// Order of `f32::total_cmp`, then of rows.
#[inline]
fn entry(apart: f32, row: u32) -> u64 {
    let bits = apart.to_bits();
    let order = bits ^ ((((bits as i32) >> 31) as u32) | 0x8000_0000);
    u64::from(order) << 32 | u64::from(row) << 1
}

#[inline]
fn row_of(entry: u64) -> u32 {
    (entry as u32) >> 1
}

#[inline]
fn apart_of(entry: u64) -> f32 {
    let order = (entry >> 32) as u32;
    f32::from_bits(order ^ ((!(((order as i32) >> 31) as u32)) | 0x8000_0000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_ordered_by_distance_then_row() {
        let far = [
            f32::NEG_INFINITY,
            -2.0,
            -0.0,
            0.0,
            1e-9,
            3.0,
            f32::INFINITY,
            f32::NAN,
        ];
        for pair in far.windows(2) {
            assert!(entry(pair[0], 9) < entry(pair[1], 1));
            assert!(entry(pair[0], 1) < entry(pair[0], 9));
        }
        for apart in far {
            assert_eq!(apart_of(entry(apart, 7)).to_bits(), apart.to_bits());
            assert_eq!(row_of(entry(apart, 7) | 1), 7);
        }
    }

    #[test]
    fn a_pool_keeps_the_nearest() {
        let mut pool = Pool::default();
        pool.begin(2);
        for (apart, row) in [(3.0, 1), (2.0, 2), (5.0, 3), (1.0, 4)] {
            pool.insert(apart, row);
        }
        assert_eq!(pool.iter().collect::<Vec<_>>(), [(4, 1.0), (2, 2.0)]);
        assert!(pool.refuses(2.5) && !pool.refuses(1.5));
        let first = pool.at(0);
        assert!(first < pool.at(1) && pool.at(2).is_none());
        assert_eq!(pool.pop(), Some((4, 1.0)));
        assert_eq!(pool.at(0), first);
        assert_eq!(pool.pop(), Some((2, 2.0)));
        assert_eq!(pool.pop(), None);
    }

    #[test]
    fn walks_forget_what_others_saw() {
        let mut visited = Visited::default();
        for _ in 0..600 {
            visited.begin(3);
            assert!(visited.insert(2) && !visited.insert(2) && !visited.insert(3));
        }
    }
}
