//! Durable transactions of one entity: alone, side by side, into little and into much.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use datalith_engine::conn::{Conn, TxData};
use datalith_engine::exec::{Input, QueryOptions, q};
use datalith_engine::{Result, Value, edn};

use crate::command::cpu_time;
use crate::crowd;
use crate::peer;
use crate::place::{Place, config, made};

/// Writers side by side.
const WRITERS: usize = 16;
/// Transactions of a lone writer.
const ALONE: usize = 2_000;
/// First id of the people that are added.
const FIRST: usize = 50_000_000;

/// Measures alone and together, into an empty database and into one of a crowd.
pub(crate) fn run(place: &Place, millions: i64, count: usize) -> Result<()> {
    println!("\ntransact: one person of 9 datoms each, durable when answered");
    println!(
        "{:<28}{:>10}{:>12}{:>12}{:>12}{:>14}{:>12}",
        "into, writers", "tx", "p50 ms", "p99 ms", "max ms", "CPU us/tx", "tx/s"
    );
    let empty = place.fresh("transact");
    let conn = made(&empty)?;
    conn.transact(&TxData::new(crowd::schema()))?;
    conn.release_all();
    let large = copied(place, &place.crowd(millions)?)?;
    let of_crowd = format!("{millions} M");
    let alone = measure("empty", &empty, 1, FIRST, ALONE)?;
    let together = measure("empty", &empty, WRITERS, FIRST + ALONE, count)?;
    measure(&of_crowd, &large, 1, FIRST, ALONE)?;
    let into_crowd = measure(&of_crowd, &large, WRITERS, FIRST + ALONE, count)?;
    let sqlite = place.fresh("transact.sqlite");
    if let Some([p50, p99]) = peer::ask(
        "sqlite.py",
        &[&sqlite.to_string_lossy(), &ALONE.to_string()],
    )
    .as_deref()
    {
        println!(
            "{:<28}{ALONE:>10}{p50:>12.3}{p99:>12.3}",
            "SQLite (WAL, full), 1"
        );
    }
    println!(
        "{WRITERS} writers make {:.1} times as many as one; into {of_crowd} one costs {:.2} times \
         the CPU, p50 {:.2} times, p99 {:.2} times",
        together.per_second / alone.per_second,
        into_crowd.cpu_us / together.cpu_us,
        into_crowd.p50 / together.p50,
        into_crowd.p99 / together.p99,
    );
    Ok(())
}

struct Figures {
    p50: f64,
    p99: f64,
    cpu_us: f64,
    per_second: f64,
}

fn measure(into: &str, path: &Path, writers: usize, first: usize, count: usize) -> Result<Figures> {
    let conn = Conn::connect(&config(path)?)?;
    let next = AtomicUsize::new(first);
    let (cpu, wall) = (cpu_time(), Instant::now());
    let write = || -> Result<Vec<Duration>> {
        let mut times = Vec::with_capacity(count / writers + 1);
        loop {
            let id = next.fetch_add(1, Ordering::Relaxed);
            if id >= first + count {
                return Ok(times);
            }
            let person = crowd::Person {
                friend: None,
                ..crowd::person(id as i64)
            };
            let data = TxData::new(Value::vector([Value::map(person.values())]));
            let started = Instant::now();
            conn.transact(&data)?;
            times.push(started.elapsed());
        }
    };
    let times: Result<Vec<Vec<Duration>>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..writers).map(|_| scope.spawn(write)).collect();
        let joined = threads
            .into_iter()
            .map(|thread| thread.join().expect("no writer panics"));
        joined.collect()
    });
    let (cpu, wall) = (cpu_time() - cpu, wall.elapsed());
    let mut ms: Vec<f64> = times?
        .iter()
        .flatten()
        .map(|time| time.as_secs_f64() * 1000.0)
        .collect();
    ms.sort_by(f64::total_cmp);
    check(&conn, first, count)?;
    conn.release_all();
    let figures = Figures {
        p50: ms[count / 2],
        p99: ms[count * 99 / 100],
        cpu_us: cpu.as_secs_f64() * 1e6 / count as f64,
        per_second: count as f64 / wall.as_secs_f64(),
    };
    println!(
        "{:<28}{count:>10}{:>12.3}{:>12.3}{:>12.1}{:>14.1}{:>12.0}",
        format!("{into}, {writers}"),
        figures.p50,
        figures.p99,
        ms[count - 1],
        figures.cpu_us,
        figures.per_second
    );
    Ok(figures)
}

/// All that was answered is there, once.
fn check(conn: &Conn, first: usize, count: usize) -> Result<()> {
    let text = "[:find (count ?e) . :in $ ?from ?to :where [?e :person/id ?id] [(<= ?from ?id)] [(< ?id ?to)]]";
    let bound = |id: usize| Input::Value(Value::Long(id as i64));
    let inputs = [Input::Db(conn.db()?), bound(first), bound(first + count)];
    let answer = q(&edn::read(text)?, &inputs, &QueryOptions::default())?;
    assert_eq!(answer.to_value(), Value::Long(count as i64));
    Ok(())
}

/// A database that may be written to, with the files of another.
fn copied(place: &Place, from: &Path) -> Result<std::path::PathBuf> {
    fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(to)?;
        for entry in std::fs::read_dir(from)? {
            let entry = entry?;
            let to = to.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                copy(&entry.path(), &to)?;
            } else {
                std::fs::copy(entry.path(), to)?;
            }
        }
        Ok(())
    }
    let to = place.fresh("transact-large");
    copy(from, &to).expect("a database can be copied");
    Ok(to)
}
