//! Tests: branches go their own ways, and what a branch is made of survives whatever befalls it.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use super::database::{Database, Head};
use super::journal::Journal;
use super::listen::Listeners;
use super::queue::{Request, Upon};
use super::reference::{MAIN, Place};
use super::settings::Settings;
use super::{BranchPoint, ChainStatus, Config, Conn, create_database, delete_database};
use crate::datom::{TX0, TxId};
use crate::db::{Db, TimePoint};
use crate::edn;
use crate::error::{Code, Result};
use crate::store::{Fault, FileStorage, Log, MemoryStorage, SimStorage, Storage, Times};
use crate::transact::TxData;
use crate::value::{Keyword, Value};

fn tx(text: &str) -> TxData {
    TxData::new(edn::read(text).unwrap())
}

fn add(n: i64) -> TxData {
    tx(&format!("[{{:n {n}}}]"))
}

fn branch(name: &str) -> Keyword {
    Keyword::new(name)
}

fn head(name: &str) -> BranchPoint {
    BranchPoint::Branch(branch(name))
}

fn config(path: &std::path::Path, name: &str) -> Config {
    let text = format!(
        "{{:store {{:backend :file :path {path:?}}} :schema-flexibility :read :branch :{name}}}"
    );
    Config::from_value(&edn::read(&text).unwrap()).unwrap()
}

fn memory(id: Uuid, name: &str) -> Config {
    let text = format!(
        "{{:store {{:backend :memory :id #uuid \"{id}\"}} :schema-flexibility :read :branch :{name}}}"
    );
    Config::from_value(&edn::read(&text).unwrap()).unwrap()
}

/// The values of `:n`.
fn numbers(db: &Db) -> BTreeSet<i64> {
    let Some(a) = db.attribute_named("n") else {
        return BTreeSet::new();
    };
    let run = db.run(a, crate::index::SortOrder::ByEntity);
    let rows = run
        .into_iter()
        .flat_map(|run| run.rows().collect::<Vec<_>>());
    rows.map(|row| row.v.bits as i64).collect()
}

fn set(numbers: impl IntoIterator<Item = i64>) -> BTreeSet<i64> {
    numbers.into_iter().collect()
}

fn code<T>(result: Result<T>) -> Code {
    result.map(|_| ()).unwrap_err().code()
}

#[test]
fn branches_go_their_own_ways_and_are_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    create_database(&config(&path, MAIN)).unwrap();
    let main = Conn::connect(&config(&path, MAIN)).unwrap();
    assert_eq!(main.branches().unwrap(), [branch(MAIN)]);
    let first = main
        .transact(&add(1))
        .unwrap()
        .db_after
        .commit_id()
        .unwrap();
    main.transact(&add(2)).unwrap();
    main.create_branch(&head(MAIN), &branch("b/ä")).unwrap();
    let b = Conn::connect(&config(&path, "b/ä")).unwrap();
    assert_eq!(numbers(&b.db().unwrap()), set([1, 2]));
    assert_eq!(b.db().unwrap().commit_id(), main.db().unwrap().commit_id());
    b.transact(&add(30)).unwrap();
    main.transact(&add(3)).unwrap();
    // A branch of a branch, from a commit in its past and from its head; seen from elsewhere.
    b.create_branch(&BranchPoint::Commit(first), &branch("c"))
        .unwrap();
    main.create_branch(&head("b/ä"), &branch("d")).unwrap();
    let expected = |conn: &Conn| match conn.config().branch().as_str() {
        "b/ä" => set([1, 2, 30]),
        "c" => set([1, 40]),
        "d" => set([1, 2, 30, 50]),
        _ => set([1, 2, 3]),
    };
    let c = Conn::connect(&config(&path, "c")).unwrap();
    c.transact(&add(40)).unwrap();
    let d = Conn::connect(&config(&path, "d")).unwrap();
    d.transact(&add(50)).unwrap();
    for conn in [main, b, c, d] {
        assert_eq!(numbers(&conn.db().unwrap()), expected(&conn));
        let commit = conn.db().unwrap().commit_id();
        conn.release();
        let again = Conn::connect(conn.config()).unwrap();
        let db = again.db().unwrap();
        assert_eq!((numbers(&db), db.commit_id()), (expected(&again), commit));
        let report = again.verify_chain().unwrap();
        assert_eq!(
            (report.status, report.commits),
            (ChainStatus::Ok, (db.max_tx().0 - TX0) as u64)
        );
        assert_eq!(again.branches().unwrap().len(), 4);
        again.release();
    }
    delete_database(&config(&path, MAIN)).unwrap();
    assert!(!path.exists());
}

