//! The index of one attribute: current and past rows, by entity and (where asked for) by value.

use std::sync::{Arc, OnceLock};

use super::{Cell, Dictionary, Extra, Leaf, Row, Run, Sample, SortOrder, sample};

/// What a transaction does to one attribute.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Rows that become current.
    pub added: Vec<Row>,
    /// Current rows that end; `extra` is the transaction that ends them.
    pub ended: Vec<Row>,
    /// Rows to add to the past beside those that end: `extra` is their end.
    pub past: Vec<Row>,
}

/// All rows of one attribute. Cloning is cheap; a clone never changes.
#[derive(Clone, Debug)]
pub struct AttributeIndex {
    current: Run,
    past: Run,
    /// Current and past rows by value; only where the attribute is a ref, unique or indexed.
    by_value: Option<(Run, Run)>,
    sample: OnceLock<Arc<Sample>>,
    /// How many values there are, where rows are kept by value; goes with the sample.
    values: OnceLock<f64>,
}

impl AttributeIndex {
    /// An index without rows.
    pub fn new(by_value: bool) -> AttributeIndex {
        let empty = |order, extra| Run::empty(order, extra);
        AttributeIndex {
            sample: OnceLock::new(),
            values: OnceLock::new(),
            current: empty(SortOrder::ByEntity, Extra::Nothing),
            past: empty(SortOrder::ByEntity, Extra::End),
            by_value: by_value.then(|| {
                (
                    empty(SortOrder::ByValue, Extra::Nothing),
                    empty(SortOrder::ByValue, Extra::End),
                )
            }),
        }
    }

    /// An index of runs that were made before; by value only where kept.
    pub fn of(
        (current, past): (Run, Run),
        by_value: Option<(Run, Run)>,
        sample: Option<Sample>,
    ) -> AttributeIndex {
        AttributeIndex {
            current,
            past,
            by_value,
            sample: sample.map_or_else(OnceLock::new, |sample| OnceLock::from(Arc::new(sample))),
            values: OnceLock::new(),
        }
    }

    /// All its runs: current and past by entity, then by value where kept.
    pub fn runs(&self) -> impl Iterator<Item = &Run> {
        let by_value = self.by_value.iter();
        [&self.current, &self.past]
            .into_iter()
            .chain(by_value.flat_map(|(current, past)| [current, past]))
    }

    /// The index with some leaves replaced by others of the same rows.
    #[must_use]
    pub fn with_leaves(&self, twin: impl Fn(&Arc<Leaf>) -> Option<Arc<Leaf>>) -> AttributeIndex {
        let replaced = |run: &Run| {
            let leaves = run.leaves().iter();
            let leaves = leaves.map(|leaf| twin(leaf).unwrap_or_else(|| Arc::clone(leaf)));
            Run::from_leaves(run.order(), run.extra(), leaves.collect())
        };
        AttributeIndex {
            current: replaced(&self.current),
            past: replaced(&self.past),
            by_value: self
                .by_value
                .as_ref()
                .map(|(current, past)| (replaced(current), replaced(past))),
            sample: self.sample.clone(),
            values: self.values.clone(),
        }
    }

    /// The index without some datoms, current and past: by entity and value.
    #[must_use]
    pub fn without(&self, datoms: &[Row], dictionary: &Dictionary) -> AttributeIndex {
        let without = |run: &Run| run.apply(datoms.to_vec(), Vec::new(), dictionary);
        let current = without(&self.current);
        let (sample, values) = self.estimates_for(&current);
        AttributeIndex {
            sample,
            values,
            current,
            past: without(&self.past),
            by_value: self
                .by_value
                .as_ref()
                .map(|(current, past)| (without(current), without(past))),
        }
    }

    /// The sample and the number of values, as far as they still tell of rows that changed.
    fn estimates_for(&self, current: &Run) -> (OnceLock<Arc<Sample>>, OnceLock<f64>) {
        match self.sample.get() {
            Some(sample) if sample.still_tells(current.len()) => {
                (OnceLock::from(Arc::clone(sample)), self.values.clone())
            }
            _ => (OnceLock::new(), OnceLock::new()),
        }
    }

    /// Current rows by entity.
    pub fn current(&self) -> &Run {
        &self.current
    }

    /// Past rows by entity: each was so from `tx` until `extra`.
    pub fn past(&self) -> &Run {
        &self.past
    }

    /// What the planner knows of the current rows; made on first use.
    pub fn sample(&self) -> &Sample {
        self.sample
            .get_or_init(|| Arc::new(Sample::new(&self.current)))
    }

    /// Rows per value, every value counted alike.
    pub fn rows_per_value(&self) -> f64 {
        let sample = self.sample();
        match &self.by_value {
            Some((run, _)) if !run.is_empty() => {
                run.len() as f64 / self.values.get_or_init(|| sample::values(run, sample))
            }
            _ => sample.rows_per_value(),
        }
    }

