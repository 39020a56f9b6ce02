//! The workloads that other Datalog engines were measured on: answers checked, then timed.
//!
//! `cargo bench --bench workload [-- SUITE…]`, suites `people rules joins temporal debian latency`, and,
//! where asked for, `scale-1 scale-10 scale-50`: tables of so many million rows. Every
//! query must answer the known number of rows before it is timed; figures are CPU milliseconds of
//! the whole process, the least of several runs, beside what Datahike, Datalevin and DataScript
//! (on the JVM) needed on another machine: read the proportions, not the digits. `debian` also
//! loads the package index durably and reports datoms per second. With `--analyze` the plan
//! of each query follows, with the rows and time of each operator.

#![expect(clippy::print_stdout, reason = "a benchmark reports on stdout")]

mod data;
mod peers;
mod python;
mod scale;

use std::time::{Duration, Instant};

use datalith_engine::conn::{Config, Conn, create_database};
use datalith_engine::db::{Db, TimePoint};
use datalith_engine::edn;
use datalith_engine::exec::{Answer, Input, Prepared, QueryOptions, explain, q};
use datalith_engine::transact::TxData;
use datalith_engine::{Result, Value};
use nix::time::{ClockId, clock_gettime};

use data::Suite;
use peers::Query;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Time spent on one query.
const MEASURE: Duration = Duration::from_millis(400);
/// Fewest and most runs of one query.
const RUNS: (usize, usize) = (3, 200);

fn main() -> Result<()> {
    let chosen: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    let is_chosen = |suite: &str| chosen.is_empty() || chosen.iter().any(|name| name == suite);
    println!(
        "{:<10}{:<26}{:>8}{:>10}{:>12}{:>12}{:>12}",
        "suite", "query", "rows", "CPU ms", "Datahike", "Datalevin", "DataScript"
    );
    if is_chosen("people") {
        let db = memory(&data::people().0)?.db()?;
        for query in peers::PEOPLE {
            let inputs: &[Value] = match query.name {
                "qpred2" => &[Value::Long(50_000)],
                "q-rule" => &[Value::str(peers::FOLLOW)],
                _ => &[],
            };
            measure("people", query, &db, inputs)?;
        }
    }
    if is_chosen("rules") {
        for (name, rows, peers) in peers::RULES {
            let db = memory(&data::graph(name))?.db()?;
            let query = Query {
                name,
                text: peers::RULES_QUERY,
                rows: *rows,
                peers: *peers,
            };
            measure("rules", &query, &db, &[Value::str(peers::RULES_RULE)])?;
        }
    }
    if is_chosen("joins") {
        let db = memory(&data::departments())?.db()?;
        peers::JOINS
            .iter()
            .try_for_each(|query| measure("joins", query, &db, &[]))?;
    }
    if is_chosen("temporal") {
        temporal()?;
    }
    if is_chosen("debian") {
        debian()?;
    }
    if is_chosen("latency") {
        latency()?;
    }
    for millions in [1, 10, 50] {
        if chosen.contains(&format!("scale-{millions}")) {
            scale::scale(millions)?;
        }
    }
    Ok(())
}

/// How often a plan is made.
const PLANS: u32 = 5_000;
/// A query of ten clauses: eight patterns, a filter and a function.
const TEN_CLAUSES: &str = "[:find ?n1 ?n2 ?sum :where [?p :name \"Ivan\"] [?p :last-name ?l] \
    [?p :age ?a1] [?p :salary ?s1] [?q :last-name ?l] [?q :name ?n2] [?q :age ?a2] \
    [?p :name ?n1] [(< ?a1 ?a2)] [(+ ?s1 ?a2) ?sum]]";

