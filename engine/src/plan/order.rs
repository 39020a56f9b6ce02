//! Which goal runs next: cheap filters at once, then the goal that yields fewest rows.

use std::collections::{HashSet, VecDeque};

use super::estimate::{Statistics, estimate, selectivity};
use super::intersect::intersections;
use super::join_order::join_order;
use super::logical::unique;
use super::nearest::{Known, is_search};
use super::physical::{Among, Block, Op, Step, StepId};
use super::{Bind, CallGoal, Goal, GoalKind, Slot, VarId, Vars};
use crate::error::{Code, Error, Result};
use crate::value::{Symbol, Value};

/// Finds (or makes) the predicate for a rule call; none if the rule cannot run with only these
/// arguments bound.
pub(super) trait RuleCalls {
    /// The position of the predicate for a call with these arguments bound.
    fn predicate(&mut self, call: &RuleCall<'_>) -> Result<Option<usize>>;
    /// From here on calls are within a negation.
    fn enter_negation(&mut self);
    /// The innermost negation ends.
    fn leave_negation(&mut self);
}

/// A rule call being planned.
pub(super) struct RuleCall<'a> {
    /// The rule.
    pub name: &'a Symbol,
    /// The source its body sees as `$`.
    pub source: usize,
    /// Which arguments are bound.
    pub bound: Vec<bool>,
    /// Whether arguments that the rule never mentions may stay unbound.
    pub lenient: bool,
    /// The clause, for messages.
    pub goal: &'a Goal,
}

/// What ordering needs beside the goals.
pub(super) struct Order<'a> {
    /// Names, for messages.
    pub vars: &'a Vars,
    /// What is known of the sources.
    pub statistics: &'a dyn Statistics,
    /// The rules.
    pub rules: &'a mut dyn RuleCalls,
    /// Whose clauses are being ordered.
    pub whose: Whose,
}

/// Whose clauses a conjunction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// The query's: what is bound before it, the caller has given.
    Query,
    /// Those of a rule, an alternative or a negation: what is bound before it must not change what it
    /// means.
    Within,
}

