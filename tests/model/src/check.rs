//! Runs a case through the engine and the model, and says where they differ.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice::from_ref;

use datalith_engine::conn::TxData;
use datalith_engine::datom::{Datom, Op, TxId};
use datalith_engine::db::{self, Db, Flexibility, Index, Options, TimePoint};
use datalith_engine::exec::{self, Input, QueryOptions};
use datalith_engine::query::ast::{self, Query};
use datalith_engine::transact::{self, Logged};
use datalith_engine::{Symbol, Value, pull, query};

use super::agree::{agrees, sorted};
use super::log::{Fact, Log, Refused, Shown, refused};
use super::oracle::{Oracle, Source, TOO_LARGE};
use super::safety::UNCLEAR;
use super::world::{Given, Point, Program, Step, World, clock_ms, read};

/// A world in both: the engine's database value and the model's log.
pub struct Built {
    /// The engine's database value.
    pub db: Db,
    pub(super) log: Log,
    first: Db,
    logged: Vec<Logged>,
}

/// Makes every transaction in both.
pub fn build(world: &World) -> Result<Built, String> {
    let options = Options {
        flexibility: if world.is_open {
            Flexibility::Read
        } else {
            Flexibility::Write
        },
        keep_history: world.keep_history,
        attribute_refs: world.attribute_refs,
        ..Options::default()
    };
    let first = transact::create(options);
    let base = all(&first);
    let flags = (world.attribute_refs, world.keep_history, world.is_open);
    let mut log = Log::new(base.iter().map(fact).collect(), first.max_eid(), flags);
    let (mut db, mut logged) = (first.clone(), Vec::new());
    for (position, forms) in world.transactions.iter().enumerate() {
        let forms: Vec<Value> = forms.iter().map(|form| read(form)).collect();
        let ours = log.transact(&forms, clock_ms(position));
        let data = TxData::new(Value::vector(forms));
        let run = || transact::transact(&db, &data, clock_ms(position));
        let theirs = catch_unwind(AssertUnwindSafe(run));
        let theirs = theirs.map_err(|_| format!("transaction {position}: {PANICKED}"))?;
        match (&ours, theirs) {
            (Ok(()), Ok(made)) => {
                db = made.db_after;
                let (purges, datoms) = (made.purges, made.datoms);
                logged.push(Logged {
                    purges,
                    datoms,
                    max_eid: db.max_eid(),
                    tx: made.tx.0,
                });
            }
            (Err(_), Err(_)) => {}
            (Ok(()), Err(error)) => {
                return Err(format!(
                    "transaction {position}: the engine refuses: {}",
                    error.message()
                ));
            }
            (Err(Refused(why)), Ok(_)) => {
                return Err(format!(
                    "transaction {position}: the engine takes what must be refused: {why}"
                ));
            }
        }
    }
    Ok(Built {
        db,
        log,
        first,
        logged,
    })
}

fn fact(datom: &Datom) -> Fact {
    let added = datom.op == Op::Assert;
    Fact {
        e: datom.e.0,
        a: datom.a.clone(),
        v: datom.v.clone(),
        tx: datom.tx.0,
        added,
    }
}

/// Every datom of a database value, assertions and retractions where history is kept.
fn all(db: &Db) -> Vec<Datom> {
    let whole = db.history().unwrap_or_else(|_| db.clone());
    db::datoms(&whole, Index::Eavt, &[]).expect("all datoms can be listed")
}

/// Compares the datoms of both, in the present and over all time, and as a reopened database has
/// them.
pub fn check_datoms(built: &Built) -> Result<(), String> {
    let mut views = vec![Vec::new()];
    if built.db.history().is_ok() {
        views.push(vec![Step::History]);
    }
    let dictionary = built.db.dictionary();
    let reopened = transact::replay(&built.first, &built.logged, dictionary);
    for view in views {
        let shown = built.log.view(&view).map_err(|Refused(why)| why)?;
        for (how, db) in [("as made", &built.db), ("reopened", &reopened)] {
            let db = viewed(db, &view).map_err(|error| error.message().to_owned())?;
            let found = db::datoms(&db, Index::Eavt, &[]).map_err(|e| e.message().to_owned())?;
            same_facts(&format!("{how}, {view:?}"), &shown.facts, &found)?;
        }
    }
    Ok(())
}

