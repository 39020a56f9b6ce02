//! The log on a store that fails at every operation in turn, and whose writer crashes after: on a disk
//! that loses its power, and on a store of objects that has no locks and loses answers.
//!
//! Whatever fails: a group that was acknowledged is there, one that was refused is not, any other is
//! whole or absent and stays as it was first found.

use std::sync::Arc;

use datalith_engine::Value;
use datalith_engine::error::{Code, Error};
use datalith_engine::store::{
    Entry, Fault, Log, OnDamage, Origin, SimStorage, Start, Storage, Times,
};

const NAME: &str = "log/main";
/// Groups that one run tries to append.
const GROUPS: usize = 4;
/// Seeds of one test: each runs every fault at every operation.
const SEEDS: u64 = 70;

/// What the writer was told of a group.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Acknowledged,
    NotCommitted,
    Unknown,
}

/// The groups, in the order they were tried.
struct History {
    groups: Vec<(Vec<String>, Outcome)>,
    late: Late,
}

/// Whether a group that nobody found may still come.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Late {
    Never,
    /// A put is on its way; it comes before all that is tried later or not at all.
    Perhaps,
}

impl History {
    /// Compares the log with what the writer was told.
    fn check(&mut self, found: &[String]) -> Result<(), String> {
        let mut rest = found;
        for (payloads, outcome) in &mut self.groups {
            let there = rest.starts_with(payloads);
            match outcome {
                Outcome::Acknowledged if !there => return Err(format!("lost {payloads:?}")),
                Outcome::NotCommitted if there => return Err(format!("came back {payloads:?}")),
                _ => {}
            }
            if there {
                rest = &rest[payloads.len()..];
                // Seen once, seen for ever.
                *outcome = Outcome::Acknowledged;
            }
        }
        match rest {
            [] => Ok(()),
            [first, ..] => Err(format!("not written, torn or out of order: {first}")),
        }
    }

    /// Compares the log, as a writer found it that opened it, with what was told: from now on, what
    /// is not there never will be.
    fn settle(&mut self, found: &[String]) -> Result<(), String> {
        self.check(found)?;
        if self.late == Late::Perhaps {
            return Ok(());
        }
        for (_, outcome) in &mut self.groups {
            if *outcome == Outcome::Unknown {
                *outcome = Outcome::NotCommitted;
            }
        }
        Ok(())
    }
}

/// One writer: its handle, and the records it knows.
struct Writer {
    log: Log,
    found: Vec<String>,
}

impl Writer {
    fn open(storage: &Arc<SimStorage>) -> Result<Writer, Error> {
        let mut found = Vec::new();
        let (log, _) = Log::open(
            storage.clone(),
            NAME,
            Start::First,
            OnDamage::Refuse,
            &mut |record| {
                found.push(String::from_utf8_lossy(record.payload).into_owned());
                Ok(())
            },
        )?;
        let mut writer = Writer { log, found };
        writer.catch_up()?;
        Ok(writer)
    }

    fn catch_up(&mut self) -> Result<(), Error> {
        let lease = self.log.lease(0)?;
        self.log.catch_up(&lease, &mut |record| {
            self.found
                .push(String::from_utf8_lossy(record.payload).into_owned());
            Ok(())
        })?;
        Ok(())
    }

    fn append(&mut self, payloads: &[String]) -> Outcome {
        let outcome = append(&mut self.log, payloads);
        if outcome == Outcome::Acknowledged {
            self.found.extend_from_slice(payloads);
        }
        outcome
    }
}

fn append(log: &mut Log, payloads: &[String]) -> Outcome {
    let entries: Vec<Entry<'_>> = (log.tip().t + 1..)
        .zip(payloads)
        .map(|(t, payload)| Entry {
            t,
            payload: payload.as_bytes(),
        })
        .collect();
    let appended = log
        .lease(0)
        .and_then(|lease| log.append_group(&lease, &entries));
    let Err(error) = appended else {
        return Outcome::Acknowledged;
    };
    let outcome = error.data().iter().find(|(key, _)| *key == "db/outcome");
    match outcome.map(|(_, value)| value) {
        Some(value) if *value == Value::keyword("not-committed") => Outcome::NotCommitted,
        Some(value) if *value == Value::keyword("unknown") => Outcome::Unknown,
        other => panic!("an error without an outcome: {error} {other:?}"),
    }
}

/// Payloads of a run: several sizes, each text once.
fn payloads(seed: u64, group: usize) -> Vec<String> {
    (0..1 + (seed as usize + group) % 3)
        .map(|n| {
            format!(
                "{seed}-{group}-{n}-{}",
                "x".repeat((seed as usize * 131 + group * 577) % 400)
            )
        })
        .collect()
}

/// Two writers append in turn until all is done or the store stops working.
fn write(storage: &Arc<SimStorage>, seed: u64, history: &mut History) -> Result<(), String> {
    let (Ok(one), Ok(two)) = (Writer::open(storage), Writer::open(storage)) else {
        return Ok(());
    };
    history.settle(&two.found)?;
    let mut writers = [one, two];
    for group in history.groups.len()..history.groups.len() + GROUPS {
        let writer = &mut writers[group % 2];
        // Some writers do not look first, as if the other had come in between.
        if !(seed as usize + group).is_multiple_of(5) {
            if writer.catch_up().is_err() {
                let Ok(reopened) = Writer::open(storage) else {
                    return Ok(());
                };
                history.settle(&reopened.found)?;
                *writer = reopened;
            }
            history.check(&writer.found)?;
        }
        let payloads = payloads(seed, group);
        let outcome = writer.append(&payloads);
        history.groups.push((payloads, outcome));
    }
    Ok(())
}

