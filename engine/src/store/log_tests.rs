//! Logs through the door of this module.

use std::sync::Arc;

use super::record::SECTOR_BYTES;
use super::{
    Appended, Entry, Fault, FileStorage, Log, LogPosition, MemoryStorage, OnDamage, Origin,
    RecordView, Recovery, SimStorage, Start, Storage, Times, WriterLease,
};
use crate::error::{Code, Error, Result};
use crate::limits::LOG_RECORD_BYTES;
use crate::value::Value;

const NAME: &str = "log/main";

fn reopen(storage: &Arc<dyn Storage>) -> (Log, Vec<String>, Recovery) {
    let mut texts = Vec::new();
    let mut visit = |record: RecordView<'_>| {
        assert!(record.is_genuine());
        texts.push(String::from_utf8_lossy(record.payload).into_owned());
        Ok(())
    };
    let opened = Log::open(
        Arc::clone(storage),
        NAME,
        Start::First,
        OnDamage::Refuse,
        &mut visit,
    );
    let (log, recovery) = opened.unwrap();
    (log, texts, recovery)
}

fn add(log: &mut Log, payloads: &[&str]) -> Result<Vec<Appended>> {
    let lease = log.lease(0)?;
    log.catch_up(&lease, &mut |_| Ok(()))?;
    add_unseen(log, &lease, payloads)
}

fn add_unseen(log: &mut Log, lease: &WriterLease, payloads: &[&str]) -> Result<Vec<Appended>> {
    let t = log.tip().t;
    let entries: Vec<Entry<'_>> = (t + 1..)
        .zip(payloads)
        .map(|(t, payload)| Entry {
            t,
            payload: payload.as_bytes(),
        })
        .collect();
    log.append_group(lease, &entries)
}

fn outcome(error: &Error) -> Option<&Value> {
    error
        .data()
        .iter()
        .find(|(key, _)| *key == "db/outcome")
        .map(|(_, value)| value)
}

#[test]
fn what_was_appended_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let storages: [Arc<dyn Storage>; 2] = [
        Arc::new(FileStorage::at(dir.path())),
        Arc::new(MemoryStorage::default()),
    ];
    for storage in storages {
        let mut log = Log::create(Arc::clone(&storage), NAME, Origin::default()).unwrap();
        let long = "x".repeat(3000);
        let places = add(&mut log, &["", "b", &long, "d"]).unwrap();
        add(&mut log, &["e"]).unwrap();
        let (mut again, texts, recovery) = reopen(&storage);
        assert_eq!(texts, ["", "b", &long, "d", "e"]);
        assert_eq!((recovery.records, recovery.torn_bytes), (5, 0));
        assert_eq!((again.tip(), again.tip().epoch), (log.tip(), 1));

        for (place, text) in places.iter().zip(&texts) {
            let mut seen = Vec::new();
            let mut visit = |r: RecordView<'_>| {
                seen = r.payload.to_vec();
                assert_eq!(r.commit, place.commit);
                Ok(())
            };
            again.read(place.position, &mut visit).unwrap();
            assert_eq!(seen, text.as_bytes());
        }
        assert!(
            again
                .read(LogPosition::from_bytes(u64::MAX), &mut |_| Ok(()))
                .is_err()
        );

        add(&mut again, &["f"]).unwrap();
        assert_eq!(again.tip().epoch, 2);
        let mut seen = 0;
        let start = Start::After(log.tip());
        let mut count = |_: RecordView<'_>| {
            seen += 1;
            Ok(())
        };
        Log::open(storage, NAME, start, OnDamage::Refuse, &mut count).unwrap();
        assert_eq!(seen, 1);
    }
}

#[test]
fn writer_that_did_not_catch_up_is_fenced() {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
    let mut one = Log::create(Arc::clone(&storage), NAME, Origin::default()).unwrap();
    let (mut two, ..) = reopen(&storage);
    add(&mut one, &["one"]).unwrap();
    let lease = two.lease(0).unwrap();
    let error = add_unseen(&mut two, &lease, &["two"]).unwrap_err();
    assert_eq!(error.code(), Code::Fenced);
    assert_eq!(outcome(&error), Some(&Value::keyword("not-committed")));
    drop(lease);
    add(&mut two, &["two"]).unwrap();
    let mut seen = Vec::new();
    one.follow(&mut |r| {
        seen.push((r.t, r.epoch, r.payload.to_vec()));
        Ok(())
    })
    .unwrap();
    assert_eq!(seen, [(2, 2, b"two".to_vec())]);
}

