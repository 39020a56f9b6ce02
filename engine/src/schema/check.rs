//! Which changes of the schema are allowed.
//!
//! [`find_refused_updates`] looks at what a map is about to say of an attribute that exists;
//! [`Transition`] at what a whole transaction made of an entry, whatever the order of its datoms.

use super::is_reserved;
use crate::value::{Keyword, Map, Value};

/// A schema key whose change is refused: key, old value, new value.
pub(super) type Refused = (Value, Value, Value);

/// What a map may not say about an existing attribute, given the attribute's entry.
pub fn find_refused_updates(map: &Map, entry: &Map) -> Vec<Refused> {
    let mut refused = Vec::new();
    for (key, new) in map {
        let Some(name) = key.as_keyword().map(Keyword::as_str) else {
            continue;
        };
        let old = entry.get(key).cloned().unwrap_or_default();
        if old == *new || !is_refused(name, &old, new, entry) {
            continue;
        }
        refused.push((key.clone(), old, new.clone()));
    }
    refused
}

fn is_refused(key: &str, old: &Value, new: &Value, entry: &Map) -> bool {
    let get = |key: &str| entry.get(&Value::keyword(key));
    match key {
        "db/id" | "db/doc" | "db/noHistory" | "db/isComponent" | "db/maxLength" => false,
        "db/ensure" | "db.secondary/building-since-tx" => false,
        "db.attr/preds" | "db.entity/attrs" | "db.entity/preds" => false,
        "db.embed/from" | "db.embed/identity" | "db.embed/model" => false,
        "db/ident" | "db/fn" => false,
        "db/cardinality" => {
            *new == Value::keyword("db.cardinality/many") && get("db/unique").is_some()
        }
        // What the data must look like is checked on the resulting state.
        "db/unique" => get("db/unique").is_none() && is_declared_many(entry),
        "db/index" => *new != Value::Bool(true),
        "db.secondary/status" => !is_next_status(old, new),
        _ => is_reserved(key),
    }
}

fn is_declared_many(entry: &Map) -> bool {
    entry.get(&Value::keyword("db/cardinality")) == Some(&Value::keyword("db.cardinality/many"))
}

fn is_next_status(old: &Value, new: &Value) -> bool {
    let name = |value: &Value| value.as_keyword().map(|status| status.as_str().to_owned());
    matches!(
        (name(old).as_deref(), name(new).as_deref()),
        (Some("building"), Some("ready" | "disabled")) | (Some("ready"), Some("disabled"))
    )
}

/// Why an entry would let stored objects be collected while datoms still name them, if it would.
pub fn key_bearing_misuse(entry: &Map) -> Option<String> {
    let store_ref = Value::keyword("db.type/store-ref");
    let get = |key: &str| entry.get(&Value::keyword(key));
    let in_types = get("db/tupleTypes")
        .and_then(Value::as_sequential)
        .is_some_and(|types| types.contains(&store_ref));
    if in_types || get("db/tupleType") == Some(&store_ref) {
        return Some(
            "a tuple cannot hold :db.type/store-ref: the collector marks store-naming values by \
             attribute valueType, and a tuple's valueType is :db.type/tuple — the keys inside it \
             would be invisible to the mark and their objects would be swept while still \
             referenced. Give the reference its own attribute."
                .to_owned(),
        );
    }
    let no_history = get("db/noHistory").is_some_and(Value::is_truthy);
    (no_history && get("db/valueType") == Some(&store_ref)).then(|| {
        ":db/noHistory cannot be combined with :db.type/store-ref: retracted values are not \
         retained in the temporal indices, so under :keep-history? the object a retracted \
         reference names would be collected while an as-of read can still reach the datom \
         naming it."
            .to_owned()
    })
}

/// What a transaction made of one entry, and what the data must be like for it.
#[derive(Clone, Debug, Default)]
pub struct Transition {
    /// Changes that are refused whatever the data.
    pub invalid: Vec<Refused>,
    /// The attribute must not be in use.
    pub must_be_unused: bool,
    /// The attribute is no more: nothing of it may be left.
    pub must_be_gone: bool,
    /// The attribute must not be in use, unless indexes may be built for what is there.
    pub must_be_backfilled: bool,
    /// Existing values must be distinct.
    pub must_be_distinct: bool,
    /// No entity may have more than one value.
    pub must_be_single: bool,
}

/// Keys that make an entry an attribute, rather than an enum or a spec.
const DEFINING: [&str; 9] = [
    "db/valueType",
    "db/cardinality",
    "db/unique",
    "db/index",
    "db/noHistory",
    "db/tupleAttrs",
    "db/tupleType",
    "db/tupleTypes",
    "db/isComponent",
];
const FREE: [&str; 11] = [
    "db.embed/from",
    "db.embed/identity",
    "db.embed/model",
    "db/doc",
    "db/ident",
    "db/maxLength",
    "db.attr/preds",
    "db.entity/attrs",
    "db.entity/preds",
    "db.secondary/building-since-tx",
    "db.secondary/status",
];

