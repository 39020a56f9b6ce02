//! Databases by configuration: created, found, deleted.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use uuid::Uuid;

use super::Config;
use super::config::Backend;
use super::connection::release_connections_to;
use super::consistency;
use super::database::Database;
use super::pin::{COLLECT, MAINTENANCE};
use super::reference::{self, MAIN};
use super::settings::{self, Settings};
use crate::edn;
use crate::error::{Code, Error, Result};
use crate::limits::EDN_TEXT_BYTES;
use crate::store::{FileStorage, MemoryStorage, PINS, Put, Storage, read_text};
use crate::transact::TxData;
use crate::value::{Keyword, Value};

/// A database in memory, with those of its branches that were opened.
struct Held {
    storage: Arc<dyn Storage>,
    config: Config,
    open: HashMap<Keyword, Arc<Database>>,
}

/// Databases in memory live here until they are deleted, connected or not.
fn in_memory() -> MutexGuard<'static, HashMap<Uuid, Held>> {
    static DATABASES: OnceLock<Mutex<HashMap<Uuid, Held>>> = OnceLock::new();
    // Every change is one insertion or removal: a panic in between leaves nothing half done.
    DATABASES
        .get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

/// Creates a database, runs its `:initial-tx`, and gives the effective configuration.
///
/// Errors: [`Code::DbAlreadyExists`], and what the initial transaction fails with; then nothing
/// was created.
pub fn create_database(config: &Config) -> Result<Value> {
    if let Some(storage) = storage_of(config) {
        return create_database_at(&(Arc::new(storage) as Arc<dyn Storage>), config);
    }
    check_branch(config)?;
    let (config, initial) = with_initial_data(config)?;
    create_in_memory(&config, initial.as_ref())?;
    Ok(config.to_value())
}

/// Creates a database in a store of the caller's, for [`Conn::connect_at`]; else as
/// [`create_database`].
///
/// [`Conn::connect_at`]: super::Conn::connect_at
pub fn create_database_at(storage: &Arc<dyn Storage>, config: &Config) -> Result<Value> {
    check_branch(config)?;
    let (config, initial) = with_initial_data(config)?;
    if Settings::load(storage)?.is_some() {
        return Err(exists(&config));
    }
    match Database::create(storage, &config, initial.as_ref())? {
        Put::Done => Ok(config.to_value()),
        Put::Refused => Err(exists(&config)),
    }
}

/// Refuses to create a database with another branch than the main one.
pub(super) fn check_branch(config: &Config) -> Result<()> {
    if config.branch().as_str() == MAIN {
        return Ok(());
    }
    let message = format!(
        "a database is created with branch :db, not {}",
        config.branch()
    );
    Err(Error::new(Code::Unsupported, message)
        .with("branch", Value::Keyword(config.branch().clone())))
}

/// Whether there is such a database.
pub fn database_exists(config: &Config) -> Result<bool> {
    Ok(stored_config(config)?.is_some())
}

/// The configuration a database was created with, if there is one where `config` points.
pub fn stored_config(config: &Config) -> Result<Option<Config>> {
    match storage_of(config) {
        None => {
            let databases = in_memory();
            let held = databases.get(&config.store_id().uuid());
            Ok(held.map(|held| held.config.clone()))
        }
        Some(storage) => {
            let storage: Arc<dyn Storage> = Arc::new(storage);
            Ok(Settings::load(&storage)?.map(|settings| settings.config))
        }
    }
}

/// Deletes a database and ends its connections; none there is fine too.
///
/// Of a folder only what a database put there is deleted.
pub fn delete_database(config: &Config) -> Result<()> {
    release_connections_to(config);
    match storage_of(config) {
        None => {
            // Dropped outside of the lock: a large database takes a while to free.
            let deleted = in_memory().remove(&config.store_id().uuid());
            drop(deleted);
        }
        Some(storage) => {
            if settings::is_there(&storage)? {
                // First what makes it a database: cut short, there is none, and nothing half.
                storage.delete(settings::NAME)?;
                for name in storage.list(reference::PREFIX)? {
                    storage.delete(&name)?;
                }
                // A branch without a ref of its own has had a lock.
                storage.delete(&reference::name_of(&Keyword::new(MAIN)))?;
                for name in storage.list("log/")? {
                    if name
                        .strip_prefix("log/")
                        .is_some_and(|id| Uuid::try_parse(id).is_ok())
                    {
                        storage.delete(&name)?;
                        storage.delete(&format!("{name}.next"))?;
                    }
                }
                for prefix in ["root/", "segment/"] {
                    for name in storage.list(prefix)? {
                        storage.delete(&name)?;
                    }
                }
                // Of the pins those of the dead go; who still reads is on its own.
                storage.held(PINS)?;
                storage.delete(MAINTENANCE)?;
                storage.delete(COLLECT)?;
                storage.remove_empty()?;
            }
        }
    }
    Ok(())
}

/// Opens a branch of a database that exists, with its configuration checked.
pub(super) fn open(config: &Config) -> Result<Arc<Database>> {
    let database = match storage_of(config) {
        None => open_in_memory(config)?,
        Some(storage) => Database::open(Arc::new(storage), config)?.map(Arc::new),
    };
    database.ok_or_else(|| missing_branch(config))
}

