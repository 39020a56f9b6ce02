//! What a client holds by name: connections, database values, prepared queries.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};

use datalith_engine::conn::Conn;
use datalith_engine::datom::TX0;
use datalith_engine::db::Db;
use datalith_engine::{Code, Error, Result, Value};
use uuid::Uuid;

use crate::limits::{CONNECTIONS, DATABASES, PREPARED_QUERIES, RELEASED_NAMES};
use crate::lock::hold;
use crate::ops::call::Face;
use crate::ops::known::Known;

/// The key of a connection's handle in `pod.datalith`.
const CONN_KEY: &str = "datalith/conn";
/// The key of a database value's handle in `pod.datalith`.
const DB_KEY: &str = "datalith/db";
/// The key of a prepared query's handle.
const QUERY_KEY: &str = "datalith/query";

/// Everything handed out and not given back yet.
#[derive(Default)]
pub(crate) struct Handles {
    connections: Mutex<HashMap<String, Conn>>,
    databases: Mutex<HashMap<Uuid, Held>>,
    released: Mutex<Released>,
    queries: Mutex<HashMap<Uuid, Arc<Known>>>,
}

/// A database value, and the name of the connection it came from.
struct Held {
    db: Db,
    conn: String,
}

/// The names given back last, to tell a dead handle from a text.
#[derive(Default)]
struct Released {
    ids: HashSet<Uuid>,
    order: VecDeque<Uuid>,
}

impl Released {
    fn add(&mut self, id: Uuid) {
        if self.order.len() == RELEASED_NAMES
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        self.order.push_back(id);
        self.ids.insert(id);
    }
}

impl Handles {
    /// Keeps a connection under the name of its configuration; the same configuration gives the
    /// same handle, and the connection that had it is closed.
    pub(crate) fn add_connection(&self, config: &Value, conn: Conn, face: Face) -> Result<Value> {
        let id = connection_id(config);
        let replaced = {
            let mut connections = hold(&self.connections);
            if connections.len() >= CONNECTIONS && !connections.contains_key(&id) {
                drop(connections);
                conn.release();
                return Err(full("connections", CONNECTIONS, "Close some with release"));
            }
            connections.insert(id.clone(), conn)
        };
        if let Some(replaced) = replaced {
            replaced.release();
        }
        Ok(wrap(face, CONN_KEY, id))
    }

    /// The connection of a handle.
    pub(crate) fn connection(&self, handle: &Value) -> Result<Conn> {
        self.named_connection(handle).map(|(_, conn)| conn)
    }

    /// The connection of a handle, and its name.
    pub(crate) fn named_connection(&self, handle: &Value) -> Result<(String, Conn)> {
        let id = unwrap(handle, CONN_KEY);
        let found =
            id.and_then(|id| Some((id.to_owned(), hold(&self.connections).get(id)?.clone())));
        found.ok_or_else(|| missing_connection(handle))
    }

    /// Forgets a connection and gives it back to its owner.
    pub(crate) fn remove_connection(&self, handle: &Value) -> Result<(String, Conn)> {
        let id = unwrap(handle, CONN_KEY);
        let found = id.and_then(|id| hold(&self.connections).remove_entry(id));
        found.ok_or_else(|| missing_connection(handle))
    }

    /// Forgets everything; gives the connections back.
    pub(crate) fn clear(&self) -> Vec<Conn> {
        hold(&self.databases).clear();
        hold(&self.queries).clear();
        hold(&self.connections)
            .drain()
            .map(|(_, conn)| conn)
            .collect()
    }

    /// Keeps a database value under a fresh name. `from`: the handle of the connection or of the
    /// other database value it was made from.
    pub(crate) fn add_database(&self, db: Db, from: &Value, face: Face) -> Result<Value> {
        let basis_t = db.max_tx().0 - TX0;
        let id = Uuid::new_v4();
        let mut databases = hold(&self.databases);
        let source = uuid(from, DB_KEY).and_then(|id| databases.get(&id));
        let conn = match source {
            Some(source) => source.conn.clone(),
            None => unwrap(from, CONN_KEY).unwrap_or_default().to_owned(),
        };
        if databases.len() >= DATABASES {
            return Err(full(
                "database values",
                DATABASES,
                "Give some back with release-db or with-db",
            ));
        }
        databases.insert(id, Held { db, conn });
        Ok(match wrap(face, DB_KEY, id.to_string()) {
            Value::Map(map) => {
                let mut map = (*map).clone();
                map.insert(Value::keyword("t"), Value::Long(basis_t));
                map.into()
            }
            id => id,
        })
    }

    /// The database value of a handle.
    pub(crate) fn database(&self, handle: &Value) -> Result<Db> {
        let id = uuid(handle, DB_KEY);
        let found = id.and_then(|id| Some(hold(&self.databases).get(&id)?.db.clone()));
        found.ok_or_else(|| missing_database(handle))
    }

