//! How a step will find its rows, foretold from the plan: for plans that are shown and not run.

use super::access::{AccessPath, Given, Sides, between};
use super::source::{Source, Sources};
use crate::db::Db;
use crate::index::SortOrder;
use crate::plan::{Op, Pattern, Slot, Step, VarId, op_vars};
use crate::schema::ValueType;

/// What the relation before a step will look like.
#[derive(Clone, Debug)]
pub(super) struct Forecast {
    /// Its variables.
    pub(super) bound: Vec<VarId>,
    /// The variable whose values it has in order.
    pub(super) sorted: Option<VarId>,
    /// How many rows it has.
    pub(super) rows: f64,
}

impl Forecast {
    /// How a pattern's rows will be found.
    pub(super) fn path(&self, pattern: &Pattern, sources: &Sources) -> AccessPath {
        let Source::Db(source) = &sources.sources[pattern.source] else {
            let is_first = self.bound.is_empty();
            return if is_first {
                AccessPath::Tuples
            } else {
                AccessPath::TupleJoin
            };
        };
        let db = &source.db;
        let (entity, value) = (self.given(pattern, 0), self.given(pattern, 2));
        let a = match pattern.slots.get(1) {
            Some(Slot::Const(name)) => db.attr_of(name),
            _ => None,
        };
        let index = a.and_then(|a| db.index(a));
        let value_type = a.and_then(|a| value_type(db, a));
        let is_integer = matches!(value_type, Some(ValueType::Long | ValueType::Ref));
        let is_sorted = || match entity {
            Given::Nothing => is_integer && self.has_in_order(pattern, 2),
            _ => self.has_in_order(pattern, 0),
        };
        if (entity, value) == (Given::Nothing, Given::Nothing)
            && let (Some(bounds), Some(index)) = (&pattern.bounds, index)
            && let Some(run) = index.current_by_value()
            && self.rows <= 1.0
            && between(run, bounds, db.dictionary()).is_some()
        {
            return AccessPath::Range(SortOrder::ByValue);
        }
        AccessPath::choose(&Sides {
            entity,
            value,
            is_by_value: index.is_some_and(|index| index.current_by_value().is_some()),
            rows: self.rows.ceil() as usize,
            index_rows: index.map_or(usize::MAX, |index| index.sample().rows() as usize),
            is_inline: value_type.is_some_and(is_inline),
            is_sorted,
        })
    }

    /// The relation after a step.
    pub(super) fn advance(&mut self, step: &Step, path: Option<AccessPath>) {
        let is_one = self.rows <= 1.0;
        match (&step.op, path) {
            (Op::Scan(pattern), Some(path)) => {
                let var = |at: usize| pattern.slots.get(at).and_then(Slot::var);
                let keeps = self.sorted.is_some() && !is_one;
                self.sorted = match path {
                    AccessPath::Tuples | AccessPath::TupleJoin => None,
                    _ if keeps => self.sorted,
                    AccessPath::Scan | AccessPath::Range(SortOrder::ByValue) => var(0),
                    AccessPath::Merge(SortOrder::ByValue) if is_one => var(0),
                    AccessPath::Range(SortOrder::ByEntity) => var(2),
                    AccessPath::Merge(SortOrder::ByEntity) if is_one => var(2),
                    _ => self.sorted,
                };
            }
            (Op::Intersect { var, .. }, _) if is_one => self.sorted = Some(*var),
            (Op::Union { .. } | Op::Rule { .. } | Op::Nearest { .. }, _) => self.sorted = None,
            _ => {}
        }
        self.rows = step.estimate;
        if !matches!(step.op, Op::AntiJoin { .. }) {
            op_vars(&step.op, &mut self.bound);
        }
    }

    fn given(&self, pattern: &Pattern, at: usize) -> Given {
        match pattern.slots.get(at) {
            None | Some(Slot::Blank) => Given::Nothing,
            Some(Slot::Const(_)) => Given::One,
            Some(Slot::Var(var)) if self.bound.contains(var) => Given::Each,
            Some(Slot::Var(_)) => Given::Nothing,
        }
    }

    /// One row is in order.
    fn has_in_order(&self, pattern: &Pattern, at: usize) -> bool {
        let var = pattern.slots.get(at).and_then(Slot::var);
        self.rows <= 1.0 || (var.is_some() && var == self.sorted)
    }
}

fn value_type(db: &Db, a: crate::datom::AttrId) -> Option<ValueType> {
    db.attribute(a)?.value_type
}

/// Whether values of a type lie in the cells themselves.
fn is_inline(value_type: ValueType) -> bool {
    matches!(
        value_type,
        ValueType::Long
            | ValueType::Ref
            | ValueType::Double
            | ValueType::Float
            | ValueType::Boolean
            | ValueType::Instant
    )
}
