//! Functions that users write, in a toy language: `(fn [x y] (+ x y))`, calls of the functions of the
//! table by their arguments.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use crate::conn::{Config, Conn, create_database};
use crate::datom::TxId;
use crate::db::{Db, Flexibility, Options, TimePoint};
use crate::edn;
use crate::error::{Code, Error, Result};
use crate::exec::{Input, Prepared, QueryOptions, explain, q, q_within};
use crate::function;
use crate::script::{
    self, Allowance, Language, Place, Script, ScriptColumn, ScriptResult, failure, syntax_error,
};
use crate::transact::{TxData, create, transact};
use crate::value::{Symbol, Value};

struct ToyLanguage;

/// A function of the toy language.
struct Toy {
    params: Vec<Symbol>,
    body: Value,
    /// How often it answered for many rows together, and for one.
    batches: AtomicUsize,
    calls: AtomicUsize,
}

/// What a body sees.
#[derive(Clone, Copy)]
struct Scope<'a> {
    params: &'a [Symbol],
    args: &'a [Value],
    db: Option<&'a Db>,
    allowance: &'a Allowance,
}

/// What the toy adds to the table.
const SPECIAL: [&str; 5] = ["if", "forever", "fail", "ask", "quote"];

impl Language for ToyLanguage {
    fn compile(&self, _: &str, source: &str) -> Result<Arc<dyn Script>> {
        Toy::new(source).map(|toy| toy as Arc<dyn Script>)
    }
}

impl Toy {
    fn new(source: &str) -> Result<Arc<Toy>> {
        let form = edn::read(source).map_err(|error| syntax_error(error.message(), None))?;
        let Some([_, Value::Vector(params), body]) = form.as_sequential() else {
            return Err(syntax_error("expected (fn [param …] body)", None));
        };
        let params: Vec<Symbol> = params
            .iter()
            .filter_map(Value::as_symbol)
            .cloned()
            .collect();
        check_names(body, &params, source)?;
        Ok(Arc::new(Toy {
            params,
            body: body.clone(),
            batches: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
        }))
    }

    fn registered(name: &str, source: &str) -> Arc<Toy> {
        let toy = Toy::new(source).unwrap();
        script::register(name, Arc::clone(&toy) as Arc<dyn Script>);
        toy
    }

    fn value(&self, db: Option<&Db>, args: &[Value], allowance: &Allowance) -> Result<Value> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let params = &self.params[usize::from(db.is_some())..];
        eval(
            &self.body,
            Scope {
                params,
                args,
                db,
                allowance,
            },
        )
    }
}

/// Refuses a name that nothing has, and says where it stands.
fn check_names(form: &Value, params: &[Symbol], source: &str) -> Result<()> {
    match form {
        Value::List(items)
            if items
                .first()
                .is_some_and(|op| *op == Value::symbol("quote")) => {}
        Value::List(items) => {
            let operation = items[0].as_symbol().map_or("", Symbol::as_str);
            if function::lookup(operation).is_none() && !SPECIAL.contains(&operation) {
                let at = source.find(operation).unwrap_or(0);
                let line = source[..at].matches('\n').count() + 1;
                let column = at - source[..at].rfind('\n').map_or(0, |end| end + 1) + 1;
                let message = format!("there is no {operation}");
                return Err(syntax_error(message, Some(Place { line, column })));
            }
            for item in &items[1..] {
                check_names(item, params, source)?;
            }
        }
        Value::Symbol(name) if !params.contains(name) => {
            return Err(syntax_error(format!("there is no {name}"), None));
        }
        _ => {}
    }
    Ok(())
}

fn eval(form: &Value, scope: Scope<'_>) -> Result<Value> {
    match form {
        Value::Symbol(name) => {
            let at = scope.params.iter().position(|param| param == name);
            Ok(at.map_or(Value::Nil, |at| scope.args[at].clone()))
        }
        Value::Vector(items) => {
            let items = items.iter().map(|item| eval(item, scope));
            Ok(Value::Vector(items.collect::<Result<_>>()?))
        }
        Value::List(items) => {
            let operation = items[0].as_symbol().map_or("", Symbol::as_str);
            call(operation, &items[1..], scope)
        }
        other => Ok(other.clone()),
    }
}

