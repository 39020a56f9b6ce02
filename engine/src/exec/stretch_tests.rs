//! Rows that go through steps a morsel at a time, against the same steps over all rows.

use std::fmt::Write;

use super::{Answer, QueryOptions, q};
use crate::datom::{TX0, TxId};
use crate::db::fixture::database;
use crate::db::{Db, TimePoint};
use crate::edn;
use crate::fork;

/// Items and the kinds they refer to; some lack a size, some have several tags, values mix types.
fn items() -> Db {
    let (mut first, mut second) = (String::from("["), String::from("["));
    for kind in 1..=20 {
        let name = kind % 7;
        let _ = write!(
            first,
            "[{kind} :kind/name \"kind-{name}\"] [{kind} :kind/rank {name}]"
        );
    }
    for item in 100..700i64 {
        let (kind, price) = (1 + item * item % 23, item * 7 % 50 - 10);
        let _ = write!(
            first,
            "[{item} :item/kind {kind}] [{item} :item/price {price}]"
        );
        if item % 3 != 0 {
            let _ = write!(first, "[{item} :item/size {}]", item % 11);
        }
        for tag in 0..item % 4 {
            let _ = write!(first, "[{item} :item/tag {}]", tag + item % 5);
        }
        match item % 10 {
            0 => write!(first, "[{item} :item/note \"n{}\"]", item % 30),
            _ => write!(first, "[{item} :item/note {}]", item % 30),
        }
        .ok();
        if item % 5 == 0 {
            let _ = write!(
                second,
                "[{item} :item/price {price} false] [{item} :item/price 99]"
            );
        }
    }
    let schema = "{:item/kind #{:ref} :item/tag #{:many} :item/price #{:index} :item/size #{}
                   :item/note #{} :kind/name #{:index} :kind/rank #{}}";
    database(schema, &[&(first + "]"), &(second + "]")])
}

const QUERIES: &[&str] = &[
    "[:find ?e ?p ?s :where [?e :item/price ?p] [?e :item/size ?s]]",
    "[:find ?e ?r :where [?e :item/kind ?k] [?k :kind/rank ?r]]",
    "[:find ?k :where [?e :item/kind ?k] [?e :item/size ?s]]",
    "[:find ?r :where [?e :item/kind ?k] [?k :kind/rank ?r]]",
    "[:find ?e ?n :where [?e :item/price ?p] [(> ?p 5)] [?e :item/kind ?k] [?k :kind/name ?n]]",
    "[:find ?e ?t :where [?e :item/tag ?t] [?e :item/size ?t]]",
    "[:find ?t ?s :where [?e :item/tag ?t] [?e :item/size ?s]]",
    "[:find ?e ?f :where [?e :item/size ?s] [?k :kind/rank ?s] [?f :item/kind ?k]]",
    "[:find ?e ?f :where [?e :item/size ?p] [?f :item/price ?p] [(not= ?e ?f)]]",
    "[:find ?n ?f :where [?e :item/note ?n] [?f :item/size ?n]]",
    "[:find ?e :where [?e :item/note ?n] [(string? ?n)] [?e :item/size 4]]",
    "[:find ?e ?tx :where [?e :item/price ?p ?tx] [?e :item/size ?s]]",
    "[:find ?e ?p ?op :where [?e :item/price ?p _ ?op] [?e :item/kind 3]]",
    "[:find ?r (sum ?p) (avg ?p) (count ?e) (min ?p) (max ?p)
      :where [?e :item/kind ?k] [?k :kind/rank ?r] [?e :item/price ?p]]",
    "[:find (sum ?p) (min ?s) :with ?e :where [?e :item/price ?p] [?e :item/size ?s] [(< ?s 9)]]",
    "[:find ?r ?s (count ?e) :where [?e :item/kind ?k] [?k :kind/rank ?r] [?e :item/size ?s]]",
    "[:find (sum ?p) :where [?e :item/price ?p] [?e :item/size ?s]]",
    "[:find ?n (count ?e) :where [?e :item/note ?n] [?e :item/size ?s]]",
    "[:find ?k (median ?p) (count-distinct ?s) :with ?e
      :where [?e :item/kind ?k] [?e :item/price ?p] [?e :item/size ?s]]",
    "[:find (max ?n) :where [?e :item/note ?n] [?e :item/size 3]]",
    "[:find (count ?e) . :where [?e :item/kind ?k] [?k :kind/rank 1000]]",
    "[:find ?e ?s :where (or [?e :item/price 4] [?e :item/size 4]) [?e :item/kind ?k] [?e :item/size ?s]]",
];

