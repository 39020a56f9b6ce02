//! The dictionary: interned values by id, append-only.
//!
//! A [`Dictionary`] is an immutable value made of id-ordered runs whose sizes fall geometrically,
//! as in a log-structured merge tree: adding `k` values makes a run of `k` and merges the tail, so
//! growth by single values costs O(log n) each and old dictionaries stay as they are. The first
//! runs may lie in segments; their values are read on first touch.

use std::sync::Arc;

use hashbrown::HashTable;

use super::sieve::Sieved;
use super::{Cell, Kind, StoredValues, TextPage};
use crate::error::Code;
use crate::fault;
use crate::value::{Value, stable_hash};

/// Interned values by id. Cloning is cheap; a clone never changes.
#[derive(Clone, Default)]
pub struct Dictionary {
    runs: Arc<[Part]>,
    len: u32,
    /// Shared by all dictionaries of the same content.
    content: Arc<()>,
    /// Shared by all dictionaries with the same runs in segments.
    sieved: Arc<Sieved>,
}

/// A run in memory or in a segment.
#[derive(Clone)]
enum Part {
    Memory(Arc<DictionaryRun>),
    Stored(Arc<dyn StoredValues>),
}

impl Part {
    fn start(&self) -> u32 {
        match self {
            Part::Memory(run) => run.start,
            Part::Stored(run) => run.start(),
        }
    }

    fn end(&self) -> u32 {
        match self {
            Part::Memory(run) => run.start + run.values.len() as u32,
            Part::Stored(run) => run.start() + run.count(),
        }
    }

    fn is_same(&self, other: &Part) -> bool {
        match (self, other) {
            (Part::Memory(a), Part::Memory(b)) => Arc::ptr_eq(a, b),
            (Part::Stored(a), Part::Stored(b)) => a.segment() == b.segment(),
            _ => false,
        }
    }

    fn value(&self, id: u32) -> &Value {
        match self {
            Part::Memory(run) => &run.values[(id - run.start) as usize],
            Part::Stored(run) => fault::or_throw(run.value(id)),
        }
    }

    fn find(&self, hash: u64, value: &Value) -> Option<u32> {
        match self {
            Part::Memory(run) => run.find(hash, value),
            Part::Stored(run) => fault::or_throw(run.find(hash, value)),
        }
    }
}

/// Ids `start ..` in order, with a hash index over them.
#[derive(Clone, Default)]
struct DictionaryRun {
    start: u32,
    values: Vec<Value>,
    hashes: Vec<u64>,
    ids: HashTable<u32>,
}

impl DictionaryRun {
    fn find(&self, hash: u64, value: &Value) -> Option<u32> {
        self.ids
            .find(hash, |&id| {
                is_same_value(&self.values[(id - self.start) as usize], value)
            })
            .copied()
    }

    fn push(&mut self, hash: u64, value: Value) -> u32 {
        let id = self.start + self.values.len() as u32;
        self.values.push(value);
        self.hashes.push(hash);
        let (start, hashes) = (self.start, &self.hashes);
        self.ids
            .insert_unique(hash, id, |&id| hashes[(id - start) as usize]);
        id
    }

    fn merged(&self, next: &DictionaryRun) -> DictionaryRun {
        let mut values = Vec::with_capacity(self.values.len() + next.values.len());
        values.extend_from_slice(&self.values);
        values.extend_from_slice(&next.values);
        let mut hashes = Vec::with_capacity(values.len());
        hashes.extend_from_slice(&self.hashes);
        hashes.extend_from_slice(&next.hashes);
        let mut ids = HashTable::with_capacity(values.len());
        for (i, &hash) in hashes.iter().enumerate() {
            ids.insert_unique(hash, self.start + i as u32, |&id| {
                hashes[(id - self.start) as usize]
            });
        }
        DictionaryRun {
            start: self.start,
            values,
            hashes,
            ids,
        }
    }
}

/// Whether two values share an id: Clojure's `=`, but decimals of another scale stay apart, for the
/// scale must survive storage.
pub fn is_same_value(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::BigDec(x), Value::BigDec(y)) => {
            x.as_bigint_and_exponent() == y.as_bigint_and_exponent()
        }
        _ => a == b,
    }
}

impl Dictionary {
    /// How many values are interned: the next free id.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether nothing is interned.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The interned value with this id. Panics if no cell of this dictionary can hold it.
    pub fn interned(&self, id: u64) -> &Value {
        let id = id as u32;
        let at = self.runs.partition_point(|run| run.start() <= id) - 1;
        self.runs[at].value(id)
    }

