//! Conjunctions: clauses as joins, what does not hold last.
//!
//! A clause within another (`or`, `not`, a rule) is a relation of its own where it can stand alone and
//! binds what it shares with the outside; otherwise it starts from the tuples around it.

use std::collections::HashMap;
use std::sync::Arc;

use datalith_engine::query::ast::{Clause, ClauseKind, RuleBranch, SourceName, Term, Var};
use datalith_engine::{Code, Db, Error, Result, Symbol, Value};

use super::call;
use super::kind::{Kind, Type, column_name, literal};
use super::pattern::{self, Place};
use super::relation::{Field, Relation, unsupported};
use super::safety::{Bound, Rules, is_negation, uses_arguments};

/// Most clauses of a plan; rules that are written out where they are called multiply.
const CLAUSES: usize = 500;

/// What patterns look into.
pub(super) enum Source {
    Db(Db),
    Tuples(Vec<Arc<[Value]>>),
    /// A value that no pattern can look into.
    Other,
}

/// A recursive rule upon a source.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Table {
    pub(super) rule: Symbol,
    pub(super) source: SourceName,
}

/// What is known of a recursive rule: all its tuples, and those that the last round found.
#[derive(Clone)]
pub(super) struct Tuples {
    pub(super) full: Relation,
    pub(super) delta: Relation,
}

/// Clauses being lowered.
pub(super) struct Lowering {
    pub(super) sources: Vec<(SourceName, Source)>,
    pub(super) rules: Rules,
    pub(super) tables: HashMap<Table, Tuples>,
    /// The recursive rule for want of whose tuples the last attempt failed.
    pub(super) wanted: Option<Table>,
    /// Within a round: which call of its component reads what is new, counted from 0, and how many
    /// calls were met.
    pub(super) round: Option<Round>,
    pub(super) clauses: usize,
}

/// Calls of the rules of a component within one of their bodies.
pub(super) struct Round {
    pub(super) component: Vec<Table>,
    /// The call that reads what is new.
    pub(super) delta: usize,
    /// How many calls were met.
    pub(super) met: usize,
    /// How many negations are around.
    pub(super) negations: usize,
}

/// Where a clause stands.
#[derive(Clone)]
pub(super) struct Scope {
    /// What `$` means.
    pub(super) source: SourceName,
    pub(super) place: Place,
}

impl Lowering {
    /// The tuples of a relation for which all clauses hold, with the variables they bind.
    pub(super) fn conjunction(
        &mut self,
        clauses: &[Clause],
        seed: Relation,
        scope: &Scope,
    ) -> Result<Relation> {
        let (mut left, negations): (Vec<&Clause>, Vec<&Clause>) =
            clauses.iter().partition(|clause| !is_negation(clause));
        let mut relation = seed;
        while !left.is_empty() {
            let at = self.next(&left, &relation)?;
            relation = self.clause(left.remove(at), relation, scope)?;
        }
        for clause in negations {
            relation = self.negation(clause, relation, scope)?;
        }
        Ok(relation)
    }

    /// The clause to take next: one that filters, one that shares a variable, any that can be asked.
    fn next(&self, left: &[&Clause], relation: &Relation) -> Result<usize> {
        let bound: Bound = relation.vars().cloned().collect();
        let ready: Vec<usize> = (0..left.len())
            .filter(|at| self.rules.is_ready(left[*at], &bound))
            .collect();
        let Some(&first) = ready.first() else {
            return Err(unbound(left[0]));
        };
        let is_call = |at: &&usize| {
            matches!(
                left[**at].kind,
                ClauseKind::Predicate { .. } | ClauseKind::Function { .. }
            )
        };
        let shares = |at: &&usize| left[**at].vars().iter().any(|var| bound.contains(var));
        let best = ready.iter().find(is_call);
        Ok(*best.or_else(|| ready.iter().find(shares)).unwrap_or(&first))
    }

