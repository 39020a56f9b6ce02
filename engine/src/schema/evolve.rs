//! How the schema follows from datoms: each datom about the schema changes one entry, and an
//! entry says what its attribute is.

use std::sync::Arc;

use super::{
    Attribute, BuiltIn, Cardinality, Embedding, Schema, TupleKind, Unique, is_reserved, type_of,
};
use crate::datom::{AttrId, EntityId, Op};
use crate::value::{Keyword, Map, Value};

/// A datom that says something about the schema.
#[derive(Clone, Debug)]
pub struct SchemaDatom<'a> {
    /// The entity it is about.
    pub e: EntityId,
    /// The built-in attribute.
    pub key: &'a Value,
    /// The value; enums by their ident.
    pub value: Value,
    /// Assertion or retraction.
    pub op: Op,
}

impl Schema {
    /// Takes in a datom about the schema. `id_of` gives the dictionary id of a name.
    pub fn learn(&mut self, datom: &SchemaDatom<'_>, id_of: impl Fn(&Value) -> Option<AttrId>) {
        let mut entry = self
            .entries
            .get(&datom.e)
            .map_or_else(Map::default, |old| (**old).clone());
        change_entry(&mut entry, datom);
        if entry.is_empty() {
            self.entries.remove(&datom.e);
        } else {
            self.entries.insert(datom.e, Arc::new(entry));
        }
        self.declare_secondary(datom.e);
        self.redeclare(datom.e, id_of);
    }

    /// An enum of the schema by its ident where datoms hold its entity; other values unchanged.
    pub fn enum_ident(&self, key: &Value, value: Value) -> Value {
        let Value::Long(e) = value else { return value };
        let is_enum = key
            .as_keyword()
            .is_some_and(|key| is_enum_key(key.as_str()));
        match self.ident_of(EntityId(e)) {
            Some(ident) if is_enum => Value::Keyword(ident.clone()),
            _ => value,
        }
    }

    fn redeclare(&mut self, e: EntityId, id_of: impl Fn(&Value) -> Option<AttrId>) {
        let before = self.by_entity(e).cloned();
        let entry = self.entries.get(&e).cloned();
        let ident = entry
            .as_ref()
            .and_then(|entry| entry.get(&Value::keyword("db/ident")));
        let Some(Value::Keyword(ident)) = ident else {
            if let Some(before) = before {
                self.undeclare(before.id);
            }
            return self.clear_ident(e);
        };
        if self.ident_of(e) != Some(ident) {
            self.set_ident(e, ident.clone());
        }
        let name = Value::Keyword(ident.clone());
        let kept = match &before {
            Some(before) if before.ident == name => Some(before.id),
            _ => self.lasting_id(e),
        };
        let Some(id) = kept.or_else(|| self.free_id(e, &name, &id_of)) else {
            return;
        };
        if self.keeps_ids {
            self.lasting_ids.insert(e, id);
        }
        if let Some(before) = before {
            self.undeclare(before.id);
        }
        let entry = entry.expect("an ident was read from it");
        self.declare(attribute(id, name, e, &entry));
    }

    /// The id an entity had as an attribute, unless another attribute has it by now.
    fn lasting_id(&self, e: EntityId) -> Option<AttrId> {
        let id = *self.lasting_ids.get(&e)?;
        let owner = self.attribute(id).and_then(|other| other.entity);
        owner.is_none_or(|owner| owner == e).then_some(id)
    }

    /// The id of a newly declared attribute: its name's, unless another attribute was renamed and
    /// keeps that one.
    fn free_id(
        &self,
        e: EntityId,
        name: &Value,
        id_of: &impl Fn(&Value) -> Option<AttrId>,
    ) -> Option<AttrId> {
        let id = id_of(name)?;
        match self.attribute(id) {
            Some(other) if other.entity.is_some_and(|owner| owner != e) => id_of(&alias(e, name)),
            _ => Some(id),
        }
    }
}

/// What stands in the dictionary for an attribute whose name was another's before.
pub fn alias(e: EntityId, name: &Value) -> Value {
    Value::vector([name.clone(), Value::Long(e.0)])
}

