//! The deprecated forms of a configuration: an URI, and keys of early releases.

use super::config::invalid;
use crate::error::Result;
use crate::value::{Map, Value};

/// Reads `datahike:mem://name?…` or `datahike:file:///path?…`.
///
/// The query may hold `temporal-index`, `schema-on-read` and `id`.
pub(super) fn parse(text: &str) -> Result<Map> {
    let whole = Value::str(text);
    let wrong = |expected: &str| invalid(None, &whole, expected);
    let rest = text
        .strip_prefix("datahike:")
        .ok_or_else(|| wrong("a map or a datahike: URI"))?;
    let (backend, rest) = rest
        .split_once("://")
        .ok_or_else(|| wrong("datahike:<backend>://<place>"))?;
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut store: Map = [(Value::keyword("backend"), Value::keyword(backend))]
        .into_iter()
        .collect();
    if backend == "file" {
        store.insert(Value::keyword("path"), Value::str(place));
    } else {
        // Names of early releases were plain words; the same word is always the same database.
        store.insert(Value::keyword("id"), Value::Uuid(named_id(place)));
    }
    let mut entries = Map::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = match (key, value) {
            ("id", id) => {
                let id = uuid::Uuid::try_parse(id).map_err(|_| wrong("id=<uuid>"))?;
                store.insert(Value::keyword("id"), Value::Uuid(id));
                continue;
            }
            (_, "true") => Value::Bool(true),
            (_, "false") => Value::Bool(false),
            (_, text) => Value::str(text),
        };
        entries.insert(Value::keyword(key), value);
    }
    entries.insert(Value::keyword("store"), Value::from(store));
    Ok(entries)
}

/// Puts today's keys in the place of `:temporal-index` and `:schema-on-read`.
pub(super) fn without_deprecated_keys(mut entries: Map) -> Map {
    if let Some(value) = entries.shift_remove(&Value::keyword("temporal-index")) {
        entries
            .entry(Value::keyword("keep-history?"))
            .or_insert(value);
    }
    if let Some(value) = entries.shift_remove(&Value::keyword("schema-on-read")) {
        let mode = if value.is_truthy() { "read" } else { "write" };
        entries
            .entry(Value::keyword("schema-flexibility"))
            .or_insert(Value::keyword(mode));
    }
    entries
}

fn named_id(name: &str) -> uuid::Uuid {
    if let Ok(id) = uuid::Uuid::try_parse(name) {
        return id;
    }
    let digest = blake3::hash(format!("memory:{name}").as_bytes());
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&digest.as_bytes()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}
