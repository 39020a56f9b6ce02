//! The cheapest order of patterns that are joined: dynamic programming over what is joined so far.
//!
//! Source: Selinger et al., "Access path selection in a relational database management system",
//! SIGMOD 1979, section 5, with left-deep plans only. What costs more than to go by the cheapest next
//! is not followed.

use std::collections::HashSet;

use super::estimate::{Statistics, different, estimate, function_rows, selectivity};
use super::intersect::list_key;
use super::order::predicate;
use super::{Bind, CallGoal, Goal, GoalKind, VarId};

/// Most patterns that are put in the best order; more go by the cheapest next.
const PATTERNS_MAX: usize = 12;
/// What a row costs that is read in order, against one that is written.
const READ_COST: f64 = 0.25;
/// What it costs to look an entity up, and to read what it has: rows come close together.
const ENTITY_COST: f64 = 0.25;
/// What it costs to look a value up.
const VALUE_COST: f64 = 1.0;
/// What it costs to read an entity that has the value: they come from anywhere, in no order that later
/// joins could use.
const SCATTERED_COST: f64 = 2.0;
/// Rows from which on those that come from anywhere cost twice that: they are in no cache.
const CACHED_ROWS: f64 = 1e6;

/// The order in which to join the patterns among some goals; none where there is not one to choose.
///
/// Of what other goals bind, only what functions make of the patterns' variables is foreseen.
///
/// - `needed`: variables needed after the goals.
pub(super) fn join_order<'g>(
    goals: &[&'g Goal],
    bound: &HashSet<VarId>,
    (rows, needed): (f64, &[VarId]),
    statistics: &dyn Statistics,
) -> Option<Vec<&'g Goal>> {
    let mut vars = Vec::new();
    let mut search = Search::new(goals, &mut vars, statistics)?;
    search.need(goals, needed, &vars);
    let bits = vars.iter().zip(0..).filter(|(var, _)| bound.contains(var));
    let start = Plan {
        cost: 0.0,
        rows: rows.max(1.0),
        bound: bits.fold(0, |all, (_, bit)| all | 1 << bit),
        before: 0,
    };
    let plans = search.plans(search.computed(start));
    Some(search.order(&plans))
}

/// The patterns, and what the search for their order hangs on.
struct Search<'g, 's> {
    candidates: Vec<Candidate<'g>>,
    functions: Vec<Function>,
    /// The variables of each set of patterns.
    vars_of: Vec<u64>,
    /// The variables that others than the patterns need, as bits.
    needed: u64,
    /// How many different values each variable has at most.
    different: Vec<f64>,
    statistics: &'s dyn Statistics,
}

/// A pattern among others.
struct Candidate<'g> {
    goal: &'g Goal,
    /// Its entity, attribute and value variables, as bits of the set of variables.
    slots: [u64; 3],
    /// All its variables.
    vars: u64,
    /// Those of which an index has the values in order for each value of its other end.
    listed: u64,
    /// The patterns that list one of these, itself among them, as bits.
    rivals: usize,
    /// The part of its rows that filters of its value keep.
    kept: f64,
    /// How many different entities, attributes and values its rows have.
    different: [f64; 3],
    /// Rows per row before it, by which of `slots` are bound; negative if not worked out yet.
    factors: [f64; 8],
}

/// A function, which runs as soon as what it needs is bound.
struct Function {
    needs: u64,
    gives: u64,
    /// Rows per row before it.
    factor: f64,
}

/// A way to join some of the patterns.
#[derive(Clone, Copy)]
struct Plan {
    cost: f64,
    rows: f64,
    bound: u64,
    /// The patterns joined before the last, or before the last that are intersected, as bits.
    before: usize,
}

/// No way at all.
const NO_PLAN: Plan = Plan {
    cost: f64::INFINITY,
    rows: 0.0,
    bound: 0,
    before: 0,
};