/// One run: a fault at one operation, a power cut, and three recoveries, two of them cut short too.
fn crash_point(
    storage: SimStorage,
    seed: u64,
    operation: u64,
    (times, fault): (Times, Fault),
) -> Result<(), String> {
    let late = match fault {
        Fault::Delayed(_) => Late::Perhaps,
        _ => Late::Never,
    };
    let mut history = History {
        groups: Vec::new(),
        late,
    };
    let mut storage = Arc::new(storage);
    Log::create(storage.clone(), NAME, Origin::default()).map_err(|e| e.to_string())?;
    storage.fail_at(1 + operation, times, fault);
    write(&storage, seed, &mut history)?;
    if seed.is_multiple_of(2) {
        // The writer is killed where the fault left it; the power stays, another one goes on.
        storage.heal();
        write(&storage, seed, &mut history)?;
    }

    for nested in 0..2 {
        storage = Arc::new(storage.crash());
        storage.fail_at(
            (seed + operation + nested) % 6,
            Times::Once,
            Fault::PowerCut,
        );
        write(&storage, seed, &mut history)?;
    }
    storage = Arc::new(storage.crash());
    let first = Writer::open(&storage)
        .map_err(|e| format!("does not open: {e}"))?
        .found;
    history.settle(&first)?;
    storage = Arc::new(storage.crash());
    let mut again = Writer::open(&storage).map_err(|e| format!("does not open twice: {e}"))?;
    let same = again.found == first;
    if !(same || late == Late::Perhaps && again.found.starts_with(&first)) {
        return Err("a second recovery finds something else".to_owned());
    }
    let last = vec!["last".to_owned()];
    let mut outcome = again.append(&last);
    if outcome != Outcome::Acknowledged && late == Late::Perhaps {
        again.catch_up().map_err(|e| e.to_string())?;
        outcome = again.append(&last);
    }
    match outcome {
        Outcome::Acknowledged => Ok(()),
        outcome => Err(format!("takes no more groups: {outcome:?}")),
    }
}

/// Runs every fault at every operation for some seeds; gives the count of runs.
fn crash_points(make: fn(u64) -> SimStorage) -> Result<usize, String> {
    let part = |start: u64| -> Result<usize, String> {
        (start..SEEDS)
            .step_by(4)
            .map(|seed| seed_points(seed, make))
            .sum()
    };
    std::thread::scope(|scope| {
        let threads = [0, 1, 2, 3].map(|start| scope.spawn(move || part(start)));
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a run does not panic"))
            .sum()
    })
}

fn seed_points(seed: u64, make: fn(u64) -> SimStorage) -> Result<usize, String> {
    let mut runs = 0;
    for operation in 0..3 * GROUPS as u64 + 3 {
        for fault in Fault::EVERY {
            let storage = make(seed * 1000 + operation);
            crash_point(storage, seed, operation, fault)
                .map_err(|e| format!("seed {seed}, operation {operation}, {fault:?}: {e}"))?;
            runs += 1;
        }
    }
    Ok(runs)
}

#[test]
fn nothing_acknowledged_is_lost_at_any_crash_point() {
    let runs = crash_points(SimStorage::seeded).unwrap();
    assert!(runs >= 10_000, "{runs}");
}

#[test]
fn nothing_acknowledged_is_lost_on_a_store_of_objects() {
    let runs = crash_points(SimStorage::objects).unwrap();
    assert!(runs >= 10_000, "{runs}");
}

#[test]
fn the_crash_test_notices_a_missing_sync() {
    let careless = |seed| {
        let storage = SimStorage::seeded(seed);
        storage.ignore_syncs();
        storage
    };
    let error = crash_points(careless).unwrap_err();
    assert!(error.contains("lost"), "{error}");
}

/// Writers that no lock keeps apart: the condition of the put decides alone.
#[test]
fn writers_without_locks_lose_nothing() {
    const WRITERS: usize = 4;
    const APPENDS: usize = 50;
    let storage = Arc::new(SimStorage::objects(1));
    Log::create(storage.clone(), NAME, Origin::default()).unwrap();
    let write = |number: usize| {
        let mut writer = Writer::open(&storage).unwrap();
        let mut refusals = 0;
        for n in 0..APPENDS {
            let payload = vec![format!("{number}-{n}")];
            while writer.append(&payload) != Outcome::Acknowledged {
                refusals += 1;
                writer.catch_up().unwrap();
            }
        }
        refusals
    };
    let refusals: usize = std::thread::scope(|scope| {
        let write = &write;
        let threads: Vec<_> = (0..WRITERS)
            .map(|number| scope.spawn(move || write(number)))
            .collect();
        let ended = threads.into_iter().map(|thread| thread.join());
        ended.map(|refusals| refusals.expect("no panic")).sum()
    });
    let found = Writer::open(&storage).unwrap().found;
    assert_eq!(found.len(), WRITERS * APPENDS, "after {refusals} refusals");
    for number in 0..WRITERS {
        let own = format!("{number}-");
        let of_one = found.iter().filter(|payload| payload.starts_with(&own));
        assert!(
            of_one.eq(&(0..APPENDS)
                .map(|n| format!("{own}{n}"))
                .collect::<Vec<_>>())
        );
    }
}

#[test]
fn creation_is_whole_or_absent() {
    for seed in 0..50 {
        let storage = Arc::new(SimStorage::seeded(seed));
        storage.fail_at(0, Times::Once, Fault::PowerCut);
        assert!(Log::create(storage.clone(), NAME, Origin::default()).is_err());
        let storage = Arc::new(storage.crash());
        let created = storage.size(NAME).unwrap().is_some();
        let again = Log::create(storage.clone(), NAME, Origin::default());
        assert_eq!(
            again.err().map(|e| e.code()),
            created.then_some(Code::DbAlreadyExists)
        );
        Writer::open(&storage).unwrap();
    }
}
