//! What a database value says of itself: its schema as maps, and how much it holds.

use std::sync::Arc;

use super::Db;
use crate::datom::{EntityId, TX0};
use crate::index::AttributeIndex;
use crate::schema::{Attribute, TupleKind, Unique, ValueType};
use crate::value::{Keyword, Map, Set, Value};

/// The idents users gave, each with what the schema attributes say of its entity, and `:db/id`.
pub fn schema_map(db: &Db) -> Value {
    let db = db.origin();
    let mut named: Vec<(&Keyword, EntityId)> = db.schema().idents().collect();
    named.retain(|(ident, _)| !is_system(ident));
    named.sort_by_key(|(_, e)| *e);
    let entry = |(ident, e): (&Keyword, EntityId)| {
        (
            Value::Keyword(ident.clone()),
            Value::from(declaration(&db, e)),
        )
    };
    Value::map(named.into_iter().map(entry))
}

/// What a schema says of its idents, a row for each: headings and rows. Properties that none has are
/// left out; `:db.type/string` is `string` under its heading.
pub fn schema_rows(schema: &Value) -> (Vec<&'static str>, Vec<Vec<Value>>) {
    const PROPERTIES: [&str; 7] = [
        "valueType",
        "cardinality",
        "unique",
        "index",
        "isComponent",
        "noHistory",
        "doc",
    ];
    let entries: Vec<(&Value, &Value)> = schema.as_map().into_iter().flatten().collect();
    let value = |entry: &Value, property: &str| match entry.get(&format!("db/{property}")) {
        Some(Value::Keyword(name)) => Value::str(name.name()),
        value => value.cloned().unwrap_or_default(),
    };
    let has = |property: &&str| {
        entries
            .iter()
            .any(|(_, entry)| !value(entry, property).is_nil())
    };
    let kept: Vec<&'static str> = PROPERTIES.into_iter().filter(has).collect();
    let row = |(ident, entry): &(&Value, &Value)| {
        let values = kept.iter().map(|property| value(entry, property));
        std::iter::once((*ident).clone()).chain(values).collect()
    };
    let rows = entries.iter().map(row).collect();
    (
        std::iter::once("attribute")
            .chain(kept.iter().copied())
            .collect(),
        rows,
    )
}

/// What the schema attributes say of one entity, enums by name.
fn declaration(db: &Db, e: EntityId) -> Map {
    let mut map = Map::default();
    map.insert(Value::keyword("db/id"), Value::Long(e.0));
    for a in db.attributes_of(e) {
        let ident = db.ident(a);
        if !ident.as_keyword().is_some_and(is_system) {
            continue;
        }
        let value = |cell| match db.value(cell) {
            Value::Long(e) if db.options().attribute_refs && is_enum(db, ident) => {
                let name = db.schema().ident_of(EntityId(e)).cloned();
                name.map_or(Value::Long(e), Value::Keyword)
            }
            value => value,
        };
        let rows = db.rows_of(e, a);
        let is_many = db.attribute(a).is_some_and(|attribute| attribute.is_many());
        let value = match rows.as_slice() {
            [] => continue,
            rows if is_many => Value::set(rows.iter().map(|row| value(row.v))),
            [first, ..] => value(first.v),
        };
        map.insert(ident.clone(), value);
    }
    map
}

/// Whether an attribute's values are enums of the system schema.
fn is_enum(db: &Db, ident: &Value) -> bool {
    let value_type = db
        .schema()
        .by_ident(ident)
        .and_then(|attribute| attribute.value_type);
    let enums = [
        ValueType::ValueType,
        ValueType::Cardinality,
        ValueType::Unique,
    ];
    value_type.is_some_and(|value_type| enums.contains(&value_type))
}

/// Whether a name belongs to the system.
pub(super) fn is_system(ident: &Keyword) -> bool {
    let is_ours = |namespace: &str| {
        namespace == "db" || namespace.starts_with("db.") || namespace == "dh.ref"
    };
    ident.namespace().is_some_and(is_ours)
}

