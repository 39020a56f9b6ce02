//! How many rows a goal yields: from the lengths of runs and samples of them.

use std::collections::HashSet;

use super::{ArgSlot, Bind, CallGoal, Callable, Goal, GoalKind, Pattern, Slot, VarId};
use crate::db::Db;
use crate::index::AttributeIndex;
use crate::value::Value;

/// What the planner may know of a source.
pub trait Statistics {
    /// The database at a position, if it is one.
    fn db(&self, source: usize) -> Option<&Db>;
    /// The tuples of a collection at a position; 0 for a database.
    fn tuples(&self, source: usize) -> usize;
}

/// The part of the rows that a predicate keeps of which nothing is known.
pub(super) const PREDICATE_KEEPS: f64 = 0.5;
/// Rows expected of a rule of which nothing is known, per row of the caller.
const RULE_ROWS: f64 = 50.0;
/// How much an unbound rule call costs against a bound one.
const RULE_FREE_ROWS: f64 = 1e6;

/// Rows after a goal, given `rows` before it and the bound variables.
pub(super) fn estimate(
    goal: &Goal,
    rows: f64,
    bound: &HashSet<VarId>,
    statistics: &dyn Statistics,
) -> f64 {
    match &goal.kind {
        GoalKind::Pattern(pattern) => rows * pattern_rows(pattern, bound, statistics),
        GoalKind::Predicate(_) => rows * PREDICATE_KEEPS,
        GoalKind::Function(_, bind) => rows * function_rows(bind),
        GoalKind::Not { .. } => rows * 0.5,
        GoalKind::Or { branches, .. } => branches
            .iter()
            .map(|goals| {
                let best = goals
                    .iter()
                    .map(|goal| estimate(goal, rows, bound, statistics));
                best.fold(f64::INFINITY, f64::min)
            })
            .sum(),
        GoalKind::Rule { args, .. } => {
            let is_bound = |slot: &Slot| match slot {
                Slot::Const(_) => true,
                Slot::Var(var) => bound.contains(var),
                Slot::Blank => false,
            };
            if args.iter().any(is_bound) {
                rows * RULE_ROWS
            } else {
                rows * RULE_FREE_ROWS
            }
        }
    }
}

/// Rows of a function per row of the caller.
pub(super) fn function_rows(bind: &Bind) -> f64 {
    match bind {
        Bind::Collection(_) => 10.0,
        _ => 1.0,
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Known<'a> {
    Free,
    Var,
    Const(&'a Value),
}

fn known<'a>(pattern: &'a Pattern, at: usize, bound: &HashSet<VarId>) -> Known<'a> {
    match pattern.slots.get(at) {
        None | Some(Slot::Blank) => Known::Free,
        Some(Slot::Const(value)) => Known::Const(value),
        Some(Slot::Var(var)) if bound.contains(var) => Known::Var,
        Some(Slot::Var(_)) => Known::Free,
    }
}

/// How many different entities, attributes and values the rows of a pattern have, as far as that is known.
pub(super) fn different(pattern: &Pattern, statistics: &dyn Statistics) -> [f64; 3] {
    let unknown = f64::INFINITY;
    let Some(Slot::Const(a)) = pattern.slots.get(1) else {
        return [unknown; 3];
    };
    let index = statistics
        .db(pattern.source)
        .and_then(|db| db.index(db.attribute_id(a)?));
    index.map_or([unknown; 3], |index| {
        let rows = index.sample().rows();
        let values = rows / index.rows_per_value().max(f64::MIN_POSITIVE);
        [index.sample().entities(), 1.0, values].map(|count| count.max(1.0))
    })
}