impl<'g, 's> Search<'g, 's> {
    /// None where there are too few patterns or too many.
    fn new(
        goals: &[&'g Goal],
        vars: &mut Vec<VarId>,
        statistics: &'s dyn Statistics,
    ) -> Option<Search<'g, 's>> {
        let is_pattern = |goal: &&&Goal| matches!(goal.kind, GoalKind::Pattern(_));
        let patterns = goals.iter().filter(is_pattern);
        if !(2..=PATTERNS_MAX).contains(&patterns.clone().count()) {
            return None;
        }
        let filters: Vec<&CallGoal> = goals.iter().filter_map(|goal| predicate(goal)).collect();
        let mut candidates = Vec::new();
        for goal in patterns {
            candidates.push(Candidate::new(goal, vars, &filters, statistics)?);
        }
        let rivals = |one: &Candidate<'_>| {
            let others = (0..).zip(&candidates);
            let rivals = others.filter(|(_, other)| other.listed & one.listed != 0);
            rivals.fold(0, |all, (at, _)| all | 1 << at)
        };
        let rivals: Vec<usize> = candidates.iter().map(rivals).collect();
        for (candidate, rivals) in candidates.iter_mut().zip(rivals) {
            candidate.rivals = rivals;
        }
        let mut functions = Vec::new();
        for goal in goals {
            if let GoalKind::Function(call, bind) = &goal.kind {
                functions.push(Function::new(call, bind, vars)?);
            }
        }
        let mut different = vec![f64::INFINITY; vars.len()];
        for candidate in &candidates {
            for (slot, count) in candidate.slots.iter().zip(candidate.different) {
                if let Some(most) = different.get_mut(slot.trailing_zeros() as usize) {
                    *most = most.min(count);
                }
            }
        }
        let mut vars_of = vec![0u64; 1 << candidates.len()];
        for patterns in 1..vars_of.len() {
            let first = candidates[patterns.trailing_zeros() as usize].vars;
            vars_of[patterns] = first | vars_of[patterns & (patterns - 1)];
        }
        Some(Search {
            candidates,
            functions,
            vars_of,
            needed: 0,
            different,
            statistics,
        })
    }

    /// Notes which variables are needed beside the patterns: after the goals, and by other goals.
    fn need(&mut self, goals: &[&Goal], needed: &[VarId], vars: &[VarId]) {
        let mut all = needed.to_vec();
        for goal in goals {
            if !matches!(goal.kind, GoalKind::Pattern(_)) {
                goal.vars(&mut all);
            }
        }
        let bits = vars.iter().zip(0..).filter(|(var, _)| all.contains(var));
        self.needed = bits.fold(0, |all, (_, bit)| all | 1 << bit);
    }

    /// A plan whose tuples are a set of the variables that are still needed.
    fn distinct(&self, joined: usize, mut plan: Plan) -> Plan {
        let rest = self.vars_of[self.all() & !joined];
        let live = plan.bound & (self.needed | rest);
        if live != plan.bound {
            let counts = places(live as usize).map(|at| self.different[at]);
            plan.rows = plan.rows.min(counts.product());
        }
        plan
    }

    /// The cheapest plan of each set of patterns that is not dearer than going by the cheapest next.
    fn plans(&mut self, start: Plan) -> Vec<Plan> {
        let all = self.all();
        let limit = self.greedy(start).cost;
        let mut plans = vec![NO_PLAN; all + 1];
        plans[0] = start;
        for joined in 0..all {
            let plan = plans[joined];
            if plan.cost > limit {
                continue;
            }
            self.each_next(joined, plan, |joined, next| {
                if next.cost <= limit && next.cost < plans[joined].cost {
                    plans[joined] = next;
                }
            });
        }
        plans
    }

    /// All patterns joined, each time with what makes the cheapest plan.
    fn greedy(&mut self, start: Plan) -> Plan {
        let (mut joined, mut plan) = (0, start);
        while joined != self.all() {
            let mut best = (joined, NO_PLAN);
            self.each_next(joined, plan, |joined, next| {
                if next.cost < best.1.cost {
                    best = (joined, next);
                }
            });
            if best.0 == joined {
                return NO_PLAN;
            }
            (joined, plan) = best;
        }
        plan
    }