/// Every property that user attributes have, with the idents of those that have it.
pub fn reverse_schema(db: &Db) -> Value {
    let mut sets: indexmap::IndexMap<&'static str, Set> = indexmap::IndexMap::new();
    for (ident, _) in db.schema().idents().filter(|(ident, _)| !is_system(ident)) {
        sets.entry("db/ident")
            .or_default()
            .insert(Value::Keyword(ident.clone()));
    }
    let mut positions: indexmap::IndexMap<Value, Map> = indexmap::IndexMap::new();
    for attribute in db.schema().attributes() {
        if attribute.ident.as_keyword().is_none_or(is_system) {
            continue;
        }
        for property in properties(attribute) {
            sets.entry(property)
                .or_default()
                .insert(attribute.ident.clone());
        }
        if let Some(TupleKind::Composite(parts)) = &attribute.tuple {
            for (at, part) in parts.iter().enumerate() {
                let tuples = positions.entry(part.clone()).or_default();
                tuples.insert(attribute.ident.clone(), Value::from(at));
            }
        }
    }
    if !positions.is_empty() {
        let pair = |(part, tuples)| Value::vector([part, Value::from(tuples)]);
        sets.insert("db/attrTuples", positions.into_iter().map(pair).collect());
    }
    let entry = |(property, idents)| (Value::keyword(property), Value::Set(Arc::new(idents)));
    Value::map(sets.into_iter().map(entry))
}

fn properties(attribute: &Attribute) -> Vec<&'static str> {
    let has_length = matches!(
        attribute.value_type,
        Some(ValueType::String | ValueType::Bytes | ValueType::FloatArray | ValueType::DoubleArray)
    );
    let is_constrained =
        has_length || attribute.max_length.is_some() || !attribute.predicates.is_empty();
    let all = [
        (
            attribute.unique == Some(Unique::Identity),
            "db.unique/identity",
        ),
        (attribute.unique == Some(Unique::Value), "db.unique/value"),
        (attribute.unique.is_some(), "db/unique"),
        (attribute.is_by_value(), "db/index"),
        (attribute.is_many(), "db.cardinality/many"),
        (attribute.is_ref(), "db.type/ref"),
        (
            attribute.value_type == Some(ValueType::Tuple),
            "db.type/tuple",
        ),
        (attribute.component, "db/isComponent"),
        (attribute.no_history, "db/noHistory"),
        (is_constrained, "db.attr/constrained"),
    ];
    all.into_iter()
        .filter_map(|(holds, property)| holds.then_some(property))
        .collect()
}

/// How many datoms there are: in all, indexed by value, by attribute, by entity; with history also
/// in its indexes, as Datahike keeps them.
///
/// Cost: O(datoms).
pub fn metrics(db: &Db) -> Value {
    let db = db.origin();
    let mut attributes: Vec<_> = db.attribute_ids().collect();
    db.sort_attributes(&mut attributes);
    let mut by_attribute = Map::default();
    let mut by_entity = std::collections::BTreeMap::<i64, i64>::new();
    let (mut count, mut by_value, mut past, mut past_by_value) = (0, 0, 0, 0);
    for a in attributes {
        let Some(index) = db.index(a) else { continue };
        let rows = index.current().len();
        for chunk in index.current().chunks() {
            chunk
                .e
                .iter()
                .for_each(|e| *by_entity.entry(*e).or_default() += 1);
        }
        if rows > 0 {
            by_attribute.insert(db.ident(a).clone(), Value::from(rows));
        }
        let kept = temporal_count(&db, db.ident(a), db.attribute(a).map(|a| &**a), index);
        count += rows;
        past += kept;
        if index.current_by_value().is_some() {
            by_value += rows;
            past_by_value += kept;
        }
    }
    let by_entity = by_entity
        .into_iter()
        .map(|(e, count)| (Value::Long(e), Value::Long(count)));
    let mut map = Map::default();
    let mut put = |key, value: Value| map.insert(Value::keyword(key), value);
    put("per-attr-counts", Value::from(by_attribute));
    put("per-entity-counts", Value::map(by_entity));
    put("count", Value::from(count));
    put("avet-count", Value::from(by_value));
    if db.options().keep_history {
        put("temporal-count", Value::from(past));
        put("temporal-avet-count", Value::from(past_by_value));
    }
    Value::from(map)
}

/// How many datoms of an attribute Datahike would hold in its temporal indexes: assertions and
/// retractions, but of what is so now only the values of attributes with one value.
fn temporal_count(
    db: &Db,
    ident: &Value,
    attribute: Option<&Attribute>,
    index: &AttributeIndex,
) -> usize {
    let ended = 2 * index.past().len();
    if ident.as_keyword().map(Keyword::as_str) == Some("db/txInstant") {
        // Transactions keep no history of their instants; the system schema was loaded whole.
        let loaded = db.options().attribute_refs && !index.current().entity_range(TX0).is_empty();
        return ended + usize::from(loaded);
    }
    match attribute {
        Some(attribute) if attribute.is_many() || attribute.no_history => ended,
        _ => ended + index.current().len(),
    }
}
