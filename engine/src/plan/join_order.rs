//! The cheapest order of patterns that are joined: dynamic programming over what is joined so far.
//!
//! Source: Selinger et al., "Access path selection in a relational database management system",
//! SIGMOD 1979, section 5, with left-deep plans only.

use std::collections::HashSet;

use super::estimate::{Statistics, estimate, selectivity};
use super::intersect::list_key;
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
    /// Those of which an index has the values in order for each value of its other end.
    listed: u64,
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
    /// The patterns joined before the last, or before the last that are intersected.
    before: usize,
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
        before: 0,
    });
    for joined in 0..all {
        let Some(plan) = plans[joined] else { continue };
        for at in places(all & !joined) {
            let next = candidates[at].joined((joined, plan), statistics);
            keep_cheaper(&mut plans[joined | 1 << at], next);
            let group = intersected(&candidates, (joined, plan), at);
            if group != 0 {
                let next = intersection(&mut candidates, (joined, plan), group, statistics);
                keep_cheaper(&mut plans[joined | group], next);
            }
        }
    }
    let mut order = Vec::with_capacity(candidates.len());
    let mut joined = all;
    while joined != 0 {
        let plan = plans[joined]?;
        let before = plans[plan.before]?;
        let mut last: Vec<(f64, usize)> = places(joined & !plan.before)
            .map(|at| (candidates[at].factor(before.bound, statistics), at))
            .collect();
        last.sort_by(|a, b| b.0.total_cmp(&a.0));
        order.extend(last.into_iter().map(|(_, at)| candidates[at].goal));
        joined = plan.before;
    }
    order.reverse();
    Some(order)
}

/// The places of the bits that are set.
fn places(mut bits: usize) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let at = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
        bits &= bits - 1;
        Some(at)
    })
}

fn keep_cheaper(best: &mut Option<Plan>, next: Plan) {
    if best.is_none_or(|best| next.cost < best.cost) {
        *best = Some(next);
    }
}

/// The patterns that list the one variable that a pattern, the first of them, would bind; none
/// where there is nothing to intersect.
fn intersected(candidates: &[Candidate<'_>], (joined, plan): (usize, Plan), at: usize) -> usize {
    let new = candidates[at].vars & !plan.bound;
    let lists = |candidate: &Candidate<'_>| {
        candidate.listed & new != 0 && candidate.vars & !plan.bound == new
    };
    if !new.is_power_of_two() || !lists(&candidates[at]) {
        return 0;
    }
    let left = places((1 << candidates.len()) - 1 & !joined);
    let group = left
        .filter(|&at| lists(&candidates[at]))
        .fold(0, |group, at| group | 1 << at);
    let is_keyed = places(group).any(|at| candidates[at].vars != new);
    match group.count_ones() > 1 && is_keyed && group.trailing_zeros() as usize == at {
        true => group,
        false => 0,
    }
}

/// A plan with some patterns joined last, at once: the shortest list of a row is looked up in the
/// others.
fn intersection(
    candidates: &mut [Candidate<'_>],
    (joined, plan): (usize, Plan),
    group: usize,
    statistics: &dyn Statistics,
) -> Plan {
    let (mut lists, mut shortest, mut kept) = (0.0, (f64::INFINITY, 0), 1.0f64);
    for at in places(group) {
        let listed = candidates[at].factor(plan.bound, statistics);
        if listed < shortest.0 {
            shortest = (listed, at);
        }
        lists += 1.0;
        kept = kept.min(candidates[at].kept(plan.bound));
    }
    let read = plan.rows * shortest.0;
    let bound = plan.bound | candidates[shortest.1].vars;
    let others = places(group & !(1 << shortest.1));
    let shares = others.map(|at| candidates[at].factor(bound, statistics));
    let rows = read * kept * shares.product::<f64>();
    Plan {
        cost: plan.cost + lists * plan.rows + (lists - 1.0) * read + rows,
        rows,
        bound,
        before: joined,
    }
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
        let is_listed = |slot: &Slot| {
            let var = slot.var();
            var.is_some_and(|var| list_key(pattern, var, statistics).is_some())
        };
        let ends = pattern.slots.iter().zip(slots);
        let listed = ends.filter(|(slot, _)| is_listed(slot)).map(|(_, bit)| bit);
        let kept = match filters {
            [] => 1.0,
            _ => selectivity(pattern, filters, statistics),
        };
        Some(Candidate {
            goal,
            slots,
            vars,
            listed: listed.fold(0, |all, bit| all | bit),
            kept,
            factors: [-1.0; 8],
        })
    }

    /// A plan with this pattern joined last.
    fn joined(&mut self, (joined, plan): (usize, Plan), statistics: &dyn Statistics) -> Plan {
        let found = plan.rows * self.factor(plan.bound, statistics);
        // Where nothing is known of its rows they are read in order, once.
        let (lookups, read) = match self.vars & plan.bound != 0 {
            true => (plan.rows, found),
            false => (0.0, found * READ_COST),
        };
        let rows = found * self.kept(plan.bound);
        Plan {
            cost: plan.cost + lookups + read + rows,
            rows,
            bound: plan.bound | self.vars,
            before: joined,
        }
    }

    /// The part of its rows that filters of its value keep, unless they were applied before.
    fn kept(&self, bound: u64) -> f64 {
        match self.slots[2] & bound {
            0 => self.kept,
            _ => 1.0,
        }
    }

    /// Rows per row before it.
    fn factor(&mut self, bound: u64, statistics: &dyn Statistics) -> f64 {
        let is_bound = self.slots.map(|slot| bound & slot != 0);
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