#[test]
fn what_cannot_be_done_to_branches_is_named() {
    let id = Uuid::new_v4();
    create_database(&memory(id, MAIN)).unwrap();
    let main = Conn::connect(&memory(id, MAIN)).unwrap();
    let on = |name: &str| memory(id, name);
    assert_eq!(code(Conn::connect(&on("b"))), Code::DbDoesNotExist);
    // A branch of a database without a transaction.
    main.create_branch(&head(MAIN), &branch("b")).unwrap();
    let b = Conn::connect(&on("b")).unwrap();
    b.transact(&add(1)).unwrap();
    assert_eq!(numbers(&main.db().unwrap()), set([]));
    let nothing = BranchPoint::Commit(Uuid::new_v4());
    for (from, new, expected) in [
        (head(MAIN), "b", Code::BranchAlreadyExists),
        (head(MAIN), MAIN, Code::BranchAlreadyExists),
        (head("x"), "c", Code::BranchSource),
        (nothing.clone(), "c", Code::BranchSource),
    ] {
        assert_eq!(code(main.create_branch(&from, &branch(new))), expected);
    }
    assert_eq!(
        code(main.delete_branch(&branch(MAIN))),
        Code::CannotDeleteMainBranch
    );
    assert_eq!(
        code(main.delete_branch(&branch("x"))),
        Code::BranchDoesNotExist
    );
    assert_eq!(code(main.merge(&[], &add(2))), Code::MustProvideParent);
    assert_eq!(
        code(main.merge(&[nothing], &add(2))),
        Code::ParentDoesNotExist
    );
    let db = b.db().unwrap();
    assert_eq!(
        code(main.force_branch(&db, &branch("c"), &[])),
        Code::MustProvideParent
    );
    let view = db.history().unwrap();
    assert_eq!(
        code(main.force_branch(&view, &branch("c"), &[head("b")])),
        Code::DbValueRequired
    );
    main.delete_branch(&branch("b")).unwrap();
    assert_eq!(code(b.db()), Code::ConnectionReleased);
    assert_eq!(code(Conn::connect(&on("b"))), Code::DbDoesNotExist);
    assert!(main.branch_as_db(&branch("b")).unwrap().is_none());
    main.create_branch(&head(MAIN), &branch("b")).unwrap();
    let b = Conn::connect(&on("b")).unwrap();
    assert_eq!(numbers(&b.db().unwrap()), set([]));
    delete_database(&memory(id, MAIN)).unwrap();
    assert_eq!(code(b.db()), Code::ConnectionReleased);
}