    /// The interned value with this id; none beyond the last, and where it was purged.
    pub fn get(&self, id: u32) -> Option<&Value> {
        if id >= self.len {
            return None;
        }
        self.values_from(id).next().flatten()
    }

    /// The texts of some values, this one among them, if they lie in a segment.
    pub fn texts(&self, id: u64) -> Option<&TextPage> {
        let id = id as u32;
        let at = self.runs.partition_point(|run| run.start() <= id) - 1;
        match &self.runs[at] {
            Part::Memory(_) => None,
            Part::Stored(run) => Some(fault::or_throw(run.texts(id))),
        }
    }

    /// The same values in a copy that keeps to itself what it reads: it is given back with the copy. For
    /// passes over more than is worth keeping.
    #[must_use]
    pub fn apart(&self) -> Dictionary {
        let part = |part: &Part| match part {
            Part::Memory(_) => part.clone(),
            Part::Stored(run) => Part::Stored(fault::or_throw(run.apart())),
        };
        Dictionary {
            runs: self.runs.iter().map(part).collect(),
            len: self.len,
            content: Arc::clone(&self.content),
            sieved: Arc::clone(&self.sieved),
        }
    }

    /// Bytes of values that were read from segments and are kept, about.
    pub fn held_bytes(&self) -> usize {
        self.stored().map(|run| run.held_bytes()).sum()
    }

    /// The value of a cell.
    pub fn value(&self, cell: Cell) -> Value {
        cell.inline_value()
            .unwrap_or_else(|| self.interned(cell.bits).clone())
    }

    /// The id of a value, if it is interned.
    pub fn find(&self, value: &Value) -> Option<u32> {
        self.find_hashed(stable_hash(value), value)
    }

    fn find_hashed(&self, hash: u64, value: &Value) -> Option<u32> {
        let first = self.sieved.first_possible(hash);
        let mut runs = self.runs.iter().filter(|run| run.end() > first);
        let found = runs.find_map(|run| run.find(hash, value));
        if found.is_none() {
            let stored = || self.stored().map(|run| &**run).collect();
            self.sieved.miss(stored);
        }
        found
    }

    /// The cell of a value, unless it would have to be interned first.
    pub fn cell(&self, value: &Value) -> Option<Cell> {
        Cell::inline(value).or_else(|| {
            let bits = u64::from(self.find(value)?);
            Some(Cell {
                kind: Kind::of(value),
                bits,
            })
        })
    }

    /// Whether the other is this very dictionary, so that ids mean the same in both.
    pub fn is_same(&self, other: &Dictionary) -> bool {
        self.len == other.len && (self.len == 0 || Arc::ptr_eq(&self.content, &other.content))
    }

    /// Ids below this surely mean the same in both: those of the runs that both begin with.
    pub(super) fn shared_len(&self, other: &Dictionary) -> u32 {
        let pairs = self.runs.iter().zip(other.runs.iter());
        let shared = pairs.take_while(|(a, b)| a.is_same(b));
        shared.map(|(part, _)| part.end() - part.start()).sum()
    }

    /// The values from an id on, in order: what was interned since the dictionary had that length.
    pub fn since(&self, start: u32) -> impl Iterator<Item = &Value> {
        self.runs.iter().flat_map(move |run| {
            let first = start.clamp(run.start(), run.end());
            (first..run.end()).map(|id| run.value(id))
        })
    }

    /// As [`Dictionary::since`], with nothing in the place of a purged value.
    pub fn values_from(&self, start: u32) -> impl Iterator<Item = Option<&Value>> {
        self.runs.iter().flat_map(move |part| {
            let first = start.clamp(part.start(), part.end());
            (first..part.end()).map(|id| match part {
                Part::Memory(_) => Some(part.value(id)),
                Part::Stored(run) => match run.value(id) {
                    Err(error) if error.code() == Code::Purged => None,
                    read => Some(fault::or_throw(read)),
                },
            })
        })
    }

    /// A dictionary of runs in segments; they follow one another from id 0.
    pub fn of_stored(runs: &[Arc<dyn StoredValues>]) -> Dictionary {
        Dictionary::default().rebased(runs)
    }