/// How long a small query takes: asked anew each time, and prepared.
fn latency() -> Result<()> {
    const QUERY: &str = "[:find ?a . :in $ ?e :where [?e :age ?a]]";
    let db = memory(&data::people().0)?.db()?;
    let form = edn::read(QUERY)?;
    let prepared = Prepared::new(&form)?;
    let people: Vec<Value> = match q(
        &edn::read("[:find [?e ...] :where [?e :age]]")?,
        &[db.clone().into()],
        &QueryOptions::default(),
    )?
    .to_value()
    {
        Value::Vector(people) => people.to_vec(),
        _ => Vec::new(),
    };
    let options = QueryOptions::default();
    let anew = |inputs: &[Input]| q(&form, inputs, &options);
    report_latency("point query", &db, &people, anew)?;
    let again = |inputs: &[Input]| prepared.answer(inputs, &options);
    report_latency("point query, prepared", &db, &people, again)?;
    let inputs = [Input::Db(db)];
    let attributes = ["name", "last-name", "sex", "age", "salary", "follows"];
    let star = |at: usize| format!("[?p :{} ?v{at}]", attributes[at % 6]);
    let chain = |at: usize| format!("[?v{at} :follows ?v{}]", at + 1);
    let twelve = |clause: &dyn Fn(usize) -> String| {
        let clauses: String = (0..12).map(clause).collect();
        format!("[:find ?v1 :where {clauses}]")
    };
    for (name, text) in [
        ("ten clauses", TEN_CLAUSES.to_owned()),
        ("star of twelve", twelve(&star)),
        ("chain of twelve", twelve(&chain)),
    ] {
        let text = Value::str(&text);
        let cpu = cpu_time();
        for _ in 0..PLANS {
            std::hint::black_box(explain(&text, &inputs, &options)?);
        }
        let micros = (cpu_time() - cpu).as_secs_f64() * 1e6 / f64::from(PLANS);
        let name = format!("read and plan, {name}");
        println!("latency   {name:<31}{PLANS:>8}{micros:>10.2} us");
    }
    Ok(())
}

fn report_latency(
    name: &str,
    db: &Db,
    people: &[Value],
    ask: impl Fn(&[Input]) -> Result<Answer>,
) -> Result<()> {
    let cpu = cpu_time();
    for person in people {
        let answer = ask(&[db.clone().into(), person.clone().into()])?;
        assert!(answer.to_value().as_long().is_some(), "{person} has an age");
    }
    let each = (cpu_time() - cpu) / people.len().max(1) as u32;
    let micros = each.as_secs_f64() * 1e6;
    println!("latency   {name:<26}{:>8}{micros:>10.2} us", people.len());
    Ok(())
}

fn temporal() -> Result<()> {
    let (suite, ages) = data::people();
    let conn = memory(&suite)?;
    let before = conn.db()?.max_tx();
    conn.transact(&TxData::new(Value::vector(ages)))?;
    let now = conn.db()?;
    let (then, all) = (now.as_of(TimePoint::Tx(before))?, now.history()?);
    for (queries, db) in [
        (peers::CURRENT, &now),
        (peers::AS_OF, &then),
        (peers::HISTORY, &all),
    ] {
        queries
            .iter()
            .try_for_each(|query| measure("temporal", query, db, &[]))?;
    }
    Ok(())
}

fn debian() -> Result<()> {
    let Some(suite) = data::debian() else {
        println!("debian: skipped, there is no package index (name one with DEBIAN_PACKAGES)");
        return Ok(());
    };
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("debian");
    let store = Value::map([
        (Value::keyword("backend"), Value::keyword("file")),
        (Value::keyword("path"), Value::str(&path.to_string_lossy())),
    ]);
    let config = Config::from_value(&Value::map([(Value::keyword("store"), store)]))?;
    create_database(&config)?;
    let conn = Conn::connect(&config)?;
    let (cpu, wall) = (cpu_time(), Instant::now());
    let datoms = load(&conn, &suite)?;
    report_rate("load, durable", datoms, cpu_time() - cpu, wall.elapsed());
    conn.release_all();
    let (cpu, wall) = (cpu_time(), Instant::now());
    let conn = Conn::connect(&config)?;
    let db = conn.db()?;
    report_rate("reopen", datoms, cpu_time() - cpu, wall.elapsed());
    let is_known = datoms == peers::DEBIAN_DATOMS;
    if !is_known {
        println!("debian    another index than the one whose rows are known: rows are not checked");
    }
    let measure = |query: &Query, inputs: &[Value]| match is_known {
        true => measure("debian", query, &db, inputs),
        false => time_query("debian", query, &db, inputs).map(|_| ()),
    };
    for query in peers::DEBIAN {
        let rules = [Value::str(peers::DEP)];
        let inputs: &[Value] = if query.text.contains('%') {
            &rules
        } else {
            &[]
        };
        measure(query, inputs)?;
    }
    for (query, name) in peers::DEBIAN_IN {
        let lookup = Value::vector([Value::keyword("package/name"), Value::str(name)]);
        let e = db.entid_strict(&lookup)?;
        measure(query, &[Value::str(peers::DEP), Value::Long(e.0)])?;
    }
    Ok(())
}

