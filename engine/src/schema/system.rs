//! What every database knows without being told: the attributes of the schema itself, of
//! transactions and of references to other databases.

use super::{Attribute, Cardinality, Unique, ValueType};
use crate::datom::{AttrId, EntityId};
use crate::value::Value;

/// What a built-in attribute is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Declares attributes and idents.
    Schema,
    /// Declares entity specs.
    Spec,
    /// Declares secondary indexes.
    Secondary,
    /// Describes a transaction.
    Transaction,
    /// Refers to another database.
    Reference,
    /// Is the source of a function.
    Function,
}

/// A built-in attribute: usable without a declaration.
#[derive(Clone, Copy, Debug)]
pub struct BuiltIn {
    /// Its ident, without the colon.
    pub ident: &'static str,
    /// What it is about.
    pub purpose: Purpose,
    /// What its values are; none where anything goes.
    pub value_type: Option<ValueType>,
}

impl BuiltIn {
    /// The built-in attribute with an ident (without the colon).
    pub fn find(ident: &str) -> Option<&'static BuiltIn> {
        // Users' attributes are the rule: most are told apart by their first letter.
        if !ident.starts_with('d') {
            return None;
        }
        BUILT_IN.iter().find(|built_in| built_in.ident == ident)
    }

    /// Whether its datoms say what the schema is.
    pub fn shapes_schema(&self) -> bool {
        matches!(
            self.purpose,
            Purpose::Schema | Purpose::Spec | Purpose::Secondary
        )
    }
}

const fn built_in(ident: &'static str, purpose: Purpose, value_type: ValueType) -> BuiltIn {
    BuiltIn {
        ident,
        purpose,
        value_type: Some(value_type),
    }
}

/// All built-in attributes.
pub const BUILT_IN: &[BuiltIn] = &[
    built_in("db/ident", Purpose::Schema, ValueType::Keyword),
    built_in("db/valueType", Purpose::Schema, ValueType::Value),
    built_in("db/cardinality", Purpose::Schema, ValueType::Cardinality),
    built_in("db/unique", Purpose::Schema, ValueType::Unique),
    built_in("db/index", Purpose::Schema, ValueType::Boolean),
    built_in("db/doc", Purpose::Schema, ValueType::String),
    built_in("db/isComponent", Purpose::Schema, ValueType::Boolean),
    built_in("db/noHistory", Purpose::Schema, ValueType::Boolean),
    BuiltIn {
        ident: "db/id",
        purpose: Purpose::Schema,
        value_type: None,
    },
    built_in("db.install/_attribute", Purpose::Schema, ValueType::Install),
    built_in("db/tupleAttrs", Purpose::Schema, ValueType::Tuple),
    built_in("db/tupleType", Purpose::Schema, ValueType::Value),
    built_in("db/tupleTypes", Purpose::Schema, ValueType::Tuple),
    built_in("db.secondary/only", Purpose::Schema, ValueType::Boolean),
    built_in("db.embed/from", Purpose::Schema, ValueType::Keyword),
    built_in("db.embed/model", Purpose::Schema, ValueType::String),
    built_in("db.embed/identity", Purpose::Schema, ValueType::String),
    built_in("db/maxLength", Purpose::Schema, ValueType::Long),
    built_in("db.attr/preds", Purpose::Schema, ValueType::Symbol),
    built_in("db/ensure", Purpose::Spec, ValueType::Keyword),
    built_in("db.entity/attrs", Purpose::Spec, ValueType::Keyword),
    built_in("db.entity/preds", Purpose::Spec, ValueType::Symbol),
    built_in("db.secondary/type", Purpose::Secondary, ValueType::Keyword),
    built_in("db.secondary/attrs", Purpose::Secondary, ValueType::Tuple),
    BuiltIn {
        ident: "db.secondary/config",
        purpose: Purpose::Secondary,
        value_type: None,
    },
    built_in(
        "db.secondary/status",
        Purpose::Secondary,
        ValueType::Keyword,
    ),
    built_in(
        "db.secondary/building-since-tx",
        Purpose::Secondary,
        ValueType::Long,
    ),
    built_in("db/txInstant", Purpose::Transaction, ValueType::Instant),
    built_in("db/retracted", Purpose::Transaction, ValueType::Long),
    built_in("db/noCommit", Purpose::Transaction, ValueType::Boolean),
    built_in("db.valid/from", Purpose::Transaction, ValueType::Instant),
    built_in("db.valid/to", Purpose::Transaction, ValueType::Instant),
    built_in("dh.ref/db", Purpose::Reference, ValueType::Uuid),
    built_in("dh.ref/attr", Purpose::Reference, ValueType::Keyword),
    built_in("dh.ref/value", Purpose::Reference, ValueType::String),
    built_in("dh.ref/temporal", Purpose::Reference, ValueType::String),
    built_in("dh.ref/type", Purpose::Reference, ValueType::Keyword),
    built_in("db/fn", Purpose::Function, ValueType::String),
];

