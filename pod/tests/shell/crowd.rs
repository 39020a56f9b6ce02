//! Many shells at once on one database.

use std::process::{Child, Stdio};

use super::Place;

/// Processes that start together.
const PROCESSES: usize = 20;
/// Transactions each of them makes.
const TRANSACTIONS: usize = 3;

/// The numbers one process writes, one transaction each.
fn forms(process: usize) -> String {
    let numbers = (0..TRANSACTIONS).map(|n| process * TRANSACTIONS + n);
    numbers.map(|n| format!("[{{:n {n}}}]")).collect()
}

#[test]
fn twenty_processes_transact_into_one_path_at_once() {
    let place = Place::empty();
    let start = |process| -> Child {
        // Each may be the one that creates it.
        let creation = ["transact", "--db", "db", "--create", "--schema-on-read"];
        let mut command = place.command(&creation);
        command.arg(forms(process));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the binary")
    };
    let children: Vec<Child> = (0..PROCESSES).map(start).collect();
    for child in children {
        let output = child.wait_with_output().expect("an end");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(said.lines().count(), TRANSACTIONS, "{said}");
    }
    let all = PROCESSES * TRANSACTIONS;
    let found = place.run(&[
        "q",
        "--db",
        "db",
        "[:find ?n ?tx :where [?e :n ?n ?tx] :order-by ?n]",
        "--format",
        "csv",
    ]);
    let found: Vec<(&str, &str)> = found
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(','))
        .collect();
    let numbers: Vec<String> = found.iter().map(|(n, _)| (*n).to_owned()).collect();
    assert_eq!(numbers, (0..all).map(|n| n.to_string()).collect::<Vec<_>>());
    // Each in a transaction of its own, those of one process in its order.
    let mut transactions: Vec<&str> = found.iter().map(|(_, tx)| *tx).collect();
    for own in transactions.chunks(TRANSACTIONS) {
        assert!(own.is_sorted(), "{own:?}");
    }
    transactions.sort_unstable();
    transactions.dedup();
    assert_eq!(transactions.len(), all);
}
