//! The index of one attribute: current and past rows, by entity and (where asked for) by value.

use std::sync::{Arc, OnceLock};

use super::{Dictionary, Extra, Leaf, Row, Run, Sample, SortOrder};

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
}

impl AttributeIndex {
    /// An index without rows.
    pub fn new(by_value: bool) -> AttributeIndex {
        let empty = |order, extra| Run::empty(order, extra);
        AttributeIndex {
            sample: OnceLock::new(),
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
        }
    }

    /// The index without some datoms, current and past: by entity and value.
    #[must_use]
    pub fn without(&self, datoms: &[Row], dictionary: &Dictionary) -> AttributeIndex {
        let without = |run: &Run| run.apply(datoms.to_vec(), Vec::new(), dictionary);
        let current = without(&self.current);
        AttributeIndex {
            sample: self.sample_for(&current),
            current,
            past: without(&self.past),
            by_value: self
                .by_value
                .as_ref()
                .map(|(current, past)| (without(current), without(past))),
        }
    }

    fn sample_for(&self, current: &Run) -> OnceLock<Arc<Sample>> {
        match self.sample.get() {
            Some(sample) if sample.still_tells(current.len()) => OnceLock::from(Arc::clone(sample)),
            _ => OnceLock::new(),
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
        AttributeIndex {
            sample: self.sample_for(&current),
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
            current: self.current.retain(&keep_current),
            past: self.past.retain(&keep_past),
            by_value: self
                .by_value
                .as_ref()
                .map(|(current, past)| (current.retain(&keep_current), past.retain(&keep_past))),
        }
    }
}
