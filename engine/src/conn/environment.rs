//! The defaults of a configuration, and what the environment puts in their place.

use super::config::invalid;
use crate::edn;
use crate::error::Result;
use crate::value::{Map, Value};

/// Looks up a variable of the environment.
pub(super) type Environment<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// The environment of this process.
pub(super) fn of_process(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// An environment without variables.
pub(super) fn empty(_name: &str) -> Option<String> {
    None
}

/// The defaults, with `DATAHIKE_…` variables in their place.
pub(super) fn defaults(environment: &Environment<'_>) -> Result<Map> {
    let text = |name: &str, default: &str| environment(name).unwrap_or_else(|| default.to_owned());
    let keyword = |name, default| Value::keyword(text(name, default).trim_start_matches(':'));
    let bool = |name, default| Value::Bool(text(name, default).eq_ignore_ascii_case("true"));
    let count = |name: &str, default: i64| {
        Value::Long(
            environment(name)
                .and_then(|text| text.parse().ok())
                .unwrap_or(default),
        )
    };
    let mut store = Map::default();
    store.insert(
        Value::keyword("backend"),
        keyword("DATAHIKE_STORE_BACKEND", "memory"),
    );
    if let Some(given) = edn_map(environment, "DATAHIKE_STORE_CONFIG", "store")? {
        store.extend(given);
    }
    let writer = Value::map([(Value::keyword("backend"), Value::keyword("self"))]);
    let index = match environment("DATAHIKE_INDEX") {
        Some(name) => Value::keyword(&format!("datahike.index/{name}")),
        None => Value::keyword("datahike.index/persistent-set"),
    };
    let mut entries: Map = [
        ("store", Value::from(store)),
        (
            "schema-flexibility",
            keyword("DATAHIKE_SCHEMA_FLEXIBILITY", "write"),
        ),
        ("keep-history?", bool("DATAHIKE_KEEP_HISTORY", "true")),
        ("attribute-refs?", bool("DATAHIKE_ATTRIBUTE_REFS", "false")),
        ("index", index),
        ("branch", Value::keyword("db")),
        ("writer", writer),
        ("crypto-hash?", Value::Bool(false)),
        ("search-cache-size", count("DATAHIKE_SEARCH_CACHE_SIZE", 0)),
        ("store-cache-size", count("DATAHIKE_STORE_CACHE_SIZE", 1000)),
    ]
    .into_iter()
    .map(|(key, value)| (Value::keyword(key), value))
    .collect();
    if let Some(settings) = edn_map(environment, "DATAHIKE_INDEX_CONFIG", "index-config")? {
        entries.insert(Value::keyword("index-config"), Value::from(settings));
    }
    for (name, key) in [
        ("DATAHIKE_NAME", "name"),
        ("DATAHIKE_INITIAL_TX", "initial-tx"),
    ] {
        if let Some(text) = environment(name) {
            entries.insert(Value::keyword(key), Value::from(text));
        }
    }
    Ok(entries)
}

fn edn_map(environment: &Environment<'_>, name: &str, key: &'static str) -> Result<Option<Map>> {
    let Some(text) = environment(name) else {
        return Ok(None);
    };
    match edn::read(&text) {
        Ok(Value::Map(map)) => Ok(Some((*map).clone())),
        _ => Err(invalid(
            Some(key),
            &Value::from(text),
            &format!("EDN of a map in {name}"),
        )),
    }
}