/// The built-in attributes of a keyword database that are more than single, unindexed values.
pub fn implicit_attributes(mut id_of: impl FnMut(&Value) -> AttrId) -> Vec<Attribute> {
    let mut attribute = |ident: &str| {
        let ident = Value::keyword(ident);
        let id = id_of(&ident);
        Attribute::new(id, ident)
    };
    let many = |attribute| Attribute {
        cardinality: Cardinality::Many,
        ..attribute
    };
    let indexed = |attribute| Attribute {
        index: true,
        ..attribute
    };
    vec![
        Attribute {
            unique: Some(Unique::Identity),
            ..attribute("db/ident")
        },
        Attribute {
            no_history: true,
            ..attribute("db/txInstant")
        },
        indexed(attribute("db.valid/from")),
        indexed(attribute("db.valid/to")),
        indexed(attribute("dh.ref/db")),
        indexed(attribute("dh.ref/value")),
        many(attribute("db.entity/attrs")),
        many(attribute("db.entity/preds")),
        many(attribute("db.attr/preds")),
    ]
}

/// The largest entity of the system schema under `:attribute-refs?`.
pub const SYSTEM_ENTITY_MAX: EntityId = EntityId(SYSTEM_IDENTS.len() as i64);

/// The idents of the system entities under `:attribute-refs?`: the first is entity 1.
pub const SYSTEM_IDENTS: [&str; 54] = [
    "db/ident",
    "db/valueType",
    "db/cardinality",
    "db/doc",
    "db/index",
    "db/unique",
    "db/noHistory",
    "db.install/attribute",
    "db/txInstant",
    "db.cardinality/many",
    "db.cardinality/one",
    "db.part/sys",
    "db.part/tx",
    "db.part/user",
    "db.type/bigdec",
    "db.type/bigint",
    "db.type/boolean",
    "db.type/double",
    "db.type/cardinality",
    "db.type/float",
    "db.type/number",
    "db.type/instant",
    "db.type/keyword",
    "db.type/long",
    "db.type/ref",
    "db.type/string",
    "db.type/symbol",
    "db.type/unique",
    "db.type/uuid",
    "db.type/valueType",
    "db.type.install/attribute",
    "db.unique/identity",
    "db.unique/value",
    "db/isComponent",
    "db/tupleType",
    "db/tupleTypes",
    "db/tupleAttrs",
    "db.type/tuple",
    "db.valid/from",
    "db.valid/to",
    "db.secondary/type",
    "db.secondary/attrs",
    "db.secondary/config",
    "db.secondary/status",
    "db.secondary/building-since-tx",
    "db.secondary/only",
    "dh.ref/db",
    "dh.ref/attr",
    "dh.ref/value",
    "dh.ref/temporal",
    "dh.ref/type",
    "db.type/store-ref",
    "db/maxLength",
    "db.attr/preds",
];

/// A fact of the system schema: entity, attribute, value; enums by their ident.
pub type SystemFact = (&'static str, &'static str, SystemValue);

