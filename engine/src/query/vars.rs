//! Which variables each part of a query shows to what surrounds it.

use indexmap::IndexSet;

use super::ast::{
    Arg, Binding, Clause, ClauseKind, Find, FindElement, FunctionName, Input, PullPattern, Term,
    Var,
};

/// Variables in the order of their first appearance.
pub type Vars = IndexSet<Var>;

impl Find {
    /// The columns of a row.
    pub fn elements(&self) -> &[FindElement] {
        match self {
            Find::Relation(elements) | Find::Tuple(elements) => elements,
            Find::Collection(element) | Find::Scalar(element) => std::slice::from_ref(element),
        }
    }
}

impl FindElement {
    /// The variable that the column is computed from; every parsed element has one.
    pub fn var(&self) -> Option<&Var> {
        match self {
            FindElement::Var(var) | FindElement::Pull { var, .. } => Some(var),
            FindElement::Aggregate { args, .. } => match args.last() {
                Some(Arg::Var(var)) => Some(var),
                _ => None,
            },
        }
    }

    pub(super) fn collect_vars(&self, vars: &mut Vars) {
        match self {
            FindElement::Var(var) => {
                vars.insert(var.clone());
            }
            FindElement::Pull { var, pattern, .. } => {
                vars.insert(var.clone());
                if let PullPattern::Input(name) = pattern {
                    vars.insert(Var(name.clone()));
                }
            }
            FindElement::Aggregate { function, args, .. } => collect_call(function, args, vars),
        }
    }
}

impl Input {
    pub(super) fn collect_vars(&self, vars: &mut Vec<Var>) {
        match self {
            Input::Source(_) | Input::Rules => {}
            Input::Binding(binding) => binding.collect_vars(vars),
            Input::Pattern(name) => vars.push(Var(name.clone())),
        }
    }
}

impl Binding {
    /// The variables it binds, in order; one that stands twice comes twice.
    pub fn vars(&self) -> Vec<Var> {
        let mut vars = Vec::new();
        self.collect_vars(&mut vars);
        vars
    }

    fn collect_vars(&self, vars: &mut Vec<Var>) {
        match self {
            Binding::Ignore => {}
            Binding::Scalar(var) => vars.push(var.clone()),
            Binding::Tuple(parts) => parts.iter().for_each(|part| part.collect_vars(vars)),
            Binding::Collection(part) => part.collect_vars(vars),
        }
    }
}

impl Clause {
    /// The variables that join with the clauses around it; those private to a join are left out.
    pub fn vars(&self) -> Vars {
        let mut vars = Vars::new();
        self.collect_vars(&mut vars);
        vars
    }

    pub(super) fn collect_vars(&self, vars: &mut Vars) {
        match &self.kind {
            ClauseKind::Pattern { terms: args, .. } | ClauseKind::Rule { args, .. } => {
                vars.extend(args.iter().filter_map(|term| match term {
                    Term::Var(var) => Some(var.clone()),
                    Term::Blank | Term::Const(_) => None,
                }));
            }
            ClauseKind::Predicate { function, args } => collect_call(function, args, vars),
            ClauseKind::Function {
                function,
                args,
                binding,
            } => {
                collect_call(function, args, vars);
                vars.extend(binding.vars());
            }
            ClauseKind::Or { branches, .. } => {
                branches
                    .iter()
                    .flatten()
                    .for_each(|clause| clause.collect_vars(vars));
            }
            ClauseKind::OrJoin { required, free, .. } => {
                vars.extend(required.iter().chain(free).cloned());
            }
            ClauseKind::Not { clauses, .. } => {
                clauses.iter().for_each(|clause| clause.collect_vars(vars));
            }
            ClauseKind::NotJoin { vars: joined, .. } => vars.extend(joined.iter().cloned()),
        }
    }

    /// The clauses inside, of all branches.
    pub fn children(&self) -> impl Iterator<Item = &Clause> {
        let (branches, clauses): (&[Vec<Clause>], &[Clause]) = match &self.kind {
            ClauseKind::Or { branches, .. } | ClauseKind::OrJoin { branches, .. } => {
                (branches, &[])
            }
            ClauseKind::Not { clauses, .. } | ClauseKind::NotJoin { clauses, .. } => (&[], clauses),
            _ => (&[], &[]),
        };
        branches.iter().flatten().chain(clauses)
    }
}

fn collect_call(function: &FunctionName, args: &[Arg], vars: &mut Vars) {
    if let FunctionName::Var(var) = function {
        vars.insert(var.clone());
    }
    vars.extend(args.iter().filter_map(|arg| match arg {
        Arg::Var(var) => Some(var.clone()),
        Arg::Source(_) | Arg::Rules | Arg::Const(_) => None,
    }));
}