    /// The connection of a handle, or the one that the database value of a handle came from.
    pub(crate) fn connection_behind(&self, handle: &Value) -> Result<Conn> {
        let id = uuid(handle, DB_KEY);
        let name = id.and_then(|id| Some(hold(&self.databases).get(&id)?.conn.clone()));
        match name {
            Some(name) => self.connection(&Value::from(name)),
            None if handle.get(DB_KEY).is_some() => Err(missing_database(handle)),
            None => self.connection(handle),
        }
    }

    /// The database value that an input of a query stands for; none if it is a plain value.
    pub(crate) fn database_input(&self, input: &Value) -> Result<Option<Db>> {
        match input {
            Value::Str(_) => match uuid(input, DB_KEY) {
                Some(id) => self.named_database(id, input),
                None => Ok(None),
            },
            Value::Map(_) if input.get(DB_KEY).is_some() => self.database(input).map(Some),
            _ => Ok(None),
        }
    }

    /// The database value of this name. Any text may look like a name: only one that was given
    /// back is an error.
    fn named_database(&self, id: Uuid, input: &Value) -> Result<Option<Db>> {
        let found = hold(&self.databases).get(&id).map(|held| held.db.clone());
        if found.is_none() && hold(&self.released).ids.contains(&id) {
            return Err(missing_database(input));
        }
        Ok(found)
    }

    /// Forgets a database value.
    pub(crate) fn remove_database(&self, handle: &Value) -> Result<()> {
        let id = uuid(handle, DB_KEY).ok_or_else(|| missing_database(handle))?;
        let found = hold(&self.databases).remove(&id);
        found.ok_or_else(|| missing_database(handle))?;
        hold(&self.released).add(id);
        Ok(())
    }

    /// Keeps a query under a fresh name.
    pub(crate) fn add_query(&self, query: Arc<Known>) -> Result<Value> {
        let id = Uuid::new_v4();
        let mut queries = hold(&self.queries);
        if queries.len() >= PREPARED_QUERIES {
            return Err(full(
                "prepared queries",
                PREPARED_QUERIES,
                "Forget some with release-query",
            ));
        }
        queries.insert(id, query);
        Ok(wrap(Face::Datalith, QUERY_KEY, id.to_string()))
    }

    /// The prepared query of a handle.
    pub(crate) fn query(&self, handle: &Value) -> Result<Arc<Known>> {
        let id = uuid(handle, QUERY_KEY);
        let found = id.and_then(|id| hold(&self.queries).get(&id).cloned());
        found.ok_or_else(|| missing_query(handle))
    }

    /// Forgets a prepared query.
    pub(crate) fn remove_query(&self, handle: &Value) -> Result<()> {
        let id = uuid(handle, QUERY_KEY);
        let found = id.and_then(|id| hold(&self.queries).remove(&id));
        found.map(drop).ok_or_else(|| missing_query(handle))
    }
}

/// The name in a connection's handle.
pub(crate) fn connection_name(handle: &Value) -> Option<&str> {
    unwrap(handle, CONN_KEY)
}

/// Whether a value is the handle of a prepared query, alive or not.
pub(crate) fn is_query(value: &Value) -> bool {
    value.get(QUERY_KEY).is_some()
}

/// `conn:` and a hash of the configuration, the same in every process.
fn connection_id(config: &Value) -> String {
    let mut hasher = DefaultHasher::new();
    config.hash(&mut hasher);
    format!("conn:{:016x}", hasher.finish())
}

/// The handle of a name.
fn wrap(face: Face, key: &str, id: String) -> Value {
    match face {
        Face::Datahike => Value::from(id),
        Face::Datalith => Value::map([(Value::keyword(key), Value::from(id))]),
    }
}

/// The name in a handle of either form.
fn unwrap<'a>(handle: &'a Value, key: &str) -> Option<&'a str> {
    match handle {
        Value::Str(id) => Some(id),
        handle => handle.get(key)?.as_str(),
    }
}

fn uuid(handle: &Value, key: &str) -> Option<Uuid> {
    let text = unwrap(handle, key)?;
    // The plain form only: a handle is the text that was given out, not another spelling of it.
    (text.len() == 36)
        .then(|| Uuid::try_parse(text).ok())
        .flatten()
}

fn missing_connection(handle: &Value) -> Error {
    let id = unwrap(handle, CONN_KEY).map_or_else(|| handle.clone(), Value::str);
    Error::new(Code::PodConnection, "Connection not found").with("conn-id", id)
}

fn missing_database(handle: &Value) -> Error {
    let id = unwrap(handle, DB_KEY).map_or_else(|| handle.clone(), Value::str);
    Error::new(Code::PodDatabase, "Database not found").with("db-id", id)
}

fn missing_query(handle: &Value) -> Error {
    let id = unwrap(handle, QUERY_KEY).map_or_else(|| handle.clone(), Value::str);
    Error::new(Code::PodQuery, "Prepared query not found").with("query-id", id)
}

fn full(what: &str, limit: usize, cure: &str) -> Error {
    Error::new(
        Code::Limit,
        format!("The pod already holds {limit} {what}. {cure}"),
    )
    .with("limit", limit)
}