    fn clause(&mut self, clause: &Clause, relation: Relation, scope: &Scope) -> Result<Relation> {
        self.clauses += 1;
        if self.clauses > CLAUSES {
            return Err(unsupported(format!(
                "A plan of more than {CLAUSES} clauses"
            )));
        }
        match &clause.kind {
            ClauseKind::Pattern { source, terms } => {
                let source = self.source_name(source.as_ref(), scope, clause)?;
                let matched = match self.source(&source)? {
                    Source::Db(db) => pattern::of_database(db, terms, scope.place),
                    Source::Tuples(tuples) => pattern::of_tuples(tuples, terms),
                    Source::Other => Err(unsupported(format!("{source} is no database"))),
                };
                relation.join(matched.map_err(|error| about(error, clause))?)
            }
            ClauseKind::Predicate { function, args } => {
                let call = self.call(function, args, scope, clause)?;
                call::filter(&call, relation).map_err(|error| about(error, clause))
            }
            ClauseKind::Function {
                function,
                args,
                binding,
            } => {
                let call = self.call(function, args, scope, clause)?;
                call::compute(&call, binding, relation).map_err(|error| about(error, clause))
            }
            ClauseKind::Or { source, branches } => {
                self.alternatives(clause, source.as_ref(), &[], branches, relation, scope)
            }
            ClauseKind::OrJoin {
                source,
                required,
                branches,
                ..
            } => self.alternatives(clause, source.as_ref(), required, branches, relation, scope),
            ClauseKind::Rule { source, name, args } => {
                let source = self.source_name(source.as_ref(), scope, clause)?;
                self.rule(
                    Table {
                        rule: name.clone(),
                        source,
                    },
                    args,
                    relation,
                )
            }
            ClauseKind::Not { .. } | ClauseKind::NotJoin { .. } => {
                self.negation(clause, relation, scope)
            }
        }
    }

    fn alternatives(
        &mut self,
        clause: &Clause,
        source: Option<&SourceName>,
        required: &[Var],
        branches: &[Vec<Clause>],
        relation: Relation,
        scope: &Scope,
    ) -> Result<Relation> {
        let inner = Scope {
            source: self.source_name(source, scope, clause)?,
            ..scope.clone()
        };
        let joined: Vec<Var> = clause.vars().iter().cloned().collect();
        let covers = |bound: &Bound| {
            branches.iter().all(|branch| {
                let after = self.rules.after(branch, bound);
                after.is_some_and(|after| joined.iter().all(|var| after.contains(var)))
            })
        };
        let shared = shared(&joined, &relation);
        let seed = if required.is_empty() && covers(&Bound::new()) {
            Relation::unit()?
        } else if covers(&shared.iter().cloned().collect()) {
            relation.clone().keep(&shared)?.distinct()?
        } else {
            return Err(unbound(clause));
        };
        let mut found = Vec::with_capacity(branches.len());
        for branch in branches {
            let branch = self.conjunction(branch, seed.clone(), &inner)?;
            found.push(branch.keep(&joined)?);
        }
        relation.join(Relation::union(found)?.distinct()?)
    }

    fn negation(&mut self, clause: &Clause, relation: Relation, scope: &Scope) -> Result<Relation> {
        let (ClauseKind::Not { source, clauses }
        | ClauseKind::NotJoin {
            source, clauses, ..
        }) = &clause.kind
        else {
            return Err(Error::new(Code::Internal, "a negation is expected"));
        };
        let inner = Scope {
            source: self.source_name(source.as_ref(), scope, clause)?,
            ..scope.clone()
        };
        let vars: Vec<Var> = clause.vars().iter().cloned().collect();
        let shared = shared(&vars, &relation);
        if shared.is_empty() && !vars.is_empty() {
            return Err(unbound(clause));
        }
        let alone = self.rules.after(clauses, &Bound::new());
        let stands_alone = alone.is_some_and(|after| shared.iter().all(|var| after.contains(var)));
        let seed = match stands_alone {
            true => Relation::unit()?,
            false => relation.clone().keep(&shared)?.distinct()?,
        };
        self.negated(1);
        let found = self.conjunction(clauses, seed, &inner);
        self.negated(-1);
        relation.without(found?.keep(&shared)?)
    }

