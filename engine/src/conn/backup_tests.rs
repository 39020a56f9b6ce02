//! Dumps, imports and backups: whole, cut short and damaged.

use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use crate::conn::branch::BranchPoint;
use crate::conn::reference::MAIN;
use crate::conn::tests::{branch, code};
use crate::conn::verify_tests::{config, make, transact};
use crate::conn::{
    Config, Conn, Depth, GcOptions, VerifyOptions, backup_at, database_exists, export_at,
    import_at, import_database, verify_at, verify_database,
};
use crate::db::{Index, datoms};
use crate::error::Code;
use crate::store::{Fault, FileStorage, MemoryStorage, SimStorage, Storage, Times};
use crate::value::Value;

fn store(path: &Path) -> Arc<dyn Storage> {
    Arc::new(FileStorage::at(path))
}

fn export(storage: &Arc<dyn Storage>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let report = export_at(storage, &mut bytes, &|_| {}).unwrap();
    assert_eq!(report.bytes, bytes.len() as u64);
    bytes
}

/// Everything holds, the transactions make the rows, and there are so many branches.
fn check(storage: &Arc<dyn Storage>, branches: usize) {
    let options = VerifyOptions {
        depth: Depth::History,
        ..VerifyOptions::default()
    };
    let report = verify_at(storage, &options).unwrap();
    assert!(report.is_ok(), "{:?}", report.errors);
    assert_eq!(report.branches.len(), branches);
}

/// What a connection of each branch sees: commits and the newest value.
fn seen(path: &Path) -> Vec<String> {
    let see = |name: &str| {
        let conn = Conn::connect(&config(path, name)).unwrap();
        let db = conn.db().unwrap().history().unwrap();
        let datoms = datoms(&db, Index::Eavt, &[]).unwrap();
        let commits = conn.branch_history().unwrap();
        let entries = conn.tx_range(None, None, None).unwrap();
        conn.release();
        format!("{datoms:?} {commits:?} {entries:?}")
    };
    vec![see(MAIN), see("side")]
}

#[test]
fn a_dump_makes_the_same_database() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    make(&from);
    let dump = export(&store(&from));
    assert_eq!(export(&store(&from)), dump);
    let report = import_database(&config(&to, MAIN), &mut Cursor::new(&dump), &|_| {}).unwrap();
    assert_eq!(
        (report.branches, report.transactions, report.resumed),
        (2, 32, 0)
    );
    check(&store(&to), 2);
    assert_eq!(export(&store(&to)), dump);
    assert_eq!(seen(&from), seen(&to));
    let again = import_database(&config(&to, MAIN), &mut Cursor::new(&dump), &|_| {});
    assert_eq!(code(again), Code::DbAlreadyExists);
    // It goes on like any other.
    let conn = Conn::connect(&config(&to, "side")).unwrap();
    transact(&conn, "[{:name \"later\"}]");
    conn.checkpoint().unwrap();
    conn.release();
    check(&store(&to), 2);
}

#[test]
fn a_dump_becomes_a_database_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path());
    let dump = export(&store(dir.path()));
    let config = Config::memory(uuid::Uuid::new_v4());
    import_database(&config, &mut Cursor::new(&dump), &|_| {}).unwrap();
    let conn = Conn::connect(&config).unwrap();
    assert_eq!(conn.branches().unwrap().len(), 2);
    transact(&conn, "[{:name \"later\"}]");
    let mut bytes = Vec::new();
    conn.export(&mut bytes, &|_| {}).unwrap();
    assert!(bytes.len() > dump.len());
}

#[test]
fn a_damaged_or_cut_dump_is_refused_and_leaves_no_database() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    make(&from);
    let dump = export(&store(&from));
    let import = |bytes: &[u8]| {
        let error = import_database(&config(&to, MAIN), &mut Cursor::new(bytes), &|_| {});
        let error = error.map(|_| ()).unwrap_err();
        assert_eq!(error.code(), Code::Import, "{error}");
        assert!(error.data().iter().any(|(key, _)| *key == "offset"));
        assert!(!database_exists(&config(&to, MAIN)).unwrap());
    };
    for part in 0..16 {
        let at = part * dump.len() / 16;
        import(&dump[..at]);
        let mut changed = dump.clone();
        changed[at + 20] ^= 4;
        import(&changed);
    }
}

#[test]
fn an_import_that_was_cut_short_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path());
    let dump = export(&store(dir.path()));
    let here = Config::memory(uuid::Uuid::from_u128(5));
    let mut resumed = 0;
    for failing in 0..40 {
        let sim = Arc::new(SimStorage::seeded(failing));
        let storage: Arc<dyn Storage> = sim.clone();
        sim.fail_at(failing, Times::Forever, Fault::Before(Code::Storage));
        let import = |storage| import_at(storage, &here, &mut Cursor::new(&dump), &|_| {});
        let first = import(&storage);
        sim.heal();
        let storage: Arc<dyn Storage> = Arc::new(sim.crash());
        if first.is_err() {
            resumed += import(&storage).unwrap().resumed;
        }
        check(&storage, 2);
        assert_eq!(export(&storage), dump);
    }
    assert!(resumed > 30, "{resumed}");
}

