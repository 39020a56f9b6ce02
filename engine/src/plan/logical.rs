//! Clauses with their names resolved: variables to numbers, sources to positions, functions to
//! entries of the function table.

use std::collections::HashMap;

use super::Bounds;
use crate::error::{Code, Error, Result, Span};
use crate::function::{self, Builtin};
use crate::graph::GraphFunction;
use crate::query::ast::{Arg, Binding, Clause, ClauseKind, FunctionName, SourceName, Term, Var};
use crate::script::{Callee, Finder};
use crate::value::{Symbol, Value};

/// A variable of one scope, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VarId(pub u32);

/// The variables of one query: names by number.
#[derive(Clone, Debug, Default)]
pub struct Vars {
    names: Vec<Var>,
}

impl Vars {
    /// A new variable of that name.
    pub fn fresh(&mut self, name: &Var) -> VarId {
        self.names.push(name.clone());
        VarId(self.names.len() as u32 - 1)
    }

    /// The name of a variable.
    pub fn name(&self, id: VarId) -> &Var {
        &self.names[id.0 as usize]
    }
}

/// Which variable a name means here.
pub(super) type Scope = HashMap<Var, VarId>;

/// A term of a pattern or rule call.
#[derive(Clone, Debug, PartialEq)]
pub enum Slot {
    /// Anything.
    Blank,
    /// A variable.
    Var(VarId),
    /// A constant.
    Const(Value),
}

impl Slot {
    /// The variable, if it is one.
    pub fn var(&self) -> Option<VarId> {
        match self {
            Slot::Var(var) => Some(*var),
            _ => None,
        }
    }
}

/// A data pattern; slots it lacks are blank.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// Position among the sources.
    pub source: usize,
    /// Its terms in order, as many as were written.
    pub slots: Vec<Slot>,
    /// Between what its value must be, as far as filters after it say.
    pub bounds: Option<Bounds>,
}

impl Pattern {
    /// Whether it leaves out an entity, attribute or value, so that several datoms look alike.
    pub fn has_blank(&self) -> bool {
        self.slots.len() < 3 || self.slots[..3].contains(&Slot::Blank)
    }
}

/// An argument of a function.
#[derive(Clone, Debug)]
pub enum ArgSlot {
    /// A variable.
    Var(VarId),
    /// A source, by position.
    Source(usize),
    /// The rules given to the query.
    Rules,
    /// A constant.
    Const(Value),
}

/// Functions that the executor knows itself because they read databases or make no sense alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// `(get-else $ e a default)`
    GetElse,
    /// `(get-some $ e a…)`
    GetSome,
    /// `(missing? $ e a)`
    Missing,
    /// `(ground x)`
    Ground,
    /// `(tuple x…)`
    Tuple,
    /// `(untuple x)`
    Untuple,
    /// `(q query source…)`
    Query,
}

/// Searches for vectors that are near to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NearestFunction {
    /// `(knn $ index vector k)`, the nearest.
    Knn,
    /// `(knn-within $ index vector radius)`, all within a distance.
    Within,
    /// `(semantic $ attribute text k)`, the nearest to what a text is made.
    Semantic,
}

impl NearestFunction {
    /// The search of that name, by itself or as Datahike's scripts call it.
    pub fn named(name: &str) -> Option<NearestFunction> {
        match name {
            "knn" | "proximum/knn" | "datahike.index.secondary.proximum/knn" => {
                Some(NearestFunction::Knn)
            }
            "knn-within" => Some(NearestFunction::Within),
            "semantic" => Some(NearestFunction::Semantic),
            _ => None,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            NearestFunction::Knn => "knn",
            NearestFunction::Within => "knn-within",
            NearestFunction::Semantic => "semantic",
        }
    }
}

/// What a function clause calls.
#[derive(Clone, Debug)]
pub enum Callable {
    /// An entry of the function table.
    Builtin(Builtin),
    /// One of the executor's own.
    Special(Special),
    /// A function over a graph of a database.
    Graph(GraphFunction),
    /// A search for near vectors.
    Nearest(NearestFunction),
    /// A function that users wrote.
    Script(Callee),
    /// A variable that holds the name of a function.
    Var(VarId),
}

