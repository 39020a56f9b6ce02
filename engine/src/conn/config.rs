//! The configuration map of a database: what a caller gives, completed and checked.

use std::path::PathBuf;
use std::sync::Arc;

use uuid::Uuid;

use super::environment::{self, Environment};
use super::uri;
use crate::db::{Flexibility, Options, ValueCaps};
use crate::error::{Code, Error, Result};
use crate::limits::{LOCK_TIMEOUT_MS, POOL_THREADS};
use crate::value::{Keyword, Map, Value};

/// Where a database is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backend {
    /// In this process, until it is deleted.
    Memory,
    /// In the files of a directory, given by its absolute path.
    File(PathBuf),
}

/// The name of a database's `:store`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreId {
    /// The caller gave it; what is stored must have the same.
    Given(Uuid),
    /// The caller gave none; this one is used where nothing is stored yet.
    Derived(Uuid),
}

impl StoreId {
    /// The id itself.
    pub fn uuid(self) -> Uuid {
        match self {
            StoreId::Given(id) | StoreId::Derived(id) => id,
        }
    }
}

/// A configuration, checked and completed with defaults.
///
/// Keys of Datahike that mean nothing here (caches, index settings, …) are checked and kept.
#[derive(Clone, Debug)]
pub struct Config {
    backend: Backend,
    store_id: StoreId,
    branch: Keyword,
    options: Options,
    initial_tx: Option<Value>,
    lock_timeout_ms: u64,
    entries: Map,
}

impl Config {
    /// From a configuration map, an URI of the deprecated form, or `nil` for all defaults.
    ///
    /// What the environment says (`DATAHIKE_…`) stands behind what the map says.
    pub fn from_value(value: &Value) -> Result<Config> {
        Config::from_value_in(value, &environment::of_process)
    }

    pub(super) fn from_value_in(value: &Value, environment: &Environment<'_>) -> Result<Config> {
        let given = match value {
            Value::Nil => Map::default(),
            Value::Map(map) => (**map).clone(),
            Value::Str(text) => uri::parse(text)?,
            _ => return Err(invalid(None, value, "a map")),
        };
        let mut entries = environment::defaults(environment)?;
        merge(&mut entries, uri::without_deprecated_keys(given));
        expand_value_caps(&mut entries)?;
        let mut entries = drop_empty(entries);
        check(&entries)?;
        let (backend, store_id) = complete_store(&mut entries)?;
        let config = Config {
            backend,
            store_id,
            branch: keyword_of(&entries, "branch").unwrap_or_else(|| Keyword::new("db")),
            options: options_of(&entries)?,
            initial_tx: entries.get(&Value::keyword("initial-tx")).cloned(),
            lock_timeout_ms: count_of(&entries, "lock-timeout").unwrap_or(LOCK_TIMEOUT_MS),
            entries,
        };
        Ok(config)
    }

    /// The effective map: what was given and the defaults, without `nil` and empty entries.
    pub fn to_value(&self) -> Value {
        Value::from(self.entries.clone())
    }

    /// A database in this process under an id, everything else by default.
    pub fn memory(id: Uuid) -> Config {
        let store = Value::map([
            (Value::keyword("backend"), Value::keyword("memory")),
            (Value::keyword("id"), Value::Uuid(id)),
        ]);
        let map = Value::map([(Value::keyword("store"), store)]);
        Config::from_value_in(&map, &environment::empty).expect("a map with an id and defaults")
    }

    /// Where it is kept.
    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    /// The `:id` of its `:store`.
    pub fn store_id(&self) -> StoreId {
        self.store_id
    }

    /// `:branch`
    pub fn branch(&self) -> &Keyword {
        &self.branch
    }

    /// What is fixed at creation.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// `:initial-tx`: transaction data, or the path of an EDN file that holds it.
    pub fn initial_tx(&self) -> Option<&Value> {
        self.initial_tx.as_ref()
    }

