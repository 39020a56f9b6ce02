//! What a client of the pod sees: start, calls, results, a bulk load. Answers are checked first.
//!
//! `cargo bench -p datalith --bench wire`. Times are wall times seen from the client, except where
//! CPU is named; the load needs Debian's package index (or `DEBIAN_PACKAGES=FILE`).

#![expect(clippy::print_stdout, reason = "a benchmark reports on stdout")]

#[path = "../../tests/benches/workload/data.rs"]
#[expect(dead_code, reason = "only the package index is used here")]
mod data;
#[path = "../../tests/benches/workload/python.rs"]
mod python;

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use datalith::transit;
use datalith::wire::{Wrapping, answer};
use datalith_engine::conn::{Config, Conn, create_database};
use datalith_engine::exec::{Input, QueryOptions, q};
use datalith_engine::transact::TxData;
use datalith_engine::{Value, edn};
use nix::time::{ClockId, clock_gettime};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    start();
    calls();
    point_query();
    encode();
    load();
}

/// A pod and the two ends of its wire.
struct Pod {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
}

impl Pod {
    fn start() -> Pod {
        let mut child = Command::new(env!("CARGO_BIN_EXE_datalith"))
            .env("BABASHKA_POD", "true")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the pod starts");
        let input = child.stdin.take().expect("piped");
        let output = child.stdout.take().expect("piped");
        Pod {
            child,
            input,
            output,
        }
    }

    /// Sends a message and reads one reply whole: a dictionary whose last key is `last`.
    fn ask(&mut self, message: &[u8], last: &str) -> Vec<u8> {
        self.input.write_all(message).expect("the pod reads");
        let key = format!("{}:{last}", last.len());
        let mut reply = Vec::new();
        let mut buffer = vec![0; 1 << 18];
        loop {
            let count = self.output.read(&mut buffer).expect("the pod answers");
            assert!(count > 0, "the pod ended");
            reply.extend_from_slice(&buffer[..count]);
            if is_whole(&reply, key.as_bytes()) {
                return reply;
            }
        }
    }

    fn invoke(&mut self, var: &str, args: Value) -> Value {
        let reply = self.ask(&message(var, &args), "value");
        value(&reply)
    }

    /// The times of as many calls, in order of size.
    fn times(&mut self, calls: &[Vec<u8>]) -> Vec<Duration> {
        let timed = calls.iter().map(|call| {
            let began = Instant::now();
            self.ask(call, "value");
            began.elapsed()
        });
        let mut times: Vec<Duration> = timed.collect();
        times.sort();
        times
    }

    fn end(mut self) {
        self.input
            .write_all(b"d2:id1:x2:op8:shutdowne")
            .expect("the pod reads");
        self.child.wait().expect("the pod ends");
    }
}

/// The value of a reply.
fn value(reply: &[u8]) -> Value {
    let at = find(reply, b"5:value").expect("a value") + 7;
    let colon = at
        + reply[at..]
            .iter()
            .position(|b| *b == b':')
            .expect("a length");
    transit::read(&reply[colon + 1..reply.len() - 1]).expect("transit")
}

