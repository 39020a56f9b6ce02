//! The door of the executor: a query and its inputs to an answer.

use std::sync::Arc;

use super::answer::{self, Answer};
use super::arrangement::Arrangements;
use super::block::{Context, run_steps};
use super::budget::Budget;
use super::builtin::missing_rules;
use super::graph_call::Graphs;
use super::input::{input_relation, join_inputs};
use super::lookup_ref::check_lookups;
use super::prepared::{KeptPlan, PlanKey, Planned, Scope};
use super::relation::Relation;
use super::source::{DbSource, Source, Sources, Tuples};
use super::trace::Trace;
use crate::db::Db;
use crate::error::{Code, Error, Result};
use crate::fault;
use crate::fork;
use crate::index::Interner;
use crate::limits;
use crate::plan::{self, Bind, Outline, Program, VarId};
use crate::query::ast::{self, Query, RuleBranch, SourceName, Var};
use crate::query::{override_modifiers, parse, parse_rules};
use crate::script::Allowance;
use crate::value::{Symbol, Value};

/// What a caller passes for one element of `:in`.
#[derive(Clone)]
pub enum Input {
    /// A database value.
    Db(Db),
    /// Any value; a collection of tuples may serve as a source.
    Value(Value),
}

impl From<Db> for Input {
    fn from(db: Db) -> Input {
        Input::Db(db)
    }
}

impl From<Value> for Input {
    fn from(value: Value) -> Input {
        Input::Value(value)
    }
}

/// What a caller asks beside the query.
#[derive(Clone, Default)]
pub struct QueryOptions {
    /// A map whose `:limit :offset :order-by :timeout` take the place of the query's; or nil.
    pub modifiers: Value,
    /// Ends the query soon after it is set.
    pub cancelled: Option<Arc<std::sync::atomic::AtomicBool>>,
    /// Bytes one relation may hold.
    pub memory_bytes: Option<usize>,
    /// Rows of one task, where work is split among threads. What is answered does not depend on it;
    /// in which order may, where the query asks for none.
    pub task_rows: Option<usize>,
}

/// Answers a query: a vector, a map, or text of either.
///
/// Errors: `Code::Parser…` for what cannot be read, `Code::Query…` for what cannot be answered.
pub fn q(query: &Value, inputs: &[Input], options: &QueryOptions) -> Result<Answer> {
    let query = read(query, options)?;
    on_threads(inputs, options, || {
        Run::new(&query, inputs, 0, None)?.answer(options, None)
    })
}

/// As [`q`], for a function that was given a database: within what the work that called it may spend.
///
/// Errors: those of [`q`], and [`Code::Limit`] where functions and queries nest too deep.
pub fn q_within(query: &Value, inputs: &[Input], allowance: &Allowance) -> Result<Answer> {
    let options = QueryOptions::default();
    let query = read(query, &options)?;
    let mut budget = Budget::within(allowance.nested()?);
    if let Some(ms) = query.timeout_ms.filter(|ms| *ms > 0) {
        budget = budget.with_timeout_ms(ms);
    }
    on_threads(inputs, &options, || {
        Run::new(&query, inputs, 0, None)?.run(&budget, None)
    })
}

/// Runs a query on the threads that the connection of its database asks for.
pub(super) fn on_threads<T: Send>(
    inputs: &[Input],
    options: &QueryOptions,
    run: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    let threads = inputs.iter().find_map(|input| match input {
        Input::Db(db) => db.options().threads,
        Input::Value(_) => None,
    });
    fork::on_threads(threads, options.task_rows, || fault::catch(run))
}

/// A query that was read once and is asked many times, with other inputs or of other database
/// values: its last plan is used again while the schema is the same and sizes are alike.
pub struct Prepared {
    query: Query,
    plan: KeptPlan,
}

impl Prepared {
    /// Reads a query: a vector, a map, or text of either.
    pub fn new(query: &Value) -> Result<Prepared> {
        Ok(Prepared {
            query: read(query, &QueryOptions::default())?,
            plan: KeptPlan::default(),
        })
    }