#[test]
fn a_backup_copies_what_is_new_and_is_a_database() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    make(&from);
    let (source, target) = (store(&from), store(&to));
    let backup = || backup_at(&source, &target, &|_| {});
    let first = backup().unwrap();
    assert!(first.objects > 4 && first.bytes > 10_000 && first.branches == 2);
    check(&target, 2);
    assert_eq!(seen(&from), seen(&to));
    let second = backup().unwrap();
    assert_eq!(
        (second.objects, second.bytes, second.kept),
        (0, 0, first.objects)
    );

    let conn = Conn::connect(&config(&from, MAIN)).unwrap();
    transact(&conn, "[{:name \"one more\"}]");
    let third = backup().unwrap();
    assert_eq!((third.objects, third.bytes), (0, 512));
    conn.checkpoint().unwrap();
    conn.delete_branch(&branch("side")).unwrap();
    conn.create_branch(&BranchPoint::Branch(branch(MAIN)), &branch("b"))
        .unwrap();
    let fourth = conn.backup(&target, &|_| {}).unwrap();
    assert!(fourth.objects > 1 && fourth.objects < first.objects && fourth.branches == 2);
    check(&target, 2);
    assert_eq!(export(&source), export(&target));
    conn.release();

    // Who writes to the copy keeps what they wrote.
    let copy = Conn::connect(&config(&to, MAIN)).unwrap();
    transact(&copy, "[{:name \"of the copy\"}]");
    assert_eq!(code(backup()), Code::Fenced);
    copy.checkpoint().unwrap();
    assert_eq!(code(backup()), Code::Fenced);
    copy.release();
    let other = dir.path().join("other");
    make(&other);
    assert_eq!(
        code(backup_at(&store(&other), &target, &|_| {})),
        Code::DbAlreadyExists
    );
}

#[test]
fn a_backup_that_was_cut_short_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path());
    let source = store(dir.path());
    let dump = export(&source);
    for failing in 0..60 {
        let sim = Arc::new(SimStorage::seeded(failing));
        let target: Arc<dyn Storage> = sim.clone();
        sim.fail_at(failing, Times::Forever, Fault::Before(Code::Storage));
        let first = backup_at(&source, &target, &|_| {});
        sim.heal();
        let target: Arc<dyn Storage> = Arc::new(sim.crash());
        if first.is_err() {
            let missing = export_at(&target, &mut Vec::new(), &|_| {});
            assert_eq!(code(missing), Code::DbDoesNotExist);
        }
        backup_at(&source, &target, &|_| {}).unwrap();
        assert_eq!(export(&target), dump);
    }
}

/// Damage is not carried into the backup.
#[test]
fn a_damaged_segment_is_not_copied() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path());
    let source = store(dir.path());
    let name = source.list("segment/").unwrap().remove(0);
    let file = dir.path().join(&name);
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let all: Vec<String> = source.list("segment/").unwrap();
    let target: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
    match backup_at(&source, &target, &|_| {}) {
        // The segment was of a root that nobody needs any more.
        Ok(report) => assert!(report.objects < all.len() as u64 + 2),
        Err(error) => {
            assert_eq!(error.code(), Code::CorruptSegment);
            assert!(error.data().contains(&("file", Value::str(&name))));
        }
    }
    assert!(target.size(&name).unwrap().is_none());
}

/// What was purged is in no dump, the ids of the commits that said it stay.
#[test]
fn a_database_that_was_purged_is_checked_and_copied_too() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    make(&from);
    let conn = Conn::connect(&config(&from, MAIN)).unwrap();
    conn.delete_branch(&branch("side")).unwrap();
    transact(&conn, "[[:db.purge/entity [:name \"person 3\"]]]");
    let options = GcOptions {
        min_age_ms: Some(0),
    };
    for _ in 0..2 {
        check(&store(&from), 1);
        conn.gc_storage(options).unwrap();
    }
    let dump = export(&store(&from));
    assert!(!dump.windows(8).any(|text| text == b"person 3"));
    import_database(&config(&to, MAIN), &mut Cursor::new(&dump), &|_| {}).unwrap();
    check(&store(&to), 1);
    assert_eq!(export(&store(&to)), dump);
    let copy = Conn::connect(&config(&to, MAIN)).unwrap();
    let ids = |conn: &Conn| -> Vec<_> {
        let commits = conn.branch_history().unwrap().into_iter();
        commits.map(|commit| commit.id).collect()
    };
    assert_eq!(ids(&copy), ids(&conn));
    copy.gc_storage(options).unwrap();
    assert_eq!(export(&store(&to)), dump);
    let report = verify_database(&config(&to, MAIN), &VerifyOptions::default()).unwrap();
    assert!(report.is_ok() && report.branches[0].redacted > 0 && report.garbage == 0);
    copy.release();
    conn.release();
}
