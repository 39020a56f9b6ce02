//! Checks of stores that are whole, damaged and robbed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::conn::branch::BranchPoint;
use crate::conn::checkpoint::Checkpoint;
use crate::conn::reference::MAIN;
use crate::conn::tests::{branch, code};
use crate::conn::{
    Config, Conn, Depth, VerifyOptions, VerifyReport, create_database, create_database_at,
    verify_at, verify_database,
};
use crate::edn;
use crate::error::Code;
use crate::store::{Fault, SimStorage, Storage, Times};
use crate::transact::TxData;

pub(in crate::conn) fn config(path: &Path, branch: &str) -> Config {
    let text = format!("{{:store {{:backend :file :path {path:?}}} :branch :{branch}}}");
    Config::from_value(&edn::read(&text).unwrap()).unwrap()
}

pub(in crate::conn) fn transact(conn: &Conn, text: &str) {
    conn.transact(&TxData::new(edn::read(text).unwrap()))
        .unwrap();
}

/// A small database with a file of every kind: a root with segments, two branches, a log that is
/// written to and one that is done, history, values of every size.
pub(in crate::conn) fn make(path: &Path) {
    create_database(&config(path, MAIN)).unwrap();
    let conn = Conn::connect(&config(path, MAIN)).unwrap();
    transact(
        &conn,
        "[{:db/ident :name :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
          {:db/ident :age :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
          {:db/ident :friend :db/valueType :db.type/ref :db/cardinality :db.cardinality/many}]",
    );
    for n in 0..30 {
        let friend = n / 2;
        transact(
            &conn,
            &format!(
                "[{{:name \"person {friend}\"}} {{:name \"person {n}\" :age {n} :friend [[:name \"person {friend}\"]]}}
                  {{:name \"{}\" :age 7}}]",
                "long ".repeat(1 + n % 3)
            ),
        );
        if n == 10 || n == 20 {
            assert_eq!(conn.checkpoint().unwrap(), Checkpoint::Done);
        }
        if n == 15 {
            let head = BranchPoint::Branch(branch(MAIN));
            conn.create_branch(&head, &branch("side")).unwrap();
        }
    }
    let side = Conn::connect(&config(path, "side")).unwrap();
    transact(&side, "[{:name \"person 1\" :age 99} {:name \"beside\"}]");
    side.release();
    conn.release();
}

fn verify(path: &Path, depth: Depth) -> VerifyReport {
    let options = VerifyOptions {
        depth,
        ..VerifyOptions::default()
    };
    verify_database(&config(path, MAIN), &options).unwrap()
}

/// The files of a store that hold something, by their names in the store.
fn files(path: &Path) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let file = entry.unwrap().path();
            let name = file.strip_prefix(path).unwrap().to_str().unwrap();
            match file.is_dir() {
                true => folders.push(file),
                false if name.ends_with(".lock") => {}
                false => found.push((name.to_owned(), file)),
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_database_as_it_was_written_is_in_order() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path());
    for depth in [Depth::Rows, Depth::History] {
        let report = verify(dir.path(), depth);
        assert!(report.is_ok(), "{:?}", report.errors);
        assert_eq!(report.branches.len(), 2);
        let side = &report.branches[1];
        assert_eq!(
            (side.branch.as_str(), side.t, side.commits),
            ("side", 18, 18)
        );
        assert!(side.past > 0 && report.segments > 4 && report.roots == 2);
        assert!(report.logs >= 3 && report.bytes > 10_000, "{report:?}");
        let status = report.to_value();
        assert_eq!(status.get("status").unwrap().to_string(), ":ok");
    }
    let nowhere = config(&dir.path().join("nowhere"), MAIN);
    let verified = verify_database(&nowhere, &VerifyOptions::default());
    assert_eq!(code(verified), Code::DbDoesNotExist);
}

/// Bits of every file that counts are flipped; what nobody needs may be anything.
#[test]
fn damage_is_noticed_and_named() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path());
    let clean = verify(dir.path(), Depth::Rows);
    let mut garbage = 0;
    for (name, file) in files(dir.path()) {
        let bytes = std::fs::read(&file).unwrap();
        let mut unnoticed = 0;
        let places = [0, 9, bytes.len() / 3, bytes.len() / 2, bytes.len() - 1];
        for at in places {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            std::fs::write(&file, &changed).unwrap();
            let report = verify(dir.path(), Depth::Rows);
            let named = report.errors.iter().any(|finding| {
                let is_named = finding.file.as_deref() == Some(&name);
                is_named || finding.what.contains(&name)
            });
            assert!(named != report.is_ok(), "{name}: {:?}", report.errors);
            unnoticed += usize::from(report.is_ok());
        }
        assert!(unnoticed == 0 || unnoticed == places.len(), "{name}");
        garbage += u64::from(unnoticed > 0);
        std::fs::write(&file, &bytes).unwrap();
    }
    assert_eq!(garbage, clean.garbage);
    assert!(verify(dir.path(), Depth::History).is_ok());
}