/// Opens a branch of the database in a store of the caller's.
pub(super) fn open_at(storage: Arc<dyn Storage>, config: &Config) -> Result<Arc<Database>> {
    let database = Database::open(storage, config)?.map(Arc::new);
    database.ok_or_else(|| missing_branch(config))
}

fn missing_branch(config: &Config) -> Error {
    match config.branch().as_str() {
        MAIN => missing(config),
        _ => missing(config).with("branch", Value::Keyword(config.branch().clone())),
    }
}

fn open_in_memory(config: &Config) -> Result<Option<Arc<Database>>> {
    let mut databases = in_memory();
    let Some(held) = databases.get_mut(&config.store_id().uuid()) else {
        return Ok(None);
    };
    if let Some(database) = held.open.get(config.branch()) {
        consistency::check_stored(config, &held.config)?;
        return Ok(Some(Arc::clone(database)));
    }
    let opened = Database::open(Arc::clone(&held.storage), config)?;
    let opened = opened.map(|database| Arc::new(database.without_segments()));
    if let Some(database) = &opened {
        let branch = config.branch().clone();
        held.open.insert(branch, Arc::clone(database));
    }
    Ok(opened)
}

/// Lets go of a branch that was deleted.
pub(super) fn forget_branch(config: &Config, branch: &Keyword) {
    if *config.backend() == Backend::Memory {
        // Dropped outside of the lock: a large database takes a while to free.
        let forgotten = in_memory()
            .get_mut(&config.store_id().uuid())
            .and_then(|held| held.open.remove(branch));
        drop(forgotten);
    }
}

/// The store a configuration points to; of databases in memory only those that exist have one.
pub(super) fn store_of(config: &Config) -> Option<Arc<dyn Storage>> {
    match storage_of(config) {
        Some(storage) => Some(Arc::new(storage)),
        None => {
            let databases = in_memory();
            let held = databases.get(&config.store_id().uuid());
            held.map(|held| Arc::clone(&held.storage))
        }
    }
}

fn storage_of(config: &Config) -> Option<FileStorage> {
    match config.backend() {
        Backend::Memory => None,
        Backend::File(path) => Some(FileStorage::at(path)),
    }
}

/// Reads the file an `:initial-tx` may name, so that the configuration holds the data.
fn with_initial_data(config: &Config) -> Result<(Config, Option<TxData>)> {
    let config = match config.initial_tx() {
        Some(Value::Str(path)) => {
            let text = read_text(Path::new(&**path), EDN_TEXT_BYTES)?;
            config.with("initial-tx", edn::read(&text)?)?
        }
        _ => config.clone(),
    };
    let initial = config.initial_tx().map(TxData::from_value).transpose()?;
    Ok((config, initial))
}

fn create_in_memory(config: &Config, initial: Option<&TxData>) -> Result<()> {
    let id = config.store_id().uuid();
    if in_memory().contains_key(&id) {
        return Err(exists(config));
    }
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
    Database::create(&storage, config, initial)?;
    hold_in_memory(config.clone(), storage)
}

/// Keeps a database that was made in memory until it is deleted.
pub(super) fn hold_in_memory(config: Config, storage: Arc<dyn Storage>) -> Result<()> {
    match in_memory().entry(config.store_id().uuid()) {
        Entry::Occupied(_) => Err(exists(&config)),
        Entry::Vacant(vacant) => {
            vacant.insert(Held {
                storage,
                config,
                open: HashMap::new(),
            });
            Ok(())
        }
    }
}

/// The error for a database that is there already.
pub(super) fn exists(config: &Config) -> Error {
    Error::new(Code::DbAlreadyExists, "Database already exists.").with("config", config.to_value())
}

fn missing(config: &Config) -> Error {
    Error::new(Code::DbDoesNotExist, "Database does not exist.").with("config", config.to_value())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conn::Conn;

    #[test]
    fn a_database_in_memory_lives_until_it_is_deleted() {
        let config = Config::memory(Uuid::new_v4());
        let code = |result: Result<Conn>| result.map(|_| ()).unwrap_err().code();
        assert!(!database_exists(&config).unwrap());
        assert_eq!(code(Conn::connect(&config)), Code::DbDoesNotExist);
        assert_eq!(create_database(&config).unwrap(), config.to_value());
        assert_eq!(
            create_database(&config).unwrap_err().code(),
            Code::DbAlreadyExists
        );
        let conn = Conn::connect(&config).unwrap();
        let again = Conn::connect(&config).unwrap();
        assert!(conn.is_same(&again));
        let other = config.with("keep-history?", Value::Bool(false)).unwrap();
        assert_eq!(
            code(Conn::connect(&other)),
            Code::ConfigDoesNotMatchConnections
        );
        conn.release();
        assert!(again.db().is_ok());
        again.release();
        assert_eq!(
            conn.db().map(|_| ()).unwrap_err().code(),
            Code::ConnectionReleased
        );
        assert_eq!(code(Conn::connect(&other)), Code::ConfigDoesNotMatch);
        let conn = Conn::connect(&config).unwrap();
        delete_database(&config).unwrap();
        delete_database(&config).unwrap();
        assert_eq!(
            conn.db().map(|_| ()).unwrap_err().code(),
            Code::ConnectionReleased
        );
        assert!(!database_exists(&config).unwrap());
    }
}
