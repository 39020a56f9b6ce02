//! The naive evaluator: environments as maps, clauses one by one, rules until nothing is new.

use std::collections::{BTreeMap, HashMap, HashSet};

use datalith_engine::function::{self, Aggregate};
use datalith_engine::query::ast::{
    Arg, Binding, Clause, ClauseKind, FindElement, FunctionName, Input, Query, RuleBranch,
    SourceName, Term, Var,
};
use datalith_engine::{Symbol, Value, query, value};

use super::log::{Fact, Refused, Shown, entid, refused};
use super::safety::{Bound, Safety, is_negation, vars};

pub(super) type Env = BTreeMap<Var, Value>;

/// Most environments or datoms tried at one place; a case that needs more is passed over.
const ENVS_MAX: usize = 4_000;
pub(super) const TOO_LARGE: &str = "too large for the model";

/// What a pattern is matched against.
#[derive(Clone)]
pub(super) enum Source {
    Db(Shown),
    Tuples(Vec<Value>),
}

/// A call of a rule: its arguments where they are known.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Call {
    name: Symbol,
    source: SourceName,
    args: Vec<Option<Value>>,
}

type Tuples = HashSet<Vec<Value>>;

pub(super) struct Oracle<'a> {
    sources: Vec<(SourceName, Source)>,
    rules: &'a HashMap<Symbol, Vec<RuleBranch>>,
    safety: Safety<'a>,
    /// Calls whose answers are complete.
    done: HashMap<Call, Tuples>,
    /// Calls whose answers grow round by round.
    open: HashMap<Call, Tuples>,
    is_growing: bool,
    in_rounds: bool,
}

