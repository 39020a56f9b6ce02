//! Datalith as one of the engines that `tests/peers/run` asks: lines of JSON in and out.
//!
//! The requests are those of `tests/peers/engines/wire.py`. What is timed is a prepared query
//! answered by the library, the result left as columns.

#![expect(clippy::print_stdout, reason = "answers go to stdout")]

mod load;

use std::collections::HashMap;
use std::io::BufRead;
use std::time::{Duration, Instant};

use datalith_engine::conn::Conn;
use datalith_engine::datom::TxId;
use datalith_engine::db::{Db, TimePoint};
use datalith_engine::edn;
use datalith_engine::exec::{Answer, Input, Prepared, QueryOptions};
use datalith_engine::{Error, Value};
use nix::time::{ClockId, clock_gettime};
use serde_json::{Value as Json, json};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Most runs of one timing.
const MOST_RUNS: usize = 500;
/// The transaction entity of `t` 0.
const TX_0: i64 = 1 << 29;

/// What went wrong, in words.
type Said<T> = std::result::Result<T, String>;

fn main() {
    let mut suite = None;
    for line in std::io::stdin().lock().lines() {
        let said = line
            .map_err(|error| error.to_string())
            .and_then(|line| answer(&mut suite, &line))
            .unwrap_or_else(|error| json!({ "error": error }));
        println!("{said}");
    }
}

fn answer(suite: &mut Option<Suite>, line: &str) -> Said<Json> {
    let request: Json = serde_json::from_str(line).map_err(|error| error.to_string())?;
    if request["do"] == "load" {
        if let Some(suite) = suite.take() {
            suite.conn.release_all();
        }
        *suite = Some(Suite::load(text(&request, "folder")?, &request["threads"])?);
        return Ok(json!({}));
    }
    let suite = suite.as_mut().ok_or("no suite is loaded")?;
    let asked = suite.prepared(&request)?;
    let run = || asked.answer();
    if request["do"] == "check" {
        let columns = text(&request, "columns")?;
        return digest(&run()?, columns);
    }
    let until = Instant::now() + Duration::from_millis(request["ms"].as_u64().unwrap_or(0));
    let (mut cpu_ms, mut wall_ms) = (Vec::new(), Vec::new());
    while cpu_ms.is_empty() || (Instant::now() < until && cpu_ms.len() < MOST_RUNS) {
        let (cpu, wall) = (cpu_time(), Instant::now());
        let answer = std::hint::black_box(run()?);
        cpu_ms.push((cpu_time() - cpu).as_secs_f64() * 1000.0);
        wall_ms.push(wall.elapsed().as_secs_f64() * 1000.0);
        drop(answer);
    }
    Ok(json!({ "cpu_ms": cpu_ms, "wall_ms": wall_ms }))
}

/// A loaded suite and the queries that were asked of it.
struct Suite {
    conn: Conn,
    now: Db,
    /// The transaction before those marked as later.
    before: TxId,
    asked: HashMap<String, Asked>,
}

/// A prepared query with what it is asked of.
struct Asked {
    prepared: Prepared,
    inputs: Vec<Input>,
}

impl Suite {
    fn load(folder: &str, threads: &Json) -> Said<Suite> {
        let threads = threads.as_i64().unwrap_or(1);
        let (conn, before) = load::suite(folder, threads)?;
        let now = conn.db().map_err(said)?;
        Ok(Suite {
            conn,
            now,
            before,
            asked: HashMap::new(),
        })
    }

    fn prepared(&mut self, request: &Json) -> Said<&Asked> {
        let key = format!("{} {} {}", request["text"], request["in"], request["view"]);
        if !self.asked.contains_key(&key) {
            let asked = self.prepare(request).map_err(said)?;
            self.asked.insert(key.clone(), asked);
        }
        Ok(&self.asked[&key])
    }

    fn prepare(&self, request: &Json) -> datalith_engine::Result<Asked> {
        let query = edn::read(request["text"].as_str().unwrap_or_default())?;
        let db = match request["view"].as_str() {
            Some("as-of") => self.now.as_of(TimePoint::Tx(self.before))?,
            Some("history") => self.now.history()?,
            _ => self.now.clone(),
        };
        let mut inputs = vec![Input::Db(db)];
        for input in request["in"].as_array().into_iter().flatten() {
            inputs.push(edn::read(input.as_str().unwrap_or_default())?.into());
        }
        Ok(Asked {
            prepared: Prepared::new(&query)?,
            inputs,
        })
    }
}

/// No engine is asked to stay within less memory than it needs.
fn options() -> QueryOptions {
    QueryOptions {
        memory_bytes: Some(usize::MAX),
        ..QueryOptions::default()
    }
}

impl Asked {
    fn answer(&self) -> Said<Answer> {
        self.prepared.answer(&self.inputs, &options()).map_err(said)
    }
}

/// How many rows, and the sum of their CRC-32s: fields as text between tabs.
fn digest(answer: &Answer, columns: &str) -> Said<Json> {
    let kinds: Vec<&str> = columns.split_whitespace().collect();
    let mut total = 0u64;
    let mut row_text = String::new();
    for row in 0..answer.len() {
        row_text.clear();
        for (column, kind) in kinds.iter().enumerate() {
            if column > 0 {
                row_text.push('\t');
            }
            row_text.push_str(&text_of(kind, &answer.value(column, row))?);
        }
        total += u64::from(crc32fast::hash(row_text.as_bytes()));
    }
    Ok(json!({ "rows": answer.len(), "digest": total % (1 << 48) }))
}

fn text_of(kind: &str, value: &Value) -> Said<String> {
    let number = || match value {
        Value::Long(n) => Some(*n as f64),
        Value::Double(x) => Some(*x),
        _ => None,
    };
    let text = match (kind, value) {
        ("tx", Value::Long(tx)) => Some((tx - TX_0).to_string()),
        ("real", _) => number().map(|x| format!("{}", (x * 1e4 + 0.5).floor())),
        ("whole", _) => number().map(|x| format!("{}", (x + 0.5).floor())),
        ("int", _) => value.as_long().map(|n| n.to_string()),
        (_, Value::Str(text)) => Some(text.to_string()),
        (_, Value::Keyword(_)) => Some(value.to_string()[1..].to_owned()),
        _ => None,
    };
    text.ok_or_else(|| format!("{value} is no {kind}"))
}

fn text<'a>(request: &'a Json, key: &str) -> Said<&'a str> {
    request[key]
        .as_str()
        .ok_or_else(|| format!("the request has no {key}"))
}

fn said(error: Error) -> String {
    error.to_string()
}

/// CPU time of this process, all threads.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)
        .map(Duration::from)
        .unwrap_or_default()
}