    /// `:lock-timeout`: how long a transaction waits for writers of other processes, milliseconds.
    pub fn lock_timeout_ms(&self) -> u64 {
        self.lock_timeout_ms
    }

    /// The entries of the effective map.
    pub fn entries(&self) -> &Map {
        &self.entries
    }

    /// The same configuration with another entry; `key` has no colon.
    pub fn with(&self, key: &str, value: Value) -> Result<Config> {
        let mut entries = self.entries.clone();
        entries.insert(Value::keyword(key), value);
        Config::from_value_in(&Value::from(entries), &environment::empty)
    }
}

/// The error for an entry that cannot be used; `key` has no colon.
pub(super) fn invalid(key: Option<&'static str>, value: &Value, expected: &str) -> Error {
    let (place, key) = match key {
        Some(key) => (format!(":{key} must be {expected}"), Value::keyword(key)),
        None => (format!("it must be {expected}"), Value::Nil),
    };
    Error::new(
        Code::ConfigInvalid,
        format!("Invalid Datahike configuration. {place}."),
    )
    .with("key", key)
    .with("value", value.clone())
}

/// Puts the entries of one map over those of another, maps within maps alike.
pub(super) fn merge(under: &mut Map, over: Map) {
    for (key, value) in over {
        let merged = match (under.get(&key), &value) {
            (Some(Value::Map(old)), Value::Map(new)) => {
                let mut old = (**old).clone();
                // Store and writer are the only nested maps of a configuration: one level suffices.
                old.extend((**new).clone());
                Value::from(old)
            }
            _ => value,
        };
        under.insert(key, merged);
    }
}

/// Without entries that are `nil` or an empty map; transaction data is left as it is.
fn drop_empty(entries: Map) -> Map {
    let initial_tx = Value::keyword("initial-tx");
    let kept = entries.into_iter().filter_map(|(key, value)| {
        let value = match value {
            Value::Map(map) if key != initial_tx => {
                let inner: Map = map.iter().filter(|(_, v)| !v.is_nil()).map(owned).collect();
                if inner.is_empty() {
                    return None;
                }
                Value::from(inner)
            }
            value => value,
        };
        (!value.is_nil()).then_some((key, value))
    });
    kept.collect()
}

fn owned((key, value): (&Value, &Value)) -> (Value, Value) {
    (key.clone(), value.clone())
}

/// What an entry must be.
enum Shape {
    Bool,
    Map,
    Text,
    Name,
    Natural,
    Positive,
    OneOf(&'static [&'static str]),
    TransactionData,
}

const SHAPES: &[(&str, Shape)] = &[
    ("store", Shape::Map),
    ("name", Shape::Text),
    ("schema-flexibility", Shape::OneOf(&["read", "write"])),
    ("keep-history?", Shape::Bool),
    ("attribute-refs?", Shape::Bool),
    (
        "index",
        Shape::OneOf(&[
            "datahike.index/persistent-set",
            "datahike.index/hitchhiker-tree",
        ]),
    ),
    ("index-config", Shape::Map),
    ("branch", Shape::Name),
    ("writer", Shape::Map),
    ("remote-peer", Shape::Map),
    ("search-cache-size", Shape::Natural),
    ("store-cache-size", Shape::Positive),
    ("crypto-hash?", Shape::Bool),
    ("commit-graph?", Shape::Bool),
    ("fuse-index-roots?", Shape::Bool),
    ("initial-tx", Shape::TransactionData),
    ("allow-index-backfill?", Shape::Bool),
    ("allow-unsafe-config", Shape::Bool),
    ("max-string-length", Shape::Natural),
    ("max-bytes-length", Shape::Natural),
    ("max-float-array-length", Shape::Natural),
    ("max-double-array-length", Shape::Natural),
    ("max-tuple-string-length", Shape::Natural),
    ("online-gc", Shape::Map),
    ("lock-timeout", Shape::Natural),
    ("threads", Shape::Positive),
];