impl<'a> Oracle<'a> {
    pub(super) fn new(
        sources: Vec<(SourceName, Source)>,
        rules: &'a HashMap<Symbol, Vec<RuleBranch>>,
    ) -> Oracle<'a> {
        Oracle {
            sources,
            rules,
            safety: Safety::new(rules),
            done: HashMap::new(),
            open: HashMap::new(),
            is_growing: false,
            in_rounds: false,
        }
    }

    /// The rows of a query's result: with aggregates one per group, else the distinct tuples of
    /// find and `:with`, cut to the find.
    pub(super) fn rows(
        &mut self,
        query: &Query,
        inputs: &[(&Binding, Value)],
    ) -> Result<Vec<Vec<Value>>, Refused> {
        let mut bound = Bound::new();
        inputs
            .iter()
            .for_each(|(binding, _)| super::safety::binding_vars(binding, &mut bound));
        self.safety.check(&query.clauses, &bound)?;
        let mut envs = vec![Env::new()];
        for (binding, value) in inputs {
            let mut next = Vec::new();
            for env in &envs {
                next.extend(bind(binding, value, env)?);
            }
            envs = next;
        }
        let dollar = SourceName(Symbol::new("$"));
        self.check_names(&query.clauses, &dollar)?;
        let envs = self.conjunction(&query.clauses, envs, &dollar)?;
        finish(query, &envs)
    }

    /// Entities that a query names by ident or lookup ref must be there.
    fn check_names(&self, clauses: &[Clause], default: &SourceName) -> Result<(), Refused> {
        for clause in clauses {
            let source = clause_source(clause, default);
            match &clause.kind {
                ClauseKind::Pattern { terms, .. } => {
                    if let (Source::Db(db), Some(Term::Const(e))) =
                        (self.source(&source)?, terms.first())
                        && entid(&db.facts, &db.log, e).is_none()
                    {
                        return refused(format!("nothing is named {e}"));
                    }
                }
                _ => clause
                    .children()
                    .try_for_each(|child| self.check_names(std::slice::from_ref(child), &source))?,
            }
        }
        Ok(())
    }

    fn conjunction(
        &mut self,
        clauses: &[Clause],
        envs: Vec<Env>,
        source: &SourceName,
    ) -> Result<Vec<Env>, Refused> {
        let Some(first) = envs.first() else {
            return Ok(envs);
        };
        let bound: Bound = first.keys().cloned().collect();
        let Some((order, _)) = self.safety.order(clauses, &bound) else {
            return refused("variables stay unbound");
        };
        let mut envs = envs;
        for clause in order {
            let mut next = HashSet::new();
            for env in envs {
                next.extend(self.clause(clause, env, source)?);
                if next.len() > ENVS_MAX {
                    return refused(TOO_LARGE);
                }
            }
            envs = next.into_iter().collect();
        }
        Ok(envs)
    }

    /// Every way in which a clause holds for an environment.
    fn clause(
        &mut self,
        clause: &Clause,
        env: Env,
        default: &SourceName,
    ) -> Result<Vec<Env>, Refused> {
        let within = clause_source(clause, default);
        match &clause.kind {
            ClauseKind::Pattern { terms, .. } => match self.source(&within)? {
                Source::Db(db) => Ok(match_db(db, terms, &env)),
                Source::Tuples(tuples) => Ok(match_tuples(tuples, terms, &env)),
            },
            ClauseKind::Predicate { function, args } => {
                let holds = match self.apply(function, args, &env, default)? {
                    Ok(value) => value.is_truthy(),
                    Err(error) if function::is_swallowed(&error) => false,
                    Err(error) => return refused(error.message()),
                };
                Ok(if holds { vec![env] } else { Vec::new() })
            }
            ClauseKind::Function {
                function,
                args,
                binding,
            } => match self.apply(function, args, &env, default)? {
                Ok(Value::Nil) => Ok(Vec::new()),
                Ok(value) => bind(binding, &value, &env),
                Err(error) => refused(error.message()),
            },
            ClauseKind::Or { branches, .. } | ClauseKind::OrJoin { branches, .. } => {
                let joined = vars(clause);
                let mut out = Vec::new();
                for branch in branches {
                    let found = self.conjunction(branch, vec![cut(&env, &joined)], &within)?;
                    out.extend(
                        found
                            .iter()
                            .filter_map(|inner| merge(&env, &cut(inner, &joined))),
                    );
                }
                Ok(out)
            }
            ClauseKind::Not { clauses, .. } | ClauseKind::NotJoin { clauses, .. } => {
                debug_assert!(is_negation(clause));
                let in_rounds = std::mem::replace(&mut self.in_rounds, false);
                let found = self.conjunction(clauses, vec![cut(&env, &vars(clause))], &within);
                self.in_rounds = in_rounds;
                Ok(if found?.is_empty() {
                    vec![env]
                } else {
                    Vec::new()
                })
            }
            ClauseKind::Rule { name, args, .. } => {
                let known = |term: &Term| match term {
                    Term::Blank => None,
                    Term::Const(value) => Some(value.clone()),
                    Term::Var(var) => env.get(var).cloned(),
                };
                let call = Call {
                    name: name.clone(),
                    source: within,
                    args: args.iter().map(known).collect(),
                };
                let tuples = self.call(call)?;
                Ok(tuples
                    .iter()
                    .filter_map(|tuple| match_tuple(tuple, args, &env))
                    .collect())
            }
        }
    }

    fn source(&self, name: &SourceName) -> Result<&Source, Refused> {
        let found = self.sources.iter().find(|(other, _)| other == name);
        found
            .map(|(_, source)| source)
            .ok_or_else(|| Refused(format!("no source {name}")))
    }

    /// The answers of a call: what is known so far within rounds, all of them elsewhere.
    fn call(&mut self, call: Call) -> Result<Tuples, Refused> {
        if let Some(tuples) = self.done.get(&call) {
            return Ok(tuples.clone());
        }
        if self.in_rounds {
            if !self.open.contains_key(&call) {
                self.is_growing = true;
            }
            return Ok(self.open.entry(call).or_default().clone());
        }
        let (outer, was_growing) = (std::mem::take(&mut self.open), self.is_growing);
        self.open.insert(call.clone(), Tuples::new());
        loop {
            self.is_growing = false;
            for call in self.open.keys().cloned().collect::<Vec<_>>() {
                self.in_rounds = true;
                let tuples = self.round(&call);
                self.in_rounds = false;
                let tuples = tuples?;
                let known = self.open.get_mut(&call).expect("calls stay open");
                if *known != tuples {
                    *known = tuples;
                    self.is_growing = true;
                }
            }
            if !self.is_growing {
                break;
            }
        }
        self.is_growing = was_growing;
        let solved = std::mem::replace(&mut self.open, outer);
        self.done.extend(solved);
        Ok(self.done[&call].clone())
    }

    /// What the branches of a rule give from what is known.
    fn round(&mut self, call: &Call) -> Result<Tuples, Refused> {
        let mut out = Tuples::new();
        let Some(branches) = self.rules.get(&call.name) else {
            return refused("unknown rule");
        };
        for branch in branches {
            let mut env = Env::new();
            for (var, arg) in branch.head().zip(&call.args) {
                if let Some(value) = arg {
                    env.insert(var.clone(), value.clone());
                }
            }
            for found in self.conjunction(&branch.clauses, vec![env], &call.source)? {
                out.insert(branch.head().map(|var| found[var].clone()).collect());
            }
        }
        Ok(out)
    }

    fn apply(
        &self,
        function: &FunctionName,
        args: &[Arg],
        env: &Env,
        default: &SourceName,
    ) -> Result<datalith_engine::Result<Value>, Refused> {
        let FunctionName::Named(name) = function else {
            return refused("a function in a variable");
        };
        let value = |arg: &Arg| match arg {
            Arg::Var(var) => env[var].clone(),
            Arg::Const(value) => value.clone(),
            Arg::Source(_) | Arg::Rules => Value::Nil,
        };
        let values: Vec<Value> = args.iter().map(value).collect();
        let first = |at: usize| {
            let name = match &args[0] {
                Arg::Source(name) if name.0.as_str() != "$" => name,
                _ => default,
            };
            Ok(match self.source(name)? {
                Source::Db(db) => first_value(db, &values[1], &values[at]),
                Source::Tuples(_) => None,
            })
        };
        Ok(Ok(match name.as_str() {
            "ground" | "untuple" => values[0].clone(),
            "tuple" => Value::vector(values),
            "missing?" => Value::Bool(first(2)?.is_none()),
            "get-else" => first(2)?.unwrap_or(values[3].clone()),
            "get-some" => {
                for (at, name) in values.iter().enumerate().skip(2) {
                    if let Some(value) = first(at)? {
                        return Ok(Ok(Value::vector([name.clone(), value])));
                    }
                }
                Value::Nil
            }
            "q" => return self.nested(args, &values, default).map(Ok),
            other => match function::lookup(other) {
                Some(builtin) => return Ok(builtin.call(&values)),
                None => return refused(format!("unknown function {other}")),
            },
        }))
    }
}

