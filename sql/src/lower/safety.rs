//! Which clauses can be asked with what is bound, and what is bound after them.

use std::collections::{HashMap, HashSet};

use datalith_engine::Symbol;
use datalith_engine::query::ast::{Arg, Clause, ClauseKind, FunctionName, RuleBranch, Term, Var};

/// Variables that have values.
pub(super) type Bound = HashSet<Var>;

/// Rules by name, and which of them call themselves by some way.
#[derive(Debug, Default)]
pub(super) struct Rules {
    branches: HashMap<Symbol, Vec<RuleBranch>>,
    reached: HashMap<Symbol, HashSet<Symbol>>,
}

impl Rules {
    pub(super) fn new(all: Vec<RuleBranch>) -> Rules {
        let mut branches: HashMap<Symbol, Vec<RuleBranch>> = HashMap::new();
        for branch in all {
            branches
                .entry(branch.name.clone())
                .or_default()
                .push(branch);
        }
        let mut rules = Rules {
            branches,
            reached: HashMap::new(),
        };
        let names: Vec<Symbol> = rules.branches.keys().cloned().collect();
        for name in names {
            let reached = rules.reach(&name);
            rules.reached.insert(name, reached);
        }
        rules
    }

    pub(super) fn get(&self, name: &Symbol) -> Option<&[RuleBranch]> {
        self.branches.get(name).map(Vec::as_slice)
    }

    /// Whether a rule calls itself, by itself or by others.
    pub(super) fn is_recursive(&self, name: &Symbol) -> bool {
        self.calls(name, name)
    }

    /// The rules that a recursive one calls and that call it.
    pub(super) fn component(&self, name: &Symbol) -> Vec<Symbol> {
        let reached = self.reached.get(name).into_iter().flatten();
        let mut all: Vec<Symbol> = reached
            .filter(|other| self.calls(other, name))
            .cloned()
            .collect();
        all.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        all
    }

    fn calls(&self, from: &Symbol, to: &Symbol) -> bool {
        self.reached
            .get(from)
            .is_some_and(|reached| reached.contains(to))
    }

    fn reach(&self, from: &Symbol) -> HashSet<Symbol> {
        let (mut seen, mut left) = (HashSet::new(), vec![from.clone()]);
        while let Some(name) = left.pop() {
            for branch in self.branches.get(&name).into_iter().flatten() {
                let mut called = Vec::new();
                calls(&branch.clauses, &mut called);
                let new = called.into_iter().filter(|name| seen.insert(name.clone()));
                left.extend(new);
            }
        }
        seen
    }

    /// What is bound after clauses, if there is an order in which each can be asked.
    pub(super) fn after(&self, clauses: &[Clause], bound: &Bound) -> Option<Bound> {
        let mut bound = bound.clone();
        let (mut left, negations): (Vec<&Clause>, Vec<&Clause>) =
            clauses.iter().partition(|clause| !is_negation(clause));
        while !left.is_empty() {
            let ready = left
                .iter()
                .position(|clause| self.is_ready(clause, &bound))?;
            bound.extend(left.remove(ready).vars());
        }
        let all_ready = negations.iter().all(|clause| self.is_ready(clause, &bound));
        all_ready.then_some(bound)
    }

    /// Whether a clause can be asked.
    pub(super) fn is_ready(&self, clause: &Clause, bound: &Bound) -> bool {
        match &clause.kind {
            ClauseKind::Pattern { .. } => true,
            ClauseKind::Predicate { function, args }
            | ClauseKind::Function { function, args, .. } => call_vars(function, args)
                .iter()
                .all(|var| bound.contains(var)),
            ClauseKind::Or { branches, .. } => self.branches_run(clause, branches, bound),
            ClauseKind::OrJoin {
                required, branches, ..
            } => {
                required.iter().all(|var| bound.contains(var))
                    && self.branches_run(clause, branches, bound)
            }
            ClauseKind::Not { clauses, .. } | ClauseKind::NotJoin { clauses, .. } => {
                let vars = clause.vars();
                let shared: Bound = vars
                    .iter()
                    .filter(|v| bound.contains(*v))
                    .cloned()
                    .collect();
                (vars.is_empty() || !shared.is_empty()) && self.after(clauses, &shared).is_some()
            }
            ClauseKind::Rule { name, args, .. } => self.rule_runs(name, args, bound),
        }
    }

    fn branches_run(&self, clause: &Clause, branches: &[Vec<Clause>], bound: &Bound) -> bool {
        let joined = clause.vars();
        let inner: Bound = joined
            .iter()
            .filter(|v| bound.contains(*v))
            .cloned()
            .collect();
        branches.iter().all(|branch| {
            let after = self.after(branch, &inner);
            after.is_some_and(|after| joined.iter().all(|var| after.contains(var)))
        })
    }

    /// Recursive rules are worked out for all arguments, so that none needs to be bound.
    fn rule_runs(&self, name: &Symbol, args: &[Term], bound: &Bound) -> bool {
        if self.is_recursive(name) {
            return true;
        }
        let is_known = |term: &Term| match term {
            Term::Blank => false,
            Term::Const(_) => true,
            Term::Var(var) => bound.contains(var),
        };
        let known: Vec<bool> = args.iter().map(is_known).collect();
        let branches = self.get(name).unwrap_or_default();
        branches
            .iter()
            .all(|branch| self.branch_runs(branch, &known))
    }

    /// Whether a rule's branch can run when these of its arguments are known.
    pub(super) fn branch_runs(&self, branch: &RuleBranch, known: &[bool]) -> bool {
        let given = branch.head().zip(known).filter(|(_, known)| **known);
        let given: Bound = given.map(|(var, _)| var.clone()).collect();
        if !branch.required.iter().all(|var| given.contains(var)) {
            return false;
        }
        let after = self.after(&branch.clauses, &given);
        after.is_some_and(|after| branch.head().all(|var| after.contains(var)))
    }
}

/// Whether a branch speaks of each of its arguments.
pub(super) fn uses_arguments(branch: &RuleBranch) -> bool {
    let used: Bound = branch.clauses.iter().flat_map(|c| c.vars()).collect();
    branch.head().all(|var| used.contains(var))
}

pub(super) fn is_negation(clause: &Clause) -> bool {
    matches!(
        clause.kind,
        ClauseKind::Not { .. } | ClauseKind::NotJoin { .. }
    )
}

fn call_vars(function: &FunctionName, args: &[Arg]) -> Vec<Var> {
    let mut all: Vec<Var> = Vec::new();
    if let FunctionName::Var(var) = function {
        all.push(var.clone());
    }
    for arg in args {
        if let Arg::Var(var) = arg {
            all.push(var.clone());
        }
    }
    all
}

/// The rules that clauses call, those within others too.
fn calls(clauses: &[Clause], out: &mut Vec<Symbol>) {
    for clause in clauses {
        if let ClauseKind::Rule { name, .. } = &clause.kind {
            out.push(name.clone());
        }
        clause
            .children()
            .for_each(|child| calls(std::slice::from_ref(child), out));
    }
}