    /// As [`q`].
    pub fn answer(&self, inputs: &[Input], options: &QueryOptions) -> Result<Answer> {
        let changed = match options.modifiers {
            Value::Nil => None,
            _ => {
                let mut query = self.query.clone();
                override_modifiers(&mut query, &options.modifiers)?;
                Some(query)
            }
        };
        let query = changed.as_ref().unwrap_or(&self.query);
        on_threads(inputs, options, || {
            Run::new(query, inputs, 0, Some(&self.plan))?.answer(options, None)
        })
    }
}

/// Runs a query within a query.
pub(super) fn nested(context: &Context<'_>, query: &Value, inputs: &[Input]) -> Result<Value> {
    if context.depth >= limits::QUERY_DEPTH {
        return Err(Error::new(
            Code::Limit,
            "Queries nest too deep (QUERY_DEPTH)",
        ));
    }
    let query = read(query, &QueryOptions::default())?;
    let run = Run::new(&query, inputs, context.depth + 1, None)?;
    Ok(run.run(context.budget, None)?.to_value())
}

/// Reads text, parses, and lets the options override what the query says.
pub(super) fn read(query: &Value, options: &QueryOptions) -> Result<Query> {
    let mut parsed = match query {
        Value::Str(text) => {
            let (value, spans) = crate::edn::read_spanned(text)?;
            parse(&value, Some(&spans))?
        }
        _ => parse(query, None)?,
    };
    override_modifiers(&mut parsed, &options.modifiers)?;
    Ok(parsed)
}

/// A query planned for its inputs.
pub(super) struct Run<'q> {
    query: &'q Query,
    program: Arc<Program>,
    scope: Arc<Scope>,
    sources: Sources,
    interner: Interner,
    seeds: Vec<Relation>,
    patterns: Vec<(Symbol, Value)>,
    rules: Value,
    depth: usize,
}

/// The inputs of a query, each by what `:in` makes of it.
struct Given<'q> {
    sources: Sources,
    rules: Value,
    patterns: Vec<(Symbol, Value)>,
    values: Vec<(&'q ast::Binding, &'q Value)>,
}

impl<'q> Given<'q> {
    fn new(query: &'q Query, inputs: &'q [Input], interner: &mut Interner) -> Result<Given<'q>> {
        let mut sources = Sources {
            names: Vec::new(),
            sources: Vec::new(),
        };
        let (mut rules, mut patterns, mut values) = (Value::Nil, Vec::new(), Vec::new());
        for (form, input) in query.inputs.iter().zip(inputs) {
            match (form, input) {
                (ast::Input::Source(name), input) => {
                    sources.names.push(name.clone());
                    sources.sources.push(source_of(input, interner));
                }
                (ast::Input::Rules, Input::Value(value)) => rules = value.clone(),
                (ast::Input::Pattern(name), Input::Value(value)) => {
                    patterns.push((name.clone(), value.clone()));
                }
                (ast::Input::Binding(binding), Input::Value(value)) => {
                    note_pattern(binding, value, &mut patterns);
                    values.push((binding, value));
                }
                (_, Input::Db(_)) => {
                    return Err(Error::new(
                        Code::QueryBinding,
                        "A database can only be bound to a source variable such as $",
                    ));
                }
            }
        }
        for form in query.inputs.get(inputs.len()..).unwrap_or_default() {
            if let ast::Input::Source(name) = form {
                sources.names.push(name.clone());
                sources
                    .sources
                    .push(Source::Tuples(Tuples::default(), Value::Nil));
            }
        }
        if sources.sources.is_empty() {
            // Clauses may speak of `$` all the same.
            sources.names.push(SourceName(Symbol::new("$")));
            sources
                .sources
                .push(Source::Tuples(Tuples::default(), Value::Nil));
        }
        Ok(Given {
            sources,
            rules,
            patterns,
            values,
        })
    }
}