#[test]
fn merges_have_parents_and_commits_can_be_had_again() {
    let id = Uuid::new_v4();
    create_database(&memory(id, MAIN)).unwrap();
    let main = Conn::connect(&memory(id, MAIN)).unwrap();
    let empty = main.db().unwrap();
    assert_eq!(
        (empty.commit_id(), main.parent_commit_ids(&empty).unwrap()),
        (None, None)
    );
    let one = main.transact(&add(1)).unwrap().db_after;
    main.create_branch(&head(MAIN), &branch("b")).unwrap();
    let b = Conn::connect(&memory(id, "b")).unwrap();
    let two = b.transact(&add(2)).unwrap().db_after;
    let three = main.transact(&add(3)).unwrap().db_after;
    let report = main.merge(&[head("b"), head(MAIN)], &add(4)).unwrap();
    let four = main.db().unwrap();
    let commit = |db: &Db| db.commit_id().unwrap();
    let said = report.tx_meta.get(&Value::keyword("db/commitId"));
    assert_eq!(said, Some(&Value::Uuid(commit(&four))));
    let parents = |db: &Db| main.parent_commit_ids(db).unwrap().unwrap();
    assert_eq!(parents(&four), [commit(&three), commit(&two)]);
    assert_eq!((parents(&two), parents(&one)), (vec![commit(&one)], vec![]));
    assert_eq!(four.with(&add(5)).unwrap().db_after.commit_id(), None);

    let history = main.branch_history().unwrap();
    let ids: Vec<Uuid> = history.iter().map(|commit| commit.id).collect();
    assert_eq!(ids, [&four, &three, &one, &two].map(commit));
    assert_eq!(history[0].parents, parents(&four));
    for (db, expected) in [
        (&one, set([1])),
        (&two, set([1, 2])),
        (&four, set([1, 3, 4])),
    ] {
        let again = main.commit_as_db(commit(db)).unwrap().unwrap();
        assert_eq!(
            (numbers(&again), again.commit_id()),
            (expected, db.commit_id())
        );
        assert_eq!(again.max_tx(), db.max_tx());
    }
    assert!(main.commit_as_db(Uuid::new_v4()).unwrap().is_none());
    assert_eq!(
        numbers(&main.branch_as_db(&branch("b")).unwrap().unwrap()),
        set([1, 2])
    );
    assert_eq!(main.verify_chain().unwrap().status, ChainStatus::Ok);

    // A branch put to another place: first to a commit as it is, then with a parent of its own.
    main.force_branch(&one, &branch("f"), &[head(MAIN), head("b")])
        .unwrap();
    let forced = main.branch_as_db(&branch("f")).unwrap().unwrap();
    assert_eq!(parents(&forced), [&one, &four, &two].map(commit));
    assert_eq!(numbers(&forced), set([1]));
    main.force_branch(&three, &branch("b"), &[BranchPoint::Commit(commit(&three))])
        .unwrap();
    assert_eq!(b.db().unwrap().commit_id(), three.commit_id());
    b.transact(&add(9)).unwrap();
    assert_eq!(numbers(&b.db().unwrap()), set([1, 3, 9]));
    main.force_branch(&empty, &branch("e"), &[head("b")])
        .unwrap();
    assert_eq!(
        numbers(&main.branch_as_db(&branch("e")).unwrap().unwrap()),
        set([])
    );
}

#[test]
fn transactions_are_read_from_the_log() {
    let id = Uuid::new_v4();
    create_database(&memory(id, MAIN)).unwrap();
    let main = Conn::connect(&memory(id, MAIN)).unwrap();
    let reports: Vec<_> = (1..=3).map(|n| main.transact(&add(n)).unwrap()).collect();
    main.create_branch(&head(MAIN), &branch("b")).unwrap();
    let b = Conn::connect(&memory(id, "b")).unwrap();
    let reports = [reports, vec![b.transact(&add(4)).unwrap()]].concat();
    let entries = b.tx_range(None, None, None).unwrap();
    assert_eq!(entries.len(), 4);
    for (entry, report) in entries.iter().zip(&reports) {
        assert_eq!(entry.datoms, report.tx_data);
        assert_eq!(Some(entry.commit), report.db_after.commit_id());
        assert_eq!(
            (entry.tx, entry.t),
            (report.db_after.max_tx(), (entry.tx.0 - TX0) as u64)
        );
    }
    let ts = |from: Option<TimePoint>, to: Option<TimePoint>, limit| -> Vec<u64> {
        let entries = b.tx_range(from, to, limit).unwrap();
        entries.iter().map(|entry| entry.t).collect()
    };
    let at = |t: i64| Some(TimePoint::Tx(TxId(TX0 + t)));
    assert_eq!(ts(at(2), at(4), None), [2, 3]);
    assert_eq!(ts(Some(TimePoint::Tx(TxId(3))), None, None), [3, 4]);
    assert_eq!(ts(None, None, Some(2)), [1, 2]);
    assert_eq!(ts(at(5), None, None), [0u64; 0]);
    let last = Some(TimePoint::Instant(entries[3].instant_ms));
    assert!(ts(last, None, None).contains(&4) && !ts(None, last, None).contains(&4));
}