/// The rows of an answer in an order of their own: aggregates keep the order of their groups.
fn rows(answer: &Answer, query: &str) -> Vec<String> {
    let row = |row: usize| {
        let cells = 0..answer.columns().len();
        cells
            .map(|at| answer.value(at, row).to_string())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let mut rows: Vec<String> = (0..answer.len()).map(row).collect();
    if !query.contains("(sum") && !query.contains("(count") {
        rows.sort();
    }
    rows
}

#[test]
fn morsels_answer_what_all_rows_answer() {
    let db = items();
    let views = [
        db.clone(),
        db.history().unwrap(),
        db.as_of(TimePoint::Tx(TxId(TX0 + 1))).unwrap(),
    ];
    for query in QUERIES {
        let form = edn::read(query).unwrap();
        for view in &views {
            let ask = |threads: usize, task_rows: Option<usize>| {
                let options = QueryOptions {
                    task_rows,
                    ..QueryOptions::default()
                };
                let answer = || q(&form, &[view.clone().into()], &options);
                rows(
                    &fork::on_threads(Some(threads), None, answer).unwrap(),
                    query,
                )
            };
            let expected = ask(1, None);
            for (threads, task_rows) in [(1, 1), (1, 50), (3, 1), (3, 50), (2, 7)] {
                let found = ask(threads, Some(task_rows));
                assert_eq!(
                    found, expected,
                    "{query}, {threads} threads, tasks of {task_rows} rows"
                );
            }
        }
    }
}

/// Sums that outgrow 64 bits on the way are errors whatever the order they are added in.
#[test]
fn sums_outgrow_integers_as_one_by_one() {
    let max = i64::MAX;
    let mut text = format!("[[1 :n {max}] [2 :n 1] [3 :n -5]");
    (4..40).for_each(|e| write!(text, "[{e} :n 0]").unwrap());
    let db = database("{:n #{}}", &[&(text + "]")]);
    let form = edn::read("[:find (sum ?n) :with ?e :where [?e :n ?n]]").unwrap();
    for task_rows in [None, Some(1)] {
        let options = QueryOptions {
            task_rows,
            ..QueryOptions::default()
        };
        let error = q(&form, &[db.clone().into()], &options).err();
        let error = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("overflow"), "{error}");
    }
}

/// Values between bounds are found by value where they are few, and rows are those of a filter.
#[test]
fn bounds_find_what_filters_keep() {
    let mut text = String::from("[");
    for e in 1..2_000i64 {
        write!(
            text,
            "[{e} :n {}] [{e} :plain {}]",
            e * 37 % 1_000,
            e * 37 % 1_000
        )
        .unwrap();
    }
    let db = database("{:n #{:index} :plain #{}}", &[&(text + "]")]);
    for filter in [
        "[(< ?n 20)]",
        "[(<= 980 ?n)]",
        "[(> ?n 10)] [(< ?n 15)]",
        "[(< 10 ?n 12.5)]",
        "[(> ?n 998.5)]",
        "[(> ?n 5000)]",
        "[(< ?n 5) (> ?n 2)]",
    ] {
        let filter = filter.replace(") (", ")] [(");
        let ask = |name: &str, task_rows: Option<usize>| {
            let query = format!("[:find ?e ?n :where [?e {name} ?n] {filter}]");
            let options = QueryOptions {
                task_rows,
                ..QueryOptions::default()
            };
            let form = edn::read(&query).unwrap();
            rows(&q(&form, &[db.clone().into()], &options).unwrap(), &query)
        };
        let expected = ask(":plain", None);
        assert_eq!(ask(":n", None), expected, "{filter}");
        assert_eq!(ask(":n", Some(10)), expected, "{filter}");
    }
}
