//! TPC-H: how far are statements about a database from the same statements about Parquet?
//!
//! `cargo bench -p datalith-sql --bench tpch -- [--OPTION VALUE…]`
//!
//! - `--scale 0.1`: the scale factor; 1 is 8.7 million rows, 85 million datoms.
//! - `--rounds 4`: turns of each side at each query, after the first; who comes first changes.
//! - `--threads 2`: of each side.
//! - `--queries 1,6`: only these.
//! - `--keep DIR`: where data is made, and found again by the next run; otherwise among the temporary files.
//! - `--answers DIR`: where answers are written, a file for each query, for `compare.py`.
//! - `--only ours` or `--only peer`: one side, nothing compared, for a profiler.
//! - `--explain plan`: the plans of both sides instead of times; `--explain analyze`: with times of operators.
//!
//! Nothing is timed before both sides gave the same rows.

#![expect(clippy::print_stdout, reason = "a benchmark reports on stdout")]

mod answer;
mod data;
mod load;
mod options;
mod query;
mod report;
mod side;

use std::error::Error;
use std::fs;
use std::path::Path;

use options::Options;
use query::{QUERIES, Query};
use report::{Figures, Time, Watch};
use side::Side;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::from_arguments(std::env::args().skip(1))?;
    let temporary = tempfile::tempdir()?;
    let folder = options.keep.as_deref().unwrap_or(temporary.path());
    let folder = folder.join(format!("scale-{}", options.scale));
    make(&folder, options.scale)?;
    let watch = Watch::start();
    let ours = Side::ours(&load::config(&folder)?, options.threads)?;
    println!("opened in {:.0} ms", watch.time().wall_ms);
    let peer = Side::peer(&folder.join("parquet"), options.threads)?;
    let asked = |query: &&Query| options.asks(query.number);
    let queries: Vec<&Query> = QUERIES.iter().filter(asked).collect();
    if let Some(how) = &options.explain {
        return explain(how, &queries, &options, &[&ours, &peer]);
    }
    if let Some(only) = &options.only {
        let side = if only == "peer" { &peer } else { &ours };
        return alone(&queries, &options, side);
    }
    let mut figures = compared(&queries, &options, [&ours, &peer])?;
    for round in 0..options.rounds {
        for (query, figures) in queries.iter().zip(&mut figures) {
            let text = query.text(options.scale);
            // Who comes second finds memory that the first had from the system.
            if round % 2 == 0 {
                figures.ours.push(timed(&ours, &text)?);
            }
            figures.peer.push(timed(&peer, &text)?);
            if round % 2 == 1 {
                figures.ours.push(timed(&ours, &text)?);
            }
        }
    }
    report::show(&figures);
    Ok(())
}

/// Generates and loads what is not there yet.
fn make(folder: &Path, scale: f64) -> Result<(), Box<dyn Error>> {
    let done = folder.join("done");
    if done.exists() {
        return Ok(());
    }
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    let watch = Watch::start();
    load::parquet(&folder.join("parquet"), scale)?;
    println!("Parquet written in {:.0} ms", watch.time().wall_ms);
    let watch = Watch::start();
    let datoms = load::database(&load::config(folder)?, scale)?;
    let ms = watch.time().wall_ms;
    let speed = datoms as f64 / ms;
    println!("{datoms} datoms loaded in {ms:.0} ms: {speed:.0} thousand a second");
    fs::write(done, "")?;
    Ok(())
}

/// Asks each side each query once, the first time it meets its tables, and compares.
fn compared(
    queries: &[&Query],
    options: &Options,
    [ours, peer]: [&Side; 2],
) -> Result<Vec<Figures>, Box<dyn Error>> {
    let mut all = Vec::new();
    let mut faults = 0;
    for query in queries {
        let text = query.text(options.scale);
        let watch = Watch::start();
        let answer = ours.answer(&text)?;
        let first = watch.time();
        let watch = Watch::start();
        let expected = peer.answer(&text)?;
        let peer_first = watch.time();
        if let Some(difference) = answer::difference(query, &answer, &expected) {
            println!("q{}: {difference}", query.number);
            faults += 1;
        }
        let rows = answer::rows(&answer);
        if let Some(folder) = &options.answers {
            report::write(folder, query, &text, &rows)?;
        }
        all.push(Figures {
            number: query.number,
            rows: rows.len(),
            first,
            peer_first,
            ours: Vec::new(),
            peer: Vec::new(),
        });
    }
    match faults {
        0 => Ok(all),
        faults => Err(format!("{faults} answers differ").into()),
    }
}

fn timed(side: &Side, text: &str) -> Result<Time, Box<dyn Error>> {
    let watch = Watch::start();
    side.answer(text)?;
    Ok(watch.time())
}

fn alone(queries: &[&Query], options: &Options, side: &Side) -> Result<(), Box<dyn Error>> {
    for query in queries {
        let text = query.text(options.scale);
        let first = timed(side, &text)?.wall_ms;
        let rounds: Result<Vec<Time>, _> =
            (0..options.rounds).map(|_| timed(side, &text)).collect();
        let Time { wall_ms, cpu_ms } = report::median(&rounds?);
        println!(
            "q{}: first {first:.1} ms, then {wall_ms:.1} ms, CPU {cpu_ms:.1} ms",
            query.number
        );
    }
    Ok(())
}

fn explain(
    how: &str,
    queries: &[&Query],
    options: &Options,
    sides: &[&Side],
) -> Result<(), Box<dyn Error>> {
    let verb = if how == "analyze" {
        "explain analyze"
    } else {
        "explain"
    };
    for query in queries {
        let text = format!("{verb} {}", query.text(options.scale));
        for (side, name) in sides.iter().zip(["ours", "peer"]) {
            println!("q{}, {name}", query.number);
            for row in answer::rows(&side.answer(&text)?) {
                let cell = row.last().and_then(|cell| cell.as_str());
                println!("{}", cell.unwrap_or_default());
            }
        }
    }
    Ok(())
}
