//! A reader that looks while its branch moves on and what it looks at is collected.
//!
//! Before each operation of the reader in turn, another process writes, folds what it wrote into
//! segments and collects the garbage at once. The reader must notice nothing but newer data.

use std::collections::BTreeSet;
use std::sync::Arc;

use datalith_engine::conn::{
    BranchPoint, Config, Conn, GcOptions, VerifyOptions, backup_at, create_database_at, export_at,
    verify_at,
};
use datalith_engine::store::{SimStorage, Storage};
use datalith_engine::transact::TxData;
use datalith_engine::{Db, Error, Index, Keyword, Result, Value, datoms, edn};

use super::race::{Counted, Raced};
use super::world::failure;

const CONFIG: &str = "{:store {:backend :memory :id #uuid \"7a3ef0d1-6a86-4f1e-9d5f-1d9c3b1a2c55\"}
                       :schema-flexibility :read}";

fn add(conn: &Conn, n: i64) -> Result<()> {
    let data = edn::read(&format!("[{{:n {n}}}]"))?;
    conn.transact(&TxData::new(data)).map(|_| ())
}

/// The branch moves on, and nothing of what it left is spared.
fn move_on(conn: &Conn, n: i64) -> Result<()> {
    add(conn, n)?;
    conn.checkpoint()?;
    add(conn, n + 1)?;
    let at_once = GcOptions {
        min_age_ms: Some(0),
    };
    conn.gc_storage(at_once)?;
    // There is a log again that a reader reads and syncs.
    add(conn, n + 2)
}

fn numbers(db: &Db) -> BTreeSet<i64> {
    let found = datoms(db, Index::Aevt, &[Value::keyword("n")]).unwrap_or_default();
    found.iter().filter_map(|datom| datom.v.as_long()).collect()
}

/// What a reader does; fails with what it should not have met.
fn look(storage: &Arc<dyn Storage>, config: &Config) -> std::result::Result<(), String> {
    let at = |door: &'static str| move |error: Error| format!("{door}: {}", failure(&error));
    let conn = Conn::connect_at(Arc::clone(storage), config).map_err(at("connect"))?;
    let mut least = 3;
    let mut see = |db: Db| {
        let found = numbers(&db);
        let last = found.len() as i64;
        let holds = last >= least && found.iter().copied().eq(1..=last);
        least = last;
        holds.then_some(()).ok_or(format!("{found:?} is seen"))
    };
    see(conn.db().map_err(at("db"))?)?;
    see(conn.db().map_err(at("db"))?)?;
    let branch = conn
        .branch_as_db(&Keyword::new("db"))
        .map_err(at("branch-as-db"))?;
    see(branch.ok_or("no branch")?)?;
    conn.branch_history().map_err(at("branch-history"))?;
    let entries = conn.tx_range(None, None, None).map_err(at("tx-range"))?;
    let then = entries.first().ok_or("no transaction")?.commit;
    let db = conn
        .commit_as_db(then)
        .map_err(at("commit-as-db"))?
        .ok_or("no commit")?;
    conn.parent_commit_ids(&db)
        .map_err(at("parent-commit-ids"))?;
    let chain = conn.verify_chain().map_err(at("verify-chain"))?;
    if !chain.errors.is_empty() {
        return Err(format!("verify-chain: {:?}", chain.errors));
    }
    let verified = verify_at(storage, &VerifyOptions::default()).map_err(at("verify"))?;
    if !verified.errors.is_empty() {
        return Err(format!("verify: {:?}", verified.errors));
    }
    export_at(storage, &mut Vec::new(), &|_| {}).map_err(at("export"))?;
    conn.create_branch(&BranchPoint::Commit(then), &Keyword::new("side"))
        .map_err(at("branch"))?;
    let copy: Arc<dyn Storage> = Arc::new(SimStorage::seeded(7));
    backup_at(storage, &copy, &|_| {}).map_err(at("backup"))?;
    let copied = Conn::connect_at(copy, config).map_err(at("connect to the copy"))?;
    see(copied.db().map_err(at("db of the copy"))?)
}

fn look_at(operation: u64) -> std::result::Result<bool, String> {
    let told = |error: Error| failure(&error);
    let storage: Arc<dyn Storage> = Arc::new(SimStorage::seeded(operation));
    let config = edn::read(CONFIG).and_then(|config| Config::from_value(&config));
    let config = config.map_err(told)?;
    create_database_at(&storage, &config).map_err(told)?;
    let writer = Conn::connect_at(Arc::clone(&storage), &config).map_err(told)?;
    move_on(&writer, 1).map_err(told)?;
    let raced = Raced::new(&storage, Counted::All, operation, move || {
        move_on(&writer, 4).expect("the writer is alone");
    });
    let shown: Arc<dyn Storage> = raced.clone();
    look(&shown, &config)?;
    Ok(raced.met())
}

#[test]
fn a_reader_meets_only_newer_data_wherever_a_collection_comes_between() {
    let mut operation = 0;
    while look_at(operation).unwrap_or_else(|broken| panic!("operation {operation}: {broken}")) {
        operation += 1;
    }
    assert!(operation > 40, "{operation}");
}