    /// The patterns in the order of the cheapest plan.
    fn order(&mut self, plans: &[Plan]) -> Vec<&'g Goal> {
        let mut order = Vec::with_capacity(self.candidates.len());
        let mut joined = self.all();
        while joined != 0 {
            let before = plans[joined].before;
            // Of lists that are intersected the shortest comes first.
            let mut last: Vec<(f64, usize)> = places(joined & !before)
                .map(|at| (self.factor(at, plans[before].bound), at))
                .collect();
            last.sort_by(|a, b| b.0.total_cmp(&a.0));
            order.extend(last.into_iter().map(|(_, at)| self.candidates[at].goal));
            joined = before;
        }
        order.reverse();
        order
    }

    fn all(&self) -> usize {
        (1 << self.candidates.len()) - 1
    }

    /// What a plan may go on with: each pattern, and patterns that are intersected.
    fn each_next(&mut self, joined: usize, plan: Plan, mut each: impl FnMut(usize, Plan)) {
        for at in places(self.all() & !joined) {
            each(joined | 1 << at, self.joined(joined, plan, at));
            if let Some(group) = self.intersected(joined, plan, at) {
                each(joined | group, self.intersection(joined, plan, group));
            }
        }
    }

    /// A plan with one more pattern.
    fn joined(&mut self, joined: usize, plan: Plan, at: usize) -> Plan {
        let found = plan.rows * self.factor(at, plan.bound);
        let candidate = &self.candidates[at];
        let [e, ..] = candidate.slots;
        let (lookups, read) = if e & plan.bound != 0 {
            (plan.rows * ENTITY_COST, found * ENTITY_COST)
        } else if candidate.vars & plan.bound != 0 {
            let misses = if found < CACHED_ROWS { 1.0 } else { 2.0 };
            (plan.rows * VALUE_COST, found * SCATTERED_COST * misses)
        } else {
            // Where nothing is known of its rows they are read in order, once.
            (0.0, found * READ_COST)
        };
        let rows = found * candidate.kept(plan.bound);
        let next = Plan {
            cost: plan.cost + lookups + read + rows,
            rows,
            bound: plan.bound | candidate.vars,
            before: joined,
        };
        self.computed(self.distinct(joined | 1 << at, next))
    }

    /// The patterns that list the one variable that a pattern, the first of them, would bind; none
    /// where there is nothing to intersect.
    fn intersected(&self, joined: usize, plan: Plan, at: usize) -> Option<usize> {
        let candidate = &self.candidates[at];
        let new = candidate.vars & !plan.bound;
        let rivals = candidate.rivals & !joined;
        if rivals.count_ones() < 2 || !new.is_power_of_two() || candidate.listed & new == 0 {
            return None;
        }
        let lists = |at: &usize| {
            let other = &self.candidates[*at];
            other.listed & new != 0 && other.vars & !plan.bound == new
        };
        let group: usize = places(rivals).filter(lists).map(|at| 1 << at).sum();
        let is_first = group.trailing_zeros() as usize == at;
        let is_keyed = places(group).any(|at| self.candidates[at].vars != new);
        (is_first && is_keyed && group.count_ones() > 1).then_some(group)
    }

    /// A plan with some more patterns at once: the shortest list of a row is looked up in the others.
    fn intersection(&mut self, joined: usize, plan: Plan, group: usize) -> Plan {
        let (mut shortest, mut lead, mut kept) = (f64::INFINITY, 0, 1.0f64);
        for at in places(group) {
            let listed = self.factor(at, plan.bound);
            if listed < shortest {
                (shortest, lead) = (listed, at);
            }
            kept = kept.min(self.candidates[at].kept(plan.bound));
        }
        let read = plan.rows * shortest;
        let bound = plan.bound | self.candidates[lead].vars;
        let others = places(group & !(1 << lead));
        let rows = others.fold(read * kept, |rows, at| rows * self.factor(at, bound));
        let lists = f64::from(group.count_ones());
        let next = Plan {
            cost: plan.cost + ENTITY_COST * (lists * plan.rows + (lists - 1.0) * read) + rows,
            rows,
            bound,
            before: joined,
        };
        self.computed(self.distinct(joined | group, next))
    }

    /// A plan after the functions that can run.
    fn computed(&self, mut plan: Plan) -> Plan {
        let runs = |function: &&Function, bound: u64| {
            function.needs & !bound == 0 && function.gives & !bound != 0
        };
        while let Some(function) = self.functions.iter().find(|f| runs(f, plan.bound)) {
            plan.bound |= function.gives;
            plan.rows *= function.factor;
        }
        plan
    }

    /// Rows of a pattern per row before it.
    fn factor(&mut self, at: usize, bound: u64) -> f64 {
        let candidate = &mut self.candidates[at];
        let is_bound = candidate.slots.map(|slot| bound & slot != 0);
        let [e, a, v] = is_bound.map(usize::from);
        let factor = &mut candidate.factors[e | a << 1 | v << 2];
        if *factor < 0.0
            && let GoalKind::Pattern(pattern) = &candidate.goal.kind
        {
            let slots = pattern.slots.iter().zip(is_bound);
            let bound = slots.filter(|(_, bound)| *bound);
            let bound = bound.filter_map(|(slot, _)| slot.var()).collect();
            *factor = estimate(candidate.goal, 1.0, &bound, self.statistics);
        }
        *factor
    }
}

