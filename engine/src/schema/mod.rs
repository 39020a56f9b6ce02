//! The schema: what the attributes of one database value are, derived from its datoms.

mod attribute;
mod check;
mod evolve;
mod keep;
mod secondary;
mod system;
mod value;

pub use attribute::{Attribute, Cardinality, Embedding, TupleKind, Unique, ValueType};
pub use check::{Completeness, Transition, find_refused_updates, key_bearing_misuse};
pub use evolve::{SchemaDatom, alias, is_enum_key, is_system_ident};
pub use secondary::{SecondaryIndex, SecondaryKind, VectorConfig};
pub use system::{
    BUILT_IN, BuiltIn, Purpose, SYSTEM_ENTITY_MAX, SYSTEM_IDENTS, SystemFact, SystemValue,
    implicit_attributes, is_reserved, system_entity, system_facts,
};
pub use value::{describe, type_of, value_matches};

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;

use crate::datom::{AttrId, EntityId};
use crate::value::{Keyword, Map, Value};

/// Attributes and idents of one database value. Cloning copies tables of shared entries.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    attributes: HashMap<AttrId, Arc<Attribute>, FixedState>,
    names: HashMap<Value, AttrId, FixedState>,
    by_entity: HashMap<EntityId, AttrId, FixedState>,
    idents: HashMap<Keyword, EntityId, FixedState>,
    entity_idents: HashMap<EntityId, Keyword, FixedState>,
    /// What is said of each entity that says something about the schema.
    entries: HashMap<EntityId, Arc<Map>, FixedState>,
    /// The composite tuples each attribute is part of, with its place in them.
    tuples_of: HashMap<Value, Vec<(AttrId, usize)>, FixedState>,
    /// Tuples by which entities are found again.
    identity_tuples: Vec<AttrId>,
    /// The declared secondary indexes, by entity.
    secondary: Vec<Arc<SecondaryIndex>>,
    /// Whether an attribute keeps its id when it is renamed, as under `:attribute-refs?`.
    keeps_ids: bool,
    /// The ids that entities have or had as attributes, where attributes keep them.
    lasting_ids: HashMap<EntityId, AttrId, FixedState>,
}

impl Schema {
    /// An attribute by its id.
    pub fn attribute(&self, id: AttrId) -> Option<&Arc<Attribute>> {
        self.attributes.get(&id)
    }

    /// A declared attribute by its ident.
    pub fn by_ident(&self, ident: &Value) -> Option<&Arc<Attribute>> {
        self.attributes.get(self.names.get(ident)?)
    }

    /// A declared attribute by the entity that declares it.
    pub fn by_entity(&self, e: EntityId) -> Option<&Arc<Attribute>> {
        self.attributes.get(self.by_entity.get(&e)?)
    }

    /// All declared attributes, in no order.
    pub fn attributes(&self) -> impl Iterator<Item = &Arc<Attribute>> {
        self.attributes.values()
    }

    /// The entity with this `:db/ident`.
    pub fn entity_of(&self, ident: &Keyword) -> Option<EntityId> {
        self.idents.get(ident).copied()
    }

    /// The `:db/ident` of an entity.
    pub fn ident_of(&self, e: EntityId) -> Option<&Keyword> {
        self.entity_idents.get(&e)
    }

    /// The ids of all names that attributes have or had.
    pub fn ids(&self) -> impl Iterator<Item = AttrId> + '_ {
        let names = self.names.values().chain(self.lasting_ids.values());
        self.attributes.keys().chain(names).copied()
    }

    /// All idents with their entities, attributes and enums alike, in no order.
    pub fn idents(&self) -> impl Iterator<Item = (&Keyword, EntityId)> {
        self.idents.iter().map(|(ident, e)| (ident, *e))
    }

    /// What is said of an entity of the schema: built-in attribute to value, enums by ident.
    pub fn entry(&self, e: EntityId) -> Option<&Arc<Map>> {
        self.entries.get(&e)
    }

    /// What is said of the entity with an ident.
    pub fn entry_of(&self, ident: &Keyword) -> Option<&Arc<Map>> {
        self.entry(self.entity_of(ident)?)
    }

    /// The composite tuples an attribute is part of, with its place in them.
    pub fn tuples_of(&self, ident: &Value) -> &[(AttrId, usize)] {
        self.tuples_of.get(ident).map_or(&[], Vec::as_slice)
    }

    /// The composite tuples by which entities are found again (`:db.unique/identity`).
    pub fn identity_tuples(&self) -> &[AttrId] {
        &self.identity_tuples
    }

    /// A schema whose attributes keep their ids when they are renamed.
    pub fn with_lasting_ids() -> Schema {
        Schema {
            keeps_ids: true,
            ..Schema::default()
        }
    }

    /// Declares an attribute, or replaces its declaration.
    pub fn declare(&mut self, attribute: Attribute) {
        self.undeclare(attribute.id);
        if let Some(TupleKind::Composite(parts)) = &attribute.tuple {
            for (at, part) in parts.iter().enumerate() {
                self.tuples_of
                    .entry(part.clone())
                    .or_default()
                    .push((attribute.id, at));
            }
            if attribute.unique == Some(Unique::Identity) {
                self.identity_tuples.push(attribute.id);
            }
        }
        self.names.insert(attribute.ident.clone(), attribute.id);
        if let Some(e) = attribute.entity {
            self.by_entity.insert(e, attribute.id);
        }
        self.attributes.insert(attribute.id, Arc::new(attribute));
    }

    /// Forgets an attribute's declaration.
    pub fn undeclare(&mut self, id: AttrId) {
        if let Some(attribute) = self.attributes.remove(&id) {
            if let Some(TupleKind::Composite(parts)) = &attribute.tuple {
                for part in parts {
                    if let Some(tuples) = self.tuples_of.get_mut(part) {
                        tuples.retain(|(tuple, _)| *tuple != id);
                    }
                }
                self.identity_tuples.retain(|tuple| *tuple != id);
            }
            if self.names.get(&attribute.ident) == Some(&id) {
                self.names.remove(&attribute.ident);
            }
            if let Some(e) = attribute.entity {
                self.by_entity.remove(&e);
            }
        }
    }

    /// Names an entity.
    pub fn set_ident(&mut self, e: EntityId, ident: Keyword) {
        self.clear_ident(e);
        self.idents.insert(ident.clone(), e);
        self.entity_idents.insert(e, ident);
    }

    /// Takes an entity's name away.
    pub fn clear_ident(&mut self, e: EntityId) {
        if let Some(old) = self.entity_idents.remove(&e)
            && self.idents.get(&old) == Some(&e)
        {
            self.idents.remove(&old);
        }
    }
}
