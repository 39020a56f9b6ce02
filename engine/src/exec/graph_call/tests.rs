//! Graphs in databases: what they cost, and what is refused.

use crate::db::Db;
use crate::db::fixture::database;
use crate::error::Code;
use crate::exec::{Input, QueryOptions, q};
use crate::value::Value;

/// A ring of links: each node leads to the next, the last to the first.
fn ring(nodes: i64) -> Db {
    let link = |node: i64| format!("[{node} :next {}]", node % nodes + 1);
    let links: String = (1..=nodes).map(link).collect();
    database(
        "{:next #{:ref :many}}",
        &[&format!("[{links} [1 :kind :ring]]")],
    )
}

fn ask(db: &Db, query: &str, options: &QueryOptions) -> Result<Value, (Code, String)> {
    q(&Value::str(query), &[Input::Db(db.clone())], options)
        .map(|answer| answer.to_value())
        .map_err(|error| (error.code(), error.to_string()))
}

#[test]
fn a_cycle_ends_every_function() {
    let db = ring(500);
    for (query, expected) in [
        (
            "[:find (count ?e) . :where [(reachable $ :next 7) [?e ...]]]",
            500,
        ),
        (
            "[:find (max ?d) . :where [(bfs-distances $ :next 7) [[_ ?d]]]]",
            499,
        ),
        ("[:find ?n . :where [(path-length $ :next 7 6) ?n]]", 499),
        (
            "[:find ?c . :where [(weighted-shortest-path $ :next 7 6) [_ ?c]]]",
            499,
        ),
        (
            "[:find (max ?c) . :where [(strongly-connected-components $ :next) [[_ ?c]]]]",
            1,
        ),
        (
            "[:find (count ?e) . :where [(neighbors $ :next 7 {:max-depth 3}) [?e ...]]]",
            3,
        ),
        (
            "[:find (sum ?d) . :with ?e :where [?e :next] [(degree $ :next ?e) ?d]]",
            500,
        ),
    ] {
        let answer = ask(&db, query, &QueryOptions::default());
        assert_eq!(answer, Ok(Value::Long(expected)), "{query}");
    }
}

#[test]
fn graphs_and_answers_count_against_the_memory_of_a_query() {
    let db = ring(2_000);
    let small = |memory_bytes: usize| QueryOptions {
        memory_bytes: Some(memory_bytes),
        ..QueryOptions::default()
    };
    let one = "[:find ?c . :where [(has-cycle? $ :next) ?c]]";
    let pairs = "[:find (count ?b) . :where [?a :next] [(reachable $ :next ?a) [?b ...]]]";
    let code = |query: &str, bytes: usize| ask(&db, query, &small(bytes)).map_err(|error| error.0);
    assert_eq!(code(one, 10_000), Err(Code::QueryMemory));
    assert_eq!(code(one, 1 << 20), Ok(Value::Bool(true)));
    assert_eq!(code(pairs, 1 << 20), Err(Code::QueryMemory));
}

#[test]
fn each_source_has_its_own_graphs() {
    let query = "[:find ?a ?b :in $a $b :where [(path-length $a :next 1 4) ?a]
                                             [(path-length $b :next 4 1) ?b]]";
    let both = |b: Input| {
        let inputs = [Input::Db(ring(10)), b];
        q(&Value::str(query), &inputs, &QueryOptions::default())
            .map(|answer| answer.to_value())
            .map_err(|error| error.to_string())
    };
    let lengths = Value::set([Value::vector([Value::Long(3), Value::Long(17)])]);
    assert_eq!(both(Input::Db(ring(20))), Ok(lengths));
    let message = "Expected a database as $b in [(path-length $b :next 4 1) ?b]";
    assert_eq!(
        both(Input::Value(Value::vector([]))),
        Err(message.to_owned())
    );
}

#[test]
fn undeclared_attributes_link_what_are_numbers() {
    let db = database("{}", &["[[1 :to 2] [2 :to 3] [3 :name \"Ada\"]]"]);
    let found = |query: &str| ask(&db, query, &QueryOptions::default());
    assert_eq!(
        found("[:find ?n . :where [(path-length $ :to 1 3) ?n]]"),
        Ok(Value::Long(2))
    );
    let refused = found("[:find ?n . :where [(path-length $ :name 1 3) ?n]]");
    let message = "path-length expects references as values of :name, found \"Ada\"";
    assert_eq!(refused, Err((Code::QueryFunction, message.to_owned())));
}

#[test]
fn weights_add_up_as_what_they_are() {
    let cost = |weights: &str| {
        let datoms = format!("[[1 :from 10] [1 :to 11] [2 :from 11] [2 :to 12] {weights}]");
        let db = database("{:from #{:ref} :to #{:ref}}", &[&datoms]);
        let query = "[:find ?c . :where
                      [(weighted-shortest-path $ {:from :from :to :to :weight :w} 10 12) [_ ?c]]]";
        ask(&db, query, &QueryOptions::default()).map_err(|error| error.0)
    };
    assert_eq!(cost("[1 :w 2] [2 :w 3]"), Ok(Value::Long(5)));
    assert_eq!(cost("[1 :w 2]"), Ok(Value::Long(3)));
    assert_eq!(cost("[1 :w 2] [2 :w 0.5]"), Ok(Value::Double(2.5)));
    assert_eq!(cost("[1 :w 1/2] [2 :w 1N]"), Ok(Value::Double(1.5)));
    assert_eq!(cost("[1 :w -0.0] [2 :w 1]"), Ok(Value::Double(1.0)));
    let huge = "[1 :w 9223372036854775807] [2 :w 9223372036854775807]";
    assert_eq!(cost(huge), Ok(Value::Double(2.0 * i64::MAX as f64)));
    for bad in ["-1", "-0.5", "##NaN", "##Inf", "\"far\""] {
        assert_eq!(
            cost(&format!("[1 :w {bad}]")),
            Err(Code::QueryFunction),
            "{bad}"
        );
    }
}