fn call(operation: &str, forms: &[Value], scope: Scope<'_>) -> Result<Value> {
    match operation {
        "quote" => return Ok(forms[0].clone()),
        "if" => {
            let holds = eval(&forms[0], scope)?.is_truthy();
            return eval(&forms[if holds { 1 } else { 2 }], scope);
        }
        "forever" => loop {
            scope.allowance.check()?;
        },
        "fail" => {
            let place = Place { line: 3, column: 7 };
            return Err(failure(eval(&forms[0], scope)?.to_string(), Some(place)));
        }
        "ask" => {
            let mut inputs = vec![Input::Db(scope.db.expect("given one").clone())];
            for form in &forms[1..] {
                inputs.push(eval(form, scope)?.into());
            }
            return Ok(q_within(&forms[0], &inputs, scope.allowance)?.to_value());
        }
        _ => {}
    }
    let args = forms.iter().map(|form| eval(form, scope));
    let args = args.collect::<Result<Vec<_>>>()?;
    function::lookup(operation).expect("checked").call(&args)
}

impl Script for Toy {
    fn arity(&self) -> usize {
        self.params.len()
    }

    fn call(&self, args: &[Value], allowance: &Allowance) -> Result<Value> {
        self.value(None, args, allowance)
    }

    fn call_with_db(&self, db: &Db, args: &[Value], allowance: &Allowance) -> Result<Value> {
        self.value(Some(db), args, allowance)
    }

    fn columns(&self, args: &[ScriptColumn<'_>], rows: usize) -> Option<ScriptResult> {
        let number = |form: &Value, row: usize| match form {
            Value::Long(n) => Some(*n as f64),
            form => {
                let at = self
                    .params
                    .iter()
                    .position(|p| Some(p) == form.as_symbol())?;
                Some(match &args[at] {
                    ScriptColumn::Longs(longs) => longs[row] as f64,
                    ScriptColumn::Doubles(doubles) => doubles[row],
                    ScriptColumn::Long(n) => *n as f64,
                    ScriptColumn::Double(x) => *x,
                })
            }
        };
        let [Value::Symbol(operation), a, b] = self.body.as_sequential()? else {
            return None;
        };
        let pairs = (0..rows).map(|row| Some((number(a, row)?, number(b, row)?)));
        let pairs: Vec<(f64, f64)> = pairs.collect::<Option<_>>()?;
        let is_double = |arg: &ScriptColumn<'_>| {
            matches!(arg, ScriptColumn::Doubles(_) | ScriptColumn::Double(_))
        };
        let pairs = pairs.into_iter();
        let result = match operation.as_str() {
            ">" => ScriptResult::Bools(pairs.map(|(a, b)| a > b).collect()),
            "*" if args.iter().any(is_double) => {
                ScriptResult::Doubles(pairs.map(|(a, b)| a * b).collect())
            }
            "*" => {
                let product = |(a, b): (f64, f64)| (a as i64).checked_mul(b as i64);
                ScriptResult::Longs(pairs.map(product).collect::<Option<_>>()?)
            }
            _ => return None,
        };
        self.batches.fetch_add(1, Ordering::Relaxed);
        Some(result)
    }
}

fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| script::install(Arc::new(ToyLanguage)));
}

fn data(text: &str) -> TxData {
    TxData::new(edn::read(text).unwrap())
}

fn with(db: &Db, text: &str) -> Result<Db> {
    Ok(transact(db, &data(text), 0)?.db_after)
}

fn refused(db: &Db, text: &str) -> Error {
    with(db, text).err().expect("a refusal")
}