impl Order<'_> {
    /// Orders a conjunction.
    ///
    /// - `bound`: variables bound before it.
    /// - `rows`: rows expected before it.
    /// - `needed`: variables needed after it.
    /// - Errors: `InsufficientBindings` (as [`Code::QueryWhere`]) naming the first clause that
    ///   cannot run.
    pub(super) fn block(
        &mut self,
        goals: &[Goal],
        bound: &HashSet<VarId>,
        rows: f64,
        needed: &[VarId],
    ) -> Result<Block> {
        let (before, rows_before) = (bound, rows);
        let (mut bound, mut rows) = (before.clone(), rows);
        let mut computed = HashSet::new();
        let mut left: Vec<&Goal> = goals.iter().collect();
        let mut planned = self.join_order(&left, &bound, (rows, needed));
        let mut steps = Vec::with_capacity(goals.len());
        let mut found = HashSet::new();
        let has_search = goals.iter().any(is_search);
        while !left.is_empty() {
            let known = Known {
                before,
                bound: &bound,
                found: &found,
            };
            if has_search
                && let Some((step, taken)) = self.search((goals, &left), known, rows, needed)?
            {
                left.retain(|goal| !taken.iter().any(|taken| std::ptr::eq(*taken, *goal)));
                if let Op::Nearest { entity, .. } = &step.op {
                    found.extend(*entity);
                }
                taken.iter().for_each(|goal| {
                    let mut vars = Vec::new();
                    goal.vars(&mut vars);
                    bound.extend(vars);
                });
                rows = step.estimate;
                planned = self.join_order(&left, &bound, (rows, needed));
                steps.push(step);
                continue;
            }
            let first = planned.front().copied();
            let Some((at, op, estimate)) = self.next(&left, first, (&bound, &computed), rows)?
            else {
                return Err(self.insufficient(&left, &bound));
            };
            let goal = left.remove(at);
            if first.is_some_and(|first| std::ptr::eq(first, goal)) {
                planned.pop_front();
            }
            rows = estimate;
            let mut vars = Vec::new();
            goal.vars(&mut vars);
            if let GoalKind::Function(call, bind) = &goal.kind {
                let results = unguarded(call, bind, goals).into_iter();
                computed.extend(results.filter(|var| !bound.contains(var)));
            }
            if !matches!(goal.kind, GoalKind::Not { .. }) {
                bound.extend(vars);
            }
            // What these bind was not foreseen.
            if matches!(goal.kind, GoalKind::Or { .. } | GoalKind::Rule { .. }) {
                planned = self.join_order(&left, &bound, (rows, needed));
            }
            steps.push(Step {
                id: StepId::default(),
                op,
                keep: Vec::new(),
                distinct: false,
                estimate,
                form: goal.form.clone(),
                span: goal.span,
            });
        }
        let mut steps = intersections(steps, before, rows_before, self.statistics);
        mark_live(&mut steps, needed);
        Ok(Block { steps })
    }

    /// The order in which the patterns among some goals are best joined; empty if they are to go
    /// by the cheapest next.
    fn join_order<'g>(
        &self,
        goals: &[&'g Goal],
        bound: &HashSet<VarId>,
        rows_needed: (f64, &[VarId]),
    ) -> VecDeque<&'g Goal> {
        join_order(goals, bound, rows_needed, self.statistics)
            .unwrap_or_default()
            .into()
    }

    fn next(
        &mut self,
        left: &[&Goal],
        planned: Option<&Goal>,
        (bound, computed): (&HashSet<VarId>, &HashSet<VarId>),
        rows: f64,
    ) -> Result<Option<(usize, Op, f64)>> {
        for (at, goal) in left.iter().enumerate() {
            if is_filter(goal) && !is_search(goal) && is_ready(goal, left, bound) {
                let estimate = estimate(goal, rows, bound, self.statistics);
                return Ok(Some((at, self.filter(goal, bound, rows)?, estimate)));
            }
        }
        let filters: Vec<&CallGoal> = left.iter().filter_map(|goal| predicate(goal)).collect();
        let is_other =
            |goal: &&Goal| matches!(goal.kind, GoalKind::Or { .. } | GoalKind::Rule { .. });
        if let Some(planned) = planned
            && !left.iter().any(is_other)
            && let Some(at) = left.iter().position(|goal| std::ptr::eq(*goal, planned))
            && let Some(op) = self.producer(planned, bound, rows, false)?
        {
            let estimate = self.cost(planned, rows, bound) * self.kept(planned, &filters);
            return Ok(Some((at, op, estimate)));
        }
        let mut candidates: Vec<(Turn, f64, usize)> = Vec::new();
        for (at, goal) in left.iter().enumerate() {
            let is_later = |planned: &Goal| {
                matches!(goal.kind, GoalKind::Pattern(_)) && !std::ptr::eq(*goal, planned)
            };
            if !is_filter(goal) && !planned.is_some_and(is_later) {
                let cost = self.cost(goal, rows, bound) * self.kept(goal, &filters);
                candidates.push((turn(goal, bound, computed, cost > rows), cost, at));
            }
        }
        candidates.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        for (_, estimate, at) in candidates {
            if let Some(op) = self.producer(left[at], bound, rows, false)? {
                return Ok(Some((at, op, estimate)));
            }
        }
        self.unused_argument(left, bound, rows)
    }

    /// When nothing else can run: a rule some of whose arguments nobody ever binds, because the
    /// rule does not use them.
    fn unused_argument(
        &mut self,
        left: &[&Goal],
        bound: &HashSet<VarId>,
        rows: f64,
    ) -> Result<Option<(usize, Op, f64)>> {
        for (at, goal) in left.iter().enumerate() {
            if matches!(goal.kind, GoalKind::Rule { .. })
                && let Some(op) = self.producer(goal, bound, rows, true)?
            {
                return Ok(Some((at, op, self.cost(goal, rows, bound))));
            }
        }
        Ok(None)
    }

    /// The part of a pattern's rows that filters of its value keep.
    fn kept(&self, goal: &Goal, filters: &[&CallGoal]) -> f64 {
        match &goal.kind {
            GoalKind::Pattern(pattern) if !filters.is_empty() => {
                selectivity(pattern, filters, self.statistics)
            }
            _ => 1.0,
        }
    }

    /// Rows after a goal.
    fn cost(&self, goal: &Goal, rows: f64, bound: &HashSet<VarId>) -> f64 {
        estimate(goal, rows, bound, self.statistics)
    }

    fn filter(&mut self, goal: &Goal, bound: &HashSet<VarId>, rows: f64) -> Result<Op> {
        Ok(match &goal.kind {
            GoalKind::Predicate(call) => Op::Filter(call.clone()),
            GoalKind::Function(call, bind) => Op::Compute(call.clone(), bind.clone()),
            GoalKind::Not { vars, goals } => {
                let on: Vec<VarId> = vars
                    .iter()
                    .copied()
                    .filter(|var| bound.contains(var))
                    .collect();
                let inner: HashSet<VarId> = on.iter().copied().collect();
                self.rules.enter_negation();
                let block = self.within(|order| order.block(goals, &inner, rows, &on));
                self.rules.leave_negation();
                Op::AntiJoin { block: block?, on }
            }
            _ => unreachable!("only filters come here"),
        })
    }

    /// Orders what is not the query's own.
    pub(super) fn within<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.whose, Whose::Within);
        let done = work(self);
        self.whose = outer;
        done
    }

    fn producer(
        &mut self,
        goal: &Goal,
        bound: &HashSet<VarId>,
        rows: f64,
        lenient: bool,
    ) -> Result<Option<Op>> {
        Ok(match &goal.kind {
            GoalKind::Pattern(pattern) => Some(Op::Scan(pattern.clone())),
            GoalKind::Or {
                required,
                vars,
                branches,
            } => {
                if !required.iter().all(|var| bound.contains(var)) {
                    return Ok(None);
                }
                let inputs: Vec<VarId> = vars
                    .iter()
                    .copied()
                    .filter(|var| bound.contains(var))
                    .collect();
                let inner: HashSet<VarId> = inputs.iter().copied().collect();
                let mut blocks = Vec::with_capacity(branches.len());
                for goals in branches {
                    match self.within(|order| order.block(goals, &inner, rows, vars)) {
                        Ok(block) => blocks.push(block),
                        Err(error) if is_insufficient(&error) => return Ok(None),
                        Err(error) => return Err(error),
                    }
                }
                Some(Op::Union {
                    inputs,
                    outputs: vars.clone(),
                    branches: blocks,
                })
            }
            GoalKind::Rule { name, source, args } => {
                let bound = args.iter().map(|slot| match slot {
                    Slot::Const(_) => true,
                    Slot::Var(var) => bound.contains(var),
                    Slot::Blank => false,
                });
                let call = RuleCall {
                    name,
                    source: *source,
                    bound: bound.collect(),
                    lenient,
                    goal,
                };
                let predicate = self.rules.predicate(&call)?;
                predicate.map(|predicate| Op::Rule {
                    predicate,
                    args: args.clone(),
                })
            }
            _ => unreachable!("filters do not come here"),
        })
    }

    pub(super) fn insufficient(&self, left: &[&Goal], bound: &HashSet<VarId>) -> Error {
        let goal = left[0];
        let mut vars = Vec::new();
        goal.vars(&mut vars);
        if let GoalKind::Function(call, _) = &goal.kind {
            vars = call.vars().collect();
        }
        vars.retain(|var| !bound.contains(var));
        let names: Vec<String> = unique(vars.clone())
            .iter()
            .map(|var| self.vars.name(*var).to_string())
            .collect();
        let unbound = Value::set(
            vars.iter()
                .map(|var| Value::Symbol(self.vars.name(*var).0.clone())),
        );
        Error::new(
            Code::QueryWhere,
            format!(
                "Insufficient bindings: #{{{}}} not bound in {}",
                names.join(" "),
                goal.form
            ),
        )
        .at(goal.span)
        .with("form", goal.form.clone())
        .with("vars", unbound)
    }
}