/// A group of three transactions is one append; a branch may start in the midst of it.
#[test]
fn a_branch_starts_in_the_midst_of_a_group() {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
    let config = config(std::path::Path::new("/nowhere"), MAIN);
    Database::create(&storage, &config, None).unwrap();
    let place = place(&storage, MAIN);
    let options = config.options().clone();
    let mut journal = Journal::open(place.clone(), options.clone())
        .unwrap()
        .unwrap();
    let requests: Vec<Request> = (1..=3)
        .map(|n| Request {
            data: add(n),
            upon: Upon::default(),
            listeners: Arc::new(Listeners::default()),
        })
        .collect();
    let head = Head::of(&journal);
    let answers = journal.commit(&requests.iter().collect::<Vec<_>>(), 0, &head);
    let second = answers[1].as_ref().unwrap().db_after.commit_id().unwrap();
    let start = super::history::locate(&place, second).unwrap().unwrap();
    let b = place.of(&branch("b"));
    b.swap(None, Some(&start)).unwrap();
    let mut journal = Journal::open(b.clone(), options.clone()).unwrap().unwrap();
    assert_eq!(numbers(journal.db()), set([1, 2]));
    journal.transact(&add(7), &[]).unwrap();
    let again = Journal::open(b, options).unwrap().unwrap();
    assert_eq!(numbers(again.db()), set([1, 2, 7]));
    assert_eq!(again.db().max_tx().0 - TX0, 3);
}

fn place(storage: &Arc<dyn Storage>, name: &str) -> Place {
    Place {
        storage: Arc::clone(storage),
        database: Settings::load(storage).unwrap().unwrap().log,
        branch: branch(name),
    }
}

fn open(storage: &Arc<dyn Storage>) -> Database {
    let config = config(std::path::Path::new("/nowhere"), MAIN);
    let config = config.with("lock-timeout", Value::Long(0)).unwrap();
    Database::open(Arc::clone(storage), &config)
        .unwrap()
        .unwrap()
}

fn step(database: &Database, n: i64) -> Result<Db> {
    let report = database.transact(&add(n), Upon::default(), &Arc::default())?;
    Ok(report.db_after)
}

#[test]
fn handles_follow_a_branch_from_log_to_log() {
    let dir = tempfile::tempdir().unwrap();
    let storages: [Arc<dyn Storage>; 2] = [
        Arc::new(MemoryStorage::default()),
        Arc::new(FileStorage::at(dir.path().join("db"))),
    ];
    for storage in storages {
        let config = config(std::path::Path::new("/nowhere"), MAIN);
        Database::create(&storage, &config, Some(&add(0))).unwrap();
        let (writer, other, reader) = (open(&storage), open(&storage), open(&storage));
        let mut known = set([0]);
        for round in 1..=3 {
            let at = writer.settled().unwrap();
            assert_eq!(numbers(&at.db), known);
            step(&writer, 10 * round).unwrap();
            // No root yet: the pieces of logs hold everything.
            writer.rotate(None, None).unwrap();
            step(&other, 10 * round + 1).unwrap();
            step(&writer, 10 * round + 2).unwrap();
            known.extend(10 * round..10 * round + 3);
            for database in [&writer, &other, &reader, &open(&storage)] {
                assert_eq!(numbers(&database.db().unwrap()), known);
            }
            assert!(at.position.is_some());
        }
        // What was at hand before a rotation is no longer where the branch goes on from a root.
        let old = super::reference::Position {
            log: "log/x".to_owned(),
            tip: writer.settled().unwrap().position.unwrap().tip,
        };
        assert_eq!(code(writer.rotate(None, Some(&old))), Code::Fenced);
        assert_eq!(numbers(&reader.db().unwrap()), known);
        let entries = super::history::commits(&place(&storage, MAIN)).unwrap();
        assert_eq!(entries.len(), known.len());
    }
}