impl Oracle<'_> {
    /// `(q query source value)`: a query of its own, without rules.
    fn nested(
        &self,
        args: &[Arg],
        values: &[Value],
        default: &SourceName,
    ) -> Result<Value, Refused> {
        let query = query::parse(&values[0], None).map_err(|e| Refused(e.message().into()))?;
        let source = match &args[1] {
            Arg::Source(name) if name.0.as_str() != "$" => self.source(name)?,
            _ => self.source(default)?,
        };
        let (rules, dollar) = (HashMap::new(), SourceName(Symbol::new("$")));
        let Some(Input::Binding(binding)) = query.inputs.get(1) else {
            return refused("a nested query takes a source and a value");
        };
        let inputs = [(binding, values[2].clone())];
        let rows = Oracle::new(vec![(dollar, source.clone())], &rules).rows(&query, &inputs)?;
        Ok(Value::set(rows.into_iter().map(Value::vector)))
    }
}

/// What `$` means in a clause.
fn clause_source(clause: &Clause, default: &SourceName) -> SourceName {
    match &clause.kind {
        ClauseKind::Pattern {
            source: Some(name), ..
        }
        | ClauseKind::Or {
            source: Some(name), ..
        }
        | ClauseKind::OrJoin {
            source: Some(name), ..
        }
        | ClauseKind::Not {
            source: Some(name), ..
        }
        | ClauseKind::NotJoin {
            source: Some(name), ..
        }
        | ClauseKind::Rule {
            source: Some(name), ..
        } if name.0.as_str() != "$" => name.clone(),
        _ => default.clone(),
    }
}

/// The least value an entity has for an attribute.
fn first_value(db: &Shown, e: &Value, a: &Value) -> Option<Value> {
    let e = entid(&db.facts, &db.log, e)?;
    let a = db.log.name(a);
    let facts = db
        .facts
        .iter()
        .filter(|fact| fact.added && fact.e == e && fact.a == a);
    facts.map(|fact| fact.v.clone()).min_by(value::compare)
}

fn match_db(db: &Shown, terms: &[Term], env: &Env) -> Vec<Env> {
    db.facts
        .iter()
        .filter_map(|fact| match_fact(db, fact, terms, env))
        .collect()
}

fn match_fact(db: &Shown, fact: &Fact, terms: &[Term], env: &Env) -> Option<Env> {
    let parts = [
        Value::Long(fact.e),
        fact.a.clone(),
        fact.v.clone(),
        Value::Long(fact.tx),
        Value::Bool(fact.added),
    ];
    let mut env = env.clone();
    for (at, (term, part)) in terms.iter().zip(parts).enumerate() {
        let wanted = match term {
            Term::Blank => continue,
            Term::Const(value) => value.clone(),
            Term::Var(var) => match env.get(var) {
                Some(value) => value.clone(),
                None => {
                    env.insert(var.clone(), part);
                    continue;
                }
            },
        };
        let found = match at {
            0 => entid(&db.facts, &db.log, &wanted).map(Value::Long),
            1 => Some(db.log.name(&wanted)),
            2 if db.refs.contains(&fact.a) => entid(&db.facts, &db.log, &wanted).map(Value::Long),
            _ => Some(wanted),
        };
        if found? != part {
            return None;
        }
    }
    Some(env)
}