impl<'q> Run<'q> {
    /// `kept`: where a plan may be kept from one time to the next.
    pub(super) fn new(
        query: &'q Query,
        inputs: &[Input],
        depth: usize,
        kept: Option<&KeptPlan>,
    ) -> Result<Run<'q>> {
        check_inputs(query, inputs)?;
        let base = inputs.iter().find_map(|input| match input {
            Input::Db(db) => Some(db.dictionary().clone()),
            Input::Value(_) => None,
        });
        let mut interner = Interner::new(base.unwrap_or_default());
        let Given {
            sources,
            rules,
            patterns,
            values,
        } = Given::new(query, inputs, &mut interner)?;
        let planned = match kept {
            Some(kept) => kept.plan(query, &sources, &rules, &values)?,
            None => Arc::new(planned(query, &sources, &rules, &values)?),
        };
        let (program, scope) = (Arc::clone(&planned.program), Arc::clone(&planned.scope));
        check_lookups(&program, &sources, &scalars(&values, &scope))?;
        let mut seeds = Vec::with_capacity(values.len());
        for (binding, value) in values {
            seeds.push(input_relation(
                &resolve(binding, &scope),
                value,
                &mut interner,
            )?);
        }
        Ok(Run {
            query,
            program,
            scope,
            sources,
            interner,
            seeds,
            patterns,
            rules,
            depth,
        })
    }

    /// The plan.
    pub(super) fn program(&self) -> &Program {
        &self.program
    }

    /// Where patterns will look.
    pub(super) fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The inputs, each as tuples of its variables.
    pub(super) fn seeds(&self) -> &[Relation] {
        &self.seeds
    }

    /// - `trace`: where to note what each step does.
    pub(super) fn answer(
        self,
        options: &QueryOptions,
        trace: Option<&mut Trace>,
    ) -> Result<Answer> {
        let mut budget = Budget::default();
        if let Some(ms) = self.query.timeout_ms.filter(|ms| *ms > 0) {
            budget = budget.with_timeout_ms(ms);
        }
        if let Some(bytes) = options.memory_bytes {
            budget = budget.with_memory_bytes(bytes);
        }
        if let Some(flag) = &options.cancelled {
            budget = budget.with_cancel(Arc::clone(flag));
        }
        self.run(&budget, trace)
    }

    fn run<'a>(self, budget: &'a Budget, trace: Option<&'a mut Trace>) -> Result<Answer> {
        let mut context = Context {
            program: Arc::clone(&self.program),
            functions: self.sources.functions(),
            sources: self.sources,
            interner: self.interner,
            budget,
            rules: self.rules,
            graphs: Graphs::default(),
            arrangements: Arrangements::default(),
            depth: self.depth,
            trace,
        };
        let started = context.started();
        let seed = join_inputs(self.seeds, budget)?;
        context.note_stage("input", seed.len(), started);
        let fold = answer::fold(self.query, &self.scope);
        let outcome = run_steps(&mut context, &self.program.block, seed, fold.as_ref())?;
        let (query, scope) = (self.query, &self.scope);
        answer::shape((query, scope), &self.patterns, context, outcome)
    }
}

/// Plans a query for its inputs.
pub(super) fn planned(
    query: &Query,
    sources: &Sources,
    rules: &Value,
    values: &[(&ast::Binding, &Value)],
) -> Result<Planned> {
    let mut parsed_rules = rule_branches(rules)?;
    let missing = missing_rules(&query.clauses, &parsed_rules)?;
    parsed_rules.extend(missing);
    let (bound, needed) = (bound_vars(values), answer::needed_vars(query));
    let functions = sources.functions();
    let outline = Outline {
        clauses: &query.clauses,
        rules: &parsed_rules,
        sources: &sources.names,
        default_source: sources.default(),
        functions: &functions,
        inputs: &bound,
        input_rows: input_rows(values),
        needed: &needed,
    };
    let (program, scope) = plan::plan(&outline, sources)?;
    Ok(Planned {
        key: PlanKey::new(sources, rules, values),
        program: Arc::new(program),
        scope: Arc::new(scope),
        functions: functions.found_so_far(),
    })
}

fn source_of(input: &Input, interner: &mut Interner) -> Source {
    match input {
        Input::Db(db) => Source::Db(DbSource::new(db.clone(), interner)),
        Input::Value(value) => match Tuples::from_value(value, interner) {
            Some(tuples) => Source::Tuples(tuples, value.clone()),
            None => Source::Value(value.clone()),
        },
    }
}