#[test]
fn log_of_another_database_is_fenced() {
    let storage = Arc::new(SimStorage::seeded(1));
    let mut log = Log::create(storage.clone(), NAME, Origin::default()).unwrap();
    storage.delete(NAME).unwrap();
    Log::create(storage.clone(), NAME, Origin::default()).unwrap();
    assert_eq!(add(&mut log, &["lost"]).unwrap_err().code(), Code::Fenced);
}

#[test]
fn full_disk_takes_nothing_and_works_again_with_space() {
    for fault in [
        Fault::Partial(Code::StorageFull),
        Fault::Before(Code::Storage),
        Fault::Lie,
    ] {
        let storage = Arc::new(SimStorage::seeded(3));
        let mut log = Log::create(storage.clone(), NAME, Origin::default()).unwrap();
        add(&mut log, &["kept"]).unwrap();
        storage.fail_at(storage.operations(), Times::Once, fault);
        let error = add(&mut log, &["too much"]).unwrap_err();
        assert_eq!(
            outcome(&error),
            Some(&Value::keyword("not-committed")),
            "{fault:?}"
        );
        add(&mut log, &["again"]).unwrap();
        let after: Arc<dyn Storage> = Arc::new(storage.crash());
        assert_eq!(reopen(&after).1, ["kept", "again"]);
    }
}

#[test]
fn failed_sync_poisons_the_handle() {
    let storage = Arc::new(SimStorage::seeded(3));
    let mut log = Log::create(storage.clone(), NAME, Origin::default()).unwrap();
    storage.fail_at(
        storage.operations() + 1,
        Times::Once,
        Fault::Before(Code::Storage),
    );
    let error = add(&mut log, &["perhaps"]).unwrap_err();
    assert_eq!(outcome(&error), Some(&Value::keyword("unknown")));
    let operations = storage.operations();
    assert_eq!(add(&mut log, &["no"]).unwrap_err().code(), Code::Storage);
    assert_eq!(
        storage.operations(),
        operations,
        "nothing is synced or written again"
    );
    let storage: Arc<dyn Storage> = storage;
    let (mut log, texts, _) = reopen(&storage);
    assert_eq!(texts, ["perhaps"], "opening it tells");
    add(&mut log, &["yes"]).unwrap();
    assert_eq!(reopen(&storage).1, ["perhaps", "yes"]);
}

#[test]
fn damaged_log_can_be_read_up_to_the_damage() {
    let storage = Arc::new(SimStorage::seeded(3));
    let mut log = Log::create(storage.clone(), NAME, Origin::default()).unwrap();
    for text in ["a", "b", "c"] {
        add(&mut log, &[text]).unwrap();
    }
    let mut bytes = storage.read(NAME, 0..u64::MAX).unwrap().unwrap();
    bytes[2 * SECTOR_BYTES + 100] ^= 1;
    storage.tamper(NAME, &bytes);
    let refused = Log::open(
        storage.clone(),
        NAME,
        Start::First,
        OnDamage::Refuse,
        &mut |_| Ok(()),
    );
    let error = refused.unwrap_err();
    assert_eq!(error.code(), Code::CorruptLog);
    assert_eq!(error.data(), [("offset", Value::from(1024_usize))]);

    let read = Log::open(
        storage,
        NAME,
        Start::First,
        OnDamage::ReadBefore,
        &mut |_| Ok(()),
    );
    let (mut log, recovery) = read.unwrap();
    assert_eq!(
        (recovery.records, recovery.damage.map(|e| e.code())),
        (1, Some(Code::CorruptLog))
    );
    let lease = log.lease(0).unwrap();
    assert_eq!(
        add_unseen(&mut log, &lease, &["d"]).unwrap_err().code(),
        Code::CorruptLog
    );
}

#[test]
fn record_over_the_limit_is_refused() {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
    let mut log = Log::create(storage, NAME, Origin::default()).unwrap();
    let lease = log.lease(0).unwrap();
    let payload = vec![0; LOG_RECORD_BYTES + 1];
    let error = log
        .append_group(
            &lease,
            &[Entry {
                t: 1,
                payload: &payload,
            }],
        )
        .unwrap_err();
    assert_eq!(error.code(), Code::Limit);
}
