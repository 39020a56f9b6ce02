//! Tests: what was acknowledged is there, whole, whatever happens to the process or the disk.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use uuid::Uuid;

use super::BranchPoint;
use super::database::Database;
use super::listen::Listeners;
use super::queue::Upon;
use super::reference::{MAIN, Place};
use super::settings::Settings;
use super::{Config, Conn, create_database, database_exists, delete_database};
use crate::bytes::samples;
use crate::db::Db;
use crate::edn;
use crate::error::{Code, Error, Result};
use crate::index::SortOrder;
use crate::store::{Fault, Put, SimStorage, Storage, Times};
use crate::transact::{TxData, TxReport};
use crate::value::{Keyword, Value};

fn tx(text: &str) -> TxData {
    TxData::new(edn::read(text).unwrap())
}

fn file_config(dir: &tempfile::TempDir, more: &str) -> Config {
    let path = dir.path().join("made/on demand");
    let text = format!("{{:store {{:backend :file :path {path:?}}} {more}}}");
    Config::from_value(&edn::read(&text).unwrap()).unwrap()
}

// What the tests of branches share.

pub(super) fn add(n: i64) -> TxData {
    tx(&format!("[{{:n {n}}}]"))
}

pub(super) fn branch(name: &str) -> Keyword {
    Keyword::new(name)
}

pub(super) fn head(name: &str) -> BranchPoint {
    BranchPoint::Branch(branch(name))
}

pub(super) fn branch_config(path: &std::path::Path, name: &str) -> Config {
    let text = format!(
        "{{:store {{:backend :file :path {path:?}}} :schema-flexibility :read :branch :{name}}}"
    );
    Config::from_value(&edn::read(&text).unwrap()).unwrap()
}

pub(super) fn memory(id: Uuid, name: &str) -> Config {
    let text = format!(
        "{{:store {{:backend :memory :id #uuid \"{id}\"}} :schema-flexibility :read :branch :{name}}}"
    );
    Config::from_value(&edn::read(&text).unwrap()).unwrap()
}

/// The values of `:n`.
pub(super) fn numbers(db: &Db) -> BTreeSet<i64> {
    let Some(a) = db.attribute_named("n") else {
        return BTreeSet::new();
    };
    let run = db.run(a, crate::index::SortOrder::ByEntity);
    let rows = run
        .into_iter()
        .flat_map(|run| run.rows().collect::<Vec<_>>());
    rows.map(|row| row.v.bits as i64).collect()
}

pub(super) fn set(numbers: impl IntoIterator<Item = i64>) -> BTreeSet<i64> {
    numbers.into_iter().collect()
}

pub(super) fn code<T>(result: Result<T>) -> Code {
    result.map(|_| ()).unwrap_err().code()
}

pub(super) fn place_of(storage: &Arc<dyn Storage>, name: &str) -> Place {
    let log = Settings::load(storage).unwrap().unwrap().log;
    Place::new(Arc::clone(storage), log, branch(name))
}

pub(super) fn open_main(storage: &Arc<dyn Storage>) -> Database {
    let config = branch_config(std::path::Path::new("/nowhere"), MAIN);
    let config = config.with("lock-timeout", Value::Long(0)).unwrap();
    Database::open(Arc::clone(storage), &config)
        .unwrap()
        .unwrap()
}

pub(super) fn add_to(database: &Database, n: i64) -> Result<Db> {
    let report = database.transact(&add(n), Upon::default(), &Arc::default())?;
    Ok(report.db_after)
}

/// Everything a database holds, as text.
fn contents(db: &Db) -> String {
    let shown = if db.options().keep_history {
        db.history().unwrap()
    } else {
        db.clone()
    };
    let mut attributes: Vec<_> = shown.attribute_ids().collect();
    shown.sort_attributes(&mut attributes);
    let mut text = format!("{} {:?}\n", db.max_eid(), db.max_tx());
    for a in attributes {
        text += &format!("{:?}\n", db.attribute(a));
        let rows = shown.run(a, SortOrder::ByEntity).into_iter();
        for row in rows.flat_map(|run| run.rows().collect::<Vec<_>>()) {
            text += &format!("{:?}\n", shown.datom(a, row));
        }
    }
    text
}