fn match_tuples(tuples: &[Value], terms: &[Term], env: &Env) -> Vec<Env> {
    let items = tuples.iter().filter_map(Value::as_sequential);
    items
        .filter(|items| items.len() >= terms.len())
        .filter_map(|items| match_tuple(items, terms, env))
        .collect()
}

fn match_tuple(items: &[Value], terms: &[Term], env: &Env) -> Option<Env> {
    let mut env = env.clone();
    for (term, item) in terms.iter().zip(items) {
        match term {
            Term::Blank => {}
            Term::Const(value) if value != item => return None,
            Term::Const(_) => {}
            Term::Var(var) => {
                if env.entry(var.clone()).or_insert_with(|| item.clone()) != item {
                    return None;
                }
            }
        }
    }
    Some(env)
}

fn cut(env: &Env, to: &Bound) -> Env {
    env.iter()
        .filter(|(var, _)| to.contains(var))
        .map(|(var, value)| (var.clone(), value.clone()))
        .collect()
}

fn merge(env: &Env, other: &Env) -> Option<Env> {
    let mut out = env.clone();
    for (var, value) in other {
        if out.entry(var.clone()).or_insert_with(|| value.clone()) != value {
            return None;
        }
    }
    Some(out)
}

/// Every way in which a value is taken apart into variables.
fn bind(binding: &Binding, value: &Value, env: &Env) -> Result<Vec<Env>, Refused> {
    match binding {
        Binding::Ignore => Ok(vec![env.clone()]),
        Binding::Scalar(var) => Ok(merge(env, &Env::from([(var.clone(), value.clone())]))
            .into_iter()
            .collect()),
        Binding::Collection(item) => {
            let items: Vec<Value> = match value {
                Value::Nil => Vec::new(),
                Value::Set(items) => items.iter().cloned().collect(),
                other => match other.as_sequential() {
                    Some(items) => items.to_vec(),
                    None => return refused("no collection"),
                },
            };
            let mut out = Vec::new();
            for value in items {
                out.extend(bind(item, &value, env)?);
            }
            Ok(out)
        }
        Binding::Tuple(parts) => {
            let Some(items) = value
                .as_sequential()
                .filter(|items| items.len() >= parts.len())
            else {
                return refused("no tuple");
            };
            let mut envs = vec![env.clone()];
            for (part, value) in parts.iter().zip(items) {
                let mut next = Vec::new();
                for env in &envs {
                    next.extend(bind(part, value, env)?);
                }
                envs = next;
            }
            Ok(envs)
        }
    }
}

fn finish(query: &Query, envs: &[Env]) -> Result<Vec<Vec<Value>>, Refused> {
    let elements = query.find.elements();
    let shown: Vec<&Var> = elements.iter().filter_map(FindElement::var).collect();
    let tuples: HashSet<Vec<Value>> = envs
        .iter()
        .map(|env| {
            shown
                .iter()
                .copied()
                .chain(&query.with)
                .map(|var| env[var].clone())
                .collect()
        })
        .collect();
    let is_aggregate = |element: &FindElement| matches!(element, FindElement::Aggregate { .. });
    if !elements.iter().any(is_aggregate) {
        return Ok(tuples
            .into_iter()
            .map(|tuple| tuple[..elements.len()].to_vec())
            .collect());
    }
    let mut groups: HashMap<Vec<Value>, Vec<Vec<Value>>> = HashMap::new();
    for tuple in tuples {
        let plain = elements
            .iter()
            .zip(&tuple)
            .filter(|(element, _)| !is_aggregate(element));
        let key = plain.map(|(_, value)| value.clone()).collect();
        groups.entry(key).or_default().push(tuple);
    }
    let mut rows = Vec::new();
    for group in groups.values() {
        let mut row = Vec::new();
        for (at, element) in elements.iter().enumerate() {
            let FindElement::Aggregate {
                function: FunctionName::Named(name),
                args,
                ..
            } = element
            else {
                row.push(group[0][at].clone());
                continue;
            };
            let constant = |arg: &Arg| {
                if let Arg::Const(value) = arg {
                    Some(value.clone())
                } else {
                    None
                }
            };
            let constants: Vec<Value> = args.iter().filter_map(constant).collect();
            let values: Vec<Value> = group.iter().map(|tuple| tuple[at].clone()).collect();
            let Some(aggregate) = Aggregate::lookup(name.as_str()) else {
                return refused("unknown aggregate");
            };
            match aggregate.apply(&constants, &values) {
                Ok(value) => row.push(value),
                Err(error) => return refused(error.message()),
            }
        }
        rows.push(row);
    }
    Ok(rows)
}