/// Rows of a pattern per row of the caller.
fn pattern_rows(pattern: &Pattern, bound: &HashSet<VarId>, statistics: &dyn Statistics) -> f64 {
    let Some(db) = statistics.db(pattern.source) else {
        let tuples = statistics.tuples(pattern.source) as f64;
        let known = (0..pattern.slots.len()).any(|at| known(pattern, at, bound) != Known::Free);
        return if known { tuples.sqrt() } else { tuples };
    };
    let (e, v) = (known(pattern, 0, bound), known(pattern, 2, bound));
    match known(pattern, 1, bound) {
        Known::Const(a) => match db.attribute_id(a).and_then(|a| Some((a, db.index(a)?))) {
            Some((a, index)) => {
                let constant = match v {
                    Known::Const(value) => Some(constant_rows(db, index, value)),
                    _ => None,
                };
                let is_ref = db.attribute(a).is_some_and(|attribute| attribute.is_ref());
                attribute_rows(index, e, v, constant, is_ref)
            }
            None => 0.0,
        },
        other => {
            let indexes = db.attribute_ids().filter_map(|a| db.index(a));
            let all: f64 = indexes
                .map(|index| attribute_rows(index, e, v, None, false))
                .sum();
            if other == Known::Var { all / 8.0 } else { all }
        }
    }
}

fn attribute_rows(
    index: &AttributeIndex,
    e: Known,
    v: Known,
    constant: Option<f64>,
    is_ref: bool,
) -> f64 {
    let sample = index.sample();
    // Entities that refs are probed with come once each; other values come as often as they are.
    // A sample takes refs to be to fewer entities than they are: that keeps joins away from hubs.
    let per_value = || {
        constant.unwrap_or_else(|| {
            if is_ref {
                sample.rows_per_value()
            } else {
                index.rows_like_a_row()
            }
        })
    };
    let per_entity = sample.rows_per_entity();
    match (e, v) {
        (Known::Free, Known::Free) => sample.rows(),
        (Known::Free, _) => per_value(),
        (_, Known::Free) => per_entity,
        (_, _) => (per_value() / sample.rows().max(1.0) * per_entity).min(per_entity),
    }
}

/// Rows of an attribute with a constant value: exact where rows are kept by value.
fn constant_rows(db: &Db, index: &AttributeIndex, value: &Value) -> f64 {
    let cell = db.dictionary().cell(value);
    cell.map_or(1.0, |cell| index.rows_with(cell, db.dictionary()))
}

/// The part of a pattern's rows that the given filters keep, for filters that look at nothing but
/// its value.
pub(super) fn selectivity(
    pattern: &Pattern,
    filters: &[&CallGoal],
    statistics: &dyn Statistics,
) -> f64 {
    let (Some(Slot::Const(a)), Some(Slot::Var(var))) = (pattern.slots.get(1), pattern.slots.get(2))
    else {
        return 1.0;
    };
    let on_value = |call: &&&CallGoal| call.vars().all(|other| other == *var) && is_builtin(call);
    let filters: Vec<&&CallGoal> = filters.iter().filter(on_value).collect();
    let index = statistics.db(pattern.source).and_then(|db| {
        let index = db.index(db.attribute_id(a)?)?;
        Some((db, index))
    });
    match index {
        Some((db, index)) if !filters.is_empty() => {
            index.selectivity(|cell| filters.iter().all(|call| holds(call, &db.value(cell))))
        }
        _ => 1.0,
    }
}

fn is_builtin(call: &CallGoal) -> bool {
    matches!(call.callable, Callable::Builtin(_)) && call.vars().next().is_some()
}

/// Whether a filter of one variable holds for a value.
fn holds(call: &CallGoal, value: &Value) -> bool {
    let Callable::Builtin(builtin) = call.callable else {
        return true;
    };
    let args: Option<Vec<Value>> = call
        .args
        .iter()
        .map(|arg| match arg {
            ArgSlot::Var(_) => Some(value.clone()),
            ArgSlot::Const(constant) => Some(constant.clone()),
            ArgSlot::Source(_) | ArgSlot::Rules => None,
        })
        .collect();
    args.is_none_or(|args| builtin.call(&args).is_ok_and(|result| result.is_truthy()))
}
