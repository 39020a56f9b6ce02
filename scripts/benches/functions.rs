//! What does a function written in rhai cost per row of a query, beside one that is built in?
//!
//! A million deals, each with a price and a rate; the same filter as a built-in comparison, as arithmetic
//! (worked out by columns), and as a function that rhai runs row by row. Answers are checked first; the
//! median of [`ROUNDS`] rounds is reported in ns per row, and beyond that of the built-in filter.
//!
//! `cargo bench -p datalith-scripts --bench functions`

use std::io::Write;
use std::time::Instant;

use datalith_engine::conn::{Config, Conn, create_database};
use datalith_engine::exec::{Input, QueryOptions, q};
use datalith_engine::transact::TxData;
use datalith_engine::{Value, edn};
use uuid::Uuid;

const ROWS: i64 = 1_000_000;
/// Rows of a transaction.
const BATCH: i64 = 100_000;
const ROUNDS: usize = 7;

const SCHEMA: &str = r#"[
  {:db/ident :deal/price :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
  {:db/ident :deal/rate :db/valueType :db.type/double :db/cardinality :db.cardinality/one}
  {:db/ident :my/large? :db/fn "|price| price > 900000"}
  {:db/ident :my/worth? :db/fn "|price, rate| price * rate / 100.0 > 900.0 && price % 2 == 0"}
  {:db/ident :my/by-row? :db/fn "|price| { let text = `${price}`; price > 900000 }"}]"#;

/// Each question with the clause it is about.
const QUESTIONS: [(&str, &str); 5] = [
    ("built in: (> ?p 900000)", "[(> ?p 900000)]"),
    ("arithmetic: price > 900000", "[(my/large? ?p)]"),
    (
        "built in, two columns",
        "[?e :deal/rate ?r] [(* ?p ?r) ?w] [(/ ?w 100.0) ?h] [(> ?h 900.0)] [(even? ?p)]",
    ),
    (
        "arithmetic, two columns",
        "[?e :deal/rate ?r] [(my/worth? ?p ?r)]",
    ),
    ("row by row: makes a text", "[(my/by-row? ?p)]"),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    datalith_scripts::function::install();
    let config = Config::memory(Uuid::from_u128(1));
    create_database(&config)?;
    let conn = Conn::connect(&config)?;
    conn.transact(&TxData::new(edn::read(SCHEMA)?))?;
    let (price, rate) = (Value::keyword("deal/price"), Value::keyword("deal/rate"));
    for from in (0..ROWS).step_by(usize::try_from(BATCH)?) {
        let deal = |n: i64| {
            // Prices all differ and lie in no order.
            let cost = n * 7_919 % ROWS;
            Value::map([
                (price.clone(), Value::Long(cost)),
                (rate.clone(), Value::Double((n % 97) as f64 / 97.0)),
            ])
        };
        conn.transact(&TxData::new(Value::vector((from..from + BATCH).map(deal))))?;
    }
    let db = conn.db()?;
    let mut out = std::io::stdout().lock();
    let mut counts = Vec::new();
    for (name, clause) in QUESTIONS {
        let query = Value::str(&format!(
            "[:find (count ?e) . :where [?e :deal/price ?p] {clause}]"
        ));
        let options = QueryOptions::default();
        let mut nanoseconds = Vec::new();
        for _ in 0..ROUNDS {
            let began = Instant::now();
            let answer = q(&query, &[Input::Db(db.clone())], &options)?.to_value();
            nanoseconds.push(began.elapsed().as_nanos());
            counts.push((name, answer));
        }
        nanoseconds.sort_unstable();
        let per_row = nanoseconds[ROUNDS / 2] as f64 / ROWS as f64;
        writeln!(out, "{name:<32} {per_row:>8.1} ns/row")?;
    }
    let count = |name: &str| {
        counts
            .iter()
            .find(|(own, _)| *own == name)
            .map(|(_, count)| count.clone())
    };
    assert_eq!(
        count(QUESTIONS[0].0),
        count(QUESTIONS[1].0),
        "both filters keep the same rows"
    );
    assert_eq!(
        count(QUESTIONS[0].0),
        count(QUESTIONS[4].0),
        "both filters keep the same rows"
    );
    assert_eq!(
        count(QUESTIONS[2].0),
        count(QUESTIONS[3].0),
        "both filters keep the same rows"
    );
    conn.release();
    Ok(())
}
