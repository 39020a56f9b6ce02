//! The end of a transaction: the schema it leaves is checked, and the next database value made.

use std::sync::Arc;

use super::state::State;
use super::{Transaction, show};
use crate::datom::{AttrId, EntityId, TxId};
use crate::db::{Db, Flexibility};
use crate::error::{Code, Error, Result};
use crate::index::{Row, floats_of};
use crate::limits::GRAPH_ROWS_MIN;
use crate::schema::{Attribute, Completeness, SecondaryIndex, Transition};
use crate::value::{Map, Value};

/// What is still to be looked at once the next database value stands.
#[derive(Default)]
struct Pending {
    gone: Vec<Gone>,
    distinct: Vec<Arc<Attribute>>,
    single: Vec<Arc<Attribute>>,
}

/// An attribute that was undeclared, with the error should any of it be left.
struct Gone {
    a: AttrId,
    refused: Result<()>,
}

impl State<'_> {
    /// The finished transaction.
    pub(super) fn finish(mut self, meta: Map) -> Result<Transaction> {
        self.check_retimed()?;
        self.say_status()?;
        self.check_sources()?;
        let pending = self.check_schema()?;
        self.tempids
            .insert(Value::keyword("db/current-tx"), Value::Long(self.tx));
        let tx = TxId(self.tx);
        let dictionary = self.interner.finish();
        let purged = if self.purges.is_empty() {
            self.db.clone()
        } else {
            self.db.purge(&self.purges)
        };
        let db_after = purged.apply(&self.datoms, dictionary, self.schema, self.max_eid, tx);
        pending.check(&db_after)?;
        let instant = match meta.get(&Value::keyword("db/txInstant")) {
            Some(Value::Instant(ms)) => *ms,
            _ => 0,
        };
        Ok(Transaction {
            db_before: self.db.clone(),
            db_after,
            datoms: self.datoms,
            purges: self.purges,
            tempids: self.tempids,
            tx,
            instant,
            tx_meta: meta,
        })
    }

    /// Checks what became of every schema entity, whatever the order of the datoms.
    fn check_schema(&self) -> Result<Pending> {
        let mut pending = Pending::default();
        let completeness = match self.options.flexibility {
            Flexibility::Write => Completeness::Required,
            Flexibility::Read => Completeness::Optional,
        };
        let ident_key = Value::keyword("db/ident");
        for &e in &self.schema_entities {
            let with_ident = |entry: Option<&Arc<Map>>| {
                entry
                    .filter(|entry| entry.contains_key(&ident_key))
                    .cloned()
            };
            let old = with_ident(self.db.schema().entry(e));
            let new = with_ident(self.schema.entry(e));
            if old == new {
                continue;
            }
            let named = old
                .as_ref()
                .or(new.as_ref())
                .and_then(|entry| entry.get(&ident_key));
            let ident = named.cloned().unwrap_or_default();
            self.check_rename(e, old.as_deref(), new.as_deref())?;
            let transition = Transition::assess(old.as_deref(), new.as_deref(), completeness);
            let entries = (old.as_deref(), new.as_deref());
            self.check_transition(e, &ident, &transition, entries, &mut pending)?;
            if let Some(new) = &new {
                self.check_composite(&ident, old.as_deref(), new)?;
            }
            self.check_secondary(e)?;
            if let Some(attribute) = self.schema.by_entity(e) {
                pending
                    .distinct
                    .extend(transition.must_be_distinct.then(|| Arc::clone(attribute)));
                pending
                    .single
                    .extend(transition.must_be_single.then(|| Arc::clone(attribute)));
            }
        }
        Ok(pending)
    }

    /// Says of indexes of vectors that were declared just now whether they are still to be built: of
    /// few rows no graph is made, they are searched one by one.
    fn say_status(&mut self) -> Result<()> {
        if self.schema.secondary().is_empty() {
            return Ok(());
        }
        let status_key = Value::keyword("db.secondary/status");
        let known = self.db.schema().secondary();
        let is_new = |index: &&Arc<SecondaryIndex>| {
            let entry = self.schema.entry(index.entity);
            index.vectors().is_some()
                && !known.iter().any(|other| other.entity == index.entity)
                && entry.is_some_and(|entry| !entry.contains_key(&status_key))
        };
        let indexes = self.schema.secondary().iter();
        let new: Vec<Arc<SecondaryIndex>> = indexes.filter(is_new).cloned().collect();
        for index in new {
            let attributes = index.attributes.iter();
            let rows = attributes.filter_map(|ident| self.db.index(self.db.attribute_id(ident)?));
            let rows: usize = rows.map(|index| index.current().len()).sum();
            let is_small = rows < GRAPH_ROWS_MIN;
            let status = if is_small { "ready" } else { "building" };
            self.say(index.entity, &status_key, Value::keyword(status))?;
            if !is_small {
                let since = Value::keyword("db.secondary/building-since-tx");
                self.say(index.entity, &since, Value::Long(self.tx))?;
            }
        }
        Ok(())
    }

    fn say(&mut self, e: EntityId, key: &Value, value: Value) -> Result<()> {
        let Some(attribute) = self.known(key) else {
            return Ok(());
        };
        let cell = self.interner.cell(&value);
        self.assert(e.0, &attribute, cell, self.tx)
    }

    /// Refuses the declaration of an index that could not answer.
    fn check_secondary(&self, e: EntityId) -> Result<()> {
        let mut indexes = self.schema.secondary().iter();
        let Some(index) = indexes.find(|index| index.entity == e) else {
            return Ok(());
        };
        let fault = self.schema.secondary_fault(index);
        let Some(why) = fault.or_else(|| self.misfit(index)) else {
            return Ok(());
        };
        let ident = Value::Keyword(index.ident.clone());
        let message = format!("Cannot declare the index {}: {why}", show(&ident));
        Err(Error::new(Code::TransactSchema, message).with("index", ident))
    }

    /// Why an index cannot hold the vectors that are there before it, if so.
    fn misfit(&self, index: &SecondaryIndex) -> Option<String> {
        let config = index.vectors()?;
        let known = self.db.schema().secondary().iter();
        if known.clone().any(|other| other.entity == index.entity) {
            return None;
        }
        for ident in &index.attributes {
            let rows = self.db.attribute_id(ident).and_then(|a| self.db.index(a));
            let rows = rows.into_iter().flat_map(|index| index.current().rows());
            let fits = |row: &Row| {
                let floats = floats_of(self.db.dictionary(), row.v).unwrap_or_default();
                floats.len() == config.dim && floats.iter().all(|x| x.is_finite())
            };
            let (count, example) = rows
                .filter(|row| !fits(row))
                .fold((0, None), |(n, first), row| (n + 1, first.or(Some(row.e))));
            if let Some(e) = example {
                return Some(format!(
                    "{count} vectors of {ident} are not of {} finite numbers, that of entity {e} among them",
                    config.dim
                ));
            }
        }
        None
    }

    fn is_used(&self, e: EntityId) -> bool {
        let declared = self.db.schema().by_entity(e);
        declared.is_some_and(|declared| has_datoms(self.db, declared.id))
    }

    fn check_rename(&self, e: EntityId, old: Option<&Map>, new: Option<&Map>) -> Result<()> {
        let ident = |entry: Option<&Map>| entry?.get(&Value::keyword("db/ident")).cloned();
        let (Some(from), Some(to)) = (ident(old), ident(new)) else {
            return Ok(());
        };
        if from == to || self.options.attribute_refs || !self.is_used(e) {
            return Ok(());
        }
        let message = format!(
            "Cannot rename {} to {} while it has existing (or history) datoms: without \
             :attribute-refs? the attribute keyword is stored in every datom, so the data would \
             not follow the rename and the attribute would be split across both names. Migrate \
             the data to a new attribute instead, or use :attribute-refs?.",
            show(&from),
            show(&to)
        );
        Err(Error::new(Code::TransactSchema, message)
            .with("attribute", from)
            .with("new-attribute", to))
    }

    fn check_transition(
        &self,
        e: EntityId,
        ident: &Value,
        transition: &Transition,
        entries: (Option<&Map>, Option<&Map>),
        pending: &mut Pending,
    ) -> Result<()> {
        let refuse = |message: String| {
            Error::new(Code::TransactSchema, message).with("attribute", ident.clone())
        };
        if !transition.invalid.is_empty() {
            let updates = transition
                .invalid
                .iter()
                .map(|(key, old, new)| (key.clone(), Value::vector([old.clone(), new.clone()])));
            let message = format!("Invalid schema state for {} after transaction", show(ident));
            return Err(refuse(message).with("invalid-updates", Value::map(updates)));
        }
        let entry =
            |entry: Option<&Map>| entry.map_or(Value::Nil, |entry| Value::from(entry.clone()));
        let with_entries = |error: Error| {
            Err(error
                .with("old", entry(entries.0))
                .with("new", entry(entries.1)))
        };
        let must_be_unused = || {
            refuse(format!(
                "Schema change on {} requires the attribute to be unused, but it has existing (or \
                 history) datoms. Migrate the data to a new attribute instead.",
                show(ident)
            ))
        };
        if transition.must_be_unused && self.is_used(e) {
            return with_entries(must_be_unused());
        }
        if transition.must_be_gone && self.is_used(e) {
            let before = self.db.schema().by_entity(e).map(|before| before.id);
            let refused = with_entries(must_be_unused());
            pending.gone.extend(before.map(|a| Gone { a, refused }));
        }
        if transition.must_be_backfilled && !self.options.index_backfill && self.is_used(e) {
            return with_entries(refuse(format!(
                "Schema change on {} enables indexing/uniqueness on a used attribute. Set \
                 :allow-index-backfill? true in the database config to run the backfill migration \
                 (Experimental), or migrate the data to a new attribute.",
                show(ident)
            )));
        }
        Ok(())
    }

    /// A composite tuple cannot be made of many-valued attributes, nor of tuples.
    fn check_composite(&self, ident: &Value, old: Option<&Map>, new: &Map) -> Result<()> {
        let key = Value::keyword("db/tupleAttrs");
        let Some(parts) = new
            .get(&key)
            .filter(|parts| old.and_then(|old| old.get(&key)) != Some(parts))
        else {
            return Ok(());
        };
        for part in parts.as_sequential().unwrap_or(&[]) {
            let Some(declared) = self.schema.by_ident(part) else {
                continue;
            };
            let why = if declared.is_many() {
                "which must not have :db.cardinality/many."
            } else if declared.value_type == Some(crate::schema::ValueType::Tuple) {
                "which is itself a tuple attribute."
            } else {
                continue;
            };
            let message = format!(
                ":db/tupleAttrs of {} references {}, {why}",
                show(ident),
                show(part)
            );
            return Err(Error::new(Code::TransactSchema, message)
                .with("attribute", ident.clone())
                .with("tuple-attr", part.clone()));
        }
        Ok(())
    }
}