/// Whether an attribute must be declared with a type and a cardinality.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// As under `:schema-flexibility :write`.
    Required,
    /// As under `:schema-flexibility :read`.
    Optional,
}

impl Transition {
    /// Compares the entries of an ident before and after a transaction; none where there is none.
    pub fn assess(old: Option<&Map>, new: Option<&Map>, completeness: Completeness) -> Transition {
        let empty = Map::default();
        let mut transition = Transition::default();
        let (was, is) = (old.unwrap_or(&empty), new.unwrap_or(&empty));
        if completeness == Completeness::Required {
            transition.require_completeness(was, is);
        }
        if old.is_none() {
            // A new entry is a declaration: what came with it was written under it.
            return transition;
        }
        if new.is_none() {
            transition.must_be_gone = true;
            return transition;
        }
        transition.compare(was, is);
        transition
    }

    fn require_completeness(&mut self, was: &Map, is: &Map) {
        let has = |key: &str| is.contains_key(&Value::keyword(key));
        let complete = has("db/valueType") && has("db/cardinality");
        if !complete && DEFINING.iter().any(|key| has(key)) {
            let select = |map: &Map| {
                let keys = ["db/valueType", "db/cardinality"].map(Value::keyword);
                Value::map(keys.into_iter().filter_map(|key| {
                    let value = map.get(&key)?.clone();
                    Some((key, value))
                }))
            };
            let key = Value::keyword("db/valueType-and-cardinality-required");
            self.invalid.push((key, select(was), select(is)));
        }
    }

    fn compare(&mut self, was: &Map, is: &Map) {
        let changed = |key: &str| {
            let key = Value::keyword(key);
            was.get(&key) != is.get(&key)
        };
        let old = |key: &str| was.get(&Value::keyword(key));
        let new = |key: &str| is.get(&Value::keyword(key));
        let mut refuse = |key: &str| {
            let both = (
                old(key).cloned().unwrap_or_default(),
                new(key).cloned().unwrap_or_default(),
            );
            self.invalid.push((Value::keyword(key), both.0, both.1));
        };
        let many = Value::keyword("db.cardinality/many");
        if changed("db/cardinality")
            && new("db/cardinality") == Some(&many)
            && new("db/unique").is_some()
        {
            refuse("db/cardinality");
        }
        let becomes_unique = new("db/unique").is_some() && old("db/unique").is_none();
        if becomes_unique && new("db/cardinality") == Some(&many) {
            refuse("db/unique");
        }
        if changed("db.secondary/status")
            && let (Some(old), Some(new)) = (old("db.secondary/status"), new("db.secondary/status"))
            && !is_next_status(old, new)
        {
            refuse("db.secondary/status");
        }
        for key in was
            .keys()
            .chain(is.keys().filter(|key| !was.contains_key(*key)))
        {
            let Some(key) = key.as_keyword().map(Keyword::as_str) else {
                continue;
            };
            let known = DEFINING.contains(&key) || FREE.contains(&key);
            if !known && is_reserved(key) && changed(key) {
                refuse(key);
            }
        }
        self.must_be_unused = (old("db/valueType").is_some() && changed("db/valueType"))
            || ["db/tupleAttrs", "db/tupleType", "db/tupleTypes"]
                .iter()
                .any(|key| old(key).is_some() && changed(key));
        let becomes_indexed = changed("db/index") && new("db/index") == Some(&Value::Bool(true));
        self.must_be_backfilled = becomes_indexed || becomes_unique;
        self.must_be_distinct = becomes_unique;
        self.must_be_single = old("db/cardinality") == Some(&many)
            && new("db/cardinality") == Some(&Value::keyword("db.cardinality/one"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(pairs: &[(&str, Value)]) -> Map {
        pairs
            .iter()
            .map(|(key, value)| (Value::keyword(key), value.clone()))
            .collect()
    }

    #[test]
    fn a_type_changes_only_while_unused() {
        let old = entry(&[("db/valueType", Value::keyword("db.type/long"))]);
        let new = entry(&[("db/valueType", Value::keyword("db.type/string"))]);
        let transition = Transition::assess(Some(&old), Some(&new), Completeness::Optional);
        assert!(transition.must_be_unused && transition.invalid.is_empty());
        let declared = Transition::assess(None, Some(&new), Completeness::Required);
        assert_eq!(declared.invalid.len(), 1);
    }

    #[test]
    fn documentation_and_own_keys_may_always_change() {
        let map = entry(&[("db/doc", Value::from("x")), ("my/note", Value::from("y"))]);
        assert!(find_refused_updates(&map, &Map::default()).is_empty());
        let map = entry(&[("db/fulltext", Value::Bool(true))]);
        assert_eq!(find_refused_updates(&map, &Map::default()).len(), 1);
    }
}
