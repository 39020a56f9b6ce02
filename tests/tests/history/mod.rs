//! Several processes on one database, one of which folds it into segments and collects garbage, under
//! kills, stops and false clocks; and two judges of what they saw.
//!
//! `DATALITH_HISTORY_SECONDS=600 cargo test --package datalith-tests --test main history` runs each
//! test that long.

mod check;
mod infer;
mod planted;
mod run;

use std::time::Duration;

use self::check::{Anomaly, Reads, check};
use self::infer::infer;

/// How long a test runs; `DATALITH_HISTORY_SECONDS` overrides it.
const SECONDS: u64 = 10;

#[test]
fn one_writer_and_two_readers_see_one_history() {
    run_and_judge(&["write", "read", "read", "tidy"], Reads::Latest, 1);
}

/// Writers that are stopped, overtaken by another and woken again.
#[test]
fn two_writers_and_a_reader_see_one_history() {
    run_and_judge(&["write", "write", "read", "tidy"], Reads::Monotone, 2);
}

fn run_and_judge(roles: &[&'static str], reads: Reads, seed: u64) {
    let given = std::env::var("DATALITH_HISTORY_SECONDS")
        .ok()
        .and_then(|seconds| seconds.parse().ok());
    let seconds = given.unwrap_or(SECONDS);
    let played = run::play(roles, Duration::from_secs(seconds), seed);
    let (ops, lives) = (played.ops.len(), played.lives);
    let mut anomalies: Vec<Anomaly> = played.anomalies;
    anomalies.extend(check(&played.ops, &played.left, reads));
    anomalies.extend(infer(&played.ops, reads));
    let count = anomalies.len();
    anomalies.truncate(5);
    assert!(
        anomalies.is_empty(),
        "{count} anomalies in {ops} operations of {lives} processes: {anomalies:#?}"
    );
    // A run in which nothing happened shows nothing.
    assert!(
        played.left.len() as u64 > 20 * seconds,
        "{}",
        played.left.len()
    );
    assert!(u64::from(lives) > seconds / 4, "{lives} lives");
}
