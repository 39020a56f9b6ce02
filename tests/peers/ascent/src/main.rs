//! Ascent as one of the engines that `tests/peers/run` asks: lines of JSON in and out.
//!
//! The requests are those of `tests/peers/engines/wire.py`; the text of a query names one of the
//! programs below, the table of its edges, and where it starts. A run computes everything from the
//! edges: Ascent keeps no index between runs. It uses one thread.

use std::collections::HashMap;
use std::io::BufRead;
use std::time::{Duration, Instant};

use ascent::ascent;
use nix::time::{ClockId, clock_gettime};
use serde_json::{Value as Json, json};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Most runs of one timing.
const MOST_RUNS: usize = 500;

type Edges = Vec<(u32, u32)>;
type Said<T> = Result<T, String>;

ascent! {
    struct Closure;
    relation edge(u32, u32);
    relation path(u32, u32);
    path(x, y) <-- edge(x, y);
    path(x, z) <-- path(x, y), edge(y, z);
}

ascent! {
    struct From;
    relation edge(u32, u32);
    relation start(u32);
    relation reached(u32);
    reached(y) <-- start(x), edge(x, y);
    reached(y) <-- reached(x), edge(x, y);
}

ascent! {
    struct Triangles;
    relation edge(u32, u32);
    relation triangle(u32, u32, u32);
    triangle(a, b, c) <-- edge(a, b), edge(b, c), edge(a, c);
}

ascent! {
    struct Generation;
    relation edge(u32, u32);
    relation same(u32, u32);
    same(x, y) <-- edge(x, p), edge(y, p);
    same(x, y) <-- same(p, q), edge(x, p), edge(y, q);
}

/// What a program found.
enum Found {
    Nodes(Vec<(u32,)>),
    Pairs(Vec<(u32, u32)>),
    Triples(Vec<(u32, u32, u32)>),
}

#[derive(Default)]
struct Suite {
    edges: HashMap<String, Edges>,
    /// The names of entities, where a table has them.
    names: HashMap<u32, String>,
}

fn main() {
    let mut suite = Suite::default();
    for line in std::io::stdin().lock().lines() {
        let said = line
            .map_err(|error| error.to_string())
            .and_then(|line| answer(&mut suite, &line))
            .unwrap_or_else(|error| json!({ "error": error }));
        println!("{said}");
    }
}

fn answer(suite: &mut Suite, line: &str) -> Said<Json> {
    let request: Json = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let text = |key: &str| request[key].as_str().unwrap_or_default();
    if text("do") == "load" {
        *suite = load(text("folder"))?;
        return Ok(json!({}));
    }
    if text("do") == "check" {
        let (found, ..) = run(suite, text("text"))?;
        return Ok(digest(suite, &found, text("columns") == "str"));
    }
    let until = Instant::now() + Duration::from_millis(request["ms"].as_u64().unwrap_or(0));
    let (mut cpu_ms, mut wall_ms) = (Vec::new(), Vec::new());
    while cpu_ms.is_empty() || (Instant::now() < until && cpu_ms.len() < MOST_RUNS) {
        let (found, cpu, wall) = run(suite, text("text"))?;
        drop(std::hint::black_box(found));
        cpu_ms.push(cpu.as_secs_f64() * 1000.0);
        wall_ms.push(wall.as_secs_f64() * 1000.0);
    }
    Ok(json!({ "cpu_ms": cpu_ms, "wall_ms": wall_ms }))
}

fn load(folder: &str) -> Said<Suite> {
    let read = |name: &str| {
        let path = format!("{folder}/{name}");
        std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))
    };
    let about: Json = serde_json::from_str(&read("suite.json")?).map_err(|e| e.to_string())?;
    let mut suite = Suite::default();
    for table in about["tables"].as_array().into_iter().flatten() {
        let name = table["name"].as_str().unwrap_or_default();
        let is_edges = table["columns"][1]["many"] == true;
        let is_named = table["columns"][1]["name"] == "name";
        if !is_edges && !is_named {
            continue;
        }
        let number = |text: &str| text.parse::<u32>().map_err(|e| format!("{text}: {e}"));
        for line in read(&format!("{name}.tsv"))?.lines() {
            let mut fields = line.split('\t');
            let (a, b) = (fields.next(), fields.next());
            let (a, b) = (number(a.unwrap_or_default())?, b.unwrap_or_default());
            if is_edges {
                let edges = suite.edges.entry(name.to_owned()).or_default();
                edges.push((a, number(b)?));
            } else {
                suite.names.insert(a, b.to_owned());
            }
        }
    }
    Ok(suite)
}

/// Runs a program; what it found, CPU and wall time. Copying the edges is not part of it.
fn run(suite: &Suite, text: &str) -> Said<(Found, Duration, Duration)> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let table = words.get(1).copied().unwrap_or_default();
    let edge = suite
        .edges
        .get(table)
        .ok_or(format!("there is no {table}"))?;
    let start = words.get(2).and_then(|word| word.parse().ok());
    Ok(match words[0] {
        "closure" => timed(
            || Closure {
                edge: edge.clone(),
                ..Closure::default()
            },
            |mut program| {
                program.run();
                Found::Pairs(program.path)
            },
        ),
        "generation" => timed(
            || Generation {
                edge: edge.clone(),
                ..Generation::default()
            },
            |mut program| {
                program.run();
                Found::Pairs(program.same)
            },
        ),
        "triangles" => timed(
            || Triangles {
                edge: edge.clone(),
                ..Triangles::default()
            },
            |mut program| {
                program.run();
                Found::Triples(program.triangle)
            },
        ),
        direction => {
            let turned = |(a, b): &(u32, u32)| {
                if direction == "to" {
                    (*b, *a)
                } else {
                    (*a, *b)
                }
            };
            let start = vec![(start.ok_or("there is no start")?,)];
            let made = || From {
                edge: edge.iter().map(turned).collect(),
                start: start.clone(),
                ..From::default()
            };
            timed(made, |mut program| {
                program.run();
                Found::Nodes(program.reached)
            })
        }
    })
}

fn timed<P>(made: impl Fn() -> P, run: impl Fn(P) -> Found) -> (Found, Duration, Duration) {
    let program = made();
    let (cpu, wall) = (cpu_time(), Instant::now());
    let found = run(program);
    (found, cpu_time() - cpu, wall.elapsed())
}

/// How many rows, and the sum of their CRC-32s: fields as text between tabs.
fn digest(suite: &Suite, found: &Found, is_named: bool) -> Json {
    let name = |id: u32| suite.names.get(&id).cloned().unwrap_or_default();
    let sum = |texts: &mut dyn Iterator<Item = String>| {
        texts.fold((0u64, 0u64), |(rows, total), text| {
            (
                rows + 1,
                total + u64::from(crc32fast::hash(text.as_bytes())),
            )
        })
    };
    let (rows, total) = match found {
        Found::Nodes(nodes) if is_named => sum(&mut nodes.iter().map(|(a,)| name(*a))),
        Found::Nodes(nodes) => sum(&mut nodes.iter().map(|(a,)| a.to_string())),
        Found::Pairs(pairs) => sum(&mut pairs.iter().map(|(a, b)| format!("{a}\t{b}"))),
        Found::Triples(triples) => {
            sum(&mut triples.iter().map(|(a, b, c)| format!("{a}\t{b}\t{c}")))
        }
    };
    json!({ "rows": rows, "digest": total % (1 << 48) })
}

/// CPU time of this process, all threads.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)
        .map(Duration::from)
        .unwrap_or_default()
}