/// Inputs that are not given must not be used; those too many are passed over. So it is in
/// Datahike, which lets a query without patterns run without a database.
fn check_inputs(query: &Query, inputs: &[Input]) -> Result<()> {
    let missing = query.inputs.get(inputs.len()..).unwrap_or_default();
    let mut used: Vec<Var> = answer::needed_vars(query);
    query
        .clauses
        .iter()
        .for_each(|clause| used.extend(clause.vars()));
    for form in missing {
        let ast::Input::Binding(binding) = form else {
            continue;
        };
        if let Some(var) = binding.vars().into_iter().find(|var| used.contains(var)) {
            let (expected, got) = (query.inputs.len(), inputs.len());
            let message = format!(
                "Too few inputs passed, expected: {expected}, got: {got}; nothing is bound to {var}"
            );
            return Err(Error::new(Code::QueryInputs, message)
                .with("expected", expected)
                .with("got", got));
        }
    }
    Ok(())
}

fn rule_branches(rules: &Value) -> Result<Vec<RuleBranch>> {
    match rules {
        Value::Nil => Ok(Vec::new()),
        Value::Str(text) => {
            let (value, spans) = crate::edn::read_spanned(text)?;
            parse_rules(&value, Some(&spans))
        }
        _ => parse_rules(rules, None),
    }
}

/// A variable of `:in` may hold the pattern of a pull.
fn note_pattern(binding: &ast::Binding, value: &Value, patterns: &mut Vec<(Symbol, Value)>) {
    if let ast::Binding::Scalar(var) = binding {
        patterns.push((var.0.clone(), value.clone()));
    }
}

/// The variables that an input binds to one value.
fn scalars<'v>(values: &[(&ast::Binding, &'v Value)], scope: &Scope) -> Vec<(VarId, &'v Value)> {
    let scalar = |(binding, value): &(&ast::Binding, &'v Value)| match binding {
        ast::Binding::Scalar(var) => Some((*scope.get(var)?, *value)),
        _ => None,
    };
    values.iter().filter_map(scalar).collect()
}

fn bound_vars(values: &[(&ast::Binding, &Value)]) -> Vec<Var> {
    fn collect(binding: &ast::Binding, out: &mut Vec<Var>) {
        match binding {
            ast::Binding::Ignore => {}
            ast::Binding::Scalar(var) => out.push(var.clone()),
            ast::Binding::Tuple(items) => items.iter().for_each(|item| collect(item, out)),
            ast::Binding::Collection(item) => collect(item, out),
        }
    }
    let mut vars = Vec::new();
    values
        .iter()
        .for_each(|(binding, _)| collect(binding, &mut vars));
    vars
}

fn input_rows(values: &[(&ast::Binding, &Value)]) -> usize {
    let rows = |(binding, value): &(&ast::Binding, &Value)| match (binding, value) {
        (ast::Binding::Collection(_), Value::List(items) | Value::Vector(items)) => items.len(),
        (ast::Binding::Collection(_), Value::Set(items)) => items.len(),
        (ast::Binding::Collection(_), Value::Map(entries)) => entries.len(),
        _ => 1,
    };
    values.iter().map(rows).fold(1, usize::saturating_mul)
}

fn resolve(binding: &ast::Binding, scope: &Scope) -> Bind {
    match binding {
        ast::Binding::Ignore => Bind::Ignore,
        ast::Binding::Scalar(var) => Bind::Scalar(scope[var]),
        ast::Binding::Tuple(items) => {
            Bind::Tuple(items.iter().map(|item| resolve(item, scope)).collect())
        }
        ast::Binding::Collection(item) => Bind::Collection(Box::new(resolve(item, scope))),
    }
}

impl Sources {
    /// The source at a position as an input of a nested query.
    pub(super) fn input(&self, at: usize) -> Input {
        match &self.sources[at] {
            Source::Db(source) => Input::Db(source.db.clone()),
            Source::Tuples(_, value) | Source::Value(value) => Input::Value(value.clone()),
        }
    }

    /// The position of a source.
    pub(super) fn position(&self, name: &SourceName) -> Option<usize> {
        self.names.iter().position(|other| other == name)
    }
}