const SCHEMA: &str = "[{:db/ident :n :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
    {:db/ident :x :db/valueType :db.type/double :db/cardinality :db.cardinality/one}
    {:db/ident :name :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
    {:db/ident :my/twice :db/fn \"(fn [x] (* x 2))\" :db/doc \"Two of it.\"}
    {:db/ident :my/big? :db/fn \"(fn [x y] (> x y))\"}
    {:db/ident :my/span :db/fn \"(fn [k xs] (* k (- (max xs) (min xs))))\"}
    {:db/ident :my/pair :db/fn \"(fn [x] [x (* x x)])\"}
    {:db/ident :my/named :db/fn \"(fn [db n] (ask [:find ?e . :in $ ?n :where [?e :n ?n]] n))\"}]";

fn small() -> Db {
    install();
    let db = with(&create(Options::default()), SCHEMA).unwrap();
    with(
        &db,
        "[{:n 1 :name \"a\"} {:n 2 :name \"b\"} {:n 3 :name \"c\"}]",
    )
    .unwrap()
}

fn ask(db: &Db, query: &str, more: &[&str]) -> Result<Value> {
    let mut inputs = vec![Input::Db(db.clone())];
    let more = more.iter().map(|text| edn::read(text).unwrap().into());
    inputs.extend(more);
    let answer = q(&edn::read(query)?, &inputs, &QueryOptions::default())?;
    Ok(answer.to_value())
}

/// The answer, or the error's code and message.
fn check(db: &Db, query: &str, more: &[&str], expected: &str) {
    let found = match ask(db, query, more) {
        Ok(Value::Set(tuples)) => {
            let mut tuples: Vec<String> = tuples.iter().map(Value::to_string).collect();
            tuples.sort();
            tuples.join(" ")
        }
        Ok(value) => value.to_string(),
        Err(error) => format!("{:?} {error}", error.code()),
    };
    assert_eq!(found, expected, "{query}");
}

fn datum<'e>(error: &'e Error, key: &str) -> Option<&'e Value> {
    let mut data = error.data().iter();
    data.find(|(name, _)| *name == key).map(|(_, value)| value)
}

/// Queries, what else they are given, and their answers.
const QUERIES: &[(&str, &[&str], &str)] = &[
    (
        "[:find ?n :where [_ :n ?n] [(my/big? ?n 1)]]",
        &[],
        "[2] [3]",
    ),
    (
        "[:find ?n ?m :where [_ :n ?n] [(my/twice ?n) ?m]]",
        &[],
        "[1 2] [2 4] [3 6]",
    ),
    (
        "[:find ?m :where [_ :n ?n] [(my/pair ?n) [_ ?m]]]",
        &[],
        "[1] [4] [9]",
    ),
    (
        "[:find ?m :where [_ :n ?n] [(my/pair ?n) [?m ...]]]",
        &[],
        "[1] [2] [3] [4] [9]",
    ),
    (
        "[:find ?n :where [_ :n ?n] (not [(my/big? ?n 1)])]",
        &[],
        "[1]",
    ),
    (
        "[:find ?n :where [_ :n ?n] (or [(my/big? ?n 2)] [(my/big? 2 ?n)])]",
        &[],
        "[1] [3]",
    ),
    (
        "[:find ?n :in $ % :where (large ?n)]",
        &["[[(large ?n) [_ :n ?n] [(my/big? ?n 2)]]]"],
        "[3]",
    ),
    (
        "[:find ?n ?m :in $ ?f :where [_ :n ?n] [(?f ?n) ?m] [(my/big? ?m 5)]]",
        &["my/twice"],
        "[3 6]",
    ),
    (
        "[:find ?n :in $ ?f :where [_ :n ?n] [(?f ?n 2)]]",
        &["my/big?"],
        "[3]",
    ),
    ("[:find (my/span 10 ?n) . :where [_ :n ?n]]", &[], "20"),
    (
        "[:find (aggregate ?f 10 ?n) . :in $ ?f :where [_ :n ?n]]",
        &["my/span"],
        "20",
    ),
    (
        "[:find ?m . :where [?e :name \"b\"] [?e :n ?n] [(my/named $ ?n) ?f] [?f :n ?m]]",
        &[],
        "2",
    ),
    (
        "[:find ?m . :where [(q [:find ?m . :where [?e :name \"c\"] [?e :n ?n] [(my/twice ?n) ?m]] $) ?m]]",
        &[],
        "6",
    ),
    (
        "[:find ?n :where [_ :n ?n] [(my/twice ?n) ?n2] [(my/twice ?n) ?n2]]",
        &[],
        "[1] [2] [3]",
    ),
    // A built-in function keeps its name.
    ("[:find ?m :where [(inc 1) ?m]]", &[], "[2]"),
];

#[test]
fn queries_call_functions_of_the_database() {
    let db = small();
    for (query, more, expected) in QUERIES {
        check(&db, query, more, expected);
    }
    let plan = "[:find ?n :where [_ :n ?n] [(my/big? ?n 1)] [(my/twice ?n) ?m]]";
    let plan = explain(
        &edn::read(plan).unwrap(),
        &[db.into()],
        &QueryOptions::default(),
    );
    let plan = plan.unwrap().to_string();
    for line in [
        "filter",
        "[(my/big? ?n 1)]",
        "function",
        "[(my/twice ?n) ?m]",
    ] {
        assert!(plan.contains(line), "{plan}");
    }
}

#[test]
fn what_is_no_function_is_unknown_as_ever() {
    let db = small();
    for (query, more, expected) in [
        (
            "[:find ?n :where [_ :n ?n] [(my/none ?n)]]",
            &[][..],
            "QueryWhere Unknown predicate 'my/none in [(my/none ?n)]",
        ),
        (
            "[:find ?n :where [_ :n ?n] [(my/none ?n) ?m]]",
            &[],
            "QueryWhere Unknown function 'my/none in [(my/none ?n) ?m]",
        ),
        (
            "[:find ?n :in $ ?f :where [_ :n ?n] [(?f ?n)]]",
            &["my/none"],
            "QueryWhere Unknown function my/none in [(?f ?n)]",
        ),
        (
            "[:find (my/none ?n) :where [_ :n ?n]]",
            &[],
            "QueryWhere Unknown aggregate 'my/none in (my/none ?n)",
        ),
    ] {
        check(&db, query, more, expected);
    }
}

#[test]
fn errors_say_which_function_where_and_in_which_clause() {
    let db = with(
        &small(),
        "[{:db/ident :my/broken :db/fn \"(fn [x] (fail \\\"no luck\\\"))\"}
          {:db/ident :my/mistyped :db/fn \"(fn [x] (< x \\\"a\\\"))\"}]",
    )
    .unwrap();
    for query in [
        "[:find ?n :where [_ :n ?n] [(my/broken ?n)]]",
        "[:find ?m :where [_ :n ?n] [(my/broken ?n) ?m]]",
        "[:find ?m :where [_ :n ?n] [(my/broken ?n) [?m]]]",
        "[:find (my/broken ?n) :where [_ :n ?n]]",
    ] {
        let error = ask(&db, query, &[]).unwrap_err();
        assert_eq!(error.code(), Code::FunctionFailed, "{query}");
        assert_eq!(error.message(), "\"no luck\"");
        assert_eq!(datum(&error, "line"), Some(&Value::Long(3)));
        assert_eq!(datum(&error, "column"), Some(&Value::Long(7)));
        assert_eq!(datum(&error, "function"), Some(&Value::symbol("my/broken")));
        let form = datum(&error, "form").unwrap().to_string();
        assert!(form.contains("(my/broken ?n)"), "{form}");
    }
    // A wrong type is false only for a function of the table.
    check(&db, "[:find ?n :where [_ :n ?n] [(< ?n \"a\")]]", &[], "");
    for (query, expected) in [
        (
            "[:find ?n :where [_ :n ?n] [(my/mistyped ?n)]]",
            "FunctionFailed",
        ),
        (
            "[:find ?n :in $ ?f :where [_ :n ?n] [(?f ?n)]]",
            "FunctionFailed",
        ),
        (
            "[:find ?n :where [_ :n ?n] [(my/big? ?n)]]",
            "FunctionFailed",
        ),
    ] {
        let error = ask(&db, query, &["my/mistyped"]).unwrap_err();
        assert_eq!(format!("{:?}", error.code()), expected, "{error}");
    }
}

#[test]
fn a_view_of_the_past_has_the_source_of_its_time() {
    let before = small();
    let t = before.max_tx();
    let db = with(
        &before,
        "[{:db/ident :my/twice :db/fn \"(fn [x] (* x 20))\"}]",
    )
    .unwrap();
    let query = "[:find ?m . :where [(my/twice 1) ?m]]";
    check(&db, query, &[], "20");
    let then = db.as_of(TimePoint::Tx(t)).unwrap();
    check(&then, query, &[], "2");
    check(&db.history().unwrap(), query, &[], "20");
    let first = db.as_of(TimePoint::Tx(TxId(t.0 - 2))).unwrap();
    check(
        &first,
        query,
        &[],
        "QueryWhere Unknown function 'my/twice in [(my/twice 1) ?m]",
    );
    let gone = with(&db, "[[:db/retract :my/twice :db/fn]]").unwrap();
    check(
        &gone,
        query,
        &[],
        "QueryWhere Unknown function 'my/twice in [(my/twice 1) ?m]",
    );
    // Two databases in one query: the function is that of `$`.
    let two = "[:find ?m . :in $old $ :where [$old ?e :n 1] [(my/twice 1) ?m]]";
    let inputs = [Input::Db(then), Input::Db(db)];
    let answer = q(&edn::read(two).unwrap(), &inputs, &QueryOptions::default()).unwrap();
    assert_eq!(answer.to_value(), Value::Long(20));
}

#[test]
fn prepared_queries_follow_their_functions() {
    let db = small();
    let query = edn::read("[:find ?m . :where [(later/score 3) ?m]]").unwrap();
    let prepared = Prepared::new(&query).unwrap();
    let answer = |db: &Db| {
        let answer = prepared.answer(&[db.clone().into()], &QueryOptions::default());
        answer.map(|answer| answer.to_value().to_string())
    };
    let unknown = answer(&db).unwrap_err();
    assert_eq!(unknown.code(), Code::QueryWhere);
    let db = with(
        &db,
        "[{:db/ident :later/score :db/fn \"(fn [x] (* x 10))\"}]",
    )
    .unwrap();
    assert_eq!(answer(&db).unwrap(), "30");
    let changed = with(
        &db,
        "[{:db/ident :later/score :db/fn \"(fn [x] (* x 100))\"}]",
    )
    .unwrap();
    assert_eq!(answer(&changed).unwrap(), "300");
    assert_eq!(answer(&db).unwrap(), "30");
    Toy::registered("later/score", "(fn [x] (+ x 1))");
    assert_eq!(answer(&db).unwrap(), "4");
    Toy::registered("later/score", "(fn [x] (+ x 2))");
    assert_eq!(answer(&db).unwrap(), "5");
    assert!(script::unregister("later/score"));
    assert!(!script::unregister("later/score"));
    assert_eq!(answer(&db).unwrap(), "30");
    assert_eq!(answer(&small()).unwrap_err().message(), unknown.message());
}

/// As many entities with `:n` and `:x`, a half of it.
fn many(count: i64) -> Db {
    let forms = (0..count).map(|n| {
        let keys = ["n", "x"].map(Value::keyword);
        Value::map(
            keys.into_iter()
                .zip([Value::Long(n), Value::Double(n as f64 / 2.0)]),
        )
    });
    let forms = TxData::new(Value::vector(forms));
    transact(&small(), &forms, 0).unwrap().db_after
}

#[test]
fn numbers_go_to_a_function_by_the_column() {
    let db = many(20_000);
    let by_column = [
        (
            "cols/big?",
            "(fn [x y] (> x y))",
            "[:find (count ?n) . :where [?e :n ?n] [?e :x ?x] [(cols/big? ?n ?x)]]",
        ),
        (
            "cols/half",
            "(fn [x k] (* x k))",
            "[:find (sum ?m) . :with ?n :where [_ :n ?n] [(cols/half ?n 0.5) ?m]]",
        ),
        (
            "cols/by",
            "(fn [x y] (* x y))",
            "[:find (max ?m) . :where [_ :n ?n] [(cols/by ?n 3) ?m] [(> ?m 2)]]",
        ),
    ];
    let one_by_one = [
        "(fn [x y] (if true (> x y) 0))",
        "(fn [x k] (if true (* x k) 0))",
        "(fn [x y] (if true (* x y) 0))",
    ];
    for ((name, source, query), slow) in by_column.into_iter().zip(one_by_one) {
        for task_rows in [None, Some(1_000)] {
            let options = QueryOptions {
                task_rows,
                ..QueryOptions::default()
            };
            let answer = || {
                let query = edn::read(query).unwrap();
                q(&query, &[db.clone().into()], &options)
                    .unwrap()
                    .to_value()
            };
            let toy = Toy::registered(name, source);
            let fast = answer();
            let [batches, calls] = [&toy.batches, &toy.calls].map(|n| n.load(Ordering::Relaxed));
            assert!(batches > 1 && calls == 0, "{name}: {batches} {calls}");
            let toy = Toy::registered(name, slow);
            assert_eq!(answer(), fast, "{name}");
            assert!(toy.calls.load(Ordering::Relaxed) >= 20_000, "{name}");
        }
    }
}

#[test]
fn what_does_not_fit_a_column_is_called_by_the_row() {
    let db = with(&small(), "[{:n 4611686018427387904 :name \"huge\"}]").unwrap();
    let toy = Toy::registered("fit/by", "(fn [x y] (* x y))");
    let query = "[:find ?m :where [_ :n ?n] [(fit/by ?n 4) ?m]]";
    check(&db, query, &[], "FunctionFailed integer overflow");
    assert_eq!(toy.batches.load(Ordering::Relaxed), 0);
    Toy::registered("fit/name", "(fn [x] (if (= x \"a\") nil [x]))");
    let query = "[:find ?m :where [_ :name ?n] [(fit/name ?n) ?m] [(!= ?n \"huge\")]]";
    check(&db, query, &[], "[[\"b\"]] [[\"c\"]]");
}

#[test]
fn a_runaway_function_ends_with_its_query() {
    let db = small();
    Toy::registered("run/away", "(fn [x] (forever))");
    for query in [
        "[:find ?n :timeout 20 :where [_ :n ?n] [(run/away ?n)]]",
        "[:find ?n :timeout 20 :where [_ :n ?n] [(run/away ?n) ?m]]",
        "[:find (run/away ?n) :timeout 20 :where [_ :n ?n]]",
    ] {
        let started = Instant::now();
        let error = ask(&db, query, &[]).unwrap_err();
        assert_eq!(error.code(), Code::QueryTimeout, "{error}");
        assert!(started.elapsed() < Duration::from_secs(5));
    }
    // Queries within functions have the time of the query around them, and end somewhere.
    let forms = "[{:db/ident :run/nested :db/fn \"(fn [db x] (ask [:find ?x . :where [(run/away 1) ?x]]))\"}
          {:db/ident :run/deep :db/fn \"(fn [db x] (ask [:find ?x . :where [(run/deep $ 1) ?x]]))\"}]";
    let nesting = with(&db, forms).unwrap();
    for (call, code) in [
        ("run/nested", Code::QueryTimeout),
        ("run/deep", Code::Limit),
    ] {
        let query = format!("[:find ?x . :timeout 300 :where [({call} $ 1) ?x]]");
        assert_eq!(ask(&nesting, &query, &[]).unwrap_err().code(), code);
    }
    let options = QueryOptions {
        cancelled: Some(Arc::new(AtomicBool::new(true))),
        ..QueryOptions::default()
    };
    let query = edn::read("[:find ?n :where [_ :n ?n] [(run/away ?n)]]").unwrap();
    let error = q(&query, &[db.into()], &options).err().unwrap();
    assert_eq!(error.code(), Code::QueryCanceled);
    let late = Allowance::of_transaction().with_timeout_ms(0).check();
    assert_eq!(late.unwrap_err().code(), Code::TransactTimeout);
}

const ACCOUNTS: &str = "[{:db/ident :my/transfer :db/fn \"(fn [db from to amount]
        [[(quote :db/add) from :n (- (ask [:find ?n . :in $ ?e :where [?e :n ?n]] from) amount)]
         [(quote :db/add) to :n (+ (ask [:find ?n . :in $ ?e :where [?e :n ?n]] to) amount)]])\"}
    {:db/ident :my/both :db/fn \"(fn [db a b] [[:my/transfer a b 10] [:db.fn/call (quote my/transfer) b a 1]])\"}
    {:db/ident :my/again :db/fn \"(fn [db] [[:my/again]])\"}
    {:db/ident :my/nothing :db/fn \"(fn [db] nil)\"}
    {:db/ident :my/wrong :db/fn \"(fn [db] 3)\"}
    {:db/id 101 :n 100} {:db/id 102 :n 200}]";

fn balances(db: &Db) -> String {
    let query = "[:find [(pull ?e [:n]) ...] :in $ [?e ...]]";
    ask(db, query, &["[101 102]"]).unwrap().to_string()
}

#[test]
fn transactions_call_functions_upon_what_was_before() {
    let db = with(&small(), ACCOUNTS).unwrap();
    for (forms, expected) in [
        ("[[:my/transfer 101 102 10]]", "[{:n 90} {:n 210}]"),
        (
            "[[:db.fn/call my/transfer 101 102 10]]",
            "[{:n 90} {:n 210}]",
        ),
        (
            "[[:db.fn/call :my/transfer 101 102 10]]",
            "[{:n 90} {:n 210}]",
        ),
        ("[[:my/nothing] [:db/add 101 :n 1]]", "[{:n 1} {:n 200}]"),
        // Each sees the value before the transaction, and forms are taken in order.
        (
            "[[:db/add 101 :n 5] [:my/transfer 101 102 10]]",
            "[{:n 90} {:n 210}]",
        ),
        (
            "[[:my/transfer 101 102 10] [:db/add 101 :n 5]]",
            "[{:n 5} {:n 210}]",
        ),
        ("[[:my/both 101 102]]", "[{:n 101} {:n 199}]"),
    ] {
        assert_eq!(balances(&with(&db, forms).unwrap()), expected, "{forms}");
    }
    for (forms, expected) in [
        (
            "[[:db.fn/call nobody 1]]",
            "Unsupported Transaction functions cannot be called here: [:db.fn/call nobody 1] (functions do not cross the wire)",
        ),
        (
            "[[:nobody 1]]",
            "TransactSyntax Can’t find entity for transaction fn :nobody",
        ),
        (
            "[[:my/wrong]]",
            "TransactFn The function my/wrong answered 3, expected transaction data: a vector of forms",
        ),
        (
            "[[:my/again]]",
            "Limit The functions of a transaction make at most 64 nested functions",
        ),
        (
            "[[:my/transfer 1]]",
            "FunctionFailed Wrong number of args (2) passed to my/transfer, which takes 4",
        ),
    ] {
        let error = refused(&db, forms);
        assert_eq!(format!("{:?} {error}", error.code()), expected);
    }
}

#[test]
fn a_source_that_cannot_be_compiled_is_refused() {
    let db = small();
    let source = "[{:db/fn \"(fn [x]\\n  (nonsense x))\" :db/ident :my/bad}]";
    let error = refused(&db, source);
    assert_eq!(error.code(), Code::TransactFn);
    assert_eq!(
        error.message(),
        "Cannot keep the function my/bad: there is no nonsense"
    );
    for (key, value) in [("line", Value::Long(2)), ("column", Value::Long(4))] {
        assert_eq!(datum(&error, key), Some(&value));
    }
    assert_eq!(datum(&error, "function"), Some(&Value::symbol("my/bad")));
    let unread = refused(&db, "[{:db/ident :my/bad :db/fn 3}]");
    assert_eq!(unread.code(), Code::TransactSchema);
    let read = create(Options {
        flexibility: Flexibility::Read,
        ..Options::default()
    });
    let unread = refused(&read, "[{:db/ident :my/bad :db/fn 3}]");
    assert_eq!(unread.code(), Code::TransactFn);
    // Sources from elsewhere may fail later.
    assert_eq!(
        Toy::new("(fn [x] (nonsense x))").err().unwrap().code(),
        Code::FunctionSyntax
    );
}

#[test]
fn functions_need_no_declaration_where_attributes_are_entities() {
    install();
    let options = Options {
        attribute_refs: true,
        ..Options::default()
    };
    let db = create(options);
    let db = with(&db, "[{:db/ident :my/twice :db/fn \"(fn [x] (* x 2))\"}]").unwrap();
    check(&db, "[:find ?m . :where [(my/twice 4) ?m]]", &[], "8");
    check(
        &db,
        "[:find ?e ?f :where [?e :db/fn ?f]]",
        &[],
        "[55 \"(fn [x] (* x 2))\"]",
    );
}

#[test]
fn predicates_of_attributes_and_entities_are_functions_too() {
    let db = with(
        &small(),
        "[{:db/ident :my/even :db/fn \"(fn [x] (even? x))\"}
          {:db/ident :my/odd :db/fn \"(fn [x] (if (odd? x) 1 nil))\"}
          {:db/ident :my/new? :db/fn \"(fn [db x] (nil? (ask [:find ?e . :in $ ?x :where [?e :even ?x]] x)))\"}
          {:db/ident :my/sum? :db/fn \"(fn [m] (= 10 (+ (get m :n) (get m :even))))\"}
          {:db/ident :my/grows? :db/fn \"(fn [db m] (> (get m :n) (ask [:find ?n . :in $ ?e :where [?e :n ?n]] (get m :db/id))))\"}
          {:db/ident :my/fails :db/fn \"(fn [m] (fail \\\"oh\\\"))\"}]",
    )
    .unwrap();
    let db = with(
        &db,
        "[{:db/ident :even :db/valueType :db.type/long :db/cardinality :db.cardinality/one :db.attr/preds [my/even my/new?]}
          {:db/ident :odd :db/valueType :db.type/long :db/cardinality :db.cardinality/one :db.attr/preds [my/odd]}
          {:db/ident :failing :db/valueType :db.type/long :db/cardinality :db.cardinality/one :db.attr/preds [my/fails]}
          {:db/ident :sums :db.entity/preds [my/sum?]}
          {:db/ident :grows :db.entity/preds [my/grows?]}
          {:db/ident :fails :db.entity/preds [my/fails]}
          {:db/id 101 :n 4 :even 8}]",
    )
    .unwrap();
    let outcome = |forms: &str| with(&db, forms).map(|_| ()).map_err(|error| error.code());
    assert_eq!(outcome("[{:even 2}]"), Ok(()));
    assert_eq!(outcome("[{:even 3}]"), Err(Code::TransactAttrPred));
    assert_eq!(
        outcome("[{:db/id 102 :even 8}]"),
        Err(Code::TransactAttrPred)
    );
    // Exactly true lets a value pass.
    assert_eq!(outcome("[{:odd 3}]"), Err(Code::TransactAttrPred));
    assert_eq!(outcome("[{:failing 3}]"), Err(Code::FunctionFailed));
    assert_eq!(outcome("[{:n 6 :even 4 :db/ensure :sums}]"), Ok(()));
    assert_eq!(
        outcome("[{:n 6 :even 6 :db/ensure :sums}]"),
        Err(Code::TransactEnsure)
    );
    assert_eq!(outcome("[{:db/id 101 :n 5 :db/ensure :grows}]"), Ok(()));
    assert_eq!(
        outcome("[{:db/id 101 :n 3 :db/ensure :grows}]"),
        Err(Code::TransactEnsure)
    );
    assert_eq!(
        outcome("[{:n 5 :db/ensure :fails}]"),
        Err(Code::FunctionFailed)
    );
}

#[test]
fn what_was_transacted_is_never_called_again() {
    install();
    let toy = Toy::registered("once/add", "(fn [db n] [[:db/add 101 :n n]])");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let map = format!(
        "{{:store {{:backend :file :path {:?}}}}}",
        path.display().to_string()
    );
    let config = Config::from_value(&edn::read(&map).unwrap()).unwrap();
    create_database(&config).unwrap();
    let conn = Conn::connect(&config).unwrap();
    conn.transact(&data(SCHEMA)).unwrap();
    conn.transact(&data("[[:db.fn/call once/add 7]]")).unwrap();
    conn.release();
    let conn = Conn::connect(&config).unwrap();
    let db = conn.db().unwrap();
    check(&db, "[:find ?n . :where [101 :n ?n]]", &[], "7");
    check(&db, "[:find ?m . :where [(my/twice 4) ?m]]", &[], "8");
    assert_eq!(toy.calls.load(Ordering::Relaxed), 1);
}