fn check(entries: &Map) -> Result<()> {
    for (key, shape) in SHAPES {
        let Some(value) = entries.get(&Value::keyword(key)) else {
            continue;
        };
        let (fits, expected) = match shape {
            Shape::Bool => (matches!(value, Value::Bool(_)), "true or false".to_owned()),
            Shape::Map => (value.as_map().is_some(), "a map".to_owned()),
            Shape::Text => (value.as_str().is_some(), "a string".to_owned()),
            Shape::Name => (value.as_keyword().is_some(), "a keyword".to_owned()),
            Shape::Natural => (
                value.as_long().is_some_and(|n| n >= 0),
                "a natural number".to_owned(),
            ),
            Shape::Positive => (
                value.as_long().is_some_and(|n| n > 0),
                "a positive number".to_owned(),
            ),
            Shape::OneOf(names) => (
                value
                    .as_keyword()
                    .is_some_and(|keyword| names.contains(&keyword.as_str())),
                format!(":{}", names.join(" or :")),
            ),
            Shape::TransactionData => (
                value.as_sequential().is_some()
                    || value.as_str().is_some()
                    || value.as_map().is_some(),
                "transaction data or the path of a file".to_owned(),
            ),
        };
        if !fits {
            return Err(invalid(Some(key), value, &expected));
        }
    }
    let refs = entries.get(&Value::keyword("attribute-refs?")) == Some(&Value::Bool(true));
    if refs && keyword_of(entries, "schema-flexibility").is_some_and(|k| k.as_str() == "read") {
        return Err(Error::new(
            Code::ConfigInvalid,
            "Attribute references cannot be used with schema-flexibility ':read'.",
        )
        .with("key", Value::keyword("attribute-refs?")));
    }
    check_storage(entries)
}

/// Refuses settings of Datahike's storage that exclude each other there, so that a configuration
/// that is good here is good there.
fn check_storage(entries: &Map) -> Result<()> {
    let get = |key: &str| entries.get(&Value::keyword(key));
    if get("crypto-hash?") == Some(&Value::Bool(true))
        && get("commit-graph?") == Some(&Value::Bool(false))
    {
        let message = "Content addressing (:crypto-hash? true) needs the commit graph.";
        return Err(
            Error::new(Code::ConfigInvalid, message).with("key", Value::keyword("commit-graph?"))
        );
    }
    let enabled = get("online-gc").and_then(|gc| gc.get("enabled?")) == Some(&Value::Bool(true));
    let buffered = get("index-config").and_then(|index| index.get("diff-buf-size")?.as_long());
    if enabled && buffered.is_some_and(|size| size > 0) {
        let message = "Online garbage collection needs a :diff-buf-size of 0.";
        return Err(Error::new(Code::OnlineGcIncompatible, message)
            .with("diff-buf-size", buffered.unwrap_or_default()));
    }
    Ok(())
}

/// `:value-caps :default` stands for caps that are not given one by one.
fn expand_value_caps(entries: &mut Map) -> Result<()> {
    const DEFAULTS: [(&str, i64); 5] = [
        ("max-string-length", 4096),
        ("max-bytes-length", 4096),
        ("max-float-array-length", 4096),
        ("max-double-array-length", 4096),
        ("max-tuple-string-length", 256),
    ];
    let Some(caps) = entries.shift_remove(&Value::keyword("value-caps")) else {
        return Ok(());
    };
    match caps.as_keyword().map(Keyword::as_str) {
        None if caps.is_nil() => return Ok(()),
        Some("default") => {}
        _ => return Err(invalid(Some("value-caps"), &caps, ":default")),
    }
    for (key, cap) in DEFAULTS {
        entries
            .entry(Value::keyword(key))
            .or_insert(Value::Long(cap));
    }
    Ok(())
}