/// Whether the values of a schema key are enums: entities under `:attribute-refs?`.
pub fn is_enum_key(key: &str) -> bool {
    matches!(key, "db/valueType" | "db/cardinality" | "db/unique")
}

fn is_many_key(key: &str) -> bool {
    matches!(key, "db.attr/preds" | "db.entity/attrs" | "db.entity/preds")
}

fn change_entry(entry: &mut Map, datom: &SchemaDatom<'_>) {
    let key = datom.key;
    let many = key
        .as_keyword()
        .is_some_and(|key| is_many_key(key.as_str()));
    if !many {
        match datom.op {
            Op::Assert => {
                entry.insert(key.clone(), datom.value.clone());
            }
            Op::Retract if entry.get(key) == Some(&datom.value) => {
                entry.shift_remove(key);
            }
            Op::Retract => {}
        }
        return;
    }
    let mut values = entry
        .get(key)
        .and_then(Value::as_sequential)
        .unwrap_or(&[])
        .to_vec();
    values.retain(|value| *value != datom.value);
    if datom.op == Op::Assert {
        values.push(datom.value.clone());
    }
    if values.is_empty() {
        entry.shift_remove(key);
    } else {
        entry.insert(key.clone(), Value::from(values));
    }
}

/// What an entry says about its attribute.
pub(super) fn attribute(id: AttrId, ident: Value, e: EntityId, entry: &Map) -> Attribute {
    let get = |key: &str| entry.get(&Value::keyword(key));
    let enum_of = |key: &str| get(key).and_then(Value::as_keyword).map(Keyword::as_str);
    let is_true = |key: &str| get(key) == Some(&Value::Bool(true));
    let cardinality = match enum_of("db/cardinality") {
        Some("db.cardinality/many") => Cardinality::Many,
        _ => Cardinality::One,
    };
    let unique = match enum_of("db/unique") {
        Some("db.unique/identity") => Some(Unique::Identity),
        Some("db.unique/value") => Some(Unique::Value),
        _ => None,
    };
    let symbols = get("db.attr/preds")
        .and_then(Value::as_sequential)
        .unwrap_or(&[]);
    Attribute {
        id,
        ident,
        entity: Some(e),
        value_type: get("db/valueType").and_then(type_of),
        cardinality,
        unique,
        index: is_true("db/index"),
        component: is_true("db/isComponent"),
        no_history: is_true("db/noHistory"),
        tuple: tuple_kind(entry),
        max_length: get("db/maxLength")
            .and_then(Value::as_long)
            .and_then(|n| n.try_into().ok()),
        predicates: symbols
            .iter()
            .filter_map(Value::as_symbol)
            .cloned()
            .collect(),
        aside: is_true("db.secondary/only"),
        embedding: embedding(entry),
    }
}

fn embedding(entry: &Map) -> Option<Embedding> {
    let text = |key: &str| {
        let text = entry.get(&Value::keyword(key)).and_then(Value::as_str);
        text.map(str::to_owned)
    };
    Some(Embedding {
        from: entry.get(&Value::keyword("db.embed/from"))?.clone(),
        model: text("db.embed/model")?,
        identity: text("db.embed/identity"),
    })
}

fn tuple_kind(entry: &Map) -> Option<TupleKind> {
    let get = |key: &str| entry.get(&Value::keyword(key));
    if let Some(attributes) = get("db/tupleAttrs").and_then(Value::as_sequential) {
        return Some(TupleKind::Composite(attributes.to_vec()));
    }
    if let Some(types) = get("db/tupleTypes").and_then(Value::as_sequential) {
        return Some(TupleKind::Heterogeneous(
            types.iter().filter_map(type_of).collect(),
        ));
    }
    get("db/tupleType")
        .and_then(type_of)
        .map(TupleKind::Homogeneous)
}

/// Whether an ident is the system's: of a built-in attribute, or in a reserved namespace.
pub fn is_system_ident(ident: &Value) -> bool {
    let Some(ident) = ident.as_keyword().map(Keyword::as_str) else {
        return false;
    };
    is_reserved(ident) || BuiltIn::find(ident).is_some()
}
