//! The same questions to the present, to the past and to all of history, in segments.

use std::path::Path;
use std::time::Duration;

use datalith_engine::conn::{Conn, TxData};
use datalith_engine::db::{Db, TimePoint};
use datalith_engine::exec::{Input, QueryOptions, q};
use datalith_engine::{Result, Value, edn};

use crate::command::cpu_time;
use crate::data;
use crate::place::{Place, config, drop_cache, finish};

/// Runs of a query on a connection; the least counts.
const WARM_RUNS: usize = 100;
/// Connections of which each answers once.
const COLD_RUNS: usize = 7;

const QUERIES: [(&str, &str); 3] = [
    ("q1", r#"[:find ?e :where [?e :name "Ivan"]]"#),
    (
        "q2",
        r#"[:find ?e ?a :where [?e :name "Ivan"] [?e :age ?a]]"#,
    ),
    (
        "q3",
        r#"[:find ?e ?a :where [?e :name "Ivan"] [?e :age ?a] [?e :sex :male]]"#,
    ),
];

#[derive(Clone, Copy)]
enum Moment {
    Now,
    Before,
    Always,
}

/// Measures the workload `temporal`.
pub(crate) fn run(place: &Place) -> Result<()> {
    println!(
        "\ntemporal: people, some of them aged since; CPU ms, cold: first of a connection, no page cached"
    );
    println!(
        "{:<8}{:>10}{:>10}{:>10}{:>18}{:>12}{:>12}{:>12}{:>20}",
        "query",
        "now",
        "as-of",
        "history",
        "worst ratio warm",
        "cold now",
        "as-of",
        "history",
        "worst ratio cold"
    );
    let (people, ages) = data::people();
    let expected = expected(&people.transactions, &ages);
    let (path, _) = place.suite("temporal", &people)?;
    let conn = Conn::connect(&config(&path)?)?;
    let before = conn.db()?.max_tx();
    conn.transact(&TxData::new(Value::vector(ages)))?;
    finish(&conn)?;
    for ((name, text), expected) in QUERIES.iter().zip(expected) {
        let mut warm = [0.0; 3];
        let mut cold = [0.0; 3];
        for (at, moment) in [Moment::Now, Moment::Before, Moment::Always]
            .into_iter()
            .enumerate()
        {
            let view = |db: Db| match moment {
                Moment::Now => Ok(db),
                Moment::Before => db.as_of(TimePoint::Tx(before)),
                Moment::Always => db.history(),
            };
            let rows = expected[at];
            warm[at] = warm_ms(&path, text, rows, &view)?;
            cold[at] = cold_ms(&path, text, rows, &view)?;
        }
        let worst = |times: [f64; 3]| times[1].max(times[2]) / times[0];
        println!(
            "{name:<8}{:>10.3}{:>10.3}{:>10.3}{:>18.2}{:>12.3}{:>12.3}{:>12.3}{:>20.2}",
            warm[0],
            warm[1],
            warm[2],
            worst(warm),
            cold[0],
            cold[1],
            cold[2],
            worst(cold)
        );
    }
    Ok(())
}

/// Rows of each query now, before and in all of history, told from the data.
fn expected(people: &[Vec<Value>], ages: &[Value]) -> [[usize; 3]; 3] {
    let aged: std::collections::HashSet<_> = ages.iter().map(|form| form.get("db/id")).collect();
    let is = |form: &&Value, name: &str, value: &Value| form.get(name) == Some(value);
    let ivans = people
        .iter()
        .flatten()
        .filter(|form| is(form, "name", &Value::str("Ivan")));
    let ivans: Vec<&Value> = ivans.collect();
    let men = ivans
        .iter()
        .copied()
        .filter(|form| is(form, "sex", &Value::keyword("male")));
    let men: Vec<&Value> = men.collect();
    let with_old = |group: &[&Value]| {
        let old = group
            .iter()
            .filter(|form| aged.contains(&form.get("db/id")));
        group.len() + old.count()
    };
    let (all, male) = (ivans.len(), men.len());
    [
        [all; 3],
        [all, all, with_old(&ivans)],
        [male, male, with_old(&men)],
    ]
}

fn warm_ms(path: &Path, text: &str, rows: usize, view: &dyn Fn(Db) -> Result<Db>) -> Result<f64> {
    let conn = Conn::connect(&config(path)?)?;
    let db = view(conn.db()?)?;
    let mut best = f64::MAX;
    for _ in 0..WARM_RUNS {
        best = best.min(asked_ms(&db, text, rows)?);
    }
    conn.release_all();
    Ok(best)
}

fn cold_ms(path: &Path, text: &str, rows: usize, view: &dyn Fn(Db) -> Result<Db>) -> Result<f64> {
    let mut best = f64::MAX;
    for _ in 0..COLD_RUNS {
        drop_cache(path);
        let conn = Conn::connect(&config(path)?)?;
        let db = view(conn.db()?)?;
        best = best.min(asked_ms(&db, text, rows)?);
        conn.release_all();
    }
    Ok(best)
}

fn asked_ms(db: &Db, text: &str, rows: usize) -> Result<f64> {
    let form = edn::read(text)?;
    let before: Duration = cpu_time();
    let answer = q(&form, &[Input::Db(db.clone())], &QueryOptions::default())?;
    let took = cpu_time() - before;
    assert_eq!(answer.len(), rows, "{text}");
    Ok(took.as_secs_f64() * 1000.0)
}
