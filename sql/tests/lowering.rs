//! How queries lower: the plans, what is refused and how, and what happens where memory is short.

use datafusion::logical_expr::LogicalPlan;
use datalith_engine::conn::TxData;
use datalith_engine::db::{Db, Options};
use datalith_engine::exec::{QueryOptions, q};
use datalith_engine::script::Allowance;
use datalith_engine::transact;
use datalith_engine::{Code, Error, Value, edn};
use datalith_sql::lower::{Joins, Lowered, Runner, lower, lower_in_rounds};
use datalith_sql::{Executor, ExecutorOptions};

const SCHEMA: &str =
    "[{:db/ident :name :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
    {:db/ident :age :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
    {:db/ident :score :db/valueType :db.type/double :db/cardinality :db.cardinality/one}
    {:db/ident :tag :db/valueType :db.type/keyword :db/cardinality :db.cardinality/many}
    {:db/ident :friend :db/valueType :db.type/ref :db/cardinality :db.cardinality/many}]";

const PEOPLE: &str =
    "[{:db/id 101 :name \"Ann\" :age 40 :score 1.5 :friend [102 103] :tag [:b/x :a-b/y :z]}
    {:db/id 102 :name \"Bob\" :age 30 :score -0.0 :friend 103}
    {:db/id 103 :name \"Cy\" :age 9223372036854775807 :score 0.0 :friend 104}
    {:db/id 104 :name \"\u{1F600}\"}]";

fn with(transactions: &[Value]) -> Db {
    let mut db = transact::create(Options::default());
    for forms in transactions {
        let made = transact::transact(&db, &TxData::new(forms.clone()), 1_000);
        db = made
            .unwrap_or_else(|error| panic!("{}", error.message()))
            .db_after;
    }
    db
}

fn read(text: &str) -> Value {
    edn::read(text).unwrap_or_else(|error| panic!("{text}: {}", error.message()))
}

fn people() -> Db {
    with(&[read(SCHEMA), read(PEOPLE)])
}

fn executor(memory_bytes: usize) -> std::sync::Arc<Executor> {
    let options = ExecutorOptions {
        threads: Some(1),
        memory_bytes,
        ..ExecutorOptions::default()
    };
    Executor::new(&options).expect("threads start")
}

/// What a query answers, lowered; rules may recur.
fn answer(query: &str, rules: &str) -> Result<Value, Error> {
    let (executor, allowance) = (executor(64 << 20), Allowance::default());
    let runner = Runner {
        executor: &executor,
        joins: Joins::Hashed,
        allowance: &allowance,
    };
    let inputs = [people().into(), read(rules).into()];
    lower_in_rounds(&Value::str(query), &inputs, runner)?.answer(runner)
}

/// The engine and DataFusion answer alike.
fn check(query: &str, rules: &str, expected: &str) {
    let inputs = [people().into(), read(rules).into()];
    let ours = q(&Value::str(query), &inputs, &QueryOptions::default());
    let ours = ours.map(|answer| answer.to_value());
    for answer in [ours, answer(query, rules)] {
        let answer = answer.unwrap_or_else(|error| panic!("{query}: {}", error.message()));
        assert_eq!(answer, read(expected), "{query}");
    }
}

/// DataFusion does not answer, and says why.
fn refused(query: &str, rules: &str, why: &str) {
    let error = answer(query, rules).expect_err("it does not lower");
    assert_eq!((error.code(), error.message()), (Code::Unsupported, why));
}

fn lowered(query: &str) -> Lowered {
    lower(&Value::str(query), &[people().into()]).expect("it lowers")
}

#[test]
fn a_query_is_a_plan_of_stock_operators() {
    let query = "[:find ?name (count ?friend) :where [?e :name ?name] [?e :friend ?friend]
        (not [?friend :age ?age] [(< ?age 35)])]";
    let lowered = lowered(query);
    let mut left = vec![lowered.plan()];
    while let Some(plan) = left.pop() {
        assert!(!matches!(plan, LogicalPlan::Extension(_)), "{lowered}");
        left.extend(plan.inputs());
    }
    assert_eq!(
        lowered.to_string(),
        include_str!("lowered_plan.txt").trim_end()
    );
    assert_eq!(lowered.names(), ["name", "(count ?friend)"]);
}

#[test]
fn numbers_of_two_kinds_are_two() {
    check("[:find ?e :where [?e :age ?n] [?e :score ?n]]", "[]", "#{}");
    check("[:find ?e :where [?e :score ?s] [(= ?s 0)]]", "[]", "#{}");
}

#[test]
fn names_are_ordered_by_namespace_first() {
    check(
        "[:find ?t :where [101 :tag ?t] :order-by [?t :asc]]",
        "[]",
        "[[:z] [:a-b/y] [:b/x]]",
    );
    check(
        "[:find ?t :where [101 :tag ?t] [(< ?t :b/x)]]",
        "[]",
        "#{[:z] [:a-b/y]}",
    );
}

#[test]
fn a_variable_may_hold_values_of_several_kinds() {
    check(
        "[:find ?v :where (or [102 :age ?v] [102 :name ?v] [101 :tag ?v]) [(!= ?v :z)]]",
        "[]",
        "#{[30] [\"Bob\"] [:b/x] [:a-b/y]}",
    );
}

#[test]
fn an_overflow_is_an_error_and_not_another_number() {
    let error = answer("[:find ?n :where [_ :age ?a] [(inc ?a) ?n]]", "[]").unwrap_err();
    assert_eq!(error.code(), Code::SqlFailed, "{}", error.message());
    let error = answer("[:find (sum ?a) . :where [_ :age ?a]]", "[]").unwrap_err();
    assert_eq!(error.code(), Code::SqlFailed, "{}", error.message());
}

#[test]
fn texts_that_java_orders_otherwise_are_refused_where_they_are_compared() {
    let why =
        "A text beyond the basic plane, or NaN, would be ordered otherwise than Clojure orders it";
    refused(
        "[:find ?n :where [_ :name ?n] :order-by [?n :asc]]",
        "[]",
        why,
    );
    refused("[:find (max ?n) . :where [_ :name ?n]]", "[]", why);
    check(
        "[:find ?n :where [_ :name ?n] [(< ?n \"Bp\")]]",
        "[]",
        "#{[\"Ann\"] [\"Bob\"]}",
    );
}

#[test]
fn what_does_not_lower_is_refused_by_its_clause() {
    refused(
        "[:find ?r :where [?e :age ?a] [(/ ?a 2) ?r]]",
        "[]",
        "The function / with these arguments does not lower in clause: [(/ ?a 2) ?r]",
    );
    refused(
        "[:find (pull ?e [*]) :where [?e :age _]]",
        "[]",
        "A pull in a find does not lower",
    );
    refused(
        "[:find ?e :where [_ :tag ?t] [?t :age ?e]]",
        "[]",
        "?t names entities or attributes and meets values of other kinds: idents and lookup refs in data do not lower",
    );
}

const REACH: &str = "[[(reach ?a ?b) [?a :friend ?b]]
    [(reach ?a ?c) (reach ?a ?b) (reach ?b ?c)]
    [(lonely ?a) [?a :name _] (not (reach ?a _))]]";

#[test]
fn recursion_is_rounds_that_the_client_drives() {
    let query = "[:find ?b :in $ % :where (reach 101 ?b)]";
    let error = lower(&Value::str(query), &[people().into(), read(REACH).into()]).unwrap_err();
    assert_eq!(
        error.message(),
        "The rule reach calls itself, which no plan can say: recursion is rounds driven by the client"
    );
    check(query, REACH, "#{[102] [103] [104]}");
    check("[:find ?a :in $ % :where (lonely ?a)]", REACH, "#{[104]}");
}

/// As many entities as make twice as many datoms.
const ENTITIES: i64 = 100_000;

/// Entities in groups of two; values are given in an order unlike the entities'.
fn pairs() -> Db {
    let schema =
        "[{:db/ident :group :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
        {:db/ident :label :db/valueType :db.type/string :db/cardinality :db.cardinality/one}]";
    let datom = |e: i64, a: &str, v: Value| {
        let add = [
            Value::keyword("db/add"),
            Value::Long(e),
            Value::keyword(a),
            v,
        ];
        Value::vector(add)
    };
    let forms = (0..ENTITIES).flat_map(|n| {
        let scattered = n * 7_919 % ENTITIES;
        let label = Value::str(&format!("label {scattered:06}"));
        [
            datom(1_000 + n, "group", Value::Long(scattered / 2)),
            datom(1_000 + n, "label", label),
        ]
    });
    with(&[read(schema), Value::vector(forms)])
}

#[test]
fn a_join_and_a_sort_larger_than_memory_go_through_files() {
    let query = Value::str(
        "[:find ?x ?y ?label :where [?x :group ?g] [?y :group ?g] [?x :label ?label]
          :order-by [?label :desc ?y :asc]]",
    );
    let inputs = [pairs().into()];
    let allowance = Allowance::default();
    let answer = |lowered: &Lowered, joins, memory_bytes| {
        let executor = executor(memory_bytes);
        lowered.answer(Runner {
            executor: &executor,
            joins,
            allowance: &allowance,
        })
    };
    let lowered = lower(&query, &inputs).unwrap();
    let expected = q(&query, &inputs, &QueryOptions::default())
        .unwrap()
        .to_value();
    let sorted = answer(&lowered, Joins::Sorted, 10 << 20);
    assert_eq!(sorted.unwrap(), expected);
    // A hash table cannot go through files: the error says so, and the process goes on.
    let error = answer(&lowered, Joins::Hashed, 4 << 20).unwrap_err();
    assert_eq!(error.code(), Code::QueryMemory, "{}", error.message());
}