/// The power is cut between the seal of a log and the swap of the ref, time and again.
#[test]
fn a_sealed_log_whose_ref_never_changed_is_gone_on_from() {
    let mut sim = Arc::new(SimStorage::seeded(5));
    let mut storage: Arc<dyn Storage> = sim.clone();
    let config = config(std::path::Path::new("/nowhere"), MAIN);
    Database::create(&storage, &config, None).unwrap();
    let mut known = BTreeSet::new();
    for round in 1..=3 {
        let (database, stale) = (open(&storage), open(&storage));
        step(&database, 2 * round).unwrap();
        assert!(stale.db().is_ok());
        // Append and sync of the seal, then the swap.
        sim.fail_at(
            sim.operations() + 2,
            Times::Forever,
            Fault::Before(Code::Storage),
        );
        assert_eq!(code(database.rotate(None, None)), Code::Storage);
        sim.heal();
        // Who was there before, in this life, finds the seal.
        if round == 2 {
            step(&stale, 100).unwrap();
            known.insert(100);
        }
        sim = Arc::new(sim.crash());
        storage = sim.clone();
        let database = open(&storage);
        known.insert(2 * round);
        assert_eq!(numbers(&database.db().unwrap()), known);
        step(&database, 2 * round + 1).unwrap();
        known.insert(2 * round + 1);
        assert_eq!(numbers(&open(&storage).db().unwrap()), known);
    }
    let reference = place(&storage, MAIN).load().unwrap().reference.unwrap();
    assert_eq!(reference.base.len(), 3);
}

/// Every operation of a life with a rotation and a branch fails, and the power is cut.
#[test]
fn no_crash_loses_what_a_branch_had_acknowledged() {
    let lived = |sim: &Arc<SimStorage>| {
        let storage: Arc<dyn Storage> = sim.clone();
        let config = config(std::path::Path::new("/nowhere"), MAIN);
        let (mut main, mut other) = (BTreeSet::new(), None);
        let mut live = || -> Result<()> {
            Database::create(&storage, &config, None)?;
            let database = open(&storage);
            for n in 1..=4 {
                if step(&database, n).is_ok() {
                    main.insert(n);
                }
                if n == 2 {
                    database.rotate(None, None)?;
                }
            }
            let settled = database.settled()?;
            let start = super::reference::Ref::fresh(None, settled.pieces, settled.head);
            let b = place(&storage, "b");
            b.swap(None, Some(&start))?;
            other = Some(main.clone());
            let mut journal = Journal::open(b, config.options().clone())?.unwrap();
            journal.transact(&add(9), &[])?;
            other.as_mut().unwrap().insert(9);
            Ok(())
        };
        let done = live().is_ok();
        (done, main, other)
    };
    let whole = Arc::new(SimStorage::seeded(0));
    assert_eq!(
        lived(&whole),
        (true, set(1..=4), Some(set([1, 2, 3, 4, 9])))
    );
    for (seed, at) in (0..6).flat_map(|seed| (0..whole.operations()).map(move |at| (seed, at))) {
        let faults = [
            Fault::PowerCut,
            Fault::After(Code::Storage),
            Fault::Before(Code::Storage),
        ];
        let sim = Arc::new(SimStorage::seeded(seed));
        sim.fail_at(at, Times::Once, faults[seed as usize % 3]);
        let (_, main, other) = lived(&sim);
        let storage: Arc<dyn Storage> = Arc::new(sim.crash());
        if Settings::load(&storage).unwrap().is_none() {
            assert!(main.is_empty(), "seed {seed}, operation {at}");
            continue;
        }
        let database = open(&storage);
        let found = numbers(&database.db().unwrap());
        assert!(
            main.is_subset(&found),
            "seed {seed}, operation {at}: {found:?} of {main:?}"
        );
        step(&database, 77).unwrap();
        let options = database.db().unwrap().options().as_ref().clone();
        let b = Journal::open(place(&storage, "b"), options).unwrap();
        match (other, b) {
            (None, _) => {}
            (Some(other), b) => assert!(other.is_subset(&numbers(b.unwrap().db()))),
        }
        assert_eq!(numbers(&open(&storage).db().unwrap()), &found | &set([77]));
    }
}