fn report_rate(what: &str, datoms: usize, cpu: Duration, wall: Duration) {
    let rate = |time: Duration| datoms as f64 / time.as_secs_f64() / 1000.0;
    println!(
        "debian    {what}: {datoms} datoms, CPU {:.2} s ({:.0}k datoms/s), wall {:.2} s ({:.0}k datoms/s)",
        cpu.as_secs_f64(),
        rate(cpu),
        wall.as_secs_f64(),
        rate(wall)
    );
}

fn memory(suite: &Suite) -> Result<Conn> {
    let config = Config::memory(uuid::Uuid::new_v4());
    create_database(&config)?;
    let conn = Conn::connect(&config)?;
    load(&conn, suite)?;
    Ok(conn)
}

/// Transacts a suite; answers how many datoms that made.
fn load(conn: &Conn, suite: &Suite) -> Result<usize> {
    let mut datoms = 0;
    for entities in suite.transactions_with_schema() {
        datoms += conn
            .transact(&TxData::new(Value::vector(entities)))?
            .tx_data
            .len();
    }
    Ok(datoms)
}

/// Checks a query's rows, then prints the least CPU time it took.
fn measure(suite: &str, query: &Query, db: &Db, inputs: &[Value]) -> Result<()> {
    let rows = time_query(suite, query, db, inputs)?;
    assert_eq!(
        rows, query.rows,
        "{} answers other rows than every engine does",
        query.name
    );
    Ok(())
}

/// Prints the least CPU time that a query took; how many rows it answers.
fn time_query(suite: &str, query: &Query, db: &Db, inputs: &[Value]) -> Result<usize> {
    let form = edn::read(query.text)?;
    let mut all = vec![Input::Db(db.clone())];
    all.extend(inputs.iter().cloned().map(Input::Value));
    let answer = || q(&form, &all, &QueryOptions::default());
    let rows = answer()?.len();
    let (mut best, mut runs, started) = (Duration::MAX, 0, Instant::now());
    while runs < RUNS.0 || (runs < RUNS.1 && started.elapsed() < MEASURE) {
        let before = cpu_time();
        std::hint::black_box(answer()?);
        best = best.min(cpu_time() - before);
        runs += 1;
    }
    let [datahike, datalevin, datascript] = query.peers;
    println!(
        "{suite:<10}{:<26}{rows:>8}{:>10.3}{datahike:>12}{datalevin:>12}{datascript:>12}",
        query.name,
        best.as_secs_f64() * 1000.0
    );
    analyze(&form, &all)?;
    Ok(rows)
}

/// Prints the plan of a query with what each operator did, if that was asked for.
fn analyze(form: &Value, inputs: &[Input]) -> Result<()> {
    if std::env::args().any(|arg| arg == "--analyze") {
        let analyzed = QueryOptions {
            modifiers: Value::map([(Value::keyword("analyze"), Value::Bool(true))]),
            ..QueryOptions::default()
        };
        print!("{}", explain(form, inputs, &analyzed)?);
    }
    Ok(())
}

/// CPU time of this process, all threads.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)
        .map(Duration::from)
        .unwrap_or_default()
}
