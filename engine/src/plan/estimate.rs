//! How many rows a goal yields: from the lengths of runs and samples of them.

use std::collections::HashSet;

use super::{Bind, Goal, GoalKind, Pattern, Slot, VarId};
use crate::db::Db;
use crate::index::{AttributeIndex, Run};
use crate::value::Value;

/// What the planner may know of a source.
pub trait Statistics {
    /// The database at a position, if it is one.
    fn db(&self, source: usize) -> Option<&Db>;
    /// The tuples of a collection at a position; 0 for a database.
    fn tuples(&self, source: usize) -> usize;
}

/// Rows a sample looks at.
const SAMPLE_ROWS: usize = 256;
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
        GoalKind::Predicate(_) => rows * 0.5,
        GoalKind::Function(_, Bind::Collection(_)) => rows * 10.0,
        GoalKind::Function(..) => rows,
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
                    Known::Const(value) => Some(constant_rows(db, a, index, value)),
                    _ => None,
                };
                attribute_rows(index, e, v, constant)
            }
            None => 0.0,
        },
        other => {
            let indexes = db.attribute_ids().filter_map(|a| db.index(a));
            let all: f64 = indexes.map(|index| attribute_rows(index, e, v, None)).sum();
            if other == Known::Var { all / 8.0 } else { all }
        }
    }
}

fn attribute_rows(index: &AttributeIndex, e: Known, v: Known, constant: Option<f64>) -> f64 {
    let run = index.current();
    let rows = run.len() as f64;
    let per_entity = rows / distinct_entities(run).max(1.0);
    match (e, v) {
        (Known::Free, Known::Free) => rows,
        (Known::Free, _) => constant.unwrap_or_else(|| rows / distinct_values(index).max(1.0)),
        (_, Known::Free) => per_entity,
        (_, _) => {
            let per_value = constant.unwrap_or_else(|| rows / distinct_values(index).max(1.0));
            (per_value / rows.max(1.0) * per_entity).min(per_entity)
        }
    }
}

/// Rows of an attribute with a constant value: exact where rows are kept by value.
fn constant_rows(db: &Db, a: crate::datom::AttrId, index: &AttributeIndex, value: &Value) -> f64 {
    let _ = a;
    match (index.current_by_value(), db.dictionary().cell(value)) {
        (Some(run), Some(cell)) => run.value_range(cell, db.dictionary()).len() as f64,
        (None, Some(_)) => {
            index.current().len() as f64 / distinct_values(index).max(1.0)
        }
        (_, None) => 1.0,
    }
}

/// Distinct entities of a run sorted by entity, from its middle chunk.
fn distinct_entities(run: &Run) -> f64 {
    let Some(chunk) = run.chunks().get(run.chunks().len() / 2) else {
        return 0.0;
    };
    let sample = &chunk.e[..chunk.len().min(SAMPLE_ROWS)];
    let distinct = 1 + sample.windows(2).filter(|pair| pair[0] != pair[1]).count();
    run.len() as f64 * distinct as f64 / sample.len() as f64
}

/// Distinct values of an attribute. Exact enough where rows are kept by value; else from the middle
/// chunk of its run: if few repeat there, as many as rows, else what the sample has.
fn distinct_values(index: &AttributeIndex) -> f64 {
    let run = index.current_by_value().unwrap_or(index.current());
    let Some(chunk) = run.chunks().get(run.chunks().len() / 2) else {
        return 0.0;
    };
    let sample = &chunk.v.bits()[..chunk.len().min(SAMPLE_ROWS)];
    let distinct = sample.iter().collect::<HashSet<_>>().len();
    if index.current_by_value().is_some() || distinct * 2 > sample.len() {
        run.len() as f64 * distinct as f64 / sample.len() as f64
    } else {
        distinct as f64
    }
}
