//! The one small object that makes a folder a database: its format, its configuration, its log.
//!
//! It is created last, once and whole, so a creation that was cut short left no database; it is
//! deleted first. The name of the first log also stands for this database among those that the
//! store held before.

use std::sync::Arc;

use super::Config;
use super::environment;
use super::object::{self, Form};
use crate::error::{Code, Error, Result};
use crate::store::{Put, Storage};
use crate::value::Value;

/// The name of that object in its store.
pub(super) const NAME: &str = "database";
/// Its form.
const FORM: Form = Form {
    magic: "datalith-database",
    format: 1,
    damage: Code::CorruptLog,
};

/// What a database was created as.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// The configuration, without `:initial-tx`.
    pub(super) config: Config,
    /// The name of its log in the store.
    pub(super) log: String,
}

impl Settings {
    /// Keeps them, unless a database is there already.
    pub(super) fn create(&self, storage: &dyn Storage) -> Result<Put> {
        storage.create(NAME, &self.encode()?)
    }

    /// The settings of the database in a store, if there is one.
    pub(super) fn load(storage: &Arc<dyn Storage>) -> Result<Option<Settings>> {
        match storage.read(NAME, 0..object::BYTES_MAX)? {
            Some(bytes) => Settings::decode(&bytes).map(Some),
            None => Ok(None),
        }
    }

    fn encode(&self) -> Result<Vec<u8>> {
        let mut entries = self.config.entries().clone();
        entries.shift_remove(&Value::keyword("initial-tx"));
        let map = Value::map([
            (Value::keyword("config"), Value::from(entries)),
            (Value::keyword("log"), Value::str(&self.log)),
        ]);
        FORM.encode(&map).ok_or_else(|| {
            Error::new(
                Code::ConfigInvalid,
                "Invalid Datahike configuration. It holds a value that EDN cannot write.",
            )
        })
    }

    fn decode(bytes: &[u8]) -> Result<Settings> {
        let damaged = |how| FORM.damaged(NAME, how);
        let map = FORM.decode(NAME, bytes)?;
        let config = map
            .get("config")
            .ok_or_else(|| damaged("it holds no configuration"))?;
        let log = map.get("log").and_then(Value::as_str);
        Ok(Settings {
            config: Config::from_value_in(config, &environment::empty)?,
            log: log.ok_or_else(|| damaged("it names no log"))?.to_owned(),
        })
    }
}

/// Whether a store holds what looks like a database, damaged or not.
pub(super) fn is_there(storage: &dyn Storage) -> Result<bool> {
    let start = storage.read(NAME, 0..FORM.magic.len() as u64)?;
    Ok(start.is_some_and(|start| start == FORM.magic.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStorage;

    #[test]
    fn settings_come_back() {
        let settings = Settings {
            config: Config::memory(uuid::Uuid::from_u128(1)),
            log: "log/x".to_owned(),
        };
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
        assert!(Settings::load(&storage).unwrap().is_none());
        assert_eq!(settings.create(&*storage).unwrap(), Put::Done);
        assert_eq!(settings.create(&*storage).unwrap(), Put::Refused);
        let back = Settings::load(&storage).unwrap().unwrap();
        assert_eq!(back.config.to_value(), settings.config.to_value());
        assert_eq!(back.log, "log/x");
    }
}