const SCHEMA: &str = "[{:db/ident :name :db/valueType :db.type/string \
      :db/cardinality :db.cardinality/one :db/unique :db.unique/identity} \
     {:db/ident :age :db/valueType :db.type/long :db/cardinality :db.cardinality/one} \
     {:db/ident :friend :db/valueType :db.type/ref :db/cardinality :db.cardinality/many}]";

/// What is said to a database in the course of a test: schema, values of every kind where there
/// are no types, changes, purges.
fn story(config: &Config) -> Vec<TxData> {
    let mut story = vec![tx(SCHEMA)];
    if config.options().flexibility == crate::db::Flexibility::Read {
        for value in samples().into_iter().filter(|value| !value.is_nil()) {
            let [add, e, any] = [
                Value::keyword("db/add"),
                Value::Long(77),
                Value::keyword("any"),
            ];
            story.push(TxData::new(Value::vector([Value::vector([
                add, e, any, value,
            ])])));
        }
    }
    story.extend([
        tx("[{:name \"Ada\" :age 36 :friend [{:name \"Bob\"} {:name \"Cy\"}]}]"),
        tx("[{:name \"Ada\" :age 37} [:db/retract [:name \"Ada\"] :friend [:name \"Bob\"]]]"),
        tx("[[:db/add [:name \"Cy\"] :age 5] [:db/retractEntity [:name \"Bob\"]]]"),
        tx("[{:db/ident :age :db/index true}]"),
        tx("[[:db/purge [:name \"Ada\"] :age 37]]"),
        tx("[[:db.purge/entity [:name \"Cy\"]] {:name \"Dot\" :age 1}]"),
    ]);
    story
}

#[test]
fn what_was_acknowledged_is_there_after_reopening() {
    for more in [
        ":schema-flexibility :write :attribute-refs? true",
        ":schema-flexibility :write :keep-history? false",
        ":schema-flexibility :read",
        ":schema-flexibility :read :keep-history? false",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let config = file_config(&dir, more);
        create_database(&config).unwrap();
        let mut kept = 0;
        for data in story(&config) {
            let conn = Conn::connect(&config).unwrap();
            // Some values are no data for a transaction, and purges need history.
            if let Ok(report) = conn.transact(&data) {
                assert!(report.tx_meta.contains_key(&Value::keyword("db/commitId")));
                assert_eq!(contents(&report.db_after), contents(&conn.db().unwrap()));
                kept += 1;
            }
            let before = contents(&conn.db().unwrap());
            conn.release();
            let again = Conn::connect(&config).unwrap();
            assert!(!again.is_same(&conn));
            assert_eq!(contents(&again.db().unwrap()), before);
            again.release();
        }
        assert!(kept > 3, "{kept} with {more}");
        delete_database(&config).unwrap();
        assert!(!database_exists(&config).unwrap());
        assert!(!dir.path().join("made/on demand").exists());
    }
}

/// Several handles on one store, as several processes have them, each with several threads.
#[test]
fn writers_side_by_side_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let config = file_config(&dir, ":schema-flexibility :read");
    create_database(&config).unwrap();
    let open = || {
        let storage = Arc::new(crate::store::FileStorage::at(
            dir.path().join("made/on demand"),
        ));
        Arc::new(Database::open(storage, &config).unwrap().unwrap())
    };
    let handles = [open(), open()];
    let told = Arc::new(AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (database, told) = (Arc::clone(&handles[thread % 2]), Arc::clone(&told));
            scope.spawn(move || {
                let listeners = Arc::new(Listeners::default());
                listeners.add(Box::new(move |_| {
                    told.fetch_add(1, Ordering::Relaxed);
                }));
                for n in 0..20 {
                    let data = tx(&format!("[{{:who {thread} :n {n}}}]"));
                    let report = database
                        .transact(&data, Upon::default(), &listeners)
                        .unwrap();
                    // A connection never goes back, and sees what it wrote.
                    assert!(database.db().unwrap().max_tx() >= report.db_after.max_tx());
                }
            });
        }
    });
    assert_eq!(told.load(Ordering::Relaxed), 160);
    let [a, b] = handles.map(|database| database.db().unwrap());
    assert_eq!((a.max_tx().0, a.max_eid()), (crate::datom::TX0 + 160, 160));
    assert_eq!(contents(&a), contents(&b));
    assert_eq!(contents(&a), contents(&open().db().unwrap()));
}