    fn negated(&mut self, by: isize) {
        if let Some(round) = &mut self.round {
            round.negations = round.negations.saturating_add_signed(by);
        }
    }

    /// A call of a rule.
    fn rule(&mut self, table: Table, args: &[Term], relation: Relation) -> Result<Relation> {
        let tuples = if self.rules.is_recursive(&table.rule) {
            self.known(&table)?
        } else {
            self.written_out(&table, args, &relation)?
        };
        match arguments(tuples, args)? {
            Some(tuples) => relation.join(tuples),
            None => {
                let mut fields = relation.fields.clone();
                for term in args {
                    if let Term::Var(var) = term
                        && !fields.iter().any(|field| field.var == *var)
                    {
                        fields.push(Field::new(var, Type::Of(Kind::Long)));
                    }
                }
                Relation::empty(fields)
            }
        }
    }

    /// The tuples of a recursive rule.
    fn known(&mut self, table: &Table) -> Result<Relation> {
        if let Some(round) = &mut self.round
            && round.component.contains(table)
            && let Some(tuples) = self.tables.get(table)
        {
            if round.negations > 0 {
                let message = format!("{} negates itself", table.rule);
                return Err(unsupported(message));
            }
            round.met += 1;
            return Ok(if round.met - 1 == round.delta {
                tuples.delta.clone()
            } else {
                tuples.full.clone()
            });
        }
        if let Some(tuples) = self.tables.get(table) {
            return Ok(tuples.full.clone());
        }
        self.wanted = Some(table.clone());
        let message = format!(
            "The rule {} calls itself, which no plan can say: recursion is rounds driven by the client",
            table.rule
        );
        Err(unsupported(message).with("rule", table.rule.clone()))
    }

    /// The tuples of a rule that does not call itself, over positions.
    fn written_out(
        &mut self,
        table: &Table,
        args: &[Term],
        relation: &Relation,
    ) -> Result<Relation> {
        let Some(branches) = self.rules.get(&table.rule).map(<[RuleBranch]>::to_vec) else {
            let message = format!("Unknown rule '{}", table.rule);
            return Err(Error::new(Code::QueryWhere, message));
        };
        let is_known = |term: &Term| match term {
            Term::Blank => false,
            Term::Const(_) => true,
            Term::Var(var) => relation.field(var).is_some(),
        };
        let known: Vec<bool> = args.iter().map(is_known).collect();
        let nothing = vec![false; args.len()];
        let runs = |known: &[bool]| {
            let mut all = branches.iter();
            all.all(|branch| self.rules.branch_runs(branch, known))
        };
        let is_alone = runs(&nothing);
        if !is_alone && !runs(&known) {
            let message = format!(
                "Insufficient bindings for a call of the rule {}",
                table.rule
            );
            return Err(Error::new(Code::QueryWhere, message));
        }
        let mut found = Vec::with_capacity(branches.len());
        for branch in &branches {
            let seed = match is_alone {
                true => Relation::unit()?,
                false => seeded(branch, args, relation)?,
            };
            found.push(self.branch(branch, seed, &table.source)?);
        }
        Relation::union(found)?.distinct()
    }

    /// The tuples of a rule's branch, over positions.
    pub(super) fn branch(
        &mut self,
        branch: &RuleBranch,
        seed: Relation,
        source: &SourceName,
    ) -> Result<Relation> {
        if !uses_arguments(branch) {
            let message = format!("An argument that its rule does not use: {}", branch.form);
            return Err(unsupported(message));
        }
        let scope = Scope {
            source: source.clone(),
            place: Place::Rule,
        };
        let found = self.conjunction(&branch.clauses, seed, &scope)?;
        let head: Vec<(&Var, Var)> = branch
            .head()
            .enumerate()
            .map(|(at, var)| (var, position(at)))
            .collect();
        found.renamed(&head)
    }

