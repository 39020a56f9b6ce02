//! Databases by configuration: created, found, deleted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use uuid::Uuid;

use super::Config;
use super::config::Backend;
use super::connection::release_connections_to;
use super::consistency;
use super::database::Database;
use crate::error::{Code, Error, Result};
use crate::value::Value;

/// Databases in memory live here until they are deleted, connected or not.
fn in_memory() -> MutexGuard<'static, HashMap<Uuid, Arc<Database>>> {
    static DATABASES: OnceLock<Mutex<HashMap<Uuid, Arc<Database>>>> = OnceLock::new();
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
    if config.branch().as_str() != "db" {
        let message = format!(
            "a database is created with branch :db, not {}",
            config.branch()
        );
        return Err(Error::new(Code::Unsupported, message)
            .with("branch", Value::Keyword(config.branch().clone())));
    }
    match config.backend() {
        Backend::Memory => create_in_memory(config)?,
        Backend::File(_) => return Err(no_files()),
    }
    Ok(config.to_value())
}

/// Whether there is such a database.
pub fn database_exists(config: &Config) -> Result<bool> {
    match config.backend() {
        Backend::Memory => Ok(in_memory().contains_key(&config.store_id().uuid())),
        Backend::File(_) => Err(no_files()),
    }
}

/// Deletes a database and ends its connections; none there is fine too.
pub fn delete_database(config: &Config) -> Result<()> {
    release_connections_to(config);
    match config.backend() {
        Backend::Memory => {
            // Dropped outside of the lock: a large database takes a while to free.
            let deleted = in_memory().remove(&config.store_id().uuid());
            drop(deleted);
            Ok(())
        }
        Backend::File(_) => Err(no_files()),
    }
}

/// Opens a database that exists, with its configuration checked.
pub(super) fn open(config: &Config) -> Result<Arc<Database>> {
    let database = match config.backend() {
        Backend::Memory => {
            let id = config.store_id().uuid();
            let database = in_memory().get(&id).cloned();
            database.ok_or_else(|| missing(config))?
        }
        Backend::File(_) => return Err(no_files()),
    };
    if config.branch().as_str() != "db" {
        return Err(missing(config).with("branch", Value::Keyword(config.branch().clone())));
    }
    consistency::check_stored(config, database.config())?;
    Ok(database)
}

fn create_in_memory(config: &Config) -> Result<()> {
    let id = config.store_id().uuid();
    if in_memory().contains_key(&id) {
        return Err(exists(config));
    }
    let database = Arc::new(Database::in_memory(config.clone())?);
    match in_memory().entry(id) {
        std::collections::hash_map::Entry::Occupied(_) => Err(exists(config)),
        std::collections::hash_map::Entry::Vacant(vacant) => {
            vacant.insert(database);
            Ok(())
        }
    }
}

fn exists(config: &Config) -> Error {
    Error::new(Code::DbAlreadyExists, "Database already exists.").with("config", config.to_value())
}

fn missing(config: &Config) -> Error {
    Error::new(Code::DbDoesNotExist, "Database does not exist.").with("config", config.to_value())
}

fn no_files() -> Error {
    Error::new(
        Code::Unsupported,
        "this build does not keep databases in files yet",
    )
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
