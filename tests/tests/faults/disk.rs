//! Disks that fail: crashes, power cuts, errors, no space.

use std::sync::Arc;
use std::time::{Duration, Instant};

use datalith_engine::conn::Conn;
use datalith_engine::store::{Fault, SimStorage, Times};
use datalith_engine::{Code, Error};

use super::{NUMBERS, code, connect, filled, found, numbers, outcome, up_to, write};

/// Writes and folds until the store fails; the last number that was acknowledged.
fn work(storage: &Arc<SimStorage>) -> i64 {
    let Ok(conn) = connect(storage) else {
        return NUMBERS;
    };
    for n in NUMBERS + 1..NUMBERS + 4 {
        if write(&conn, n).is_err() || conn.checkpoint().is_err() {
            // The checkpoint of an acknowledged number may be what failed.
            let last = conn.db().and_then(|db| numbers(&db)).unwrap_or_default();
            return last.len().max((n - 1) as usize) as i64;
        }
    }
    NUMBERS + 3
}

fn operations_of_work() -> u64 {
    let storage = filled(0);
    let before = storage.operations();
    work(&storage);
    storage.operations() - before
}

/// A store whose power is cut at an operation of the work, and the last number acknowledged.
fn cut_short(operation: u64) -> (Arc<SimStorage>, i64) {
    let storage = filled(operation);
    let at = storage.operations() + operation;
    storage.fail_at(at, Times::Once, Fault::PowerCut);
    let acknowledged = work(&storage);
    (storage, acknowledged)
}

/// A store, a connection that has written one number more, and the error of its next write, at whose
/// operation `number` a fault strikes.
fn refused(number: u64, fault: Fault) -> (Arc<SimStorage>, Conn, Error) {
    let storage = filled(3);
    let conn = connect(&storage).expect("connected");
    write(&conn, NUMBERS + 1).expect("written");
    storage.fail_at(storage.operations() + number, Times::Once, fault);
    let error = write(&conn, NUMBERS + 2).map(|_| ()).expect_err("a fault");
    (storage, conn, error)
}

/// Nothing that was acknowledged is missing, and at most one more is there.
fn check(storage: &Arc<SimStorage>, acknowledged: i64) {
    let opened = Instant::now();
    let numbers = found(storage).expect("the database opens");
    assert!(opened.elapsed() < Duration::from_secs(1));
    let last = numbers.len() as i64;
    assert_eq!(numbers, up_to(last));
    assert!(
        last == acknowledged || last == acknowledged + 1,
        "{last} of {acknowledged}"
    );
}

/// F1: the process is killed at any operation.
#[test]
fn a_killed_process_loses_nothing() {
    for operation in 0..operations_of_work() {
        let (storage, acknowledged) = cut_short(operation);
        storage.heal();
        check(&storage, acknowledged);
    }
}

/// F2: the power is cut at any operation; what was not synced is lost, torn or out of order.
#[test]
fn a_power_cut_loses_nothing() {
    for operation in 0..operations_of_work() {
        let (storage, acknowledged) = cut_short(operation);
        check(&Arc::new(storage.crash()), acknowledged);
    }
}

/// F5: a write that keeps less than it says. F6: a write that fails. F8: no space.
#[test]
fn a_write_that_fails_commits_nothing_and_stops_nobody() {
    let faults = [
        (Fault::Lie, Code::Storage),
        (Fault::Before(Code::Storage), Code::Storage),
        (Fault::Partial(Code::Storage), Code::Storage),
        (Fault::Before(Code::StorageFull), Code::StorageFull),
        (Fault::Partial(Code::StorageFull), Code::StorageFull),
    ];
    for (fault, expected) in faults {
        let (storage, conn, error) = refused(0, fault);
        assert_eq!(
            (error.code(), outcome(&error).as_str()),
            (expected, ":not-committed")
        );
        let db = conn.db().expect("readers go on");
        assert_eq!(numbers(&db).expect("read"), up_to(NUMBERS + 1));
        write(&conn, NUMBERS + 2).expect("the same writer goes on");
        assert_eq!(
            found(&Arc::new(storage.crash())).expect("read"),
            up_to(NUMBERS + 2)
        );
    }
}

/// F7: a sync that fails stops the writer; opening the database again tells what became of it.
#[test]
fn a_failed_sync_leaves_the_outcome_open_and_stops_the_writer() {
    // The append is the first operation, its sync the second.
    let (storage, conn, error) = refused(1, Fault::Before(Code::Storage));
    assert_eq!(
        (error.code(), outcome(&error).as_str()),
        (Code::Storage, ":unknown")
    );
    assert_eq!(code(write(&conn, NUMBERS + 3)), Code::WriterShutDown);
    let again = connect(&storage).expect("connected");
    let last = numbers(&again.db().expect("read")).expect("read").len() as i64;
    write(&again, last + 1).expect("written");
    assert_eq!(
        found(&Arc::new(storage.crash())).expect("read"),
        up_to(last + 1)
    );
}

/// F20: the power is cut during the recovery, three times.
#[test]
fn a_recovery_that_is_cut_short_is_made_again() {
    for operation in 0..operations_of_work() {
        let (mut storage, mut acknowledged) = cut_short(operation);
        for nested in 0..3 {
            storage = Arc::new(storage.crash());
            storage.fail_at((operation + nested) % 5, Times::Once, Fault::PowerCut);
            let Ok(conn) = connect(&storage) else {
                continue;
            };
            let Ok(seen) = conn.db().and_then(|db| numbers(&db)) else {
                continue;
            };
            assert!(
                seen.len() as i64 >= acknowledged,
                "{} of {acknowledged}",
                seen.len()
            );
            acknowledged = seen.len() as i64;
            if write(&conn, acknowledged + 1).is_ok() {
                acknowledged += 1;
            }
        }
        check(&Arc::new(storage.crash()), acknowledged);
    }
}