fn options_of(entries: &Map) -> Result<Options> {
    let is = |key: &str| entries.get(&Value::keyword(key)) == Some(&Value::Bool(true));
    let read = keyword_of(entries, "schema-flexibility").is_some_and(|k| k.as_str() == "read");
    let cap = |key: &str| {
        count_of(entries, key)
            .filter(|&n| n > 0)
            .map(|n| n as usize)
    };
    let caps = ValueCaps {
        string: cap("max-string-length"),
        bytes: cap("max-bytes-length"),
        float_array: cap("max-float-array-length"),
        double_array: cap("max-double-array-length"),
        tuple_string: cap("max-tuple-string-length"),
    };
    let threads = count_of(entries, "threads").map(|n| n as usize);
    if let Some(threads) = threads.filter(|&n| n > POOL_THREADS) {
        let most = format!("at most {POOL_THREADS}");
        let given = Value::Long(threads as i64);
        return Err(invalid(Some("threads"), &given, &most));
    }
    Ok(Options {
        flexibility: if read {
            Flexibility::Read
        } else {
            Flexibility::Write
        },
        keep_history: is("keep-history?"),
        attribute_refs: is("attribute-refs?"),
        index_backfill: is("allow-index-backfill?"),
        // Caps are a promise of a schema; without one there is nothing they hang on.
        caps: if read { ValueCaps::default() } else { caps },
        threads,
    })
}

/// Normalises the `:store` entry: the name of the backend, and an id where none was given.
fn complete_store(entries: &mut Map) -> Result<(Backend, StoreId)> {
    let key = Value::keyword("store");
    let mut store = entries
        .get(&key)
        .and_then(Value::as_map)
        .cloned()
        .unwrap_or_default();
    let name = match store.get(&Value::keyword("backend")) {
        Some(Value::Keyword(name)) => name.clone(),
        Some(other) => return Err(invalid(Some("backend"), other, "a keyword")),
        None => Keyword::new("memory"),
    };
    let backend = match name.as_str() {
        "memory" | "mem" => Backend::Memory,
        "file" => Backend::File(absolute_path(&store)?),
        _ => {
            return Err(Error::new(
                Code::BackendDoesNotExist,
                format!("Backend does not exist: {name}. This build has :memory and :file."),
            )
            .with("config", Value::from(store)));
        }
    };
    if backend == Backend::Memory {
        store.insert(Value::keyword("backend"), Value::keyword("memory"));
    }
    let store_id = match store.get(&Value::keyword("id")) {
        Some(Value::Uuid(id)) => StoreId::Given(*id),
        Some(other) => {
            return Err(Error::new(
                Code::InvalidIdType,
                "The :id of a :store must be a UUID, such as #uuid \"550e8400-e29b-41d4-a716-446655440000\".",
            )
            .with("id", other.clone()));
        }
        None => StoreId::Derived(derived_id(&backend)),
    };
    store.insert(Value::keyword("id"), Value::Uuid(store_id.uuid()));
    entries.insert(key, Value::Map(Arc::new(store)));
    Ok((backend, store_id))
}

