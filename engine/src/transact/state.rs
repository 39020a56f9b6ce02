//! A transaction under way: its datoms so far, and the state they make.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::attribute::Known;
use super::expand::Functions;
use super::overlay::Overlay;
use super::show;
use crate::datom::{AttrId, EntityId, Op, TX0, TxId};
use crate::db::{Db, IndexDatom, Options, Purge};
use crate::error::{Code, Error, Result};
use crate::index::{Cell, Interner};
use crate::limits;
use crate::schema::{Attribute, SYSTEM_ENTITY_MAX, Schema, SchemaDatom, alias, is_enum_key};
use crate::value::{Map, Value};

/// Keywords that every map is asked for.
pub(super) struct Keys {
    pub(super) id: Value,
    pub(super) ensure: Value,
    pub(super) ident: Value,
}

/// A transaction under way. One attempt: a tempid that turns out to be another entity than it was
/// taken for starts a new one.
pub(super) struct State<'a> {
    pub(super) db: &'a Db,
    /// The functions that users wrote.
    pub(super) functions: &'a Functions,
    pub(super) keys: Keys,
    pub(super) options: Arc<Options>,
    pub(super) schema: Arc<Schema>,
    pub(super) interner: Interner,
    pub(super) overlay: Overlay,
    pub(super) datoms: Vec<IndexDatom>,
    pub(super) purges: Vec<Purge>,
    pub(super) attributes: HashMap<Value, Option<Arc<Known>>, FixedState>,
    pub(super) tempids: Map,
    pub(super) tx: i64,
    pub(super) max_eid: i64,
    /// Composite tuples to bring up to date after the form at hand, by entity.
    pub(super) stale_tuples: indexmap::IndexMap<(i64, AttrId), Vec<Value>, FixedState>,
    /// Earlier transactions whose valid time this one changes.
    pub(super) retimed: Vec<i64>,
    /// Entities with the sources of functions that were asserted of them.
    pub(super) sources: Vec<(i64, Value)>,
    /// Entities of which the schema learned something.
    pub(super) schema_entities: indexmap::IndexSet<EntityId, FixedState>,
    /// The attributes that refer to entities, once asked for.
    pub(super) refs: Option<Vec<Arc<Known>>>,
}

