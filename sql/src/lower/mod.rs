//! Datalog on DataFusion: a query as a logical plan over the tables of attributes.
//!
//! The path: a query is read by the engine's parser and by nothing else of it; `values` takes its inputs
//! apart, `block` makes joins of its clauses in an order that `safety` allows, with scans from `pattern`
//! and expressions from `call` and `express`; `find` groups, orders and cuts; `answer` runs the plan. The
//! planner and the executor of the engine have no part in it, so that where the two agree they have not
//! made one mistake together.
//!
//! A plan is made of stock operators and expressions over scans of tables, so that it can be written
//! down and run elsewhere. It is the plan of a query for database values: which kinds of values an
//! attribute has decides its columns. What has no certain meaning in DataFusion is refused with
//! [`Code::Unsupported`], which names the clause. A rule that calls itself is no plan; `rounds` runs such
//! rules as plans one after the other.

mod answer;
mod block;
mod call;
mod express;
mod find;
mod kind;
mod pattern;
mod relation;
mod rounds;
mod safety;
mod values;

pub use answer::{Joins, Lowered, Runner};

use std::collections::HashMap;

use datalith_engine::exec::Input;
use datalith_engine::query::ast::{self, Query, SourceName};
use datalith_engine::query::{parse, parse_rules};
use datalith_engine::{Code, Error, Result, Symbol, Value, edn, fault};

use block::{Lowering, Scope, Source};
use pattern::Place;
use relation::{Relation, unsupported};
use safety::Rules;

/// The plan of a query for its inputs, which calls no rule that calls itself.
///
/// ```
/// use datalith_engine::db::Options;
/// use datalith_engine::script::Allowance;
/// use datalith_engine::{Db, Value};
/// use datalith_sql::lower::{Joins, Runner, lower};
/// use datalith_sql::Executor;
///
/// let db = Db::empty(Options::default());
/// let query = Value::str("[:find ?e . :where [?e :db/ident :db/ident]]");
/// let lowered = lower(&query, &[db.into()])?;
/// let executor = Executor::new(&Default::default())?;
/// let (joins, allowance) = (Joins::Hashed, &Allowance::default());
/// let runner = Runner { executor: &executor, joins, allowance };
/// assert_eq!(lowered.answer(runner)?, Value::Nil);
/// # Ok::<(), datalith_engine::Error>(())
/// ```
///
/// Errors: [`Code::Unsupported`] for what does not lower, and those of reading a query.
pub fn lower(query: &Value, inputs: &[Input]) -> Result<Lowered> {
    fault::catch(|| {
        let query = read(query)?;
        let (mut lowering, seed) = given(&query, inputs)?;
        planned(&query, &mut lowering, seed)
    })
}

/// As [`lower`]; rules that call themselves are worked out in rounds, and the plan reads what they found.
///
/// Errors: those of [`lower`] and of running plans.
pub fn lower_in_rounds(query: &Value, inputs: &[Input], runner: Runner<'_>) -> Result<Lowered> {
    fault::catch(|| {
        let query = read(query)?;
        let (mut lowering, seed) = given(&query, inputs)?;
        rounds::with_rules(&mut lowering, runner, 0, |lowering| {
            planned(&query, lowering, seed.clone())
        })
    })
}

fn read(query: &Value) -> Result<Query> {
    match query {
        Value::Str(text) => {
            let (value, spans) = edn::read_spanned(text)?;
            parse(&value, Some(&spans))
        }
        _ => parse(query, None),
    }
}

fn planned(query: &Query, lowering: &mut Lowering, seed: Relation) -> Result<Lowered> {
    let dollar = SourceName(Symbol::new("$"));
    let mut names = lowering.sources.iter().map(|(name, _)| name);
    let source = names.find(|name| **name == dollar);
    let source = source.or(lowering.sources.first().map(|(name, _)| name));
    let scope = Scope {
        source: source.unwrap_or(&dollar).clone(),
        place: Place::Query,
    };
    let relation = lowering.conjunction(&query.clauses, seed, &scope)?;
    let found = find::find(query, relation)?;
    Ok(Lowered::new(query, found.plan, found.columns))
}

/// What a query's inputs are: what its patterns look into, its rules, and its first tuples.
fn given(query: &Query, inputs: &[Input]) -> Result<(Lowering, Relation)> {
    if inputs.len() < query.inputs.len() {
        let (expected, got) = (query.inputs.len(), inputs.len());
        let message = format!("Too few inputs passed, expected: {expected}, got: {got}");
        return Err(Error::new(Code::QueryInputs, message));
    }
    let (mut sources, mut rules) = (Vec::new(), Vec::new());
    let mut seed = Relation::unit()?;
    for (form, input) in query.inputs.iter().zip(inputs) {
        match (form, input) {
            (ast::Input::Source(name), Input::Db(db)) => {
                sources.push((name.clone(), Source::Db(db.clone())));
            }
            (ast::Input::Source(name), Input::Value(value)) => {
                let source = values::tuples(value).map_or(Source::Other, Source::Tuples);
                sources.push((name.clone(), source));
            }
            (ast::Input::Rules, Input::Value(Value::Str(text))) => {
                rules = parse_rules(&edn::read(text)?, None)?;
            }
            (ast::Input::Rules, Input::Value(value)) => rules = parse_rules(value, None)?,
            (ast::Input::Binding(binding), Input::Value(value)) => {
                seed = seed.join(values::bound(binding, value)?)?;
            }
            (ast::Input::Pattern(name), _) => {
                return Err(unsupported(format!(
                    "The pull pattern {name} does not lower"
                )));
            }
            (_, Input::Db(_)) => {
                let message = "A database can only be bound to a source variable such as $";
                return Err(Error::new(Code::QueryBinding, message));
            }
        }
    }
    if sources.is_empty() {
        // Clauses may speak of `$` all the same.
        sources.push((SourceName(Symbol::new("$")), Source::Tuples(Vec::new())));
    }
    let lowering = Lowering {
        sources,
        rules: Rules::new(rules),
        tables: HashMap::new(),
        wanted: None,
        round: None,
        clauses: 0,
    };
    Ok((lowering, seed))
}
