//! Group-by and joins of a million rows and more: CPU and wall time on one thread and on all.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use datalith_engine::conn::{Config, Conn, create_database};
use datalith_engine::edn;
use datalith_engine::exec::{Input, QueryOptions, q};
use datalith_engine::transact::TxData;
use datalith_engine::{Result, Value};

use crate::{analyze, cpu_time};

/// Rows that a dimension, a key and a group stand for, as in the group-by benchmark of H2O.
const KEYS: i64 = 100_000;
const GROUPS: i64 = 1_000;
/// Entities of one transaction.
const BATCH: i64 = 100_000;

const SCHEMA: &str = "[
  {:db/ident :dim/group :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
  {:db/ident :dim/key :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
  {:db/ident :row/dim :db/valueType :db.type/ref :db/cardinality :db.cardinality/one}
  {:db/ident :row/key :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
  {:db/ident :row/value :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]";

/// Name and text of each query.
const QUERIES: [(&str, &str); 4] = [
    (
        "group-by, 100,000 keys",
        "[:find ?k (sum ?v) (avg ?v) :with ?r :where [?r :row/key ?k] [?r :row/value ?v]]",
    ),
    (
        "join by reference, 1,000 groups",
        "[:find ?g (count ?r) :where [?r :row/dim ?d] [?d :dim/group ?g]]",
    ),
    (
        "join by value, 1,000 groups",
        "[:find ?g (sum ?v) :with ?r
          :where [?r :row/key ?k] [?d :dim/key ?k] [?d :dim/group ?g] [?r :row/value ?v]]",
    ),
    (
        "filter, sum",
        "[:find (sum ?v) :with ?r :where [?r :row/value ?v] [(< ?v 100)]]",
    ),
];

/// Measures all queries on tables of so many millions of rows.
pub(crate) fn scale(millions: i64) -> Result<()> {
    let rows = millions * 1_000_000;
    let (conn, keys) = table(rows)?;
    let db = conn.db()?;
    println!(
        "scale     {:<34}{:>12}{:>14}{:>12}{:>12}{:>8}",
        format!("{millions} M rows"),
        "1: CPU ms",
        "1: wall ms",
        "all: CPU",
        "all: wall",
        "gain"
    );
    let groups = [keys, GROUPS as usize, GROUPS as usize, 1];
    // Tens of millions of rows are more than a query may hold unless it is told so.
    let options = QueryOptions {
        memory_bytes: Some(usize::MAX),
        ..QueryOptions::default()
    };
    for ((name, text), groups) in QUERIES.into_iter().zip(groups) {
        let form = edn::read(text)?;
        let input = [Input::Db(db.clone())];
        let mut times = Vec::new();
        for threads in [1, 0] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let pool = pool.expect("threads start");
            let mut best = (Duration::MAX, Duration::MAX);
            for _ in 0..5 {
                let (cpu, wall) = (cpu_time(), Instant::now());
                let answer = pool.install(|| q(&form, &input, &options))?;
                best.0 = best.0.min(cpu_time() - cpu);
                best.1 = best.1.min(wall.elapsed());
                assert_eq!(answer.len(), groups, "{name}");
            }
            times.push((best.0.as_secs_f64() * 1e3, best.1.as_secs_f64() * 1e3));
        }
        let ((cpu, wall), (cpu_all, wall_all)) = (times[0], times[1]);
        let gain = wall / wall_all;
        println!(
            "scale     {name:<34}{cpu:>12.1}{wall:>14.1}{cpu_all:>12.1}{wall_all:>12.1}{gain:>7.2}x"
        );
        analyze(&form, &input)?;
    }
    conn.release_all();
    Ok(())
}

/// Dimensions, then rows that refer to them, by a generator that everybody can repeat; and how many
/// keys the rows have.
fn table(rows: i64) -> Result<(Conn, usize)> {
    let config = Config::memory(uuid::Uuid::new_v4());
    create_database(&config)?;
    let conn = Conn::connect(&config)?;
    let add = |entities: Vec<Value>| conn.transact(&TxData::new(Value::vector(entities)));
    conn.transact(&TxData::new(edn::read(SCHEMA)?))?;
    let entity = |e: i64, cells: &[(&str, i64)]| {
        let cells = cells
            .iter()
            .map(|(name, n)| (Value::keyword(name), Value::Long(*n)));
        Value::map(
            [(Value::keyword("db/id"), Value::Long(e))]
                .into_iter()
                .chain(cells),
        )
    };
    let dim = |key: i64| {
        entity(
            1_000 + key,
            &[("dim/key", key), ("dim/group", key % GROUPS)],
        )
    };
    add((0..KEYS).map(dim).collect())?;
    let mut keys = HashSet::new();
    let mut state = 42u64;
    let mut random = || {
        // A 64-bit linear congruential generator, its high bits: Knuth, TAOCP 2, 3.3.4.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as i64
    };
    for start in (0..rows).step_by(BATCH as usize) {
        let mut row = |at: i64| {
            let (key, dim, value) = (random() % KEYS, random() % KEYS, random() % 1_000);
            keys.insert(key);
            let cells = [
                ("row/key", key),
                ("row/dim", 1_000 + dim),
                ("row/value", value),
            ];
            entity(1_000 + KEYS + at, &cells)
        };
        add((start..rows.min(start + BATCH)).map(&mut row).collect())?;
    }
    Ok((conn, keys.len()))
}