fn absolute_path(store: &Map) -> Result<PathBuf> {
    let path = store.get(&Value::keyword("path"));
    let Some(Value::Str(text)) = path.filter(|path| path.as_str() != Some("")) else {
        return Err(invalid(
            Some("path"),
            path.unwrap_or(&Value::Nil),
            "the path of a directory",
        ));
    };
    let absolute = std::path::absolute(&**text)
        .map_err(|_| invalid(Some("path"), &Value::Str(Arc::clone(text)), "a usable path"))?;
    // Two spellings of one directory are one database.
    let mut plain = PathBuf::new();
    for component in absolute.components() {
        match component {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    Ok(plain)
}

/// The same place always gets the same id (a version 8 UUID over a digest).
fn derived_id(backend: &Backend) -> Uuid {
    let place = match backend {
        Backend::Memory => "memory".to_owned(),
        Backend::File(path) => format!("file:{}", path.display()),
    };
    let digest = blake3::hash(place.as_bytes());
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&digest.as_bytes()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

fn keyword_of(entries: &Map, key: &str) -> Option<Keyword> {
    entries.get(&Value::keyword(key))?.as_keyword().cloned()
}

fn count_of(entries: &Map, key: &str) -> Option<u64> {
    u64::try_from(entries.get(&Value::keyword(key))?.as_long()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, Value)]) -> Value {
        Value::map(
            entries
                .iter()
                .map(|(key, value)| (Value::keyword(key), value.clone())),
        )
    }

    fn parse(entries: &[(&str, Value)]) -> Result<Config> {
        Config::from_value_in(&map(entries), &environment::empty)
    }

    #[test]
    fn a_full_map_comes_back_as_it_was_and_nil_entries_do_not() {
        let store = map(&[
            ("backend", Value::keyword("memory")),
            ("id", Value::Uuid(Uuid::from_u128(7))),
            ("scope", Value::str("test.datahike.io")),
        ]);
        let full = [
            ("keep-history?", Value::Bool(true)),
            ("search-cache-size", Value::Long(10_000)),
            ("index", Value::keyword("datahike.index/persistent-set")),
            ("store", store),
            ("store-cache-size", Value::Long(1000)),
            ("attribute-refs?", Value::Bool(false)),
            ("writer", map(&[("backend", Value::keyword("self"))])),
            ("crypto-hash?", Value::Bool(false)),
            ("schema-flexibility", Value::keyword("read")),
            ("branch", Value::keyword("db")),
        ];
        assert_eq!(parse(&full).unwrap().to_value(), map(&full));
        let mut with_nil = full.to_vec();
        with_nil.extend([("name", Value::Nil), ("index-config", map(&[]))]);
        assert_eq!(parse(&with_nil).unwrap().to_value(), map(&full));
    }

    #[test]
    fn defaults_are_filled_in_and_names_of_old_are_understood() {
        let store = map(&[("backend", Value::keyword("mem"))]);
        let config = parse(&[("store", store), ("value-caps", Value::keyword("default"))]).unwrap();
        assert_eq!(config.backend(), &Backend::Memory);
        assert_eq!(config.options().caps.tuple_string, Some(256));
        assert!(config.to_value().get("value-caps").is_none());
        let uri = Value::str("datahike:mem://movies?temporal-index=false&schema-on-read=true");
        let config = Config::from_value_in(&uri, &environment::empty).unwrap();
        assert!(!config.options().keep_history);
        assert_eq!(config.options().flexibility, Flexibility::Read);
        let from_environment =
            |name: &str| (name == "DATAHIKE_KEEP_HISTORY").then(|| "false".to_owned());
        let config = Config::from_value_in(&Value::Nil, &from_environment).unwrap();
        assert!(!config.options().keep_history);
    }

    #[test]
    fn an_entry_that_cannot_be_used_is_named() {
        let store = |backend: &str, id: Value| {
            (
                "store",
                map(&[("backend", Value::keyword(backend)), ("id", id)]),
            )
        };
        let check = |entries: &[(&str, Value)], code: Code, text: &str| {
            let error = parse(entries).unwrap_err();
            assert_eq!(error.code(), code);
            assert!(error.message().contains(text), "{error}");
        };
        check(
            &[("keep-history?", Value::Long(1))],
            Code::ConfigInvalid,
            ":keep-history?",
        );
        check(
            &[("schema-flexibility", Value::keyword("x"))],
            Code::ConfigInvalid,
            ":read or :write",
        );
        check(&[store("file", Value::Nil)], Code::ConfigInvalid, ":path");
        check(
            &[store("lmdb", Value::Nil)],
            Code::BackendDoesNotExist,
            ":lmdb",
        );
        check(
            &[store("memory", Value::str("x"))],
            Code::InvalidIdType,
            "UUID",
        );
        let refs = [
            ("attribute-refs?", Value::Bool(true)),
            ("schema-flexibility", Value::keyword("read")),
        ];
        check(&refs, Code::ConfigInvalid, "':read'");
    }
}