fn same_facts(what: &str, expected: &[Fact], found: &[Datom]) -> Result<(), String> {
    let wanted: HashSet<Fact> = expected.iter().cloned().collect();
    let got: HashSet<Fact> = found.iter().map(fact).collect();
    if wanted == got && got.len() == found.len() {
        return Ok(());
    }
    let lacks: Vec<&Fact> = wanted.difference(&got).collect();
    let extra: Vec<&Fact> = got.difference(&wanted).collect();
    Err(format!(
        "datoms {what}: lacks {lacks:?}, has too many {extra:?}, {} in all",
        found.len()
    ))
}

/// Compares every access path with filtering, under the views of a program's sources.
pub fn check_access(built: &Built, program: &Program) -> Result<(), String> {
    for (_, given) in &program.inputs {
        let Given::Db(view) = given else { continue };
        let Ok(shown) = built.log.view(view) else {
            continue;
        };
        let db = viewed(&built.db, view).map_err(|error| error.message().to_owned())?;
        let names: HashSet<&Value> = shown.facts.iter().map(|fact| &fact.a).collect();
        let entities: HashSet<i64> = shown.facts.iter().map(|fact| fact.e).collect();
        for &a in &names {
            let of = |f: &dyn Fn(&Fact) -> bool| -> Vec<Fact> {
                shown
                    .facts
                    .iter()
                    .filter(|fact| fact.a == *a && f(fact))
                    .cloned()
                    .collect()
            };
            let seek = |index, parts: &[Value]| {
                db::datoms(&db, index, parts).map_err(|e| format!("{a} {parts:?}: {}", e.message()))
            };
            same_facts(
                &format!(":aevt {a} {view:?}"),
                &of(&|_| true),
                &seek(Index::Aevt, from_ref(a))?,
            )?;
            let values: HashSet<Value> = of(&|_| true).into_iter().map(|fact| fact.v).collect();
            for &e in &entities {
                let (parts, key) = ([Value::Long(e), a.clone()], [a.clone(), Value::Long(e)]);
                same_facts(
                    ":eavt",
                    &of(&|fact| fact.e == e),
                    &seek(Index::Eavt, &parts)?,
                )?;
                same_facts(
                    ":aevt e",
                    &of(&|fact| fact.e == e),
                    &seek(Index::Aevt, &key)?,
                )?;
            }
            for v in values {
                let Ok(found) = db::datoms(&db, Index::Avet, &[a.clone(), v.clone()]) else {
                    break;
                };
                if found.is_empty()
                    && db::datoms(&db, Index::Avet, from_ref(a)).is_ok_and(|all| all.is_empty())
                {
                    break;
                }
                same_facts(
                    &format!(":avet {a} {v} {view:?}"),
                    &of(&|fact| fact.v == v),
                    &found,
                )?;
            }
        }
        check_pull(built, &shown, &db, view)?;
    }
    Ok(())
}

/// `[*]` of every entity holds what its datoms say.
fn check_pull(built: &Built, shown: &Shown, db: &Db, view: &[Step]) -> Result<(), String> {
    if view.iter().any(|step| matches!(step, Step::History)) || db.options().attribute_refs {
        return Ok(());
    }
    let refs = built.log.references();
    for e in 101..107 {
        let mut expected: HashMap<Value, HashSet<Value>> = HashMap::new();
        for fact in shown.facts.iter().filter(|fact| fact.e == e) {
            let v = if refs.contains(&fact.a) {
                Value::map([(Value::keyword("db/id"), fact.v.clone())])
            } else {
                fact.v.clone()
            };
            expected.entry(fact.a.clone()).or_default().insert(v);
        }
        let pulled =
            pull::pull(db, &read("[*]"), &Value::Long(e)).map_err(|e| e.message().to_owned())?;
        let mut found: HashMap<Value, HashSet<Value>> = HashMap::new();
        for (a, v) in pulled
            .as_ref()
            .and_then(Value::as_map)
            .into_iter()
            .flatten()
        {
            if *a != Value::keyword("db/id") {
                let many = v.as_sequential().map_or(vec![v.clone()], <[Value]>::to_vec);
                found.insert(a.clone(), many.into_iter().collect());
            }
        }
        if found != expected {
            return Err(format!(
                "pull [*] {e} {view:?}: {pulled:?}, expected {expected:?}"
            ));
        }
    }
    Ok(())
}

fn viewed(db: &Db, steps: &[Step]) -> datalith_engine::Result<Db> {
    let point = |point: &Point| match point {
        Point::Tx(tx) => TimePoint::Tx(TxId(*tx)),
        Point::Instant(ms) => TimePoint::Instant(*ms),
    };
    steps.iter().try_fold(db.clone(), |db, step| match step {
        Step::History => db.history(),
        Step::AsOf(at) => db.as_of(point(at)),
        Step::Since(at) => db.since(point(at)),
    })
}

