//! Connections, shared per database within this process.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use uuid::Uuid;

use super::Config;
use super::config::Backend;
use super::consistency;
use super::database::Database;
use super::listen::{ListenerId, Listeners};
use super::queue::Upon;
use super::registry;
use crate::db::Db;
use crate::error::{Code, Error, Result};
use crate::store::Storage;
use crate::transact::{TxData, TxReport};
use crate::value::{Keyword, Value};

/// A connection to a database; clones are the same connection.
///
/// Connecting twice gives the same connection, counted: it lives until it was released as often.
#[derive(Clone)]
pub struct Conn {
    shared: Arc<Shared>,
}

struct Shared {
    key: Key,
    config: Config,
    /// None once released.
    database: RwLock<Option<Arc<Database>>>,
    listeners: Arc<Listeners>,
}

/// What makes two connections the same.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) id: Uuid,
    pub(super) branch: Keyword,
    /// The place: a copied directory has the id of its original.
    pub(super) path: Option<PathBuf>,
}

struct Counted {
    conn: Conn,
    count: usize,
}

fn connections() -> MutexGuard<'static, HashMap<Key, Counted>> {
    static CONNECTIONS: OnceLock<Mutex<HashMap<Key, Counted>>> = OnceLock::new();
    // Every change is one insertion or removal: a panic in between leaves nothing half done.
    CONNECTIONS
        .get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

impl Conn {
    /// Connects to a database that exists.
    ///
    /// Errors: [`Code::DbDoesNotExist`], [`Code::ConfigDoesNotMatch`],
    /// [`Code::ConfigDoesNotMatchConnections`], [`Code::StoreIdentityMismatch`].
    pub fn connect(config: &Config) -> Result<Conn> {
        // Held while the database is opened, so that two callers do not open it twice.
        let mut connections = connections();
        let known = connections.iter_mut().find(|(key, _)| is_of(key, config));
        if let Some((_, counted)) = known {
            consistency::check_connected(config, &counted.conn.shared.config)?;
            counted.count += 1;
            return Ok(counted.conn.clone());
        }
        let conn = Conn::to(registry::open(config)?, config);
        connections.insert(
            conn.shared.key.clone(),
            Counted {
                conn: conn.clone(),
                count: 1,
            },
        );
        Ok(conn)
    }

    /// Connects to the database in a store of the caller's, with a connection of its own: shared
    /// with nobody, as if it were of another process. `:store` of the configuration counts for its
    /// `:id` only.
    ///
    /// Errors: those of [`Conn::connect`].
    pub fn connect_at(storage: Arc<dyn Storage>, config: &Config) -> Result<Conn> {
        Ok(Conn::to(registry::open_at(storage, config)?, config))
    }

    fn to(database: Arc<Database>, config: &Config) -> Conn {
        Conn {
            shared: Arc::new(Shared {
                key: key_of(config, database.config()),
                config: config.clone(),
                database: RwLock::new(Some(database)),
                listeners: Arc::default(),
            }),
        }
    }

    /// The newest database value.
    pub fn db(&self) -> Result<Db> {
        self.database()?.db()
    }

    /// Makes a transaction, durable when the call returns. Blocks; callable from many threads.
    pub fn transact(&self, data: &TxData) -> Result<TxReport> {
        self.transact_upon(data, Upon::default())
    }

    /// Gives up one of as many connects; at the last the connection ends for all its clones.
    pub fn release(&self) {
        let mut connections = connections();
        let counted = connections
            .get_mut(&self.shared.key)
            .filter(|counted| Arc::ptr_eq(&counted.conn.shared, &self.shared));
        let Some(counted) = counted else {
            // Not counted: a connection of its own, or one that has ended.
            drop(connections);
            self.shared.close();
            return;
        };
        counted.count -= 1;
        if counted.count == 0 {
            connections.remove(&self.shared.key);
            drop(connections);
            self.shared.close();
        }
    }

    /// Ends the connection however often it was connected.
    pub fn release_all(&self) {
        let mut connections = connections();
        if connections
            .get(&self.shared.key)
            .is_some_and(|c| Arc::ptr_eq(&c.conn.shared, &self.shared))
        {
            connections.remove(&self.shared.key);
        }
        drop(connections);
        self.shared.close();
    }