/// Whether an error says that variables were not bound.
pub(super) fn is_insufficient(error: &Error) -> bool {
    error.code() == Code::QueryWhere && error.data().iter().any(|(key, _)| *key == "vars")
}

/// Which goals run before which, whatever they cost.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    /// By cost.
    Now,
    /// A product: it waits for joins that would avoid it.
    Product,
    /// A rule asked about a computed value that no filter watches: asked again for what it computes
    /// from that, it may never end, so everything that could bind its other arguments comes first.
    Computed,
}

fn turn(goal: &Goal, bound: &HashSet<VarId>, computed: &HashSet<VarId>, grows: bool) -> Turn {
    let mut vars = Vec::new();
    goal.vars(&mut vars);
    let is_rule = matches!(goal.kind, GoalKind::Rule { .. });
    if is_rule && vars.iter().any(|var| computed.contains(var)) {
        Turn::Computed
    } else if grows && !bound.is_empty() && !vars.iter().any(|var| bound.contains(var)) {
        Turn::Product
    } else {
        Turn::Now
    }
}

/// What a function computes, unless a predicate watches over what goes in or comes out.
fn unguarded(call: &CallGoal, bind: &Bind, goals: &[Goal]) -> Vec<VarId> {
    let mut results = Vec::new();
    bind.vars(&mut results);
    let watched: Vec<VarId> = call.vars().chain(results.clone()).collect();
    let mut guards = goals.iter().filter_map(predicate);
    match guards.any(|guard| guard.vars().any(|var| watched.contains(&var))) {
        true => Vec::new(),
        false => results,
    }
}

