//! Queries that would eat time or memory: each is refused with a typed error or answered.

use super::{Input, QueryOptions, q};
use crate::edn;
use crate::error::Code;
use crate::value::Value;

/// A collection of `count` tuples `[n]`, and the options of a small budget.
fn ask(query: &str, count: i64, rules: Option<&str>) -> Result<usize, Code> {
    let tuples = Value::vector((0..count).map(|n| Value::vector([Value::Long(n)])));
    let mut inputs = vec![Input::Value(tuples)];
    inputs.extend(rules.map(|text| Input::Value(edn::read(text).expect("the rules are EDN"))));
    let options = QueryOptions {
        memory_bytes: Some(16 << 20),
        ..QueryOptions::default()
    };
    let answer = q(&Value::str(query), &inputs, &options);
    answer
        .map(|answer| answer.len())
        .map_err(|error| error.code())
}

#[test]
fn products_are_refused_before_they_are_made() {
    let product = "[:find (count ?a) . :where [?a] [?b] [(vector ?a ?b) ?c]]";
    assert_eq!(ask(product, 100, None), Ok(1));
    assert_eq!(ask(product, 1_000_000, None), Err(Code::QueryMemory));
}

#[test]
fn rules_that_never_end_run_out_of_memory_or_time() {
    let counter = "[[(n ?x) [(ground 1) ?x]] [(n ?x) (n ?y) [(inc ?y) ?x]]]";
    let forever = "[:find ?x :in $ % :where (n ?x)]";
    assert_eq!(ask(forever, 0, Some(counter)), Err(Code::QueryMemory));
    let timed = "[:find ?x :in $ % :timeout 20 :where (n ?x)]";
    assert_eq!(ask(timed, 0, Some(counter)), Err(Code::QueryTimeout));
}

#[test]
fn wide_alternatives_and_crowds_of_rules_are_answered() {
    let branch = |n: usize| format!("(or-join [?a] [?a] (and [?a] [(>= ?a {n})]))");
    let branches: String = (0..20).map(branch).collect();
    assert_eq!(
        ask(&format!("[:find ?a :where {branches}]"), 50, None),
        Ok(50)
    );
    let rule = |n: usize| {
        let (this, next, other) = (n, (n + 1) % 100, (n * 7 + 3) % 100);
        format!(
            "[(r{this} ?a) [?a] (r{next} ?a)] [(r{this} ?a) (r{other} ?a)] [(r{this} ?a) [?a] [(= ?a {n})]]"
        )
    };
    let rules: String = (0..100).map(rule).collect();
    assert_eq!(
        ask(
            "[:find ?a :in $ % :where (r0 ?a)]",
            200,
            Some(&format!("[{rules}]"))
        ),
        Ok(100)
    );
}