/// A value of the system schema.
#[derive(Clone, Copy, Debug)]
pub enum SystemValue {
    /// A system entity, by its ident.
    Enum(&'static str),
    /// A text.
    Text(&'static str),
    /// `true`.
    True,
}

/// What the system schema says beside its idents.
pub fn system_facts() -> Vec<SystemFact> {
    let mut facts = Vec::new();
    for &(ident, value_type, doc) in SYSTEM_ATTRIBUTES {
        facts.push((ident, "db/valueType", SystemValue::Enum(value_type)));
        let cardinality = match ident {
            "db.attr/preds" => "db.cardinality/many",
            _ => "db.cardinality/one",
        };
        facts.push((ident, "db/cardinality", SystemValue::Enum(cardinality)));
        if !doc.is_empty() {
            facts.push((ident, "db/doc", SystemValue::Text(doc)));
        }
    }
    facts.push((
        "db/ident",
        "db/unique",
        SystemValue::Enum("db.unique/value"),
    ));
    facts.push(("db/txInstant", "db/noHistory", SystemValue::True));
    for ident in [
        "db/txInstant",
        "db.valid/from",
        "db.valid/to",
        "dh.ref/db",
        "dh.ref/value",
    ] {
        facts.push((ident, "db/index", SystemValue::True));
    }
    facts
}

/// Ident, type and documentation of the system attributes that have a type.
const SYSTEM_ATTRIBUTES: &[(&str, &str, &str)] = &[
    (
        "db/ident",
        "db.type/keyword",
        "An attribute's or specification's identifier",
    ),
    (
        "db/valueType",
        "db.type/valueType",
        "An attribute's value type",
    ),
    (
        "db/cardinality",
        "db.type/cardinality",
        "An attribute's cardinality",
    ),
    ("db/doc", "db.type/string", "An attribute's documentation"),
    (
        "db/index",
        "db.type/boolean",
        "An attribute's index selection",
    ),
    (
        "db/unique",
        "db.type/unique",
        "An attribute's unique selection",
    ),
    (
        "db/noHistory",
        "db.type/boolean",
        "An attribute's history selection",
    ),
    (
        "db.install/attribute",
        "db.type.install/attribute",
        "Only for interoperability with Datomic",
    ),
    (
        "db/txInstant",
        "db.type/instant",
        "A transaction's time-point",
    ),
    (
        "db.valid/from",
        "db.type/instant",
        "A transaction's valid-time lower bound (inclusive).\n             Every datom in the tx inherits this vt-from. When\n             absent the transaction's `:db/txInstant` is used.\n             See `doc/valid_time.md` for usage.",
    ),
    (
        "db.valid/to",
        "db.type/instant",
        "A transaction's valid-time upper bound (exclusive).\n             When absent the interval is open-ended (treated as +∞).\n             May be written retroactively on a prior tx-entity to\n             close that tx's window; the write is a normal commit,\n             the prior tx's hash is unchanged, and the transactor\n             enforces a cross-tx `vf < vt` check on the combined\n             state. See `doc/valid_time.md` for usage.",
    ),
    (
        "dh.ref/db",
        "db.type/uuid",
        "Cross-db reference: target database (store :id)",
    ),
    (
        "dh.ref/attr",
        "db.type/keyword",
        "Cross-db reference: unique attribute of the target lookup ref",
    ),
    (
        "dh.ref/value",
        "db.type/string",
        "Cross-db reference: lookup-ref value, canonically encoded",
    ),
    (
        "dh.ref/temporal",
        "db.type/string",
        "Cross-db reference: temporal qualifier (tx:/date:/valid:/branch:); absent = live head",
    ),
    (
        "dh.ref/type",
        "db.type/keyword",
        "Cross-db reference: link predicate (application vocabulary)",
    ),
    ("db/maxLength", "db.type/long", ""),
    ("db.attr/preds", "db.type/symbol", ""),
];

/// The system entity with an ident (without the colon).
pub fn system_entity(ident: &str) -> Option<EntityId> {
    let at = SYSTEM_IDENTS.iter().position(|&known| known == ident)?;
    Some(EntityId(at as i64 + 1))
}

/// Whether an ident (without the colon) lies in a namespace that users may not declare in.
pub fn is_reserved(ident: &str) -> bool {
    let Some((namespace, _)) = ident.split_once('/') else {
        return false;
    };
    namespace == "db" || namespace.starts_with("db.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_entities_have_fixed_numbers() {
        for (ident, e) in [("db/ident", 1), ("db/txInstant", 9), ("db.type/ref", 25)] {
            assert_eq!(system_entity(ident), Some(EntityId(e)));
        }
        assert_eq!(system_entity("db.attr/preds"), Some(SYSTEM_ENTITY_MAX));
        assert_eq!(system_entity("name"), None);
    }
}