    /// Calls `listener` after each transaction of this connection, in their order, outside of the
    /// writer: it may itself transact. A panic in it is caught and changes nothing.
    pub fn listen(&self, listener: Box<dyn Fn(&TxReport) + Send + Sync>) -> ListenerId {
        self.shared.listeners.add(listener)
    }

    /// Takes a listener away; whether there was one.
    pub fn unlisten(&self, id: ListenerId) -> bool {
        self.shared.listeners.remove(id)
    }

    /// The configuration it was connected with.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// Whether this is the same connection.
    pub fn is_same(&self, other: &Conn) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Makes a transaction whose commit follows what it says.
    pub(super) fn transact_upon(&self, data: &TxData, upon: Upon) -> Result<TxReport> {
        let database = self.database()?;
        let answer = database.transact(data, upon, &self.shared.listeners);
        database.keep_novelty_small();
        if let Ok(report) = &answer {
            database.keep_graphs(report);
        }
        answer
    }

    /// The shared connection to another branch, if there is one.
    pub(super) fn sibling(&self, branch: &Keyword) -> Option<Conn> {
        let key = self.sibling_key(&connections(), branch)?;
        connections().get(&key).map(|counted| counted.conn.clone())
    }

    /// Ends the shared connection to a branch.
    pub(super) fn release_sibling(&self, branch: &Keyword) {
        let mut connections = connections();
        let Some(key) = self.sibling_key(&connections, branch) else {
            return;
        };
        if let Some(counted) = connections.remove(&key) {
            counted.conn.shared.end();
        }
        registry::forget_branch(&self.shared.config, branch);
    }

    /// None for a connection of its own: another store may go by the same key.
    fn sibling_key(&self, connections: &HashMap<Key, Counted>, branch: &Keyword) -> Option<Key> {
        connections
            .get(&self.shared.key)
            .filter(|counted| Arc::ptr_eq(&counted.conn.shared, &self.shared))
            .map(|_| Key {
                branch: branch.clone(),
                ..self.shared.key.clone()
            })
    }

    pub(super) fn database(&self) -> Result<Arc<Database>> {
        let database = self
            .shared
            .database
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        database
            .clone()
            .ok_or_else(|| Error::new(Code::ConnectionReleased, "Connection has been released."))
    }
}

impl Shared {
    fn end(&self) -> Option<Arc<Database>> {
        let mut database = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        database.take()
    }

    /// Ends the connection and leaves the branch as its next user wants to find it.
    fn close(&self) {
        if let Some(database) = self.end() {
            database.close();
        }
    }
}

/// How a process leaves its databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// At once.
    Promptly,
    /// With the novelty folded into segments, for who comes next.
    Tidy,
}

/// Ends every connection of this process, as before it ends itself.
pub fn leave(how: Leave) {
    let all: Vec<Conn> = connections()
        .drain()
        .map(|(_, counted)| counted.conn)
        .collect();
    for conn in all {
        match how {
            Leave::Promptly => drop(conn.shared.end()),
            Leave::Tidy => conn.shared.close(),
        }
    }
}

/// Ends every connection to a database that goes away.
pub(super) fn release_connections_to(config: &Config) {
    let mut connections = connections();
    let keys: Vec<Key> = connections
        .keys()
        .filter(|key| is_at(key, config))
        .cloned()
        .collect();
    for key in keys {
        if let Some(counted) = connections.remove(&key) {
            counted.conn.shared.end();
        }
    }
}

fn key_of(config: &Config, stored: &Config) -> Key {
    Key {
        id: stored.store_id().uuid(),
        branch: config.branch().clone(),
        path: path_of(config),
    }
}

/// Whether a connection is to the place and branch a configuration names. The id is left to the
/// check of the configurations, for a directory can be named without it.
fn is_of(key: &Key, config: &Config) -> bool {
    is_at(key, config) && key.branch == *config.branch()
}

fn is_at(key: &Key, config: &Config) -> bool {
    match config.backend() {
        Backend::File(path) => key.path.as_ref() == Some(path),
        Backend::Memory => key.path.is_none() && key.id == config.store_id().uuid(),
    }
}

fn path_of(config: &Config) -> Option<PathBuf> {
    match config.backend() {
        Backend::File(path) => Some(path.clone()),
        Backend::Memory => None,
    }
}

impl std::fmt::Debug for Conn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let store = self.shared.config.entries().get(&Value::keyword("store"));
        f.debug_tuple("Conn").field(&store).finish()
    }
}