    /// The runs in segments, from id 0 on.
    pub fn stored(&self) -> impl Iterator<Item = &Arc<dyn StoredValues>> {
        self.runs.iter().map_while(|run| match run {
            Part::Stored(run) => Some(run),
            Part::Memory(_) => None,
        })
    }

    /// The first id whose value is in no segment.
    pub fn stored_len(&self) -> u32 {
        self.stored()
            .last()
            .map_or(0, |run| run.start() + run.count())
    }

    /// The same dictionary with its first values in segments; `runs` hold no others.
    #[must_use]
    pub fn rebased(&self, runs: &[Arc<dyn StoredValues>]) -> Dictionary {
        let end = runs.last().map_or(0, |run| run.start() + run.count());
        let mut parts: Vec<Part> = runs.iter().cloned().map(Part::Stored).collect();
        for part in self.runs.iter() {
            match part {
                Part::Memory(run) if run.start >= end => parts.push(part.clone()),
                Part::Memory(run) if part.end() > end => {
                    let mut rest = DictionaryRun {
                        start: end,
                        ..DictionaryRun::default()
                    };
                    let skip = (end - run.start) as usize;
                    let kept = run.hashes.iter().zip(&run.values).skip(skip);
                    kept.for_each(|(&hash, value)| {
                        rest.push(hash, value.clone());
                    });
                    parts.push(Part::Memory(Arc::new(rest)));
                }
                _ => {}
            }
        }
        let len = self.len.max(end);
        let is_same = self.len == len;
        let start = self.stored_len();
        let in_memory = self.runs.iter().filter_map(|part| match part {
            Part::Memory(run) => Some(&run.hashes),
            Part::Stored(_) => None,
        });
        let added = in_memory.flatten().take(end.saturating_sub(start) as usize);
        let sieved = Arc::new(self.sieved.grown(runs, start, added));
        Dictionary {
            runs: parts.into(),
            len,
            content: if is_same {
                Arc::clone(&self.content)
            } else {
                Arc::default()
            },
            sieved,
        }
    }
}

/// A dictionary being added to.
#[derive(Clone, Default)]
pub struct Interner {
    base: Dictionary,
    added: DictionaryRun,
}

impl Interner {
    /// Starts from what a dictionary holds.
    pub fn new(base: Dictionary) -> Interner {
        let start = base.len;
        Interner {
            base,
            added: DictionaryRun {
                start,
                ..DictionaryRun::default()
            },
        }
    }

    /// The id of a value, interned now if it was not.
    pub fn intern(&mut self, value: &Value) -> u32 {
        let hash = stable_hash(value);
        self.base
            .find_hashed(hash, value)
            .or_else(|| self.added.find(hash, value))
            .unwrap_or_else(|| self.added.push(hash, value.clone()))
    }

    /// The id of a value, if it is interned.
    pub fn find(&self, value: &Value) -> Option<u32> {
        let hash = stable_hash(value);
        self.base
            .find_hashed(hash, value)
            .or_else(|| self.added.find(hash, value))
    }

    /// The cell of a value.
    pub fn cell(&mut self, value: &Value) -> Cell {
        Cell::inline(value).unwrap_or_else(|| Cell {
            kind: Kind::of(value),
            bits: u64::from(self.intern(value)),
        })
    }

    /// The interned value with this id.
    pub fn interned(&self, id: u64) -> &Value {
        match (id as u32).checked_sub(self.added.start) {
            Some(at) => &self.added.values[at as usize],
            None => self.base.interned(id),
        }
    }

    /// The value of a cell.
    pub fn value(&self, cell: Cell) -> Value {
        cell.inline_value()
            .unwrap_or_else(|| self.interned(cell.bits).clone())
    }

    /// The dictionary this one started from.
    pub fn base(&self) -> &Dictionary {
        &self.base
    }

    /// How many values were added.
    pub fn added_len(&self) -> usize {
        self.added.values.len()
    }

