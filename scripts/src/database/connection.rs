//! Connections: opening databases, branches, and looking after them.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use datalith_engine::conn::{self, BranchPoint, Config, Conn, GcOptions};
use datalith_engine::datom::Op;
use datalith_engine::diff::Strategy;
use datalith_engine::store::{FileStorage, Storage};
use datalith_engine::{Code, Value};
use rhai::{Dynamic, Engine, Map};
use uuid::Uuid;

use super::transaction::summary;
use super::value::{ScriptDb, keyword_of};
use crate::fault::{Done, done, refused, thrown};
use crate::files::Grants;
use crate::table::Table;
use crate::value::{to_dynamic, to_value};

/// A connection to a branch of a database.
#[derive(Clone)]
pub struct ScriptConn(pub Conn);

impl std::fmt::Display for ScriptConn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "connection to branch {}", self.0.config().branch())
    }
}

/// The connections that scripts opened, to be released when they are done.
#[derive(Clone, Default)]
pub struct Connections(Arc<Mutex<Vec<Conn>>>);

impl Connections {
    /// Remembers a connection.
    pub fn add(&self, conn: &Conn) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(conn.clone());
    }

    /// Releases all of them.
    pub fn release(&self) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.drain(..).for_each(|conn| conn.release());
    }
}

/// Opens a database by its directory; makes one where there is none.
pub(crate) fn open_path(path: &str, options: &[(&str, Value)]) -> datalith_engine::Result<Conn> {
    let store = Value::map([
        (Value::keyword("backend"), Value::keyword("file")),
        (Value::keyword("path"), Value::str(path)),
    ]);
    connected(store, options)
}

fn connected(store: Value, options: &[(&str, Value)]) -> datalith_engine::Result<Conn> {
    let entries = [("store", store), ("allow-unsafe-config", Value::Bool(true))];
    let given = options.iter().map(|(key, value)| (*key, value.clone()));
    let entries = entries.into_iter().chain(given);
    let entries = entries.map(|(key, value)| (Value::keyword(key), value));
    let config = Config::from_value(&Value::map(entries))?;
    if !conn::database_exists(&config)? {
        match conn::create_database(&config) {
            Err(error) if error.code() != Code::DbAlreadyExists => return Err(error),
            _ => {}
        }
    }
    Conn::connect(&config)
}

/// Opens `":memory:"`, a directory, or what a map says: `#{path: "x.db", branch: "draft",
/// schema_on_read: true, history: false}`.
fn open(files: &Grants, given: &Dynamic) -> Done<Conn> {
    let Some(map) = given.read_lock::<Map>() else {
        let path = given.clone().into_immutable_string();
        let path =
            path.map_err(|_| refused("open takes a path, \":memory:\" or a map with a path"))?;
        return open_at(files, &path, &[]);
    };
    let mut options = Vec::new();
    let mut path = ":memory:".to_owned();
    for (key, value) in map.iter() {
        match key.as_str() {
            "path" => {
                path = value
                    .clone()
                    .into_string()
                    .map_err(|_| refused("path is a text"))?
            }
            "branch" => options.push(("branch", Value::Keyword(keyword_of(value)?))),
            "schema_on_read" => {
                let flexibility = if value.as_bool().unwrap_or(false) {
                    "read"
                } else {
                    "write"
                };
                options.push(("schema-flexibility", Value::keyword(flexibility)));
            }
            "history" => options.push(("keep-history?", to_value(value)?)),
            other => {
                let message = format!(
                    "open has no option {other}; it has path, branch, schema_on_read, history"
                );
                return Err(refused(message));
            }
        }
    }
    open_at(files, &path, &options)
}

fn open_at(files: &Grants, path: &str, options: &[(&str, Value)]) -> Done<Conn> {
    if path == ":memory:" {
        let store = Value::map([
            (Value::keyword("backend"), Value::keyword("memory")),
            (Value::keyword("id"), Value::Uuid(Uuid::new_v4())),
        ]);
        return connected(store, options).map_err(thrown);
    }
    let real = files.writing(path)?;
    open_path(&real.to_string_lossy(), options).map_err(thrown)
}

/// A branch by its name, or a commit by its id.
fn point_of(given: &Dynamic) -> Done<BranchPoint> {
    match to_value(given)? {
        Value::Uuid(commit) => Ok(BranchPoint::Commit(commit)),
        _ => keyword_of(given).map(BranchPoint::Branch),
    }
}

pub(super) fn register(engine: &mut Engine, files: &Grants, connections: &Connections) {
    let (files, kept) = (files.clone(), connections.clone());
    engine
        .register_type_with_name::<ScriptConn>("Conn")
        .register_fn("to_string", |conn: &mut ScriptConn| conn.to_string())
        .register_fn("to_debug", |conn: &mut ScriptConn| conn.to_string())
        .register_fn("db", |conn: &mut ScriptConn| {
            conn.0.db().map(ScriptDb).map_err(thrown)
        })
        .register_fn("close", |conn: &mut ScriptConn| conn.0.release());
    let writing = files.clone();
    engine.register_fn("open", move |given: Dynamic| {
        let conn = open(&writing, &given)?;
        kept.add(&conn);
        done(ScriptConn(conn))
    });
    branches(engine, connections);
    upkeep(engine, files);
}