/// A call of a function.
#[derive(Clone, Debug)]
pub struct CallGoal {
    /// What is called.
    pub callable: Callable,
    /// Its arguments.
    pub args: Vec<ArgSlot>,
}

impl CallGoal {
    /// The variables it needs.
    pub fn vars(&self) -> impl Iterator<Item = VarId> + '_ {
        let callee = match self.callable {
            Callable::Var(var) => Some(var),
            _ => None,
        };
        callee
            .into_iter()
            .chain(self.args.iter().filter_map(|arg| match arg {
                ArgSlot::Var(var) => Some(*var),
                _ => None,
            }))
    }
}

/// How a function's result is taken apart.
#[derive(Clone, Debug)]
pub enum Bind {
    /// Not at all.
    Ignore,
    /// It is the value.
    Scalar(VarId),
    /// Its items, in order.
    Tuple(Vec<Bind>),
    /// Each of its items.
    Collection(Box<Bind>),
}

impl Bind {
    /// The variables it binds.
    pub fn vars(&self, out: &mut Vec<VarId>) {
        match self {
            Bind::Ignore => {}
            Bind::Scalar(var) => out.push(*var),
            Bind::Tuple(items) => items.iter().for_each(|item| item.vars(out)),
            Bind::Collection(item) => item.vars(out),
        }
    }
}

/// A clause with its names resolved.
#[derive(Clone, Debug)]
pub struct Goal {
    /// What it asks.
    pub kind: GoalKind,
    /// As written, for messages.
    pub form: Value,
    /// Where it was written.
    pub span: Option<Span>,
}

/// The kinds of goals.
#[derive(Clone, Debug)]
pub enum GoalKind {
    /// A data pattern.
    Pattern(Pattern),
    /// A function whose result must be true.
    Predicate(CallGoal),
    /// A function whose result is bound.
    Function(CallGoal, Bind),
    /// Alternatives over the same variables.
    Or {
        /// Variables that must be bound before.
        required: Vec<VarId>,
        /// Variables shared with the outside, the required ones included.
        vars: Vec<VarId>,
        /// The alternatives.
        branches: Vec<Vec<Goal>>,
    },
    /// What must not hold.
    Not {
        /// Variables shared with the outside.
        vars: Vec<VarId>,
        /// What must not hold.
        goals: Vec<Goal>,
    },
    /// A call of a rule.
    Rule {
        /// The rule.
        name: Symbol,
        /// The source its body sees as `$`.
        source: usize,
        /// Its arguments.
        args: Vec<Slot>,
    },
}

impl Goal {
    /// Every variable of the outer scope that it mentions.
    pub fn vars(&self, out: &mut Vec<VarId>) {
        match &self.kind {
            GoalKind::Pattern(pattern) => out.extend(pattern.slots.iter().filter_map(Slot::var)),
            GoalKind::Predicate(call) => out.extend(call.vars()),
            GoalKind::Function(call, bind) => {
                out.extend(call.vars());
                bind.vars(out);
            }
            GoalKind::Or { vars, .. } | GoalKind::Not { vars, .. } => out.extend(vars),
            GoalKind::Rule { args, .. } => out.extend(args.iter().filter_map(Slot::var)),
        }
    }

    /// Whether it, or a goal within it, calls a rule.
    pub fn calls_rule(&self) -> bool {
        match &self.kind {
            GoalKind::Rule { .. } => true,
            GoalKind::Or { branches, .. } => branches.iter().flatten().any(Goal::calls_rule),
            GoalKind::Not { goals, .. } => goals.iter().any(Goal::calls_rule),
            _ => false,
        }
    }
}

/// Resolves the clauses of one scope.
pub(super) struct Resolver<'a> {
    /// All variables of the query.
    pub vars: &'a mut Vars,
    /// The sources by name.
    pub sources: &'a [SourceName],
    /// Position of what `$` means here.
    pub default_source: usize,
    /// Where functions that users wrote are found.
    pub functions: &'a Finder,
}