    /// Rows that share the value of a row drawn at random: what a probe by a value of the same
    /// distribution finds. Common values count more than in [`AttributeIndex::rows_per_value`].
    pub fn rows_like_a_row(&self) -> f64 {
        self.sample().rows_alike().max(self.rows_per_value())
    }

    /// Rows with a value: as many as there are where rows are kept by value, else roughly.
    pub fn rows_with(&self, value: Cell, dictionary: &Dictionary) -> f64 {
        match &self.by_value {
            Some((run, _)) => run.value_range(value, dictionary).len() as f64,
            None => self.sample().rows_with(value),
        }
    }

    /// The part of the rows whose value passes a test.
    ///
    /// What is rarer than a sample tells is looked for at the ends of the rows by value.
    pub fn selectivity(&self, test: impl Fn(Cell) -> bool) -> f64 {
        let sample = self.sample();
        sample.passed(&test).unwrap_or_else(|| {
            let run = self.current_by_value().filter(|run| !run.is_empty());
            let Some(run) = run else {
                return sample.unseen();
            };
            let rows = run.len();
            let ends = [run.first(), run.last()];
            let passed = match ends.map(|row| row.is_some_and(|row| test(row.v))) {
                [true, _] => run.offset(run.partition_point(|_, v| test(v))),
                [_, true] => rows - run.offset(run.partition_point(|_, v| !test(v))),
                _ => return sample.unseen(),
            };
            passed as f64 / rows as f64
        })
    }

    /// Current rows by value, where kept.
    pub fn current_by_value(&self) -> Option<&Run> {
        self.by_value.as_ref().map(|(current, _)| current)
    }

    /// Past rows by value, where kept.
    pub fn past_by_value(&self) -> Option<&Run> {
        self.by_value.as_ref().map(|(_, past)| past)
    }

    /// The index after a change. Ended rows go to the past if `keep_past`, else they vanish.
    #[must_use]
    pub fn apply(
        &self,
        change: Change,
        keep_past: bool,
        dictionary: &Dictionary,
    ) -> AttributeIndex {
        let Change {
            added,
            ended,
            mut past,
        } = change;
        if keep_past {
            past.extend_from_slice(&ended);
        } else {
            past.clear();
        }
        let apply = |current: &Run, old: &Run, added, ended, past| {
            (
                current.apply(ended, added, dictionary),
                old.apply(Vec::new(), past, dictionary),
            )
        };
        let by_value = self
            .by_value
            .as_ref()
            .map(|(current, old)| apply(current, old, added.clone(), ended.clone(), past.clone()));
        let (current, past) = apply(&self.current, &self.past, added, ended, past);
        let (sample, values) = self.estimates_for(&current);
        AttributeIndex {
            sample,
            values,
            current,
            past,
            by_value,
        }
    }

    /// The index with rows by value built, or dropped.
    #[must_use]
    pub fn with_by_value(&self, by_value: bool, dictionary: &Dictionary) -> AttributeIndex {
        if by_value == self.by_value.is_some() {
            return self.clone();
        }
        let by_value = by_value.then(|| {
            let resorted = |run: &Run| run.resorted(SortOrder::ByValue, dictionary);
            (resorted(&self.current), resorted(&self.past))
        });
        AttributeIndex {
            by_value,
            values: OnceLock::new(),
            ..self.clone()
        }
    }

    /// The index without the rows that a purge takes out of the present or of the past.
    #[must_use]
    pub fn retain(
        &self,
        keep_current: impl Fn(&Row) -> bool,
        keep_past: impl Fn(&Row) -> bool,
    ) -> AttributeIndex {
        AttributeIndex {
            sample: OnceLock::new(),
            values: OnceLock::new(),
            current: self.current.retain(&keep_current),
            past: self.past.retain(&keep_past),
            by_value: self
                .by_value
                .as_ref()
                .map(|(current, past)| (current.retain(&keep_current), past.retain(&keep_past))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values that all differ, that come four times each, and two values; and a range of few rows.
    #[test]
    fn rows_by_value_tell_of_values_that_a_sample_misses() {
        let dictionary = Dictionary::default();
        let index = |value: &dyn Fn(i64) -> i64| {
            let added = (0..20_000).map(|n| Row::new(n, Cell::long(value(n)), 0));
            let change = Change {
                added: added.collect(),
                ..Change::default()
            };
            AttributeIndex::new(true).apply(change, true, &dictionary)
        };
        let shuffled = |n: i64| n * 7_919 % 20_000;
        let each = [1, 4, 10_000].map(|times| index(&|n| shuffled(n) / times).rows_per_value());
        for (found, expected) in each.into_iter().zip([1.0, 4.0, 10_000.0]) {
            assert!(
                (0.8..1.2).contains(&(found / expected)),
                "{found} for {expected}"
            );
        }
        let over = |least: i64| move |cell: Cell| cell.as_long() >= Some(least);
        let selectivity = index(&shuffled).selectivity(over(19_990));
        assert_eq!(selectivity, 10.0 / 20_000.0);
    }
}
