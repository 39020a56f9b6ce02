//! What is surely in no segment: most values of a load are new, and each would be looked for in every segment.
//!
//! A blocked Bloom filter (Putze, Sanders, Singler 2007, §2): all bits of a value lie in one line of the cache.
//! It is fed with the first bits of hashes, which is what segments keep of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::StoredValues;
use crate::error::Result;

/// Fewest runs in segments for which there is a sieve.
const RUNS_MIN: usize = 3;
/// Runs in segments that may be beside it before another is made.
const RUNS_BESIDE: usize = 4;
/// Values that were looked for in vain before there is one: one for so many values in segments.
const VALUES_PER_MISS: u64 = 256;
/// Bits for each value that it has room for.
const VALUE_BITS: u64 = 10;
/// Bits set for each value.
const PROBES: u32 = 3;
/// Words of a block: a line of the cache.
const BLOCK_WORDS: usize = 8;
const WORD_BITS: u32 = u64::BITS;

const _: () = assert!(PROBES * (BLOCK_WORDS * 64).ilog2() <= 32);

/// The first bits of the hash of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashPrefix(u32);

impl HashPrefix {
    /// Bits of a prefix.
    pub const BITS: u32 = 30;

    /// Of a hash.
    pub fn of(hash: u64) -> HashPrefix {
        HashPrefix((hash >> (u64::BITS - HashPrefix::BITS)) as u32)
    }

    /// Of the first bits of a hash, if they are enough.
    pub fn of_bits(bits: u64, count: u32) -> Option<HashPrefix> {
        let rest = count.checked_sub(HashPrefix::BITS)?;
        Some(HashPrefix((bits >> rest) as u32))
    }
}

/// The sieve of a list of runs in segments, made when it is worth its while.
#[derive(Debug, Default)]
pub(super) struct Sieved {
    /// Values that were looked for in vain.
    misses: AtomicU64,
    made: OnceLock<Option<Covering>>,
}

/// A sieve and what it covers.
#[derive(Clone, Debug)]
pub(super) struct Covering {
    sieve: Arc<Sieve>,
    /// Ids below are covered.
    end: u32,
}

impl Sieved {
    /// The first id that a value with a hash may have.
    pub(super) fn first_possible(&self, hash: u64) -> u32 {
        match self.made.get() {
            Some(Some(made)) if !made.sieve.may_have(HashPrefix::of(hash)) => made.end,
            _ => 0,
        }
    }

    /// Notes that a value is in none of the runs; makes the sieve if that happens often.
    pub(super) fn miss<'r>(&self, runs: impl Fn() -> Vec<&'r dyn StoredValues>) {
        if self.made.get().is_some() {
            return;
        }
        let misses = self.misses.fetch_add(1, Ordering::Relaxed) + 1;
        if !misses.is_power_of_two() {
            return;
        }
        let runs = runs();
        let values = runs.last().map_or(0, |run| run.start() + run.count());
        if runs.len() >= RUNS_MIN && misses >= u64::from(values) / VALUES_PER_MISS {
            // Of damage tells who needs what is damaged; values are found without a sieve too.
            let made = Covering::of(&runs).unwrap_or_default();
            self.made.get_or_init(|| made);
        }
    }

    /// The sieve for the runs that follow: they hold the values of those before, and those that are added.
    ///
    /// - `added`: hashes of the values with the ids from `start` on.
    pub(super) fn grown<'h>(
        &self,
        runs: &[Arc<dyn StoredValues>],
        start: u32,
        added: impl Iterator<Item = &'h u64>,
    ) -> Sieved {
        let Some(Some(made)) = self.made.get() else {
            return Sieved::default();
        };
        let end = runs.last().map_or(0, |run| run.start() + run.count());
        if !made.sieve.has_room_for(end) {
            return Sieved::default();
        }
        let mut covered = made.end;
        if covered == start {
            for &hash in added {
                made.sieve.put(HashPrefix::of(hash));
                covered += 1;
            }
        }
        let is_beside = |run: &&Arc<dyn StoredValues>| run.start() + run.count() > covered;
        if runs.iter().filter(is_beside).count() > RUNS_BESIDE {
            return Sieved::default();
        }
        Sieved {
            misses: AtomicU64::new(0),
            made: OnceLock::from(Some(Covering {
                sieve: Arc::clone(&made.sieve),
                end: covered,
            })),
        }
    }
}