impl Resolver<'_> {
    /// A name's variable in a scope, made if new.
    pub(super) fn var(&mut self, scope: &mut Scope, name: &Var) -> VarId {
        if let Some(id) = scope.get(name) {
            return *id;
        }
        let id = self.vars.fresh(name);
        scope.insert(name.clone(), id);
        id
    }

    fn source(&self, name: Option<&SourceName>, clause: &Clause) -> Result<usize> {
        let Some(name) = name else {
            return Ok(self.default_source);
        };
        self.sources
            .iter()
            .position(|source| source == name)
            .ok_or_else(|| {
                Error::new(
                    Code::QueryWhere,
                    format!("Unknown source {name} in {}", clause.form),
                )
                .at(clause.span)
                .with("form", clause.form.clone())
            })
    }

    /// Resolves a conjunction.
    pub(super) fn goals(&mut self, clauses: &[Clause], scope: &mut Scope) -> Result<Vec<Goal>> {
        clauses
            .iter()
            .map(|clause| self.goal(clause, scope))
            .collect()
    }

    fn goal(&mut self, clause: &Clause, scope: &mut Scope) -> Result<Goal> {
        let kind = match &clause.kind {
            ClauseKind::Pattern { source, terms } => GoalKind::Pattern(Pattern {
                source: self.source(source.as_ref(), clause)?,
                slots: self.slots(terms, scope),
                bounds: None,
            }),
            ClauseKind::Predicate { function, args } => {
                GoalKind::Predicate(self.call(function, args, clause, scope)?)
            }
            ClauseKind::Function {
                function,
                args,
                binding,
            } => {
                let call = self.call(function, args, clause, scope)?;
                GoalKind::Function(call, self.bind(binding, scope))
            }
            ClauseKind::Or { source, branches } => self.or(source, branches, clause, scope)?,
            ClauseKind::OrJoin {
                source,
                required,
                free,
                branches,
            } => self.or_join(source, (required, free), branches, clause, scope)?,
            ClauseKind::Not { source, clauses } => {
                let goals = self.within(source, clause, |it| it.goals(clauses, scope))?;
                let mut vars = Vec::new();
                goals.iter().for_each(|goal| goal.vars(&mut vars));
                GoalKind::Not {
                    vars: unique(vars),
                    goals,
                }
            }
            ClauseKind::NotJoin {
                source,
                vars,
                clauses,
            } => {
                let vars: Vec<VarId> = vars.iter().map(|name| self.var(scope, name)).collect();
                let mut inner = self.inner_scope(&vars);
                let goals = self.within(source, clause, |it| it.goals(clauses, &mut inner))?;
                GoalKind::Not { vars, goals }
            }
            ClauseKind::Rule { source, name, args } => GoalKind::Rule {
                name: name.clone(),
                source: self.source(source.as_ref(), clause)?,
                args: self.slots(args, scope),
            },
        };
        Ok(Goal {
            kind,
            form: clause.form.clone(),
            span: clause.span,
        })
    }

    /// Runs `f` with another meaning of `$`.
    fn within<T>(
        &mut self,
        source: &Option<SourceName>,
        clause: &Clause,
        f: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let outer = self.default_source;
        self.default_source = self.source(source.as_ref(), clause)?;
        let out = f(self);
        self.default_source = outer;
        out
    }

    fn inner_scope(&self, vars: &[VarId]) -> Scope {
        vars.iter()
            .map(|&id| (self.vars.name(id).clone(), id))
            .collect()
    }

    fn or(
        &mut self,
        source: &Option<SourceName>,
        branches: &[Vec<Clause>],
        clause: &Clause,
        scope: &mut Scope,
    ) -> Result<GoalKind> {
        let branches: Vec<Vec<Goal>> = self.within(source, clause, |it| {
            branches
                .iter()
                .map(|clauses| it.goals(clauses, scope))
                .collect()
        })?;
        let mut vars = Vec::new();
        branches
            .iter()
            .flatten()
            .for_each(|goal| goal.vars(&mut vars));
        Ok(GoalKind::Or {
            required: Vec::new(),
            vars: unique(vars),
            branches,
        })
    }

    fn or_join(
        &mut self,
        source: &Option<SourceName>,
        (required, free): (&[Var], &[Var]),
        branches: &[Vec<Clause>],
        clause: &Clause,
        scope: &mut Scope,
    ) -> Result<GoalKind> {
        let required: Vec<VarId> = required.iter().map(|name| self.var(scope, name)).collect();
        let mut vars = required.clone();
        vars.extend(free.iter().map(|name| self.var(scope, name)));
        let branches = self.within(source, clause, |it| {
            let branch = |clauses: &Vec<Clause>| {
                let mut inner = it.inner_scope(&vars);
                it.goals(clauses, &mut inner)
            };
            branches.iter().map(branch).collect::<Result<Vec<_>>>()
        })?;
        Ok(GoalKind::Or {
            required,
            vars,
            branches,
        })
    }

    /// Resolves terms.
    pub(super) fn slots(&mut self, terms: &[Term], scope: &mut Scope) -> Vec<Slot> {
        let slot = |term: &Term| match term {
            Term::Blank => Slot::Blank,
            Term::Var(name) => Slot::Var(self.var(scope, name)),
            Term::Const(value) => Slot::Const(value.clone()),
        };
        terms.iter().map(slot).collect()
    }

    /// Resolves a binding form.
    pub(super) fn bind(&mut self, binding: &Binding, scope: &mut Scope) -> Bind {
        match binding {
            Binding::Ignore => Bind::Ignore,
            Binding::Scalar(name) => Bind::Scalar(self.var(scope, name)),
            Binding::Tuple(items) => {
                Bind::Tuple(items.iter().map(|item| self.bind(item, scope)).collect())
            }
            Binding::Collection(item) => Bind::Collection(Box::new(self.bind(item, scope))),
        }
    }

    fn call(
        &mut self,
        function: &FunctionName,
        args: &[Arg],
        clause: &Clause,
        scope: &mut Scope,
    ) -> Result<CallGoal> {
        let callable = match function {
            FunctionName::Var(name) => Callable::Var(self.var(scope, name)),
            FunctionName::Named(name) => match callable(name) {
                Some(callable) => callable,
                None => self.script(name, clause)?,
            },
        };
        let mut slots = Vec::with_capacity(args.len() + 1);
        let is_source = |arg: &Arg| matches!(arg, Arg::Source(_));
        if matches!(callable, Callable::Nearest(_)) && !args.iter().any(is_source) {
            slots.push(ArgSlot::Source(self.default_source));
        }
        for arg in args {
            slots.push(match arg {
                Arg::Var(name) => ArgSlot::Var(self.var(scope, name)),
                Arg::Source(name) => ArgSlot::Source(self.source(Some(name), clause)?),
                Arg::Rules => ArgSlot::Rules,
                Arg::Const(value) => ArgSlot::Const(value.clone()),
            });
        }
        Ok(CallGoal {
            callable,
            args: slots,
        })
    }

    /// The function that users wrote under a name, or the error that there is none.
    fn script(&self, name: &Symbol, clause: &Clause) -> Result<Callable> {
        let placed = |error: Error| error.at(clause.span).with("form", clause.form.clone());
        if let Some(callee) = self.functions.find(name).map_err(placed)? {
            return Ok(Callable::Script(callee));
        }
        let what = match clause.kind {
            ClauseKind::Predicate { .. } => "predicate",
            _ => "function",
        };
        let message = format!("Unknown {what} '{name} in {}", clause.form);
        Err(placed(Error::new(Code::QueryWhere, message)).with("var", name.clone()))
    }
}

/// What a name calls, if anything.
pub(super) fn callable(name: &Symbol) -> Option<Callable> {
    let special = match name.as_str() {
        "get-else" => Special::GetElse,
        "get-some" => Special::GetSome,
        "missing?" => Special::Missing,
        "ground" => Special::Ground,
        "tuple" => Special::Tuple,
        "untuple" => Special::Untuple,
        "q" | "datahike.query/q" | "datahike.api/q" | "d/q" => Special::Query,
        other => {
            let graph = || GraphFunction::named(other).map(Callable::Graph);
            let nearest = || NearestFunction::named(other).map(Callable::Nearest);
            return function::lookup(other)
                .map(Callable::Builtin)
                .or_else(graph)
                .or_else(nearest);
        }
    };
    Some(Callable::Special(special))
}

/// The variables without repetition, in order of first mention.
pub(super) fn unique(vars: Vec<VarId>) -> Vec<VarId> {
    let mut seen = std::collections::HashSet::new();
    vars.into_iter().filter(|var| seen.insert(*var)).collect()
}