/// Whether a reply holds the key and, if it is a value, all of it.
fn is_whole(reply: &[u8], key: &[u8]) -> bool {
    let head = &reply[..reply.len().min(200)];
    if key != b"5:value" {
        return reply.ends_with(b"e") && find(reply, key).is_some();
    }
    let Some(at) = find(head, key).map(|at| at + key.len()) else {
        return false;
    };
    let Some(colon) = head[at..].iter().position(|b| *b == b':') else {
        return false;
    };
    let length: usize = std::str::from_utf8(&head[at..at + colon])
        .ok()
        .and_then(|text| text.parse().ok())
        .expect("a length");
    reply.len() == at + colon + 1 + length + 1
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

fn message(var: &str, args: &Value) -> Vec<u8> {
    let (args, var) = (transit::write(args), format!("pod.datalith/{var}"));
    let mut out = format!("d4:args{}:", args.len()).into_bytes();
    out.extend_from_slice(args.as_bytes());
    out.extend_from_slice(format!("2:id1:r2:op6:invoke3:var{}:{var}e", var.len()).as_bytes());
    out
}

fn start() {
    let mut times = Vec::new();
    let mut peak_kib = 0;
    for _ in 0..20 {
        let began = Instant::now();
        let mut pod = Pod::start();
        let reply = pod.ask(b"d2:id1:d2:op8:describee", "ops");
        times.push(began.elapsed());
        assert!(
            find(&reply, b"datahike.pod").is_some(),
            "describe names the namespace"
        );
        let status = std::fs::read_to_string(format!("/proc/{}/status", pod.child.id()));
        let peak = status.unwrap_or_default();
        let peak = peak.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.and_then(|text| text.trim().trim_end_matches(" kB").parse().ok());
        peak_kib = peak_kib.max(kib.unwrap_or(0));
        pod.end();
    }
    times.sort();
    println!(
        "start to describe reply: median {:.2} ms, least {:.2} ms; peak memory {:.1} MB",
        ms(times[10]),
        ms(times[0]),
        f64::from(peak_kib) / 1024.0
    );
}

fn calls() {
    let mut pod = Pod::start();
    let config = edn::read(
        "[{:store {:backend :memory :id #uuid \"550e8400-e29b-41d4-a716-446655440000\"}}]",
    );
    let config = config.expect("EDN");
    assert_eq!(
        pod.invoke("database-exists?", config.clone()),
        Value::Bool(false)
    );
    let call = message("database-exists?", &config);
    report("trivial call", &pod.times(&vec![call; 20_000]));
    pod.end();
}

/// A warm query for one value of one entity among 20,000, as text and prepared.
fn point_query() {
    let mut pod = Pod::start();
    let config = edn::read(
        "[{:store {:backend :memory :id #uuid \"550e8400-e29b-41d4-a716-446655440001\"}}]",
    );
    let config = config.expect("EDN");
    pod.invoke("create-database", config.clone());
    let conn = pod.invoke("connect", config);
    for entities in &data::departments().transactions_with_schema() {
        let entities = Value::vector(entities.iter().cloned());
        pod.invoke("transact", Value::vector([conn.clone(), entities]));
    }
    let db = pod.invoke("db", Value::vector([conn]));
    let text = "[:find ?s . :in $ ?e :where [?e :p/salary ?s]]";
    let prepared = pod.invoke("prepare", Value::vector([Value::str(text)]));
    let people = edn::read("[:find [?e ...] :where [?e :p/salary]]").expect("EDN");
    let people = pod.invoke("q", Value::vector([people, db.clone()]));
    let people = people.as_sequential().expect("entities").to_vec();
    let doors = [
        ("point query as text", "q", Value::str(text)),
        ("point query as a form", "q", edn::read(text).expect("EDN")),
        ("point query, prepared", "execute", prepared),
    ];
    for (title, var, query) in doors {
        let call = |person: &Value| {
            let args = Value::vector([query.clone(), db.clone(), person.clone()]);
            message(var, &args)
        };
        let calls: Vec<Vec<u8>> = people.iter().map(call).collect();
        for call in &calls[..100] {
            let found = value(&pod.ask(call, "value"));
            assert!(found.as_long().is_some(), "a salary, not {found}");
        }
        report(title, &pod.times(&calls));
    }
    pod.end();
}

/// Times in order of size.
fn report(title: &str, times: &[Duration]) {
    let us = |time: Duration| time.as_secs_f64() * 1e6;
    println!(
        "{title}: median {:.1} µs, least {:.1} µs",
        us(times[times.len() / 2]),
        us(times[0])
    );
}

fn encode() {
    let config = Config::memory(uuid::Uuid::new_v4());
    create_database(&config).expect("a memory database");
    let conn = Conn::connect(&config).expect("a connection");
    for entities in &data::departments().transactions_with_schema() {
        conn.transact(&TxData::new(Value::vector(entities.iter().cloned())))
            .expect("data");
    }
    let query =
        edn::read("[:find ?e ?n ?s :where [?e :p/name ?n] [?e :p/salary ?s]]").expect("EDN");
    let inputs = [Input::Db(conn.db().expect("a database"))];
    let answer = q(&query, &inputs, &QueryOptions::default()).expect("an answer");
    assert_eq!(answer.len(), 20_000);
    let text = answer::write(&answer, Wrapping::Bare);
    assert_eq!(transit::read(&text).expect("transit"), answer.to_value());
    let cpu = || Duration::from(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("a clock"));
    let best = (0..50).map(|_| {
        let before = cpu();
        std::hint::black_box(answer::write(&answer, Wrapping::Bare));
        cpu() - before
    });
    let best = best.min().unwrap_or_default();
    println!(
        "20,000 rows × 3 to transit: {:.2} ms of CPU, {} bytes",
        ms(best),
        text.len()
    );
}

fn load() {
    let Some(suite) = data::debian() else {
        println!("load through the pod: skipped, there is no package index");
        return;
    };
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("debian");
    let config = format!(
        "[{{:store {{:backend :file :path {:?}}}}}]",
        path.to_string_lossy()
    );
    let config = edn::read(&config).expect("EDN");
    let mut pod = Pod::start();
    pod.invoke("create-database", config.clone());
    let conn = pod.invoke("connect", config);
    let messages: Vec<Vec<u8>> = suite
        .transactions_with_schema()
        .iter()
        .map(|entities| Value::vector([conn.clone(), Value::vector(entities.iter().cloned())]))
        .map(|args| message("transact", &args))
        .collect();
    let began = Instant::now();
    for message in &messages {
        pod.ask(message, "value");
    }
    let wall = began.elapsed();
    let db = pod.invoke("db", Value::vector([conn]));
    let metrics = pod.invoke("metrics", Value::vector([db]));
    let datoms = metrics
        .get("count")
        .and_then(Value::as_long)
        .expect("a count");
    println!(
        "Debian's index through the pod, durable: {datoms} datoms in {:.2} s, {:.0}k datoms/s",
        wall.as_secs_f64(),
        datoms as f64 / wall.as_secs_f64() / 1000.0
    );
    pod.end();
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