impl Covering {
    /// Of the first runs that tell enough of their hashes; none if there are few of them.
    fn of(runs: &[&dyn StoredValues]) -> Result<Option<Covering>> {
        let values = runs.last().map_or(0, |run| run.start() + run.count());
        let sieve = Sieve::with_room(u64::from(values) * 2);
        let (mut end, mut covered) = (0, 0);
        for run in runs {
            if !run.each_prefix(&mut |prefix| sieve.put(prefix))? {
                break;
            }
            end = run.start() + run.count();
            covered += 1;
        }
        Ok((covered >= RUNS_MIN).then(|| Covering {
            sieve: Arc::new(sieve),
            end,
        }))
    }
}

/// Values that may be there.
#[derive(Debug)]
struct Sieve {
    blocks: Box<[[AtomicU64; BLOCK_WORDS]]>,
}

impl Sieve {
    fn with_room(values: u64) -> Sieve {
        let block_bits = (BLOCK_WORDS as u64) * u64::from(WORD_BITS);
        let blocks = (values * VALUE_BITS).div_ceil(block_bits).max(1);
        Sieve {
            blocks: (0..blocks).map(|_| Default::default()).collect(),
        }
    }

    fn has_room_for(&self, values: u32) -> bool {
        let bits = self.blocks.len() as u64 * (BLOCK_WORDS as u64) * u64::from(WORD_BITS);
        u64::from(values) * VALUE_BITS <= bits
    }

    /// The block of a prefix and its bits there, as words and masks.
    fn bits(
        &self,
        prefix: HashPrefix,
    ) -> (&[AtomicU64; BLOCK_WORDS], [(usize, u64); PROBES as usize]) {
        // Fibonacci hashing spreads prefixes, of which neighbours lie close.
        let mixed = u64::from(prefix.0).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let block = ((mixed >> 32) * self.blocks.len() as u64) >> 32;
        let mut rest = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 32;
        let bits = std::array::from_fn(|_| {
            let bit = rest as usize % (BLOCK_WORDS * WORD_BITS as usize);
            rest >>= (BLOCK_WORDS * WORD_BITS as usize).ilog2();
            (bit / WORD_BITS as usize, 1 << (bit as u32 % WORD_BITS))
        });
        (&self.blocks[block as usize], bits)
    }

    fn put(&self, prefix: HashPrefix) {
        let (block, bits) = self.bits(prefix);
        for (word, mask) in bits {
            block[word].fetch_or(mask, Ordering::Relaxed);
        }
    }

    fn may_have(&self, prefix: HashPrefix) -> bool {
        let (block, bits) = self.bits(prefix);
        bits.iter()
            .all(|(word, mask)| block[*word].load(Ordering::Relaxed) & mask != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Value, stable_hash};

    fn prefix(n: u64) -> HashPrefix {
        HashPrefix::of(stable_hash(&Value::from(format!("value {n}"))))
    }

    #[test]
    fn what_is_there_passes_and_little_else() {
        const VALUES: u64 = 100_000;
        let sieve = Sieve::with_room(VALUES);
        (0..VALUES).for_each(|n| sieve.put(prefix(n)));
        assert!((0..VALUES).all(|n| sieve.may_have(prefix(n))));
        let passed = (VALUES..2 * VALUES).filter(|n| sieve.may_have(prefix(*n)));
        let share = passed.count() as f64 / VALUES as f64;
        assert!(share < 0.04, "{share}");
    }

    #[test]
    fn a_prefix_is_made_of_as_many_bits_as_are_known() {
        let hash = 0x0123_4567_89AB_CDEF;
        assert_eq!(
            HashPrefix::of_bits(hash >> 20, 44),
            Some(HashPrefix::of(hash))
        );
        assert_eq!(
            HashPrefix::of_bits(hash >> 34, 30),
            Some(HashPrefix::of(hash))
        );
        assert_eq!(HashPrefix::of_bits(hash >> 35, 29), None);
    }
}
