//! The one small object that makes a folder a database: its format, its configuration, its log.
//!
//! It is created last, once and whole, so a creation that was cut short left no database; it is
//! deleted first. One line of text (magic, format, digest, length), then EDN.

use std::sync::Arc;

use super::Config;
use super::environment;
use crate::edn;
use crate::error::{Code, Error, Result};
use crate::store::{Put, Storage};
use crate::value::Value;

/// The name of that object in its store.
pub(super) const NAME: &str = "database";
/// What it starts with.
const MAGIC: &str = "datalith-database";
/// The newest format this build reads, and the one it writes.
const FORMAT: u32 = 1;
/// Longest such object, in bytes.
const BYTES_MAX: u64 = 16 << 20;

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
        match storage.read(NAME, 0..BYTES_MAX)? {
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
        let body = format!("{map}\n");
        if !matches!(edn::read(&body), Ok(back) if back == map) {
            return Err(Error::new(
                Code::ConfigInvalid,
                "Invalid Datahike configuration. It holds a value that EDN cannot write.",
            ));
        }
        let digest = digest(FORMAT, &body);
        Ok(format!("{MAGIC} {FORMAT} {digest} {}\n{body}", body.len()).into_bytes())
    }

    fn decode(bytes: &[u8]) -> Result<Settings> {
        let parts = std::str::from_utf8(bytes)
            .ok()
            .and_then(|text| text.split_once('\n'));
        let (line, body) = parts.ok_or_else(|| damaged("it is cut short"))?;
        let mut words = line.split(' ');
        if words.next() != Some(MAGIC) {
            return Err(damaged("it does not start as one"));
        }
        let number = |word: Option<&str>| word.and_then(|word| word.parse::<u64>().ok());
        let format = number(words.next()).ok_or_else(|| damaged("it names no format"))?;
        let stored = words.next().unwrap_or_default();
        if number(words.next()) != Some(body.len() as u64)
            || u32::try_from(format)
                .map(|format| digest(format, body))
                .as_deref()
                != Ok(stored)
        {
            return Err(damaged("it does not match its checksum"));
        }
        if format > u64::from(FORMAT) {
            let message =
                format!("the database has format {format}; this build reads up to {FORMAT}");
            return Err(Error::new(Code::FormatVersion, message));
        }
        let map = edn::read(body).map_err(|_| damaged("it is not EDN"))?;
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
    let start = storage.read(NAME, 0..MAGIC.len() as u64)?;
    Ok(start.is_some_and(|start| start == MAGIC.as_bytes()))
}

fn digest(format: u32, body: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&format.to_le_bytes());
    hasher.update(body.as_bytes());
    hasher.finalize().to_hex()[..32].to_owned()
}

fn damaged(how: &str) -> Error {
    Error::new(
        Code::CorruptLog,
        format!("the object {NAME} of the store is damaged: {how}"),
    )
    .with("file", NAME)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStorage;

    #[test]
    fn settings_come_back_and_no_changed_bit_goes_unseen() {
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
        let bytes = settings.encode().unwrap();
        for bit in 0..8 * bytes.len() {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(Settings::decode(&changed).is_err(), "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert!(Settings::decode(&bytes[..len]).is_err(), "{len} bytes");
        }
        let newer = edn_of_format(2, "{}\n");
        assert_eq!(
            Settings::decode(newer.as_bytes()).unwrap_err().code(),
            Code::FormatVersion
        );
    }

    fn edn_of_format(format: u32, body: &str) -> String {
        format!(
            "{MAGIC} {format} {} {}\n{body}",
            digest(format, body),
            body.len()
        )
    }
}
