//! Which order the clauses can be taken in, and which programs must be refused.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use datalith_engine::Symbol;
use datalith_engine::query::ast::{
    Arg, Binding, Clause, ClauseKind, FunctionName, RuleBranch, Term, Var,
};

use super::log::{Refused, refused};

/// Why a case is passed over: Datahike leaves arguments that a rule does not use unbound.
pub(super) const UNCLEAR: &str = "an argument that its rule does not use";

pub(super) type Bound = BTreeSet<Var>;

/// The rules, and whether each can run with only some of its arguments bound.
pub(super) struct Safety<'a> {
    pub(super) rules: &'a HashMap<Symbol, Vec<RuleBranch>>,
    usable: BTreeMap<(Symbol, Vec<bool>), bool>,
    has_changed: bool,
}

impl<'a> Safety<'a> {
    pub(super) fn new(rules: &'a HashMap<Symbol, Vec<RuleBranch>>) -> Safety<'a> {
        Safety {
            rules,
            usable: BTreeMap::new(),
            has_changed: false,
        }
    }

    /// Refuses a query whose clauses have no order in which each finds bound what it needs, or
    /// whose rules negate themselves.
    pub(super) fn check(&mut self, clauses: &[Clause], bound: &Bound) -> Result<(), Refused> {
        let mut called = Vec::new();
        calls(clauses, false, &mut called);
        let mut reached: BTreeSet<Symbol> = called.iter().map(|(name, _)| name.clone()).collect();
        for (name, _) in &called {
            reached.extend(self.reach(name));
        }
        let rules = self.rules;
        for name in &reached {
            let Some(branches) = rules.get(name) else {
                return refused(format!("no rule {name}"));
            };
            if branches.iter().any(has_unused_argument) {
                return refused(UNCLEAR);
            }
            if self.negates_itself(name) {
                return refused(format!("{name} negates itself"));
            }
        }
        // All rules are taken to be usable until one of their branches shows otherwise.
        let mut order;
        loop {
            self.has_changed = false;
            order = self.order(clauses, bound).map(|_| ());
            for key in self.usable.keys().cloned().collect::<Vec<_>>() {
                if self.usable[&key] && !self.can_run(&key) {
                    self.usable.insert(key, false);
                    self.has_changed = true;
                }
            }
            if !self.has_changed {
                break;
            }
        }
        if order.is_none() {
            return refused("variables stay unbound");
        }
        Ok(())
    }

    fn is_mutual(&self, a: &Symbol, b: &Symbol) -> bool {
        self.reach(a).contains(b)
    }

    fn negates_itself(&self, name: &Symbol) -> bool {
        let around: BTreeSet<Symbol> = self
            .reach(name)
            .into_iter()
            .filter(|other| self.is_mutual(other, name))
            .collect();
        around.iter().any(|member| {
            self.callees(member)
                .iter()
                .any(|(callee, negated)| *negated && around.contains(callee))
        })
    }

    fn reach(&self, from: &Symbol) -> BTreeSet<Symbol> {
        let (mut seen, mut left) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(at) = left.pop() {
            for (next, _) in self.callees(&at) {
                if seen.insert(next.clone()) {
                    left.push(next);
                }
            }
        }
        seen
    }

    fn callees(&self, name: &Symbol) -> Vec<(Symbol, bool)> {
        let mut out = Vec::new();
        for branch in self.rules.get(name).into_iter().flatten() {
            calls(&branch.clauses, false, &mut out);
        }
        out
    }

    fn can_run(&mut self, (name, bound): &(Symbol, Vec<bool>)) -> bool {
        let rules = self.rules;
        rules.get(name).into_iter().flatten().all(|branch| {
            let known: Bound = branch
                .head()
                .zip(bound)
                .filter(|(_, b)| **b)
                .map(|(v, _)| v.clone())
                .collect();
            let required = branch.required.iter().all(|var| known.contains(var));
            required
                && self
                    .order(&branch.clauses, &known)
                    .is_some_and(|(_, after)| branch.head().all(|var| after.contains(var)))
        })
    }

    /// The clauses in an order in which each can run, and what is bound after them.
    ///
    /// The first that can run goes first; negations go last, when all is bound that will be.
    pub(super) fn order<'c>(
        &mut self,
        clauses: &'c [Clause],
        bound: &Bound,
    ) -> Option<(Vec<&'c Clause>, Bound)> {
        let mut bound = bound.clone();
        let (mut left, negations): (Vec<&Clause>, Vec<&Clause>) =
            clauses.iter().partition(|clause| !is_negation(clause));
        let mut order = Vec::new();
        while !left.is_empty() {
            let at = left
                .iter()
                .position(|clause| self.is_ready(clause, &bound))?;
            let clause = left.remove(at);
            bound.extend(vars(clause));
            order.push(clause);
        }
        if !negations.iter().all(|clause| self.is_ready(clause, &bound)) {
            return None;
        }
        order.extend(negations);
        Some((order, bound))
    }

