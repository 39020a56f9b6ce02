//! The schema: what the attributes of one database value are, derived from its datoms.

mod attribute;

pub use attribute::{Attribute, Cardinality, TupleKind, Unique, ValueType};

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;

use crate::datom::{AttrId, EntityId};
use crate::value::{Keyword, Value};

/// Attributes and idents of one database value. Cloning copies tables of shared entries.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    attributes: HashMap<AttrId, Arc<Attribute>, FixedState>,
    names: HashMap<Value, AttrId, FixedState>,
    by_entity: HashMap<EntityId, AttrId, FixedState>,
    idents: HashMap<Keyword, EntityId, FixedState>,
    entity_idents: HashMap<EntityId, Keyword, FixedState>,
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

    /// All idents with their entities, attributes and enums alike, in no order.
    pub fn idents(&self) -> impl Iterator<Item = (&Keyword, EntityId)> {
        self.idents.iter().map(|(ident, e)| (ident, *e))
    }

    /// Declares an attribute, or replaces its declaration.
    pub fn declare(&mut self, attribute: Attribute) {
        self.names.insert(attribute.ident.clone(), attribute.id);
        if let Some(e) = attribute.entity {
            self.by_entity.insert(e, attribute.id);
        }
        self.attributes.insert(attribute.id, Arc::new(attribute));
    }

    /// Forgets an attribute's declaration.
    pub fn undeclare(&mut self, id: AttrId) {
        if let Some(attribute) = self.attributes.remove(&id) {
            self.names.remove(&attribute.ident);
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