#[test]
fn one_bad_transaction_of_a_group_and_a_bad_listener_harm_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let config = file_config(&dir, "");
    create_database(&config).unwrap();
    let conn = Conn::connect(&config).unwrap();
    conn.transact(&tx(SCHEMA)).unwrap();
    conn.listen(Box::new(|_| panic!("a listener of the test")));
    let inner = conn.clone();
    // A listener may transact itself.
    let echo = conn.listen(Box::new(move |report| {
        if report.tx_data.iter().any(|datom| datom.v == Value::Long(3)) {
            inner.transact(&tx("[{:name \"echo\"}]")).unwrap();
        }
    }));
    std::thread::scope(|scope| {
        for n in 0..8 {
            let conn = &conn;
            scope.spawn(move || {
                let good = conn.transact(&tx(&format!("[{{:name \"n{n}\" :age {n}}}]")));
                good.unwrap();
                let bad = conn.transact(&tx("[{:name 5}]")).map(|_| ()).unwrap_err();
                assert_eq!(bad.code(), Code::TransactSchema);
            });
        }
    });
    assert!(conn.unlisten(echo));
    assert_eq!(conn.db().unwrap().max_tx().0, crate::datom::TX0 + 10);
    conn.release();
}

/// The transactions of the crash test: each replaces the value of one entity.
fn step(n: i64) -> TxData {
    let add = |e: i64, a: &str, v: Value| {
        Value::vector([
            Value::keyword("db/add"),
            Value::Long(e),
            Value::keyword(a),
            v,
        ])
    };
    let text = "x".repeat(n as usize * 97);
    TxData::new(Value::vector([
        add(1, "n", Value::Long(n)),
        add(n + 10, "text", text.into()),
    ]))
}

/// The number that the last step left; all before it must be in the history.
fn last_step(db: &Db) -> i64 {
    let Some(a) = db.attribute_named("n") else {
        return 0;
    };
    let e = crate::datom::EntityId(1);
    let last = db.rows_of(e, a).first().map_or(0, |row| row.v.bits as i64);
    let was = db.index(a).map_or(0, |index| index.past().len());
    assert_eq!(
        (was as i64 + 1, db.max_tx().0 - crate::datom::TX0),
        (last, last)
    );
    last
}

/// What became of a life: whether the database was created, and the steps that were acknowledged
/// and that may have been kept.
#[derive(Debug, PartialEq)]
struct Life {
    created: bool,
    acknowledged: i64,
    perhaps: i64,
}

/// A life of a database on a disk that may fail: created if it is not there, opened by two handles
/// in turn, each making some steps.
fn live(storage: &Arc<dyn Storage>, config: &Config, steps: usize) -> Life {
    let mut life = Life {
        created: false,
        acknowledged: 0,
        perhaps: 1,
    };
    match Database::create(storage, config, Some(&step(1))) {
        Ok(Put::Done) => (life.created, life.acknowledged) = (true, 1),
        Ok(Put::Refused) => {}
        Err(_) => return life,
    }
    let listeners = Arc::new(Listeners::default());
    for _ in 0..2 {
        let Ok(Some(database)) = Database::open(Arc::clone(storage), config) else {
            continue;
        };
        for _ in 0..steps {
            let Ok(db) = database.db() else { continue };
            let n = last_step(&db) + 1;
            match database.transact(&step(n), Upon::default(), &listeners) {
                Ok(report) => {
                    assert_eq!(last_step(&report.db_after), n);
                    (life.acknowledged, life.perhaps) = (n, n);
                }
                Err(error) => match outcome(&error).as_str() {
                    "not-committed" => {}
                    "unknown" => life.perhaps = life.perhaps.max(n),
                    other => panic!("{other} is no outcome"),
                },
            }
        }
    }
    life
}

