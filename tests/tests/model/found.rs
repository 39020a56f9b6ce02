//! Cases on which engine and model once differed, made small.

use datalith_engine::exec::{QueryOptions, q};

use datalith_model::{Given, Program, World, read};

use super::difference;

const FRIEND: &str =
    "{:db/ident :friend :db/valueType :db.type/ref :db/cardinality :db.cardinality/many}";
const BOSS: &str =
    "{:db/ident :boss :db/valueType :db.type/ref :db/cardinality :db.cardinality/one}";
const NAME: &str = "{:db/ident :name :db/valueType :db.type/string :db/cardinality :db.cardinality/one \
    :db/unique :db.unique/value}";

fn world(transactions: &[&[&str]]) -> World {
    let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let mut all = vec![own(&[FRIEND, BOSS, NAME])];
    all.extend(transactions.iter().map(|forms| own(forms)));
    World {
        attribute_refs: false,
        keep_history: true,
        is_open: true,
        transactions: all,
    }
}

/// The datoms of engine and model must be the same, now and over all time.
fn check_transactions(transactions: &[&[&str]]) {
    assert_eq!(difference(&world(transactions), None), None);
}

/// Engine and model must give the same answer.
fn check(transactions: &[&[&str]], find: &str, clauses: &[&str], rules: &[&str]) {
    let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let inputs = vec![
        ("$".to_owned(), Given::Db(Vec::new())),
        ("%".to_owned(), Given::Rules),
    ];
    let program = Program {
        find: find.to_owned(),
        beside: String::new(),
        inputs,
        clauses: own(clauses),
        modifiers: String::new(),
        rules: own(rules),
    };
    assert_eq!(difference(&world(transactions), Some(&program)), None);
}

#[test]
fn a_rule_reaches_around_a_cycle() {
    let data = ["[:db/add 1 :friend 2]", "[:db/add 2 :friend 1]"];
    let rules = [
        "[(p ?x ?y) [?x :friend ?y]]",
        "[(p ?x ?y) (p ?x ?z) (p ?z ?y)]",
    ];
    check(&[&data], "?x", &["(p ?x ?x)"], &rules);
}

#[test]
fn an_argument_that_only_a_negation_speaks_of_is_unbound() {
    let data = ["[:db/add 101 :friend 102]"];
    let rules = ["[(p ?x ?y) [?x :friend _] (not [?y :friend ?x])]"];
    check(&[&data], "?x ?y", &["(p ?x ?y)"], &rules);
    check(&[&data], "?x ?y", &["(p ?x ?y)", "[_ :friend ?y]"], &rules);
}

#[test]
fn a_rule_that_cannot_run_first_in_a_recursion_runs_later() {
    let rules = [
        "[(p ?x ?y) (r ?y) [?x :friend ?z]]",
        "[(q ?x ?y) (or-join [?x] [?x :friend _] (q _ ?x)) (p ?x ?z) (not [?y :friend _])]",
        "[(r ?x) (or-join [?x] [?x :friend _] (q _ ?x)) (p ?x _)]",
        "[(m ?x ?y) [?x :friend ?x] (not (r ?y)) [?y :friend ?x]]",
    ];
    let data = ["[:db/add 101 :friend 101]", "[:db/add 102 :friend 101]"];
    check(&[&data], "?x ?y", &["(m ?x ?y)"], &rules);
}

#[test]
fn a_unique_value_is_taken_twice_within_a_transaction() {
    check_transactions(&[&["[:db/add 101 :name \"a\"]", "[:db/add 102 :name \"a\"]"]]);
}

#[test]
fn a_value_that_comes_and_goes_within_a_transaction_leaves_each_datom_once() {
    let first = ["[:db/add 103 :boss 102]"];
    check_transactions(&[
        &first,
        &[
            "[:db/add 103 :boss 101]",
            "[:db/add 103 :boss 102]",
            "[:db/add 103 :boss 104]",
        ],
    ]);
}

#[test]
fn a_query_without_a_source_matches_nothing() {
    let query = read("[:find ?e :in ?x :where [?e :name ?x]]");
    let answer = q(&query, &[read("1").into()], &QueryOptions::default()).unwrap();
    assert_eq!(answer.to_value(), read("#{}"));
}