#[test]
fn files_that_are_missing_empty_or_in_the_place_of_others_are_noticed() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path());
    let all = files(dir.path());
    let kind_of = |name: &str| name.split('/').next().unwrap().to_owned();
    for (at, (name, file)) in all.iter().enumerate() {
        let bytes = std::fs::read(file).unwrap();
        let needed = {
            std::fs::write(file, b"").unwrap();
            !verify(dir.path(), Depth::Rows).is_ok()
        };
        std::fs::remove_file(file).unwrap();
        let gone = verify(dir.path(), Depth::Rows);
        // Without its ref, a branch beside the main one is none.
        let side = name == "refs/side";
        assert_eq!(!gone.is_ok(), needed && !side, "{name}: {:?}", gone.errors);
        let other = all.iter().enumerate();
        let mut other = other.filter(|(n, (other, _))| *n != at && kind_of(other) == kind_of(name));
        if let Some((_, (_, other))) = other.next() {
            std::fs::copy(other, file).unwrap();
            let swapped = verify(dir.path(), Depth::Rows);
            assert_eq!(!swapped.is_ok(), needed, "{name}: {:?}", swapped.errors);
        }
        std::fs::write(file, &bytes).unwrap();
    }
    assert!(verify(dir.path(), Depth::Rows).is_ok());
}

#[test]
fn databases_in_memory_are_checked_too() {
    let config = Config::memory(uuid::Uuid::new_v4());
    create_database(&config).unwrap();
    let conn = Conn::connect(&config).unwrap();
    transact(
        &conn,
        "[{:db/ident :x :db/valueType :db.type/long :db/cardinality :db.cardinality/many}]",
    );
    transact(&conn, "[{:x [1 2 3]}]");
    let options = VerifyOptions {
        depth: Depth::History,
        ..VerifyOptions::default()
    };
    let report = conn.verify(&options).unwrap();
    assert!(report.is_ok(), "{:?}", report.errors);
    assert_eq!(report.branches[0].t, 2);
}

/// A log that a deleted branch left goes on from the same commit as one whose seal was its last.
#[test]
fn what_a_deleted_branch_left_is_no_end_of_a_branch_whose_seal_was_cut_short() {
    let config = config(Path::new("/nowhere"), MAIN);
    for operation in 0.. {
        let sim = Arc::new(SimStorage::seeded(operation));
        let storage: Arc<dyn Storage> = sim.clone();
        create_database_at(&storage, &config).unwrap();
        let conn = Conn::connect_at(Arc::clone(&storage), &config).unwrap();
        transact(&conn, "[{:db/ident :name}]");
        let head = BranchPoint::Branch(branch(MAIN));
        conn.create_branch(&head, &branch("side")).unwrap();
        let beside = config.with("branch", crate::value::Value::keyword("side"));
        let side = Conn::connect_at(Arc::clone(&storage), &beside.unwrap()).unwrap();
        transact(&side, "[{:db/ident :age}]");
        conn.delete_branch(&branch("side")).unwrap();
        let before = sim.operations();
        let fault = Fault::Before(Code::Storage);
        sim.fail_at(before + operation, Times::Forever, fault);
        let _ = conn.checkpoint();
        let is_cut = sim.operations() - before > operation;
        let after: Arc<dyn Storage> = Arc::new(sim.crash());
        let report = verify_at(&after, &VerifyOptions::default()).unwrap();
        assert!(report.is_ok(), "cut at {operation}: {:?}", report.errors);
        if !is_cut {
            assert!(operation > 5, "{operation}");
            return;
        }
    }
}