fn outcome(error: &Error) -> String {
    let outcome = error.data().iter().find(|(key, _)| *key == "db/outcome");
    let outcome = outcome.and_then(|(_, outcome)| outcome.as_keyword());
    outcome
        .unwrap_or_else(|| panic!("{error} says nothing of its outcome"))
        .as_str()
        .to_owned()
}

const FAULTS: [(Times, Fault); 6] = [
    (Times::Once, Fault::PowerCut),
    (Times::Once, Fault::Before(Code::StorageFull)),
    (Times::Once, Fault::Before(Code::Storage)),
    (Times::Once, Fault::Partial(Code::Storage)),
    (Times::Once, Fault::After(Code::Storage)),
    (Times::Forever, Fault::Before(Code::Storage)),
];

/// Lets one operation of a short life fail, then cuts the power. Says what was lost, if anything.
fn crash_at(seed: u64, operation: u64, faults: (Times, Fault), syncs: Syncs) -> Option<String> {
    let config = crash_config();
    let sim = Arc::new(SimStorage::seeded(seed));
    if syncs == Syncs::Ignored {
        sim.ignore_syncs();
    }
    sim.fail_at(operation, faults.0, faults.1);
    let storage: Arc<dyn Storage> = sim.clone();
    let life = live(&storage, &config, 2);
    let after: Arc<dyn Storage> = Arc::new(sim.crash());
    let found = match Database::open(Arc::clone(&after), &config) {
        Ok(Some(database)) => last_step(&database.db().unwrap()),
        Ok(None) if !life.created => 0,
        Ok(None) => return Some("the database".to_owned()),
        Err(error) => return Some(error.to_string()),
    };
    if found < life.acknowledged || found > life.perhaps {
        return Some(format!("{found} after {life:?}"));
    }
    // And the next life goes on from there.
    let next = live(&after, &config, 1);
    (next.acknowledged <= found).then(|| format!("{next:?} goes on from {found}"))
}

#[derive(Clone, Copy, PartialEq)]
enum Syncs {
    Heeded,
    Ignored,
}

fn crash_config() -> Config {
    let text = "{:schema-flexibility :read :lock-timeout 0}";
    Config::from_value(&edn::read(text).unwrap()).unwrap()
}

fn operations_of_a_life() -> u64 {
    let sim = Arc::new(SimStorage::seeded(0));
    let storage: Arc<dyn Storage> = sim.clone();
    let whole = Life {
        created: true,
        acknowledged: 5,
        perhaps: 5,
    };
    assert_eq!(live(&storage, &crash_config(), 2), whole);
    sim.operations()
}

/// Every operation of a short life fails in every way, and the power is cut.
#[test]
fn nothing_acknowledged_is_lost_at_any_crash() {
    let operations = operations_of_a_life();
    assert!(operations > 10);
    let crashes = (1..)
        .flat_map(|seed| (0..operations).flat_map(move |at| FAULTS.map(|fault| (seed, at, fault))));
    for (seed, operation, fault) in crashes.take(2_000) {
        if let Some(lost) = crash_at(seed, operation, fault, Syncs::Heeded) {
            panic!("seed {seed}, operation {operation}, {fault:?}: {lost}");
        }
    }
}

/// The same test on a disk that takes no heed of syncs must fail, or it tests nothing.
#[test]
fn the_crash_test_notices_a_missing_sync() {
    let cuts = (0..operations_of_a_life()).flat_map(|at| [1, 2, 3].map(|seed| (seed, at)));
    let lost = cuts.filter(|(seed, at)| {
        let crash = || crash_at(*seed, *at, FAULTS[0], Syncs::Ignored);
        std::panic::catch_unwind(crash).map_or(true, |lost| lost.is_some())
    });
    assert!(lost.count() > 3);
}

