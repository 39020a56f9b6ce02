//! What must happen under each fault of `docs/reliability.md`, one test for each row of its table.

mod damage;
mod disk;
mod process;

use std::sync::Arc;

use datalith_engine::conn::{BranchPoint, Config, Conn, create_database_at};
use datalith_engine::db::Db;
use datalith_engine::store::{SimStorage, Storage};
use datalith_engine::transact::{TxData, TxReport};
use datalith_engine::{Code, Error, Index, Keyword, Result, Value, datoms, edn};

/// Numbers that a store of these tests holds at the start: some in segments, some in the log.
const NUMBERS: i64 = 12;

fn config() -> Config {
    let text = "{:store {:backend :memory :id #uuid \"7a3ef0d1-6a86-4f1e-9d5f-1d9c3b1a2c55\"}
                 :schema-flexibility :read :lock-timeout 0}";
    let config = edn::read(text).and_then(|config| Config::from_value(&config));
    config.expect("a configuration")
}

fn connect(storage: &Arc<SimStorage>) -> Result<Conn> {
    Conn::connect_at(storage.clone() as Arc<dyn Storage>, &config())
}

/// A store with a root, a log behind it, and a branch.
fn filled(seed: u64) -> Arc<SimStorage> {
    let storage = Arc::new(SimStorage::seeded(seed));
    let shared: Arc<dyn Storage> = storage.clone();
    create_database_at(&shared, &config()).expect("created");
    let conn = connect(&storage).expect("connected");
    for n in 1..=NUMBERS {
        write(&conn, n).expect("written");
        if n == NUMBERS / 2 {
            conn.checkpoint().expect("folded");
            let from = BranchPoint::Branch(Keyword::new("db"));
            conn.create_branch(&from, &Keyword::new("side"))
                .expect("branched");
        }
    }
    storage
}

fn write(conn: &Conn, n: i64) -> Result<TxReport> {
    let text = format!("[{{:n {n} :text \"number {n} {}\"}}]", "x".repeat(300));
    conn.transact(&TxData::new(edn::read(&text)?))
}

/// The numbers a database value holds.
fn numbers(db: &Db) -> Result<Vec<i64>> {
    let all = datoms(db, Index::Aevt, &[Value::keyword("n")])?;
    let mut numbers: Vec<i64> = all.iter().filter_map(|datom| datom.v.as_long()).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// What a process that was not there before finds.
fn found(storage: &Arc<SimStorage>) -> Result<Vec<i64>> {
    connect(storage)?.db().and_then(|db| numbers(&db))
}

fn up_to(last: i64) -> Vec<i64> {
    (1..=last).collect()
}

fn code<T>(result: Result<T>) -> Code {
    result.err().expect("an error").code()
}

/// What an error says became of a transaction.
fn outcome(error: &Error) -> String {
    let outcome = error.data().iter().find(|(key, _)| *key == "db/outcome");
    outcome
        .map(|(_, value)| value.to_string())
        .unwrap_or_default()
}

/// The one object whose name starts so.
fn object(storage: &SimStorage, prefix: &str) -> String {
    let mut names = storage.list(prefix).expect("listed");
    names.pop().expect("there is one")
}

fn bytes(storage: &SimStorage, name: &str) -> Vec<u8> {
    let read = storage.read(name, 0..u64::MAX).expect("read");
    read.expect("it is there")
}