/// Puts another byte into the first payload byte of the last record, with sums that are right.
#[test]
fn a_commit_that_was_tampered_with_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    create_database(&config(&path, MAIN)).unwrap();
    let conn = Conn::connect(&config(&path, MAIN)).unwrap();
    for n in 1..=3 {
        conn.transact(&add(n)).unwrap();
    }
    assert_eq!(conn.verify_chain().unwrap().status, ChainStatus::Ok);
    let storage = FileStorage::at(&path);
    let file = path.join(storage.list("log/").unwrap().remove(0));
    let good = std::fs::read(&file).unwrap();
    let mut bytes = good.clone();
    // Sector 2 is the second transaction: 16 bytes of the sector, 72 of the record, the payload.
    let sector = &mut bytes[2 * 512..3 * 512];
    sector[16 + 72 + 4] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let report = conn.verify_chain().unwrap();
    assert_eq!(
        (report.status, report.errors.len()),
        (ChainStatus::Mismatch, 1)
    );
    let mut sum = crc32fast::Hasher::new();
    sum.update(&good[16..32]);
    sum.update(&2u64.to_le_bytes());
    sum.update(&bytes[2 * 512 + 4..3 * 512]);
    bytes[2 * 512..2 * 512 + 4].copy_from_slice(&sum.finalize().to_le_bytes());
    std::fs::write(&file, &bytes).unwrap();
    let report = conn.verify_chain().unwrap();
    assert_eq!((report.status, report.commits), (ChainStatus::Mismatch, 3));
    assert!(
        report.errors[0].contains("t 2 is not that of its content"),
        "{:?}",
        report.errors
    );
    std::fs::remove_file(&file).unwrap();
    assert_eq!(code(conn.verify_chain()), Code::DbDoesNotExist);
    conn.release();
}

/// What a deletion that was cut short left is no part of the database created after it.
#[test]
fn refs_left_by_a_deleted_database_count_for_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    create_database(&config(&path, MAIN)).unwrap();
    let conn = Conn::connect(&config(&path, MAIN)).unwrap();
    conn.transact(&add(1)).unwrap();
    conn.create_branch(&head(MAIN), &branch("b")).unwrap();
    conn.database().unwrap().rotate(None, None).unwrap();
    conn.release();
    std::fs::remove_file(path.join("database")).unwrap();
    create_database(&config(&path, MAIN)).unwrap();
    let conn = Conn::connect(&config(&path, MAIN)).unwrap();
    assert_eq!(conn.branches().unwrap(), [branch(MAIN)]);
    assert_eq!(numbers(&conn.db().unwrap()), set([]));
    conn.create_branch(&head(MAIN), &branch("b")).unwrap();
    conn.database().unwrap().rotate(None, None).unwrap();
    conn.transact(&add(2)).unwrap();
    assert_eq!(numbers(&conn.db().unwrap()), set([2]));
    conn.release();
}

#[test]
fn a_sealed_log_takes_nothing_more() {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
    let mut log = Log::create(Arc::clone(&storage), "log/a", Default::default()).unwrap();
    let mut stale = Log::open_at_end(Arc::clone(&storage), "log/a").unwrap();
    let lease = log.lease(0).unwrap();
    let entry = |t| crate::store::Entry { t, payload: b"x" };
    log.append_group(&lease, &[entry(1), entry(2)]).unwrap();
    let tip = log.tip();
    log.seal(&lease).unwrap();
    log.seal(&lease).unwrap();
    assert_eq!((log.tip(), log.is_sealed()), (tip, true));
    for log in [&mut log, &mut stale] {
        assert_eq!(code(log.append_group(&lease, &[entry(3)])), Code::Fenced);
    }
    let again = Log::open_at_end(Arc::clone(&storage), "log/a").unwrap();
    assert_eq!((again.tip(), again.is_sealed()), (tip, true));
    // Records behind a seal are none.
    let bytes = storage.read("log/a", 0..u64::MAX).unwrap().unwrap();
    storage
        .append("log/a", bytes.len() as u64, &bytes[512..1024])
        .unwrap();
    assert_eq!(code(Log::open_at_end(storage, "log/a")), Code::CorruptLog);
}
