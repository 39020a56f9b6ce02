//! The 22 queries of TPC-H answer the same from a small database as DataFusion does from Parquet.

#[path = "../benches/tpch/answer.rs"]
mod answer;
#[path = "../benches/tpch/data.rs"]
mod data;
#[path = "../benches/tpch/load.rs"]
mod load;
#[path = "../benches/tpch/query.rs"]
mod query;
#[path = "../benches/tpch/side.rs"]
mod side;

use query::QUERIES;
use side::Side;

/// Small enough for every run of the tests, and most queries still answer something.
const SCALE: f64 = 0.002;

#[test]
fn tables_answer_as_parquet_does() {
    let folder = tempfile::tempdir().unwrap();
    load::parquet(&folder.path().join("parquet"), SCALE).unwrap();
    let config = load::config(folder.path()).unwrap();
    load::database(&config, SCALE).unwrap();
    let ours = Side::ours(&config, 2).unwrap();
    let peer = Side::peer(&folder.path().join("parquet"), 2).unwrap();
    let mut answered = 0;
    for query in &QUERIES {
        let text = query.text(SCALE);
        let answer = ours.answer(&text).unwrap();
        let expected = peer.answer(&text).unwrap();
        let difference = answer::difference(query, &answer, &expected);
        assert_eq!(difference, None, "q{}", query.number);
        answered += usize::from(!answer::rows(&answer).is_empty());
    }
    assert!(answered >= 18, "only {answered} queries answer anything");
}
