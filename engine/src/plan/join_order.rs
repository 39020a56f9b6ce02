//! The cheapest order of patterns that are joined: dynamic programming over what is joined so far.
//!
//! Source: Selinger et al., "Access path selection in a relational database management system",
//! SIGMOD 1979, section 5, with left-deep plans only.

use std::collections::HashSet;

use super::estimate::{Statistics, estimate, selectivity};
use super::{CallGoal, Goal, GoalKind, Slot, VarId};

/// Most patterns that are put in the best order; more go by the cheapest next.
const PATTERNS_MAX: usize = 8;
/// What a row read in order costs against one that is looked up.
const READ_COST: f64 = 0.25;

/// A pattern among others.
struct Candidate<'g> {
    goal: &'g Goal,
    /// Its entity, attribute and value variables, as bits of the set of variables.
    slots: [u64; 3],
    /// All its variables.
    vars: u64,
    /// The part of its rows that filters of its value keep.
    kept: f64,
    /// Rows per row before it, by which of `slots` are bound; negative if not worked out yet.
    factors: [f64; 8],
}

/// The best way known to join some of the patterns.
#[derive(Clone, Copy)]
struct Plan {
    cost: f64,
    rows: f64,
    bound: u64,
    /// The pattern joined last.
    last: usize,
}

/// The order in which to join patterns; none where there is not one to choose, or where goals are
/// of kinds whose costs are not known.
pub(super) fn join_order<'g>(
    goals: &'g [Goal],
    bound: &HashSet<VarId>,
    rows: f64,
    statistics: &dyn Statistics,
) -> Option<Vec<&'g Goal>> {
    let filters = filters(goals)?;
    let mut vars: Vec<VarId> = Vec::new();
    let patterns = goals
        .iter()
        .filter(|goal| matches!(goal.kind, GoalKind::Pattern(_)));
    let mut candidates: Vec<Candidate<'g>> = Vec::new();
    for goal in patterns {
        candidates.push(Candidate::new(goal, &mut vars, &filters, statistics)?);
    }
    if candidates.len() < 2 || candidates.len() > PATTERNS_MAX {
        return None;
    }
    let bits = vars.iter().zip(0..).filter(|(var, _)| bound.contains(var));
    let start = bits.fold(0, |all, (_, bit)| all | 1u64 << bit);
    let all = (1usize << candidates.len()) - 1;
    let mut plans: Vec<Option<Plan>> = vec![None; all + 1];
    plans[0] = Some(Plan {
        cost: 0.0,
        rows: rows.max(1.0),
        bound: start,
        last: 0,
    });
    for joined in 0..all {
        let Some(plan) = plans[joined] else { continue };
        for (at, candidate) in candidates.iter_mut().enumerate() {
            if joined >> at & 1 != 0 {
                continue;
            }
            let next = candidate.joined(plan, at, statistics);
            let best = &mut plans[joined | 1 << at];
            if best.is_none_or(|best| next.cost < best.cost) {
                *best = Some(next);
            }
        }
    }
    let mut order = Vec::with_capacity(candidates.len());
    let mut joined = all;
    while joined != 0 {
        let last = plans[joined]?.last;
        order.push(candidates[last].goal);
        joined &= !(1 << last);
    }
    order.reverse();
    Some(order)
}

/// The filters among the goals; none if there is anything but patterns and what filters them.
fn filters(goals: &[Goal]) -> Option<Vec<&CallGoal>> {
    let mut filters = Vec::new();
    for goal in goals {
        match &goal.kind {
            GoalKind::Pattern(_) | GoalKind::Not { .. } => {}
            GoalKind::Predicate(call) => filters.push(call),
            _ => return None,
        }
    }
    Some(filters)
}

impl<'g> Candidate<'g> {
    /// None if there are too many variables.
    fn new(
        goal: &'g Goal,
        known: &mut Vec<VarId>,
        filters: &[&CallGoal],
        statistics: &dyn Statistics,
    ) -> Option<Candidate<'g>> {
        let GoalKind::Pattern(pattern) = &goal.kind else {
            return None;
        };
        let mut bit = |slot: &Slot| {
            let Some(var) = slot.var() else {
                return Some(0);
            };
            let at = known.iter().position(|other| *other == var);
            let at = at.unwrap_or_else(|| {
                known.push(var);
                known.len() - 1
            });
            (at < u64::BITS as usize).then(|| 1u64 << at)
        };
        let mut slots = [0; 3];
        let mut vars = 0;
        for (at, slot) in pattern.slots.iter().enumerate() {
            let bit = bit(slot)?;
            vars |= bit;
            if let Some(slot) = slots.get_mut(at) {
                *slot = bit;
            }
        }
        let kept = match filters {
            [] => 1.0,
            _ => selectivity(pattern, filters, statistics),
        };
        Some(Candidate {
            goal,
            slots,
            vars,
            kept,
            factors: [-1.0; 8],
        })
    }

    /// A plan with this pattern, the `at`th, joined last.
    fn joined(&mut self, plan: Plan, at: usize, statistics: &dyn Statistics) -> Plan {
        let is_bound = self.slots.map(|slot| plan.bound & slot != 0);
        let found = plan.rows * self.factor(is_bound, statistics);
        // Where nothing is known of its rows they are read in order, once.
        let (lookups, read) = match is_bound.contains(&true) {
            true => (plan.rows, found),
            false => (0.0, found * READ_COST),
        };
        let kept = if is_bound[2] { 1.0 } else { self.kept };
        let rows = found * kept;
        Plan {
            cost: plan.cost + lookups + read + rows,
            rows,
            bound: plan.bound | self.vars,
            last: at,
        }
    }

    fn factor(&mut self, is_bound: [bool; 3], statistics: &dyn Statistics) -> f64 {
        let [e, a, v] = is_bound.map(usize::from);
        let at = e | a << 1 | v << 2;
        if self.factors[at] < 0.0 {
            let GoalKind::Pattern(pattern) = &self.goal.kind else {
                return 1.0;
            };
            let slots = pattern.slots.iter().zip(is_bound);
            let bound = slots.filter(|(_, bound)| *bound);
            let bound = bound.filter_map(|(slot, _)| slot.var()).collect();
            self.factors[at] = estimate(self.goal, 1.0, &bound, statistics);
        }
        self.factors[at]
    }
}