    /// The dictionary with everything added.
    pub fn finish(self) -> Dictionary {
        if self.added.values.is_empty() {
            return self.base;
        }
        let len = self.base.len + self.added.values.len() as u32;
        let mut runs = self.base.runs.to_vec();
        let mut tail = self.added;
        while let Some(Part::Memory(last)) = runs.last()
            && last.values.len() <= 2 * tail.values.len()
        {
            tail = last.merged(&tail);
            runs.pop();
        }
        runs.push(Part::Memory(Arc::new(tail)));
        Dictionary {
            runs: runs.into(),
            len,
            content: Arc::default(),
            sieved: self.base.sieved,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::{Digest, HashPrefix};
    use super::*;
    use crate::error::{Error, Result};

    /// A run as in a segment, which counts what is looked for in it.
    #[derive(Debug)]
    struct Counted {
        start: u32,
        values: Vec<Value>,
        ids: HashMap<u64, u32>,
        finds: AtomicUsize,
    }

    impl Counted {
        fn of(dictionary: &Dictionary, start: u32) -> Counted {
            let values: Vec<Value> = dictionary.since(start).cloned().collect();
            Counted {
                start,
                ids: values.iter().map(stable_hash).zip(start..).collect(),
                values,
                finds: AtomicUsize::new(0),
            }
        }
    }

    impl StoredValues for Counted {
        fn start(&self) -> u32 {
            self.start
        }

        fn count(&self) -> u32 {
            self.values.len() as u32
        }

        fn value(&self, id: u32) -> Result<&Value> {
            Ok(&self.values[(id - self.start) as usize])
        }

        fn texts(&self, _: u32) -> Result<&TextPage> {
            Err(Error::new(Code::Unsupported, "it has no pages"))
        }

        fn find(&self, hash: u64, _: &Value) -> Result<Option<u32>> {
            self.finds.fetch_add(1, Ordering::Relaxed);
            Ok(self.ids.get(&hash).copied())
        }

        fn each_prefix(&self, take: &mut dyn FnMut(HashPrefix)) -> Result<bool> {
            self.ids.keys().for_each(|hash| take(HashPrefix::of(*hash)));
            Ok(true)
        }

        fn segment(&self) -> Digest {
            Digest::of(&self.start.to_le_bytes())
        }

        fn apart(&self) -> Result<Arc<dyn StoredValues>> {
            Err(Error::new(Code::Unsupported, "it is one already"))
        }

        fn held_bytes(&self) -> usize {
            0
        }
    }

    #[test]
    fn few_new_values_are_looked_for_in_segments() {
        const ROUND: u32 = 4_000;
        let mut dictionary = Dictionary::default();
        let mut runs: Vec<Arc<Counted>> = Vec::new();
        let finds = |runs: &[Arc<Counted>]| -> usize {
            runs.iter()
                .map(|run| run.finds.load(Ordering::Relaxed))
                .sum()
        };
        for round in 0..20u32 {
            let before = finds(&runs);
            let mut interner = Interner::new(dictionary.clone());
            for n in ROUND * round..ROUND * (round + 1) {
                assert_eq!(interner.intern(&Value::from(format!("v{n}"))), n);
            }
            let looked = finds(&runs) - before;
            if round > 4 {
                let each = looked as f64 / f64::from(ROUND);
                assert!(each < 1.0, "{each} of {} runs in round {round}", runs.len());
            }
            dictionary = interner.finish();
            runs.push(Arc::new(Counted::of(&dictionary, ROUND * round)));
            if round % 6 == 5 {
                // Two runs become one.
                let start = runs[runs.len() - 2].start;
                runs.truncate(runs.len() - 2);
                runs.push(Arc::new(Counted::of(&dictionary, start)));
            }
            let stored: Vec<_> = runs.iter().map(|run| Arc::clone(run) as _).collect();
            dictionary = dictionary.rebased(&stored);
            for n in (0..dictionary.len()).step_by(97) {
                assert_eq!(dictionary.find(&Value::from(format!("v{n}"))), Some(n));
            }
        }
    }

    #[test]
    fn ids_survive_growth_and_old_dictionaries_do_not_change() {
        let mut dictionary = Dictionary::default();
        let mut old = Vec::new();
        for n in 0..1000u32 {
            let mut interner = Interner::new(dictionary.clone());
            assert_eq!(interner.intern(&Value::from(format!("v{n}"))), n);
            assert_eq!(interner.intern(&Value::from(format!("v{}", n / 2))), n / 2);
            old.push(dictionary);
            dictionary = interner.finish();
        }
        assert!(
            dictionary.runs.len() <= 12,
            "{} runs",
            dictionary.runs.len()
        );
        assert_eq!(dictionary.interned(7), &Value::from("v7"));
        assert_eq!(old[500].find(&Value::from("v500")), None);
        assert_eq!(old[501].find(&Value::from("v500")), Some(500));
        assert_eq!(dictionary.since(998).count(), 2);
    }
}