impl<'a> State<'a> {
    pub(super) fn new(db: &'a Db, tempids: Map, functions: &'a Functions) -> State<'a> {
        State {
            db,
            functions,
            keys: Keys {
                id: Value::keyword("db/id"),
                ensure: Value::keyword("db/ensure"),
                ident: Value::keyword("db/ident"),
            },
            options: Arc::clone(db.options()),
            schema: Arc::clone(db.schema()),
            interner: Interner::new(db.dictionary().clone()),
            overlay: Overlay::new(db.clone()),
            datoms: Vec::new(),
            purges: Vec::new(),
            attributes: HashMap::default(),
            tempids,
            tx: db.max_tx().0 + 1,
            max_eid: db.max_eid(),
            stale_tuples: indexmap::IndexMap::default(),
            retimed: Vec::new(),
            sources: Vec::new(),
            schema_entities: indexmap::IndexSet::default(),
            refs: None,
        }
    }

    /// A number for a new entity.
    pub(super) fn allocate(&mut self) -> Result<i64> {
        let e = self.max_eid + 1;
        if e >= TX0 {
            let message = "No entity id is left: the largest is below those of transactions";
            return Err(Error::new(Code::Limit, message).with("limit", TX0));
        }
        self.max_eid = e;
        Ok(e)
    }

    /// Keeps the numbers of new entities above one that a form names.
    pub(super) fn advance(&mut self, e: i64) {
        if e > self.max_eid && e < TX0 {
            self.max_eid = e;
        }
    }

    /// Notes what a tempid or a name of the current transaction stands for.
    pub(super) fn bind(&mut self, tempid: &Value, e: i64) {
        self.tempids.insert(tempid.clone(), Value::Long(e));
        self.advance(e);
    }

    pub(super) fn bound(&self, tempid: &Value) -> Option<i64> {
        self.tempids.get(tempid).and_then(Value::as_long)
    }

    /// Makes something so, and what it replaces no longer so. What is so already changes nothing.
    pub(super) fn assert(
        &mut self,
        e: i64,
        attribute: &Arc<Known>,
        v: Cell,
        tx: i64,
    ) -> Result<()> {
        let a = attribute.id;
        self.advance(e);
        if attribute.shapes_schema() {
            self.refuse_system_entity(e, Code::TransactSchema)?;
        }
        if attribute.is_many() {
            if self.overlay.has(e, a, v) {
                return Ok(());
            }
            self.refuse_taken(e, attribute, v, tx)?;
            self.overlay.set_has(e, a, v, true);
        } else {
            let old = self.overlay.value(e, a);
            if old == Some(v) {
                return Ok(());
            }
            self.refuse_taken(e, attribute, v, tx)?;
            if let Some(old) = old {
                self.withdraw(e, attribute, old, self.tx)?;
            }
            self.overlay.set_value(e, a, Some(v));
        }
        if attribute.declared.unique.is_some() {
            self.overlay.set_owner(a, v, Some(e));
        }
        self.push(IndexDatom {
            e: EntityId(e),
            a,
            v,
            tx: TxId(tx),
            op: Op::Assert,
        })?;
        self.follow(e, attribute, v, Op::Assert)
    }

    /// Makes something no longer so, if it is.
    pub(super) fn retract(
        &mut self,
        e: i64,
        attribute: &Arc<Known>,
        v: Cell,
        tx: i64,
    ) -> Result<()> {
        if self.is_so(e, attribute, v) {
            self.withdraw(e, attribute, v, tx)
        } else {
            Ok(())
        }
    }

    /// Whether an entity has a value.
    pub(super) fn is_so(&mut self, e: i64, attribute: &Known, v: Cell) -> bool {
        if attribute.is_many() {
            self.overlay.has(e, attribute.id, v)
        } else {
            self.overlay.value(e, attribute.id) == Some(v)
        }
    }

    /// Reports a retraction once more; it changes nothing.
    pub(super) fn repeat_retraction(&mut self, e: i64, attribute: &Known, v: Cell) -> Result<()> {
        let (a, tx) = (attribute.id, TxId(self.tx));
        self.push(IndexDatom {
            e: EntityId(e),
            a,
            v,
            tx,
            op: Op::Retract,
        })
    }

    fn withdraw(&mut self, e: i64, attribute: &Arc<Known>, v: Cell, tx: i64) -> Result<()> {
        let a = attribute.id;
        self.vanish(e, attribute, v);
        self.push(IndexDatom {
            e: EntityId(e),
            a,
            v,
            tx: TxId(tx),
            op: Op::Retract,
        })?;
        self.follow(e, attribute, v, Op::Retract)
    }

    /// Takes a datom out of the state without saying so.
    pub(super) fn vanish(&mut self, e: i64, attribute: &Known, v: Cell) {
        let a = attribute.id;
        if attribute.is_many() {
            self.overlay.set_has(e, a, v, false);
        } else {
            self.overlay.set_value(e, a, None);
        }
        if attribute.declared.unique.is_some() {
            self.overlay.set_owner(a, v, None);
        }
    }

    fn push(&mut self, datom: IndexDatom) -> Result<()> {
        if self.datoms.len() >= limits::TX_DATOMS {
            let message = format!("A transaction takes at most {} datoms", limits::TX_DATOMS);
            return Err(Error::new(Code::Limit, message).with("limit", limits::TX_DATOMS));
        }
        self.datoms.push(datom);
        Ok(())
    }

    /// What else a datom means: the schema changes, or a composite tuple does.
    fn follow(&mut self, e: i64, attribute: &Arc<Known>, v: Cell, op: Op) -> Result<()> {
        if attribute.shapes_schema() {
            self.learn(e, attribute, v, op)?;
        }
        if !attribute.tuples.is_empty() {
            let part = match op {
                Op::Assert => self.interner.value(v),
                Op::Retract => Value::Nil,
            };
            self.queue_tuples(e, attribute, &part);
        }
        Ok(())
    }

    fn refuse_taken(&mut self, e: i64, attribute: &Known, v: Cell, tx: i64) -> Result<()> {
        if attribute.declared.unique.is_none() {
            return Ok(());
        }
        let Some(owner) = self
            .overlay
            .owner(attribute.id, v)
            .filter(|&owner| owner != e)
        else {
            return Ok(());
        };
        let owner_tx = self
            .overlay
            .tx_of(owner, attribute.id, v)
            .unwrap_or(self.tx);
        let value = self.interner.value(v);
        let datom = |e: i64, tx: i64| {
            Value::vector([
                Value::Long(e),
                attribute.named.clone(),
                value.clone(),
                Value::Long(tx),
                Value::Bool(true),
            ])
        };
        let mut found = format!("#datahike/Datom {}", show(&datom(owner, owner_tx)));
        if attribute.is_many() {
            found = format!("({found})");
        }
        let added = datom(e, tx);
        let message = format!(
            "Cannot add #datahike/Datom {} because of unique constraint: {found}",
            show(&added)
        );
        Err(Error::new(Code::TransactUnique, message)
            .with("attribute", attribute.named.clone())
            .with("datom", added))
    }

    /// Lets the schema take in a datom about it.
    pub(super) fn learn(&mut self, e: i64, attribute: &Arc<Known>, v: Cell, op: Op) -> Result<()> {
        let entity = EntityId(e);
        if op == Op::Retract {
            self.refuse_system_entity(e, Code::RetractSchema)?;
        }
        let value = self
            .schema
            .enum_ident(&attribute.ident, self.interner.value(v));
        if attribute.ident == self.keys.ident {
            let id = AttrId(self.interner.intern(&value));
            let taken = self.schema.attribute(id).and_then(|other| other.entity);
            if taken.is_some_and(|owner| owner != entity) {
                self.interner.intern(&alias(entity, &value));
            }
        }
        let before = self.schema.by_entity(entity).cloned();
        let datom = SchemaDatom {
            e: entity,
            key: &attribute.ident,
            value,
            op,
        };
        let interner = &self.interner;
        Arc::make_mut(&mut self.schema).learn(&datom, |name| interner.find(name).map(AttrId));
        self.schema_entities.insert(entity);
        self.attributes.clear();
        self.refs = None;
        if let Some(after) = self.schema.by_entity(entity) {
            let before =
                before.unwrap_or_else(|| Attribute::new(after.id, after.ident.clone()).into());
            self.overlay.redeclared(&before, after, &self.datoms);
        }
        Ok(())
    }

    fn refuse_system_entity(&self, e: i64, code: Code) -> Result<()> {
        if !self.options.attribute_refs || EntityId(e) > SYSTEM_ENTITY_MAX {
            return Ok(());
        }
        Err(Error::new(code, "System schema entity cannot be changed").with("entity-id", e))
    }

    /// What datoms hold for a value of a schema key: the enum's entity under `:attribute-refs?`.
    pub(super) fn enum_value(&self, attribute: &Known, value: &Value) -> Option<Value> {
        let key = attribute.ident.as_keyword()?.as_str();
        if !self.options.attribute_refs || !is_enum_key(key) {
            return None;
        }
        self.schema
            .entity_of(value.as_keyword()?)
            .map(|e| Value::Long(e.0))
    }
}
