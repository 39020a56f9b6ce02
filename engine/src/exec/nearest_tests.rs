//! A search among clauses finds what sorting by distance finds, whichever of the two goes first.

use std::ops::ControlFlow;

use super::{Input, QueryOptions, explain, q};
use crate::db::{Db, Options};
use crate::edn;
use crate::nearest::{build, due};
use crate::segment::VectorGraph;
use crate::transact::{TxData, create, transact};
use crate::value::Value;

/// 3,000 things with a place, a size, a tag and a neighbour.
fn things() -> Db {
    let schema = "[{:db/ident :at :db/valueType :db.type/float-array :db/cardinality :db.cardinality/one}
                   {:db/ident :size :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
                   {:db/ident :tag :db/valueType :db.type/keyword :db/cardinality :db.cardinality/one}
                   {:db/ident :next :db/valueType :db.type/ref :db/cardinality :db.cardinality/one}
                   {:db/ident :idx/at :db.secondary/type :hnsw :db.secondary/attrs [:at] :db.secondary/config {:dim 4}}]";
    let mut random = 88_172_645_463_325_252u64;
    let mut below = |end: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 11) % end
    };
    let mut forms = String::from("[");
    for e in 1000..4000 {
        let at: Vec<String> = (0..4).map(|_| format!("{}.5", below(1000))).collect();
        let tag = ["a", "b", "c", "d"][below(4) as usize];
        let next = 1000 + below(3000);
        forms += &format!(
            "{{:db/id {e} :at [{}] :size {} :tag :{tag} :next {next}}}",
            at.join(" "),
            below(1000)
        );
    }
    forms.push(']');
    let mut db = create(Options::default());
    for text in [schema, &forms] {
        let data = TxData::from_value(&edn::read(text).unwrap()).unwrap();
        db = transact(&db, &data, 0).unwrap().db_after;
    }
    db
}

fn with_graph(db: &Db) -> Db {
    let due = due(db, 1);
    let (bytes, rows) = build(db, &due[0], &|_| ControlFlow::Continue(()))
        .unwrap()
        .unwrap();
    assert_eq!(rows, 3000);
    db.with_graph(VectorGraph::in_memory(due[0].cover, bytes).unwrap())
}

fn inputs(db: &Db) -> Vec<Input> {
    let place = edn::read("[500 500 500 500]").unwrap();
    vec![Input::Db(db.clone()), Input::Value(place)]
}

fn answer(db: &Db, text: &str) -> Vec<String> {
    answer_to(&inputs(db), text)
}

fn answer_to(inputs: &[Input], text: &str) -> Vec<String> {
    let query = edn::read(text).unwrap();
    let answer = q(&query, inputs, &QueryOptions::default())
        .unwrap()
        .to_value();
    let mut rows: Vec<String> = match &answer {
        Value::Set(rows) => rows.iter().map(Value::to_string).collect(),
        Value::Vector(rows) | Value::List(rows) => rows.iter().map(Value::to_string).collect(),
        other => panic!("no rows: {other}"),
    };
    rows.sort();
    rows
}

#[test]
fn a_search_is_a_sort_by_distance_that_is_cut_off() {
    let plain = things();
    let graphed = with_graph(&plain);
    let mut ways = [0, 0];
    for clauses in [
        "",
        "[?e :size ?s]",
        "[?e :size ?s] [(< ?s 900)]",
        "[?e :size ?s] [(< ?s 20)]",
        "[?e :size 7]",
        "[?e :tag :a]",
        "[?e :tag ?t] (not [?e :tag :a]) [(not= ?t :b)]",
        "[?e :next ?o] [?o :tag :c]",
        "[?e :next ?o] [?o :tag :c] [?o :size ?s] [(< ?s 30)]",
        "(or [?e :tag :a] [?e :size 3])",
        "[?e :tag :nowhere]",
    ] {
        let search = format!(
            "[:find ?e ?d :in $ ?v :where [(knn $ :idx/at ?v 10 {{:ef 800}}) [[?e ?d]]] {clauses}]"
        );
        let sort = format!(
            "[:find ?e ?d :in $ ?v :where {clauses} [?e :at ?x] [(vector-distance ?x ?v) ?d] :order-by ?d :limit 10]"
        );
        for db in [&plain, &graphed] {
            assert_eq!(answer(db, &search), answer(db, &sort), "{clauses}");
        }
        let query = edn::read(&search).unwrap();
        let plan = explain(&query, &inputs(&graphed), &QueryOptions::default())
            .unwrap()
            .to_string();
        ways[usize::from(plan.contains("hits"))] += 1;
    }
    assert!(ways.iter().all(|times| *times > 2), "{ways:?}");
}

/// How many pass is not known before: where hardly any hit does, the clauses say which entities may be found.
#[test]
fn hits_are_not_tried_for_ever() {
    let plain = things();
    let graphed = with_graph(&plain);
    let search = "[:find ?e ?d :in $ ?v ?n :where [(knn $ :idx/at ?v 10 {:ef 800}) [[?e ?d]]] [?e :size ?s] [(< ?s ?n)]]";
    let sort = "[:find ?e ?d :in $ ?v ?n :where [?e :size ?s] [(< ?s ?n)] [?e :at ?x] [(vector-distance ?x ?v) ?d] :order-by ?d :limit 10]";
    let mut instead = Vec::new();
    for n in [1000, 300, 30, 3, 0] {
        for db in [&plain, &graphed] {
            let mut inputs = inputs(db);
            inputs.push(Input::Value(Value::Long(n)));
            assert_eq!(answer_to(&inputs, search), answer_to(&inputs, sort), "{n}");
            let query = edn::read(search).unwrap();
            let options = QueryOptions {
                modifiers: Value::map([(Value::keyword("analyze"), Value::Bool(true))]),
                ..QueryOptions::default()
            };
            let plan = explain(&query, &inputs, &options).unwrap().to_string();
            instead.push(plan.contains("instead"));
        }
    }
    assert_eq!(instead[..4], [false; 4]);
    assert_eq!(instead[4..], [true; 6]);
}

#[test]
fn within_a_distance_is_a_filter_by_distance() {
    let plain = things();
    let graphed = with_graph(&plain);
    for (radius, clauses) in [
        (9000, ""),
        (40_000, "[?e :tag :a]"),
        (40_000, "[?e :size 7]"),
    ] {
        let search = format!(
            "[:find ?e ?d :in $ ?v :where [(knn-within $ :at ?v {radius}) [[?e ?d]]] {clauses}]"
        );
        let filter = format!(
            "[:find ?e ?d :in $ ?v :where {clauses} [?e :at ?x] [(vector-distance ?x ?v) ?d] [(<= ?d {radius}.0)]]"
        );
        let wanted = answer(&plain, &filter);
        for db in [&plain, &graphed] {
            assert_eq!(answer(db, &search), wanted, "{radius} {clauses}");
        }
    }
}
