//! Whether a configuration fits the one a database was created or connected with.

use super::Config;
use super::config::StoreId;
use crate::db::Options;
use crate::error::{Code, Error, Result};
use crate::value::{Map, Value};

/// Keys that may differ from connect to connect: labels, sizes of caches, caps on values, and what
/// only the process that connects is concerned with.
const FREE: [&str; 19] = [
    "store",
    "name",
    "initial-tx",
    "branch",
    "index",
    "index-config",
    "search-cache-size",
    "store-cache-size",
    "max-string-length",
    "max-bytes-length",
    "max-float-array-length",
    "max-double-array-length",
    "max-tuple-string-length",
    "writer",
    "remote-peer",
    "online-gc",
    "allow-unsafe-config",
    "lock-timeout",
    "threads",
];

/// Checks against the configuration a database was created with.
pub(super) fn check_stored(config: &Config, stored: &Config) -> Result<()> {
    check_identity(config, stored)?;
    let (asked, kept) = (fixed(config), fixed(stored));
    if asked == kept || is_unsafe(config) {
        return Ok(());
    }
    Err(Error::new(
        Code::ConfigDoesNotMatch,
        format!(
            "Configuration does not match stored configuration: {}.",
            differing(&asked, &kept)
        ),
    )
    .with("config", config.to_value())
    .with("stored-config", stored.to_value())
    .with("diff", diff(&asked, &kept)))
}

/// Checks against the configuration of a connection that lives.
pub(super) fn check_connected(config: &Config, connected: &Config) -> Result<()> {
    check_identity(config, connected)?;
    let (asked, kept) = (fixed(config), fixed(connected));
    if asked == kept || is_unsafe(config) {
        return Ok(());
    }
    Err(Error::new(
        Code::ConfigDoesNotMatchConnections,
        format!(
            "Configuration does not match existing connections: {}.",
            differing(&asked, &kept)
        ),
    )
    .with("config", config.to_value())
    .with("existing-connections-config", connected.to_value())
    .with("diff", diff(&asked, &kept)))
}

/// What a database is opened with: caps on values and threads as they are asked for now, the rest as it was
/// created.
pub(super) fn effective_options(config: &Config, stored: &Config) -> Options {
    Options {
        caps: config.options().caps.clone(),
        threads: config.options().threads,
        ..stored.options().clone()
    }
}

fn check_identity(config: &Config, stored: &Config) -> Result<()> {
    let StoreId::Given(given) = config.store_id() else {
        return Ok(());
    };
    let stored = stored.store_id().uuid();
    if given == stored {
        return Ok(());
    }
    let message = format!("The store there has the :id {stored}, not {given}.");
    Err(Error::new(Code::StoreIdentityMismatch, message)
        .with("expected", Value::Uuid(given))
        .with("stored", Value::Uuid(stored)))
}

fn is_unsafe(config: &Config) -> bool {
    config.entries().get(&Value::keyword("allow-unsafe-config")) == Some(&Value::Bool(true))
}

fn fixed(config: &Config) -> Map {
    let free = |key: &Value| {
        key.as_keyword()
            .is_some_and(|key| FREE.contains(&key.as_str()))
    };
    let kept = config.entries().iter().filter(|(key, _)| !free(key));
    kept.map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// `[only-asked only-kept both]`, as `clojure.data/diff` has it.
fn diff(asked: &Map, kept: &Map) -> Value {
    let only = |a: &Map, b: &Map| -> Value {
        let entries: Map = a
            .iter()
            .filter(|(key, value)| b.get(*key) != Some(*value))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        if entries.is_empty() {
            Value::Nil
        } else {
            Value::from(entries)
        }
    };
    let both: Map = asked
        .iter()
        .filter(|(key, value)| kept.get(*key) == Some(*value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    Value::vector([only(asked, kept), only(kept, asked), Value::from(both)])
}

fn differing(asked: &Map, kept: &Map) -> String {
    let mut names: Vec<String> = asked
        .keys()
        .chain(kept.keys())
        .filter(|key| asked.get(*key) != kept.get(*key))
        .filter_map(|key| key.as_keyword().map(ToString::to_string))
        .collect();
    names.sort();
    names.dedup();
    names.join(", ")
}
