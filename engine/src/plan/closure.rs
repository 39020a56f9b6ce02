//! Rules that follow a relation any number of steps, found by how they are written: the executor
//! walks a graph for them instead of joining round by round.
//!
//! Of two arguments, with *hops* from branches that do not recur and *steps* from those that do:
//!
//! - `(p x y) <- hop(x, y)` and `(p x y) <- step(x, m) (p m y)`: steps, then a hop;
//! - `(p x y) <- hop(x, y)` and `(p x y) <- (p x m) step(m, y)`: a hop, then steps;
//! - `(p x y) <- hop(x, y)` and `(p x y) <- (p x m) (p m y)`: the hops are the steps.
//!
//! The pair of arguments is what Naughton, Ramakrishnan, Sagiv and Ullman ("Efficient evaluation of
//! right-, left- and multi-linear rules", SIGMOD 1989) call the bound and the free part.

use std::collections::HashMap;

use super::logical::{Goal, GoalKind};
use super::{Slot, VarId};
use crate::value::Symbol;

/// One way from a node to another: what joins them.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) from: VarId,
    pub(super) to: VarId,
    pub(super) goals: Vec<Goal>,
}

/// A rule that follows steps, read from its first argument to its second.
#[derive(Clone, Debug)]
pub(super) struct ClosureRule {
    /// Whether the hop comes before the steps.
    pub(super) hop_first: bool,
    pub(super) hops: Vec<Link>,
    /// None if the hops are the steps.
    pub(super) steps: Option<Vec<Link>>,
}

impl ClosureRule {
    /// The same pairs, read from the second argument to the first.
    pub(super) fn reversed(self) -> ClosureRule {
        let reverse = |links: Vec<Link>| {
            let links = links.into_iter();
            links
                .map(|Link { from, to, goals }| Link {
                    from: to,
                    to: from,
                    goals,
                })
                .collect()
        };
        ClosureRule {
            // Where the hops are the steps either comes first.
            hop_first: !self.hop_first || self.steps.is_none(),
            hops: reverse(self.hops),
            steps: self.steps.map(reverse),
        }
    }
}

/// What a branch of the rule is.
enum Part {
    Hop(Link),
    /// A step before the recursion.
    Before(Link),
    /// A step after the recursion.
    After(Link),
    /// The recursion twice and nothing else.
    Twice,
}

/// Whether a rule of that name and source, with these heads and bodies, follows steps.
pub(super) fn closure_rule(
    name: &Symbol,
    source: usize,
    branches: &[(Vec<VarId>, Vec<Goal>)],
) -> Option<ClosureRule> {
    let (mut hops, mut before, mut after, mut twice) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for (head, goals) in branches {
        match part((name, source), head, goals)? {
            Part::Hop(link) => hops.push(link),
            Part::Before(link) => before.push(link),
            Part::After(link) => after.push(link),
            Part::Twice => twice += 1,
        }
    }
    let (hop_first, steps) = match (before.is_empty(), after.is_empty(), twice) {
        (false, true, 0) => (false, Some(before)),
        (true, false, 0) => (true, Some(after)),
        (true, true, 1..) => (true, None),
        _ => return None,
    };
    if hops.is_empty() {
        return None;
    }
    let are_same = match (&hops[..], steps.as_deref()) {
        ([hop], Some([step])) => are_alike(hop, step),
        _ => false,
    };
    Some(if are_same {
        ClosureRule {
            hop_first: true,
            hops,
            steps: None,
        }
    } else {
        ClosureRule {
            hop_first,
            hops,
            steps,
        }
    })
}

fn part((name, source): (&Symbol, usize), head: &[VarId], goals: &[Goal]) -> Option<Part> {
    let &[x, y] = head else { return None };
    if x == y {
        return None;
    }
    let own = |goal: &Goal| match &goal.kind {
        GoalKind::Rule {
            name: callee,
            source: of,
            args,
        } if callee == name && *of == source => match args[..] {
            [Slot::Var(a), Slot::Var(b)] if a != b => Some((a, b)),
            _ => None,
        },
        _ => None,
    };
    let mut calls = Vec::new();
    let mut rest: Vec<Goal> = Vec::new();
    for goal in goals {
        if goal.calls_rule() {
            calls.push(own(goal)?);
        } else {
            rest.push(goal.clone());
        }
    }
    let mut vars = Vec::new();
    rest.iter().for_each(|goal| goal.vars(&mut vars));
    let has = |var: VarId| vars.contains(&var);
    let link = |from, to| Link {
        from,
        to,
        goals: rest.clone(),
    };
    match calls[..] {
        [] if has(x) && has(y) => Some(Part::Hop(link(x, y))),
        [(m, end)] if end == y && m != x && has(x) && has(m) && !has(y) => {
            Some(Part::Before(link(x, m)))
        }
        [(start, m)] if start == x && m != y && has(y) && has(m) && !has(x) => {
            Some(Part::After(link(m, y)))
        }
        [(a, b), (c, d)] if rest.is_empty() && a == x && d == y && b == c && b != y && b != x => {
            Some(Part::Twice)
        }
        _ => None,
    }
}

/// Whether two links are the same patterns under other names.
fn are_alike(a: &Link, b: &Link) -> bool {
    let mut names = HashMap::from([(a.from, b.from), (a.to, b.to)]);
    let mut taken = HashMap::from([(b.from, a.from), (b.to, a.to)]);
    let mut slots_agree = |a: &Slot, b: &Slot| match (a, b) {
        (Slot::Var(a), Slot::Var(b)) => {
            *names.entry(*a).or_insert(*b) == *b && *taken.entry(*b).or_insert(*a) == *a
        }
        _ => a == b,
    };
    let mut goals_agree = |(a, b): (&Goal, &Goal)| match (&a.kind, &b.kind) {
        (GoalKind::Pattern(a), GoalKind::Pattern(b)) => {
            a.source == b.source
                && a.slots.len() == b.slots.len()
                && a.slots.iter().zip(&b.slots).all(|(a, b)| slots_agree(a, b))
        }
        _ => false,
    };
    a.goals.len() == b.goals.len() && a.goals.iter().zip(&b.goals).all(&mut goals_agree)
}
