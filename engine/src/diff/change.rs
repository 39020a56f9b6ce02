//! What one side of a merge did since the common past, by entity and attribute.

use std::sync::Arc;

use foldhash::fast::FixedState;
use indexmap::{IndexMap, IndexSet};

use super::Diff;
use crate::datom::{AttrId, Datom, EntityId, TX0};
use crate::db::Db;
use crate::schema::{Attribute, BuiltIn, TupleKind};
use crate::value::{Keyword, Set, Value};

/// An entity (a number, or a tempid for a new one) and an attribute by name.
pub(super) type Key = (Value, Value);

/// Attributes of one entity by name, with a value each.
pub(super) type Facts = IndexSet<(Value, Value), FixedState>;

/// What happened to the values of one attribute of one entity.
#[derive(Clone, Debug, Default)]
pub(super) struct Change {
    pub(super) removed: Set,
    pub(super) added: Set,
}

impl Change {
    pub(super) fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty()
    }
}

/// Everything one side did, in the order of the entities.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    /// By entity and attribute.
    pub(super) by_key: IndexMap<Key, Change, FixedState>,
    /// Composite tuples that arose. They follow from their parts and are never written.
    pub(super) tuples: Vec<(Key, Value)>,
}

impl Changes {
    /// The changes from the base to a side, whose difference is given. What is said of
    /// transactions that the base does not know is left out: it belongs to the branch they were
    /// made on.
    pub(super) fn new(base: &Side<'_>, side: &Side<'_>, diff: &Diff) -> Changes {
        let mut changes = Changes::default();
        for datom in diff.only_a() {
            let key = base.key(&datom);
            if let Some(key) = key.filter(|(_, name)| !base.is_composite(name)) {
                let value = base.named_enum(&key.1, datom.v);
                changes.at(key).removed.insert(value);
            }
        }
        for datom in diff.only_b() {
            let Some(key) = side.key(&datom) else {
                continue;
            };
            let value = side.named_enum(&key.1, datom.v);
            if side.is_composite(&key.1) {
                changes.tuples.push((key, value));
            } else {
                changes.at(key).added.insert(value);
            }
        }
        changes
    }

    pub(super) fn at(&mut self, key: Key) -> &mut Change {
        self.by_key.entry(key).or_default()
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Change> {
        self.by_key.get(key).filter(|change| !change.is_empty())
    }

    /// Takes out all changes of entities, and all that make others refer to them or no longer.
    pub(super) fn forget(&mut self, entities: &Set, is_ref: impl Fn(&Value) -> bool) {
        if entities.is_empty() {
            return;
        }
        for (key, change) in &mut self.by_key {
            if entities.contains(&key.0) {
                *change = Change::default();
            } else if is_ref(&key.1) {
                change.removed.retain(|value| !entities.contains(value));
                change.added.retain(|value| !entities.contains(value));
            }
        }
    }
}

/// A database value of a merge, with attributes named as they were before both sides.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub(super) base: &'a Db,
    pub(super) db: &'a Db,
}

impl Side<'_> {
    /// The key of a datom; none if it is about a transaction that the base does not know.
    fn key(&self, datom: &Datom) -> Option<Key> {
        if datom.e.0 >= TX0 && !is_known_tx(self.base, datom.e) {
            return None;
        }
        let name = match self.db.attr_of(&datom.a) {
            Some(a) => self.name(a),
            None => datom.a.clone(),
        };
        Some((Value::Long(datom.e.0), name))
    }

    /// An attribute's name before both sides, for it may have been renamed since; else its own.
    fn name(&self, a: AttrId) -> Value {
        let before = self.base.attribute(a).filter(|_| self.renames());
        before.map_or_else(|| self.db.ident(a).clone(), |before| before.ident.clone())
    }

    /// Whether attributes may have another name than before, and keep their ids if so.
    fn renames(&self) -> bool {
        self.base.options().attribute_refs && self.db.options().attribute_refs
    }

    /// An attribute by the name that [`Changes`] use.
    pub(super) fn attribute(&self, name: &Value) -> Option<AttrId> {
        let before = self.base.schema().by_ident(name).filter(|_| self.renames());
        before
            .map(|before| before.id)
            .or_else(|| self.db.attribute_id(name))
    }

    /// The declaration of an attribute by the name that [`Changes`] use.
    pub(super) fn declared(&self, name: &Value) -> Option<&Arc<Attribute>> {
        self.db.attribute(self.attribute(name)?)
    }

    pub(super) fn is_ref(&self, name: &Value) -> bool {
        self.declared(name).is_some_and(|known| known.is_ref())
    }

    pub(super) fn is_many(&self, name: &Value) -> bool {
        self.declared(name).is_some_and(|known| known.is_many())
    }

    pub(super) fn is_composite(&self, name: &Value) -> bool {
        let tuple = self.declared(name).and_then(|known| known.tuple.as_ref());
        matches!(tuple, Some(TupleKind::Composite(_)))
    }

    /// The values shown for an entity and an attribute.
    pub(super) fn values(&self, key: &Key) -> Set {
        let (Value::Long(e), Some(a)) = (&key.0, self.attribute(&key.1)) else {
            return Set::default();
        };
        let rows = self.db.rows_of(EntityId(*e), a).into_iter();
        rows.map(|row| self.named_enum(&key.1, self.db.value(row.v)))
            .collect()
    }

    /// Everything shown of an entity: names and values.
    pub(super) fn facts(&self, e: &Value) -> Facts {
        let Some(e) = e.as_long() else {
            return Facts::default();
        };
        let rows = self.db.rows_of_entity(EntityId(e)).into_iter();
        rows.map(|(a, row)| (self.name(a), self.db.value(row.v)))
            .map(|(name, value)| {
                let value = self.named_enum(&name, value);
                (name, value)
            })
            .collect()
    }

    /// The entities and ref attributes that refer to an entity.
    pub(super) fn referring(&self, e: &Value) -> Vec<Key> {
        let Some(e) = e.as_long() else {
            return Vec::new();
        };
        let rows = self.db.rows_referring_to(EntityId(e)).into_iter();
        rows.map(|(a, row)| (Value::Long(row.e), self.name(a)))
            .collect()
    }

    /// Whether nothing is shown of an entity.
    pub(super) fn is_gone(&self, e: &Value) -> bool {
        let e = e.as_long();
        e.is_some_and(|e| self.db.rows_of_entity(EntityId(e)).is_empty())
    }

    /// An enum of the schema by its ident where datoms hold its entity.
    fn named_enum(&self, name: &Value, value: Value) -> Value {
        match self.db.options().attribute_refs {
            true => self.db.schema().enum_ident(name, value),
            false => value,
        }
    }
}

/// Whether a database value knows a transaction.
pub(super) fn is_known_tx(db: &Db, tx: EntityId) -> bool {
    let instant = db.attribute_named("db/txInstant");
    instant.is_some_and(|a| !db.rows_of(tx, a).is_empty())
}

/// Whether an attribute says what the schema is.
pub(super) fn shapes_schema(name: &Value) -> bool {
    let name = name.as_keyword().map(Keyword::as_str);
    name.and_then(BuiltIn::find)
        .is_some_and(BuiltIn::shapes_schema)
}