const PANICKED: &str = "the engine panics";

/// What the engine answers, or why it refuses.
pub fn ask(built: &Built, program: &Program) -> Result<Value, String> {
    ask_with(built, program, &QueryOptions::default())
}

/// What the elements of a program's `:in` are given, or why a view is refused.
pub fn inputs(built: &Built, program: &Program) -> Result<Vec<Input>, String> {
    let mut inputs = Vec::new();
    for (_, given) in &program.inputs {
        inputs.push(match given {
            Given::Db(steps) => {
                Input::Db(viewed(&built.db, steps).map_err(|e| e.message().to_owned())?)
            }
            Given::Rules => Input::Value(read(&program.rules())),
            Given::Text(text) => Input::Value(read(text)),
        });
    }
    Ok(inputs)
}

/// As [`ask`], with options.
pub fn ask_with(built: &Built, program: &Program, options: &QueryOptions) -> Result<Value, String> {
    let inputs = inputs(built, program)?;
    let query = read(&program.query());
    let run = || exec::q(&query, &inputs, options).map(|answer| answer.to_value());
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(answer) => answer.map_err(|error| format!("{:?}: {}", error.code(), error.message())),
        Err(_) => Err(PANICKED.into()),
    }
}

/// The rows the model finds, and the query they answer.
fn expect(built: &Built, program: &Program) -> Result<(Query, Vec<Vec<Value>>), Refused> {
    let parsed =
        query::parse(&read(&program.query()), None).map_err(|e| Refused(e.message().into()))?;
    let branches = query::parse_rules(&read(&program.rules()), None)
        .map_err(|e| Refused(e.message().into()))?;
    let mut rules: HashMap<Symbol, Vec<_>> = HashMap::new();
    for branch in branches {
        rules.entry(branch.name.clone()).or_default().push(branch);
    }
    let (mut sources, mut values) = (Vec::new(), Vec::new());
    for (form, (_, given)) in parsed.inputs.iter().zip(&program.inputs) {
        match (form, given) {
            (ast::Input::Source(name), Given::Db(steps)) => {
                sources.push((name.clone(), Source::Db(built.log.view(steps)?)));
            }
            (ast::Input::Source(name), Given::Text(text)) => {
                let tuples = read(text).as_sequential().unwrap_or_default().to_vec();
                sources.push((name.clone(), Source::Tuples(tuples)));
            }
            (ast::Input::Binding(binding), Given::Text(text)) => values.push((binding, read(text))),
            (ast::Input::Rules, _) => {}
            _ => return refused("inputs that do not fit"),
        }
    }
    let rows = Oracle::new(sources, &rules).rows(&parsed, &values)?;
    Ok((parsed, rows))
}

/// How a comparison ended.
pub enum Outcome {
    /// The same answer; how many rows.
    Same(usize),
    /// Both refuse.
    BothRefuse,
    /// The model gave up.
    PassedOver,
    /// Different answers.
    Differ(String),
}

/// The engine beside the model.
pub fn compare(built: &Built, program: &Program) -> Outcome {
    compare_with(built, program, || ask(built, program))
}

/// An answer of somebody, or why there is none, beside the model's.
pub fn compare_with(
    built: &Built,
    program: &Program,
    ask: impl FnOnce() -> Result<Value, String>,
) -> Outcome {
    let expected = expect(built, program);
    if matches!(&expected, Err(Refused(why)) if why == TOO_LARGE || why == UNCLEAR) {
        return Outcome::PassedOver;
    }
    match (expected, ask()) {
        (_, Err(why)) if why == PANICKED => Outcome::Differ(why),
        (Err(_), Err(_)) => Outcome::BothRefuse,
        (Err(Refused(why)), Ok(answer)) => {
            Outcome::Differ(format!("model refuses: {why}\nengine: {answer}"))
        }
        (Ok((_, rows)), Err(why)) => Outcome::Differ(format!(
            "model: {} rows {}\nengine refuses: {why}",
            rows.len(),
            show(&rows)
        )),
        (Ok((query, rows)), Ok(answer)) => {
            if agrees(&query, &rows, &answer) {
                Outcome::Same(rows.len())
            } else {
                Outcome::Differ(format!(
                    "model: {} rows {}\nengine: {answer}",
                    rows.len(),
                    show(&rows)
                ))
            }
        }
    }
}

fn show(rows: &[Vec<Value>]) -> Value {
    let rows: Vec<Value> = rows.iter().cloned().map(Value::vector).collect();
    Value::vector(sorted(&rows))
}
