//! How long do shell scripts wait that transact side by side into one path?
//!
//! `cargo bench -p datalith --bench crowd [-- PROCESSES…]`: so many processes of the command line start
//! at once and make one durable transaction each; the time of each is from its start to its end, so
//! the least of one process alone is what starting, opening and one sync cost.

#![expect(clippy::print_stdout, reason = "a benchmark reports on stdout")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Rounds of each size.
const ROUNDS: usize = 10;

fn main() {
    let given: Vec<usize> = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse().ok())
        .collect();
    let sizes = if given.is_empty() {
        vec![1, 5, 20]
    } else {
        given
    };
    println!(
        "{:>10}{:>12}{:>12}{:>12}{:>14}",
        "processes", "median ms", "p99 ms", "most ms", "all, ms"
    );
    for processes in sizes {
        let dir = tempfile::tempdir().expect("a directory");
        transact(dir.path(), 0);
        let (mut waits, mut rounds) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let started = Instant::now();
            let mut times = crowd(dir.path(), processes, round);
            rounds.push(started.elapsed());
            waits.append(&mut times);
        }
        check(dir.path(), 1 + processes * ROUNDS);
        waits.sort_unstable();
        rounds.sort_unstable();
        println!(
            "{processes:>10}{:>12.1}{:>12.1}{:>12.1}{:>14.1}",
            ms(waits[waits.len() / 2]),
            ms(waits[waits.len() * 99 / 100]),
            ms(waits[waits.len() - 1]),
            ms(rounds[rounds.len() / 2])
        );
    }
}

/// The time of each of some processes that start at once.
fn crowd(dir: &Path, processes: usize, round: usize) -> Vec<Duration> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..processes)
            .map(|process| {
                scope.spawn(move || {
                    let started = Instant::now();
                    transact(dir, 1 + round * processes + process);
                    started.elapsed()
                })
            })
            .collect();
        let ended = threads.into_iter().map(|thread| thread.join());
        ended.map(|time| time.expect("no panic")).collect()
    })
}

fn transact(dir: &Path, n: usize) {
    let forms = format!("[{{:n {n}}}]");
    let output = datalith(
        dir,
        &[
            "transact",
            "--db",
            "db",
            "--create",
            "--schema-on-read",
            &forms,
        ],
    );
    assert!(output.contains(":tx "), "{output}");
}

/// That every transaction is there, once.
fn check(dir: &Path, count: usize) {
    let found = datalith(
        dir,
        &[
            "q",
            "--db",
            "db",
            "[:find (count ?n) . :with ?e :where [?e :n ?n]]",
        ],
    );
    assert!(found.contains(&count.to_string()), "{found}, not {count}");
}

fn datalith(dir: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_datalith"));
    command
        .args(arguments)
        .current_dir(dir)
        .env_remove("BABASHKA_POD");
    let output = command.stdin(Stdio::null()).output().expect("the binary");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
