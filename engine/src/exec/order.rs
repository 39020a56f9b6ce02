//! Which rows of an answer are shown, and in which order.
//!
//! `:order-by` decides first. Where it leaves a choice, and where a query wants one tuple of
//! several, the tuples come as a set of Clojure would list them: the choice Datahike makes.

use std::cell::OnceCell;
use std::cmp::Ordering;

use super::answer::AnswerColumn;
use super::relation::Relation;
use crate::index::Interner;
use crate::query::ast::{Find, OrderKey, Query};
use crate::value::{clojure_hash, ordered, set_position};

/// The rows of an answer before they are put in order.
pub(super) struct Rows<'a> {
    query: &'a Query,
    columns: &'a [AnswerColumn],
    rows: usize,
    interner: &'a Interner,
    set: Option<&'a Relation>,
    positions: OnceCell<Vec<u64>>,
}

impl<'a> Rows<'a> {
    /// - `set`: the tuples the rows are made of, if they are a set.
    pub(super) fn new(
        query: &'a Query,
        columns: &'a [AnswerColumn],
        rows: usize,
        interner: &'a Interner,
        set: Option<&'a Relation>,
    ) -> Rows<'a> {
        Rows {
            query,
            columns,
            rows,
            interner,
            set,
            positions: OnceCell::new(),
        }
    }

    /// The rows to show, in order; none if all are shown as they are.
    pub(super) fn order(&self) -> Option<Vec<u32>> {
        let offset = self.query.offset.unwrap_or(0);
        let limit = self.query.limit.unwrap_or(usize::MAX);
        let wants_one = matches!(self.query.find, Find::Tuple(_) | Find::Scalar(_));
        if self.query.order_by.is_empty() {
            return if wants_one && self.rows > 1 && offset == 0 && limit > 0 {
                (0..self.rows as u32)
                    .min_by(|a, b| self.by_chance(*a, *b))
                    .map(|row| vec![row])
            } else if offset == 0 && limit >= self.rows {
                None
            } else {
                Some((0..self.rows as u32).skip(offset).take(limit).collect())
            };
        }
        let total = |a: &u32, b: &u32| self.by_keys(*a, *b).then_with(|| self.by_chance(*a, *b));
        let mut order: Vec<u32> = (0..self.rows as u32).collect();
        let wanted = offset.saturating_add(limit);
        if wanted < self.rows / 4 && wanted > 0 {
            order.select_nth_unstable_by(wanted - 1, total);
            order.truncate(wanted);
        }
        order.sort_unstable_by(total);
        Some(order.into_iter().skip(offset).take(limit).collect())
    }

    fn by_keys(&self, a: u32, b: u32) -> Ordering {
        let compare = |key: &OrderKey| {
            let order = self.columns[key.column].compare(a, b, self.interner);
            if key.descending {
                order.reverse()
            } else {
                order
            }
        };
        self.query
            .order_by
            .iter()
            .map(compare)
            .find(|o| o.is_ne())
            .unwrap_or(Ordering::Equal)
    }

    /// What decides where nobody asked for an order.
    fn by_chance(&self, a: u32, b: u32) -> Ordering {
        let positions = self.positions.get_or_init(|| {
            self.set.map_or(Vec::new(), |set| {
                (0..self.rows)
                    .map(|row| {
                        let values = set
                            .columns()
                            .iter()
                            .map(|column| self.interner.value(column.cell(row)));
                        set_position(ordered(values.map(|value| clojure_hash(&value))))
                    })
                    .collect()
            })
        });
        let at = |row: u32| positions.get(row as usize);
        at(a).cmp(&at(b)).then(a.cmp(&b))
    }
}