impl Pending {
    fn check(self, db: &Db) -> Result<()> {
        for gone in self.gone {
            if has_datoms(db, gone.a) {
                return gone.refused;
            }
        }
        for attribute in &self.single {
            if let Some(e) = entity_with_several(db, attribute.id) {
                let message = format!(
                    "Cannot narrow {} to :db.cardinality/one: entity {e} holds more than one value.",
                    show(&attribute.ident)
                );
                return Err(Error::new(Code::TransactSchema, message)
                    .with("attribute", attribute.ident.clone())
                    .with("entity-id", e));
            }
        }
        for attribute in &self.distinct {
            if let Some(value) = value_of_several(db, attribute.id) {
                let shown = value.as_str().map_or_else(|| show(&value), str::to_owned);
                let message = format!(
                    "Cannot add :db/unique to {}: existing duplicate value {shown}",
                    show(&attribute.ident)
                );
                return Err(Error::new(Code::TransactSchema, message)
                    .with("attribute", attribute.ident.clone())
                    .with("value", value));
            }
        }
        Ok(())
    }
}

/// Whether an attribute has datoms, now or in the past.
fn has_datoms(db: &Db, a: AttrId) -> bool {
    let index = db.index(a);
    index.is_some_and(|index| !index.current().is_empty() || !index.past().is_empty())
}

fn entity_with_several(db: &Db, a: AttrId) -> Option<i64> {
    let index = db.index(a)?;
    let mut last = None;
    index
        .current()
        .rows()
        .map(|row| row.e)
        .find(|&e| last.replace(e) == Some(e))
}

fn value_of_several(db: &Db, a: AttrId) -> Option<Value> {
    let index = db.index(a)?;
    let mut last = None;
    let mut rows = index.current_by_value()?.rows();
    rows.find(|row| last.replace(row.v) == Some(row.v))
        .map(|row| db.value(row.v))
}