    fn is_ready(&mut self, clause: &Clause, bound: &Bound) -> bool {
        match &clause.kind {
            ClauseKind::Pattern { .. } => true,
            ClauseKind::Predicate { function, args }
            | ClauseKind::Function { function, args, .. } => call_vars(function, args)
                .iter()
                .all(|var| bound.contains(var)),
            ClauseKind::Or { branches, .. } => self.branches_run(branches, &vars(clause), bound),
            ClauseKind::OrJoin {
                required, branches, ..
            } => {
                required.iter().all(|var| bound.contains(var))
                    && self.branches_run(branches, &vars(clause), bound)
            }
            ClauseKind::Not { clauses, .. } | ClauseKind::NotJoin { clauses, .. } => {
                let shared = vars(clause);
                let inner: Bound = shared.intersection(bound).cloned().collect();
                (shared.is_empty() || !inner.is_empty()) && self.order(clauses, &inner).is_some()
            }
            ClauseKind::Rule { name, args, .. } => {
                let pattern = args.iter().map(|term| match term {
                    Term::Blank => false,
                    Term::Const(_) => true,
                    Term::Var(var) => bound.contains(var),
                });
                let key = (name.clone(), pattern.collect::<Vec<_>>());
                if let Some(usable) = self.usable.get(&key) {
                    return *usable;
                }
                self.has_changed = true;
                self.usable.insert(key, true);
                true
            }
        }
    }

    fn branches_run(&mut self, branches: &[Vec<Clause>], joined: &Bound, bound: &Bound) -> bool {
        let inner: Bound = joined.intersection(bound).cloned().collect();
        branches.iter().all(|branch| {
            self.order(branch, &inner)
                .is_some_and(|(_, after)| joined.is_subset(&after))
        })
    }
}

/// Whether a branch never speaks of one of its arguments.
fn has_unused_argument(branch: &RuleBranch) -> bool {
    let used: Bound = branch.clauses.iter().flat_map(vars).collect();
    branch.head().any(|var| !used.contains(var))
}

pub(super) fn is_negation(clause: &Clause) -> bool {
    matches!(
        clause.kind,
        ClauseKind::Not { .. } | ClauseKind::NotJoin { .. }
    )
}

/// The variables a clause shares with what is around it.
pub(super) fn vars(clause: &Clause) -> Bound {
    match &clause.kind {
        ClauseKind::Pattern { terms, .. } | ClauseKind::Rule { args: terms, .. } => {
            let var = |term: &Term| {
                if let Term::Var(var) = term {
                    Some(var.clone())
                } else {
                    None
                }
            };
            terms.iter().filter_map(var).collect()
        }
        ClauseKind::Predicate { function, args } => call_vars(function, args),
        ClauseKind::Function {
            function,
            args,
            binding,
        } => {
            let mut all = call_vars(function, args);
            binding_vars(binding, &mut all);
            all
        }
        ClauseKind::Or { branches, .. } => branches.iter().flatten().flat_map(vars).collect(),
        ClauseKind::Not { clauses, .. } => clauses.iter().flat_map(vars).collect(),
        ClauseKind::NotJoin { vars, .. } => vars.iter().cloned().collect(),
        ClauseKind::OrJoin { required, free, .. } => required.iter().chain(free).cloned().collect(),
    }
}

fn call_vars(function: &FunctionName, args: &[Arg]) -> Bound {
    let var = |arg: &Arg| {
        if let Arg::Var(var) = arg {
            Some(var.clone())
        } else {
            None
        }
    };
    let mut all: Bound = args.iter().filter_map(var).collect();
    if let FunctionName::Var(var) = function {
        all.insert(var.clone());
    }
    all
}

/// The variables of a binding form.
pub(super) fn binding_vars(binding: &Binding, out: &mut Bound) {
    match binding {
        Binding::Ignore => {}
        Binding::Scalar(var) => {
            out.insert(var.clone());
        }
        Binding::Tuple(items) => items.iter().for_each(|item| binding_vars(item, out)),
        Binding::Collection(item) => binding_vars(item, out),
    }
}

/// The rules that clauses call, and whether within a negation.
fn calls(clauses: &[Clause], negated: bool, out: &mut Vec<(Symbol, bool)>) {
    for clause in clauses {
        match &clause.kind {
            ClauseKind::Rule { name, .. } => out.push((name.clone(), negated)),
            ClauseKind::Or { branches, .. } | ClauseKind::OrJoin { branches, .. } => {
                branches
                    .iter()
                    .for_each(|branch| calls(branch, negated, out));
            }
            ClauseKind::Not { clauses, .. } | ClauseKind::NotJoin { clauses, .. } => {
                calls(clauses, true, out);
            }
            _ => {}
        }
    }
}