fn branches(engine: &mut Engine, connections: &Connections) {
    let kept = connections.clone();
    engine
        .register_fn("branch", move |conn: &mut ScriptConn, name: Dynamic| {
            let branch = Value::Keyword(keyword_of(&name)?);
            let config = conn.0.config().with("branch", branch).map_err(thrown)?;
            let conn = Conn::connect(&config).map_err(thrown)?;
            kept.add(&conn);
            done(ScriptConn(conn))
        })
        .register_fn("branches", |conn: &mut ScriptConn| {
            let names = conn.0.branches().map_err(thrown)?;
            let names = names
                .into_iter()
                .map(|name| Dynamic::from(name.as_str().to_owned()));
            done(names.collect::<rhai::Array>())
        })
        .register_fn("create_branch", |conn: &mut ScriptConn, name: Dynamic| {
            let here = BranchPoint::Branch(conn.0.config().branch().clone());
            conn.0
                .create_branch(&here, &keyword_of(&name)?)
                .map_err(thrown)
        })
        .register_fn(
            "create_branch",
            |conn: &mut ScriptConn, name: Dynamic, from: Dynamic| {
                conn.0
                    .create_branch(&point_of(&from)?, &keyword_of(&name)?)
                    .map_err(thrown)
            },
        )
        .register_fn("delete_branch", |conn: &mut ScriptConn, name: Dynamic| {
            conn.0.delete_branch(&keyword_of(&name)?).map_err(thrown)
        })
        .register_fn("merge", |conn: &mut ScriptConn, from: Dynamic| {
            merge(&conn.0, &from, "fail")
        })
        .register_fn(
            "merge",
            |conn: &mut ScriptConn, from: Dynamic, side: &str| merge(&conn.0, &from, side),
        )
        .register_fn(
            "commit",
            |conn: &mut ScriptConn, id: Dynamic| match point_of(&id)? {
                BranchPoint::Commit(id) => match conn.0.commit_as_db(id).map_err(thrown)? {
                    Some(db) => Ok(ScriptDb(db)),
                    None => Err(refused(format!("there is no commit {id}"))),
                },
                BranchPoint::Branch(_) => {
                    Err(refused("commit takes the id of a commit: uuid(\"…\")"))
                }
            },
        );
}

/// Brings the changes of a branch here.
fn merge(conn: &Conn, from: &Dynamic, side: &str) -> Done<Map> {
    let strategy = match side {
        "fail" => Strategy::Fail,
        "ours" => Strategy::Ours,
        "theirs" => Strategy::Theirs,
        other => {
            return Err(refused(format!(
                "merge: {other} is none of fail, ours, theirs"
            )));
        }
    };
    let merged = conn
        .merge_branch(&point_of(from)?, strategy, None)
        .map_err(thrown)?;
    let mut found = merged.report.as_ref().map(summary).unwrap_or_default();
    let conflicts = merged
        .conflicts
        .iter()
        .map(|conflict| to_dynamic(&conflict.to_value()));
    found.insert("conflicts".into(), Dynamic::from_array(conflicts.collect()));
    Ok(found)
}

fn upkeep(engine: &mut Engine, files: Grants) {
    engine
        .register_fn("log", |conn: &mut ScriptConn| log(&conn.0, 100))
        .register_fn("log", |conn: &mut ScriptConn, limit: i64| {
            log(&conn.0, limit)
        })
        .register_fn("checkpoint", |conn: &mut ScriptConn| {
            conn.0.checkpoint().map(drop).map_err(thrown)
        })
        .register_fn("gc", |conn: &mut ScriptConn| {
            let report = conn.0.gc_storage(GcOptions::default()).map_err(thrown)?;
            let entries = [
                ("removed", report.removed.len() as i64),
                ("bytes", report.bytes as i64),
            ];
            let entries = entries.map(|(name, n)| (name.into(), Dynamic::from(n)));
            done(Map::from_iter(entries))
        })
        .register_fn("verify", |conn: &mut ScriptConn| {
            let report = conn
                .0
                .verify(&conn::VerifyOptions::default())
                .map_err(thrown)?;
            done(to_dynamic(&report.to_value()))
        })
        .register_fn("build_indexes", |conn: &mut ScriptConn| {
            let built = conn
                .0
                .build_graphs(&|_| ControlFlow::Continue(()))
                .map_err(thrown)?;
            done(built as i64)
        })
        .register_fn("embed", |conn: &mut ScriptConn| {
            let made = conn
                .0
                .embed(&|_| ControlFlow::Continue(()))
                .map_err(thrown)?;
            done(made as i64)
        })
        .register_fn("backup", move |conn: &mut ScriptConn, folder: &str| {
            let place = files.writing(folder)?;
            let storage: Arc<dyn Storage> = Arc::new(FileStorage::at(&place));
            let report = conn.0.backup(&storage, &|_| {}).map_err(thrown)?;
            done(to_dynamic(&report.to_value()))
        });
}

/// The newest transactions, newest first.
fn log(conn: &Conn, limit: i64) -> Done<Table> {
    let last = conn.db().map_err(thrown)?.max_tx().0;
    let first = last
        .saturating_sub(limit.saturating_sub(1))
        .max(datalith_engine::datom::TX0);
    let from = datalith_engine::db::TimePoint::Tx(datalith_engine::datom::TxId(first));
    let entries = conn.tx_range(Some(from), None, None).map_err(thrown)?;
    let row = |entry: &conn::TxEntry| {
        let count = |op| {
            let own = entry
                .datoms
                .iter()
                .filter(|d| d.op == op && d.e.0 != entry.tx.0);
            Value::from(own.count())
        };
        vec![
            Value::Long(entry.t as i64),
            Value::Instant(entry.instant_ms),
            Value::Uuid(entry.commit),
            count(Op::Assert),
            count(Op::Retract),
        ]
    };
    let names = ["t", "instant", "commit", "asserted", "retracted"]
        .map(str::to_owned)
        .to_vec();
    Ok(Table::from_rows(
        names,
        entries.iter().rev().map(row).collect(),
    ))
}