    /// The source that a clause looks into.
    pub(super) fn source_name(
        &self,
        name: Option<&SourceName>,
        scope: &Scope,
        clause: &Clause,
    ) -> Result<SourceName> {
        match name {
            None => Ok(scope.source.clone()),
            Some(name) if name.0.as_str() == "$" && *name != scope.source => {
                let message = format!("$ where it means {} does not lower", scope.source);
                Err(about(unsupported(message), clause))
            }
            Some(name) => Ok(name.clone()),
        }
    }

    pub(super) fn source(&self, name: &SourceName) -> Result<&Source> {
        let found = self.sources.iter().find(|(known, _)| known == name);
        found
            .map(|(_, source)| source)
            .ok_or_else(|| Error::new(Code::QueryWhere, format!("Unknown source {name}")))
    }
}

/// The variable of a position of a rule.
pub(super) fn position(at: usize) -> Var {
    Var(Symbol::new(&format!("?{at}")))
}

/// Those variables that a relation has.
fn shared(vars: &[Var], relation: &Relation) -> Vec<Var> {
    let has = |var: &&Var| relation.field(var).is_some();
    vars.iter().filter(has).cloned().collect()
}

/// What a call knows of a branch's arguments.
fn seeded(branch: &RuleBranch, args: &[Term], relation: &Relation) -> Result<Relation> {
    let mut names: Vec<(&Var, Var)> = Vec::new();
    for (var, term) in branch.head().zip(args) {
        if let Term::Var(arg) = term
            && relation.field(arg).is_some()
        {
            names.push((arg, var.clone()));
        }
    }
    let mut seed = relation.clone().renamed(&names)?.distinct()?;
    for (var, term) in branch.head().zip(args) {
        if let Term::Const(value) = term {
            let Some((kind, expr)) = literal(value) else {
                return Err(unsupported(format!("The argument {value} does not lower")));
            };
            let field = Field::new(var, Type::Of(kind));
            seed = seed.with(field, vec![(expr, column_name(var, ""))])?;
        }
    }
    Ok(seed)
}

/// The tuples of a rule that fit the arguments of a call, over its variables; none if there are none.
fn arguments(mut tuples: Relation, args: &[Term]) -> Result<Option<Relation>> {
    let mut names: Vec<(Var, Var)> = Vec::new();
    for (at, term) in args.iter().enumerate() {
        let own = position(at);
        let Some(field) = tuples.field(&own).cloned() else {
            let message = format!("{} arguments for a rule of fewer", args.len());
            return Err(Error::new(Code::QueryWhere, message));
        };
        match term {
            Term::Blank => {}
            Term::Const(value) => {
                let Some((kind, expr)) = literal(value) else {
                    return Err(unsupported(format!("The argument {value} does not lower")));
                };
                if tuples.is_empty {
                    return Ok(None);
                }
                let constant = Relation::unit()?;
                let constant = constant.with(
                    Field::new(&own, Type::Of(kind)),
                    vec![(expr, column_name(&own, ""))],
                )?;
                tuples = tuples.join(constant)?;
            }
            Term::Var(var) => match names.iter().find(|(_, name)| name == var).cloned() {
                None => names.push((own, var.clone())),
                Some((before, _)) => {
                    let Some(other) = tuples.field(&before) else {
                        return Ok(None);
                    };
                    match call::same(other, &field)? {
                        Some(condition) => tuples = tuples.filter(condition)?,
                        None => return Ok(None),
                    }
                }
            },
        }
    }
    let names: Vec<(&Var, Var)> = names.iter().map(|(own, var)| (own, var.clone())).collect();
    tuples.renamed(&names).map(Some)
}

fn unbound(clause: &Clause) -> Error {
    let message = format!("Insufficient bindings in clause: {}", clause.form);
    Error::new(Code::QueryWhere, message)
        .at(clause.span)
        .with("form", clause.form.clone())
}

/// An error with the clause it is about.
fn about(mut error: Error, clause: &Clause) -> Error {
    if error.code() == Code::Unsupported && !error.message().contains(" in clause: ") {
        let message = format!("{} in clause: {}", error.message(), clause.form);
        error = Error::new(Code::Unsupported, message);
    }
    error.at(clause.span)
}
