//! Writes to a database for as long as it lives, and says what was acknowledged.
//!
//! `writer PATH`: creates the database if there is none, says `found THREAD LAST COUNT` of what each
//! thread wrote in earlier lives and `opened`, then `ack THREAD N` after each transaction. It is there
//! to be killed.

use std::collections::BTreeMap;
use std::io::Write;

use datalith_engine::conn::{Config, Conn, create_database, database_exists};
use datalith_engine::db::Db;
use datalith_engine::index::SortOrder;
use datalith_engine::transact::TxData;
use datalith_engine::{Result, Value};

/// Threads that write side by side, so that transactions share a sync.
const THREADS: i64 = 3;

fn main() -> Result<()> {
    let path = std::env::args().nth(1).unwrap_or_default();
    let store = map([
        ("backend", Value::keyword("file")),
        ("path", Value::from(path)),
    ]);
    let config = map([
        ("store", store),
        ("schema-flexibility", Value::keyword("read")),
    ]);
    let config = Config::from_value(&config)?;
    if !database_exists(&config)? {
        create_database(&config)?;
    }
    let conn = Conn::connect(&config)?;
    let found = found(&conn.db()?);
    for (thread, (last, count)) in &found {
        say(&format!("found {thread} {last} {count}"));
    }
    say("opened");
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let start = found.get(&thread).map_or(1, |(last, _)| last + 1);
            let conn = &conn;
            scope.spawn(move || write(conn, thread, start));
        }
    });
    Ok(())
}

/// Transacts until the process is killed or nobody listens.
fn write(conn: &Conn, thread: i64, start: i64) {
    for n in start.. {
        let text = Value::from("x".repeat((n as usize * 37) % 2_000));
        let entity = map([
            ("who", Value::Long(thread)),
            ("n", Value::Long(n)),
            ("text", text),
        ]);
        match conn.transact(&TxData::new(Value::vector([entity]))) {
            Ok(_) if say(&format!("ack {thread} {n}")) => {}
            Ok(_) => return,
            Err(error) => {
                say(&format!("error {error}"));
                return;
            }
        }
    }
}

/// The largest number each thread wrote, and how many it wrote.
fn found(db: &Db) -> BTreeMap<i64, (i64, i64)> {
    let mut found = BTreeMap::new();
    let run = |name| {
        db.attribute_named(name)
            .and_then(|a| db.run(a, SortOrder::ByEntity))
    };
    let (Some(who), Some(n)) = (run("who"), run("n")) else {
        return found;
    };
    for (who, n) in who.rows().zip(n.rows()) {
        let (last, count) = found.entry(who.v.bits as i64).or_insert((0, 0));
        *last = (n.v.bits as i64).max(*last);
        *count += 1;
    }
    found
}

/// Writes a line to whoever started this process; whether anybody listens.
fn say(line: &str) -> bool {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).is_ok()
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::map(entries.map(|(key, value)| (Value::keyword(key), value)))
}