#[test]
fn a_full_disk_is_waited_out_and_a_failed_sync_stops_the_writer() {
    let code = |result: Result<TxReport>| result.map(|_| ()).unwrap_err().code();
    let listeners = Arc::new(Listeners::default());
    let open = |fault| {
        let sim = Arc::new(SimStorage::seeded(3));
        let storage: Arc<dyn Storage> = sim.clone();
        Database::create(&storage, &crash_config(), None).unwrap();
        let database = Database::open(storage, &crash_config()).unwrap().unwrap();
        database
            .transact(&step(1), Upon::default(), &listeners)
            .unwrap();
        let appended = sim.operations();
        database
            .transact(&step(2), Upon::default(), &listeners)
            .unwrap();
        // One transaction is one append and one sync.
        assert_eq!(sim.operations(), appended + 2);
        let sync = u64::from(fault == Fault::Before(Code::Storage));
        sim.fail_at(sim.operations() + sync, Times::Once, fault);
        database
    };
    let full = open(Fault::Before(Code::StorageFull));
    assert_eq!(
        code(full.transact(&step(3), Upon::default(), &listeners)),
        Code::StorageFull
    );
    assert_eq!(
        last_step(
            &full
                .transact(&step(3), Upon::default(), &listeners)
                .unwrap()
                .db_after
        ),
        3
    );
    let stopped = open(Fault::Before(Code::Storage));
    let error = stopped
        .transact(&step(3), Upon::default(), &listeners)
        .map(|_| ())
        .unwrap_err();
    assert_eq!(
        (error.code(), outcome(&error).as_str()),
        (Code::Storage, "unknown")
    );
    assert_eq!(
        code(stopped.transact(&step(3), Upon::default(), &listeners)),
        Code::WriterShutDown
    );
    assert_eq!(last_step(&stopped.db().unwrap()), 2);
}

#[test]
fn a_writer_that_is_kept_out_says_by_whom() {
    let dir = tempfile::tempdir().unwrap();
    let config = file_config(&dir, ":schema-flexibility :read :lock-timeout 1");
    create_database(&config).unwrap();
    let storage = crate::store::FileStorage::at(dir.path().join("made/on demand"));
    let lock = storage.try_lock("refs/db", "somebody else").unwrap();
    let conn = Conn::connect(&config).unwrap();
    let error = conn.transact(&step(1)).map(|_| ()).unwrap_err();
    assert_eq!(
        (error.code(), outcome(&error).as_str()),
        (Code::Locked, "not-committed")
    );
    assert!(error.message().contains("somebody else"), "{error}");
    drop(lock);
    conn.transact(&step(1)).unwrap();
    conn.release();
}

#[test]
fn a_database_begins_with_its_initial_transaction_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("initial.edn");
    std::fs::write(&file, "[{:db/id 1 :n 1}]").unwrap();
    let config = |initial: &str| {
        file_config(
            &dir,
            &format!(":schema-flexibility :read :initial-tx {initial}"),
        )
    };
    assert!(create_database(&config("[[:db/nonsense]]")).is_err());
    assert!(create_database(&config("\"no such file\"")).is_err());
    let given = config(&format!("{file:?}"));
    assert!(!database_exists(&given).unwrap());
    let effective = create_database(&given).unwrap();
    assert_eq!(
        effective.get("initial-tx"),
        Some(&edn::read("[{:db/id 1 :n 1}]").unwrap())
    );
    // Known by its place, with the id it was created with.
    let conn = Conn::connect(&config("nil")).unwrap();
    assert_eq!(last_step(&conn.db().unwrap()), 1);
    let id = "#uuid \"550e8400-e29b-41d4-a716-446655440000\"";
    let store = format!(
        ":store {{:backend :file :path {:?} :id {id}}}",
        dir.path().join("made/on demand")
    );
    let other =
        Config::from_value(&edn::read(&format!("{{{store} :schema-flexibility :read}}")).unwrap());
    let error = Conn::connect(&other.unwrap()).map(|_| ()).unwrap_err();
    assert_eq!(error.code(), Code::StoreIdentityMismatch);
    conn.release();
}