pub(super) fn predicate(goal: &Goal) -> Option<&CallGoal> {
    match &goal.kind {
        GoalKind::Predicate(call) => Some(call),
        _ => None,
    }
}

fn is_filter(goal: &Goal) -> bool {
    matches!(
        goal.kind,
        GoalKind::Predicate(_) | GoalKind::Function(..) | GoalKind::Not { .. }
    )
}

/// Whether a filter can run: its arguments are bound; for a negation, everything that another
/// goal could still bind.
pub(super) fn is_ready(goal: &Goal, left: &[&Goal], bound: &HashSet<VarId>) -> bool {
    match &goal.kind {
        GoalKind::Predicate(call) | GoalKind::Function(call, _) => {
            call.vars().all(|var| bound.contains(&var))
        }
        GoalKind::Not { vars, .. } => {
            let mut to_come = Vec::new();
            left.iter()
                .filter(|other| !is_negation(other))
                .for_each(|other| other.vars(&mut to_come));
            let waits = |var: &VarId| !bound.contains(var) && to_come.contains(var);
            (vars.is_empty() || vars.iter().any(|var| bound.contains(var)))
                && !vars.iter().any(waits)
        }
        _ => false,
    }
}

fn is_negation(goal: &Goal) -> bool {
    matches!(goal.kind, GoalKind::Not { .. })
}

/// Fills in, from the last step back, which variables are still needed after each step.
pub(super) fn mark_live(steps: &mut [Step], needed: &[VarId]) {
    let mut live: Vec<VarId> = unique(needed.to_vec());
    let last = steps.len().saturating_sub(1);
    for (at, step) in steps.iter_mut().enumerate().rev() {
        step.keep.clone_from(&live);
        // The last step's duplicates are the caller's to remove.
        step.distinct = at < last;
        if let Op::Intersect { block, .. } = &mut step.op {
            mark_live(&mut block.steps, &live);
        }
        if let Op::Nearest {
            inputs,
            entity,
            among: Among::Passing { block, instead, .. },
            ..
        } = &mut step.op
        {
            let own: Vec<VarId> = inputs.iter().chain(&*entity).copied().collect();
            let live: Vec<VarId> = live.iter().chain(&own).copied().collect();
            mark_live(&mut block.steps, &live);
            let instead = instead.iter_mut();
            instead.for_each(|instead| mark_live(&mut instead.0.steps, &own));
        }
        let mut vars = live;
        op_vars(&step.op, &mut vars);
        live = unique(vars);
    }
}

/// The variables an operator reads or binds.
pub fn op_vars(op: &Op, out: &mut Vec<VarId>) {
    match op {
        Op::Scan(pattern) => out.extend(pattern.slots.iter().filter_map(Slot::var)),
        Op::Intersect { block, .. } => block.steps.iter().for_each(|step| op_vars(&step.op, out)),
        Op::Filter(call) => out.extend(call.vars()),
        Op::Compute(call, bind) => {
            out.extend(call.vars());
            bind.vars(out);
        }
        Op::Union { outputs, .. } => out.extend(outputs),
        Op::AntiJoin { on, .. } => out.extend(on),
        Op::Nearest {
            call,
            bind,
            inputs,
            among,
            ..
        } => {
            out.extend(call.vars());
            bind.vars(out);
            out.extend(inputs);
            if let Among::Passing { block, .. } = among {
                block.steps.iter().for_each(|step| op_vars(&step.op, out));
            }
        }
        Op::Rule { args, .. } => out.extend(args.iter().filter_map(Slot::var)),
    }
}