impl<'g> Candidate<'g> {
    /// None if there are too many variables.
    fn new(
        goal: &'g Goal,
        vars: &mut Vec<VarId>,
        filters: &[&CallGoal],
        statistics: &dyn Statistics,
    ) -> Option<Candidate<'g>> {
        let GoalKind::Pattern(pattern) = &goal.kind else {
            return None;
        };
        let (mut slots, mut all, mut listed) = ([0; 3], 0, 0);
        for (at, slot) in pattern.slots.iter().enumerate() {
            let Some(var) = slot.var() else { continue };
            let bit = bit(var, vars)?;
            all |= bit;
            if let Some(slot) = slots.get_mut(at) {
                *slot = bit;
            }
            if list_key(pattern, var, statistics).is_some() {
                listed |= bit;
            }
        }
        let kept = match filters {
            [] => 1.0,
            _ => selectivity(pattern, filters, statistics),
        };
        Some(Candidate {
            goal,
            slots,
            vars: all,
            listed,
            rivals: 0,
            kept,
            different: different(pattern, statistics),
            factors: [-1.0; 8],
        })
    }

    /// The part of its rows that filters of its value keep, unless they were applied before.
    fn kept(&self, bound: u64) -> f64 {
        match self.slots[2] & bound {
            0 => self.kept,
            _ => 1.0,
        }
    }
}

impl Function {
    /// None if there are too many variables.
    fn new(call: &CallGoal, bind: &Bind, vars: &mut Vec<VarId>) -> Option<Function> {
        let mut results = Vec::new();
        bind.vars(&mut results);
        let mut bits = |all: &[VarId]| {
            let mut all = all.iter();
            all.try_fold(0, |bits, var| Some(bits | bit(*var, vars)?))
        };
        Some(Function {
            needs: bits(&call.vars().collect::<Vec<_>>())?,
            gives: bits(&results)?,
            factor: function_rows(bind),
        })
    }
}

/// The bit of a variable; none if there are too many.
fn bit(var: VarId, vars: &mut Vec<VarId>) -> Option<u64> {
    let at = vars.iter().position(|other| *other == var);
    let at = at.unwrap_or_else(|| {
        vars.push(var);
        vars.len() - 1
    });
    (at < u64::BITS as usize).then(|| 1 << at)
}

/// The places of the bits that are set.
fn places(mut bits: usize) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let at = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
        bits &= bits - 1;
        Some(at)
    })
}
