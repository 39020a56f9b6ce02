//! Rules that do not recurse are written out where a rule or the query calls them.
//!
//! A body then holds nothing but patterns and recursive calls: the planner orders the patterns, and
//! a body that ends in a call of itself stays a tail call.

use std::collections::{HashMap, HashSet};

use super::logical::{Goal, GoalKind, Resolver, Scope};
use super::{ArgSlot, Bind, CallGoal, Callable, Slot, Special, VarId};
use crate::error::Result;
use crate::query::ast::{Clause, ClauseKind, RuleBranch, Var};
use crate::value::Symbol;

/// Most goals a body may grow to; a call beyond that stays a call.
const GOALS_MAX: usize = 256;

/// Most rules among which those to write out are looked for.
const RULES_MAX: usize = 256;

/// The branches of rules.
pub(super) type ByName<'a> = HashMap<Symbol, Vec<&'a RuleBranch>>;

/// The rules of a query and which of them can be written out.
pub(super) struct Rules<'a> {
    pub(super) by_name: ByName<'a>,
    plain: HashSet<Symbol>,
}

impl<'a> Rules<'a> {
    pub(super) fn new(branches: &'a [RuleBranch]) -> Rules<'a> {
        let mut by_name = ByName::new();
        for branch in branches {
            by_name.entry(branch.name.clone()).or_default().push(branch);
        }
        let mut plain = HashSet::new();
        // A rule is plain once the rules it calls are: callees first, as far as that goes.
        let mut grows = by_name.len() <= RULES_MAX;
        while grows {
            let is_new = |(name, branches): &(&Symbol, &Vec<&RuleBranch>)| {
                !plain.contains(*name) && branches.iter().all(|branch| is_plain(branch, &plain))
            };
            let new: Vec<Symbol> = by_name
                .iter()
                .filter(is_new)
                .map(|(n, _)| n.clone())
                .collect();
            grows = !new.is_empty();
            plain.extend(new);
        }
        Rules { by_name, plain }
    }

    /// The goals with calls of rules that do not recurse written out, as far as they stay few.
    pub(super) fn inline(
        &self,
        goals: Vec<Goal>,
        resolver: &mut Resolver<'_>,
    ) -> Result<Vec<Goal>> {
        let mut budget = GOALS_MAX;
        self.inline_all(goals, resolver, &mut budget)
    }

    /// As [`Rules::inline`], for the goals of a query. A call with a constant stays one: where an
    /// entity is named, the demand for it is resolved once.
    pub(super) fn inline_variables(
        &self,
        goals: Vec<Goal>,
        resolver: &mut Resolver<'_>,
    ) -> Result<Vec<Goal>> {
        let mut budget = GOALS_MAX;
        let mut out = Vec::with_capacity(goals.len());
        for goal in goals {
            let has_constant = matches!(&goal.kind, GoalKind::Rule { args, .. }
                if args.iter().any(|arg| matches!(arg, Slot::Const(_))));
            match has_constant {
                true => out.push(goal),
                false => out.extend(self.inline_all(vec![goal], resolver, &mut budget)?),
            }
        }
        Ok(out)
    }

    fn inline_all(
        &self,
        goals: Vec<Goal>,
        resolver: &mut Resolver<'_>,
        budget: &mut usize,
    ) -> Result<Vec<Goal>> {
        let mut out = Vec::with_capacity(goals.len());
        for goal in goals {
            match self.written_out(&goal, resolver, budget)? {
                Some(goals) => out.extend(goals),
                None => out.push(goal),
            }
        }
        Ok(out)
    }

    fn written_out(
        &self,
        goal: &Goal,
        resolver: &mut Resolver<'_>,
        budget: &mut usize,
    ) -> Result<Option<Vec<Goal>>> {
        let GoalKind::Rule { name, source, args } = &goal.kind else {
            return Ok(None);
        };
        let Some(branches) = self.by_name.get(name).filter(|_| self.plain.contains(name)) else {
            return Ok(None);
        };
        let fits = branches
            .iter()
            .all(|branch| branch.head().count() == args.len());
        let size: usize = branches
            .iter()
            .map(|branch| branch.clauses.len() + args.len())
            .sum();
        if size > *budget || !fits {
            return Ok(None);
        }
        *budget -= size;
        let (params, mut prelude) = parameters(args, goal, resolver);
        let mut bodies = Vec::with_capacity(branches.len());
        for branch in branches {
            let mut scope: Scope = branch.head().cloned().zip(params.iter().copied()).collect();
            let outer = resolver.default_source;
            resolver.default_source = *source;
            let body = resolver.goals(&branch.clauses, &mut scope);
            resolver.default_source = outer;
            bodies.push(self.inline_all(body?, resolver, budget)?);
        }
        if bodies.len() == 1 {
            prelude.append(&mut bodies[0]);
        } else {
            let vars = super::logical::unique(params);
            let kind = GoalKind::Or {
                required: Vec::new(),
                vars,
                branches: bodies,
            };
            prelude.push(Goal {
                kind,
                ..goal.clone()
            });
        }
        Ok(Some(prelude))
    }
}

/// Whether a branch can stand in for its call wherever it is made: every head variable once, and
/// patterns (or calls of rules that are plain) that bind all it mentions, so that it runs with any
/// arguments bound. A rule that recurs never becomes plain.
fn is_plain(branch: &RuleBranch, plain: &HashSet<Symbol>) -> bool {
    let head: Vec<&Var> = branch.head().collect();
    let distinct: HashSet<&&Var> = head.iter().collect();
    let mut bound: HashSet<Var> = HashSet::new();
    for clause in &branch.clauses {
        match &clause.kind {
            ClauseKind::Pattern { .. } => bound.extend(clause.vars()),
            ClauseKind::Rule { name, .. } if plain.contains(name) => bound.extend(clause.vars()),
            ClauseKind::Predicate { .. } => {}
            _ => return false,
        }
    }
    let mut mentioned = branch.clauses.iter().flat_map(Clause::vars);
    branch.required.is_empty()
        && distinct.len() == head.len()
        && head.iter().all(|var| bound.contains(*var))
        && mentioned.all(|var| bound.contains(&var))
}

/// A variable per argument; constants are bound to new ones first.
fn parameters(args: &[Slot], goal: &Goal, resolver: &mut Resolver<'_>) -> (Vec<VarId>, Vec<Goal>) {
    let mut prelude = Vec::new();
    let params = args.iter().map(|slot| match slot {
        Slot::Var(var) => *var,
        Slot::Blank => resolver.vars.fresh(&Var(Symbol::new("?_"))),
        Slot::Const(value) => {
            let var = resolver.vars.fresh(&Var(Symbol::new("?_")));
            let call = CallGoal {
                callable: Callable::Special(Special::Ground),
                args: vec![ArgSlot::Const(value.clone())],
            };
            prelude.push(Goal {
                kind: GoalKind::Function(call, Bind::Scalar(var)),
                ..goal.clone()
            });
            var
        }
    });
    (params.collect(), prelude)
}
