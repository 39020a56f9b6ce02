//! Purges: what is taken out of the present and the past, as if it had never been.

use std::sync::Arc;

use super::attribute::Known;
use super::form::Step;
use super::show;
use super::state::State;
use crate::datom::{AttrId, TX0, TxId};
use crate::db::{Db, Purge};
use crate::error::{Code, Error, Result};
use crate::index::Cell;
use crate::value::Value;

impl State<'_> {
    /// `[:db/purge e a v]`, or all values where `v` is nil.
    pub(super) fn purge_values(&mut self, e: &Value, a: &Value, v: &Value, form: &Value) -> Step {
        let e = self.purged_entity("Purge", e, form)?;
        let attribute = self.require(a, || form.clone())?;
        if v.is_nil() {
            return Ok(self.purge_rows(e, &attribute)?);
        }
        if let Some(cell) = self.stored_cell(&attribute, v)? {
            self.purge_row(e, &attribute, cell)?;
        }
        Ok(())
    }

    /// `[:db.purge/attribute e a]`
    pub(super) fn purge_attribute(&mut self, e: &Value, a: &Value, form: &Value) -> Step {
        let e = self.purged_entity("Purge attribute", e, form)?;
        let attribute = self.require(a, || form.clone())?;
        let parts = if attribute.declared.component {
            self.ever_referred(e, attribute.id)?
        } else {
            Vec::new()
        };
        self.purge_rows(e, &attribute)?;
        self.purge_entities(parts)
    }

    /// `[:db.purge/entity e]`
    pub(super) fn purge_entity(&mut self, e: &Value, form: &Value) -> Step {
        let e = self.purged_entity("Purge entity", e, form)?;
        self.purge_entities(vec![e])
    }

    /// `[:db.history.purge/before instant]`
    pub(super) fn purge_before(&mut self, before: &Value, form: &Value) -> Step {
        self.require_history("Purge entity", form)?;
        let Value::Instant(before) = before else {
            let message = format!(
                "Expected an instant to purge history before, got {}",
                show(before)
            );
            return Err(Error::new(Code::TransactPurge, message)
                .with("tx-data", form.clone())
                .into());
        };
        if let Some(last) = last_tx_before(self.db, *before) {
            self.purges.push(Purge::PastUpTo(TxId(last)));
        }
        Ok(())
    }

    fn purged_entity(&mut self, what: &str, e: &Value, form: &Value) -> Result<i64> {
        let history = self.require_history(what, form)?;
        match history.entid(e)? {
            Some(e) => Ok(e.0),
            None => {
                let message = format!("Can't find entity with ID {} to be purged", show(e));
                Err(self.purge_error(message, form))
            }
        }
    }

    fn require_history(&self, what: &str, form: &Value) -> Result<Db> {
        if !self.options.keep_history {
            let message = format!("{what} is only available in temporal databases.");
            return Err(self.purge_error(message, form));
        }
        self.db.history()
    }

    fn purge_error(&self, message: String, form: &Value) -> Error {
        let operation = form.as_sequential().and_then(<[Value]>::first).cloned();
        Error::new(Code::TransactPurge, message)
            .with("operation", operation.unwrap_or_default())
            .with("tx-data", form.clone())
    }

    fn purge_entities(&mut self, mut entities: Vec<i64>) -> Step {
        let history = self.db.history()?;
        let mut seen = std::collections::HashSet::new();
        while let Some(e) = entities.pop() {
            if !seen.insert(e) {
                continue;
            }
            let mut attributes: Vec<AttrId> = history
                .rows_of_entity(crate::datom::EntityId(e))
                .iter()
                .map(|(a, _)| *a)
                .collect();
            attributes.extend(self.overlay.attributes_of(e, &self.datoms));
            attributes.sort_unstable();
            attributes.dedup();
            for a in attributes {
                let attribute = self.known_id(a);
                if attribute.declared.component {
                    entities.extend(self.ever_referred(e, a)?);
                }
                self.purge_rows(e, &attribute)?;
            }
            for attribute in self.ref_attributes() {
                let mut from: Vec<i64> = history
                    .rows_with(attribute.id, Cell::long(e))
                    .iter()
                    .map(|row| row.e)
                    .collect();
                from.extend(self.overlay.referring(attribute.id, e, &self.datoms));
                from.sort_unstable();
                from.dedup();
                for from in from {
                    self.purge_row(from, &attribute, Cell::long(e))?;
                }
            }
        }
        Ok(())
    }

    /// Every entity that an attribute of an entity refers to or referred to.
    fn ever_referred(&mut self, e: i64, a: AttrId) -> Result<Vec<i64>> {
        let rows = self.db.history()?.rows_of(crate::datom::EntityId(e), a);
        let mut referred: Vec<i64> = rows.iter().filter_map(|row| row.v.as_long()).collect();
        referred.sort_unstable();
        referred.dedup();
        Ok(referred)
    }

    fn purge_row(&mut self, e: i64, attribute: &Arc<Known>, v: Cell) -> Result<()> {
        let a = attribute.id;
        self.purges.push(Purge::Datom {
            e: crate::datom::EntityId(e),
            a,
            v,
        });
        self.drop_purged(e, attribute, Some(v))
    }

    fn purge_rows(&mut self, e: i64, attribute: &Arc<Known>) -> Result<()> {
        let a = attribute.id;
        self.purges.push(Purge::Attribute {
            e: crate::datom::EntityId(e),
            a,
        });
        self.drop_purged(e, attribute, None)
    }

    /// Takes purged values out of the state, and out of the datoms of this transaction.
    fn drop_purged(&mut self, e: i64, attribute: &Arc<Known>, v: Option<Cell>) -> Result<()> {
        let a = attribute.id;
        for cell in self.values_of(e, attribute) {
            if v.is_some_and(|v| v != cell) {
                continue;
            }
            self.vanish(e, attribute, cell);
            if attribute.shapes_schema() {
                self.learn(e, attribute, cell, crate::datom::Op::Retract)?;
            }
        }
        if self.overlay.touches(e, a, &self.datoms) {
            self.datoms
                .retain(|datom| datom.e.0 != e || datom.a != a || v.is_some_and(|v| v != datom.v));
            self.overlay.forget_positions();
        }
        Ok(())
    }
}

/// The last of the transactions, from the first on, that all came before an instant.
fn last_tx_before(db: &Db, before: i64) -> Option<i64> {
    let a = db.attribute_named("db/txInstant")?;
    let index = db.index(a)?;
    index
        .current()
        .rows()
        .filter(|row| row.e >= TX0)
        .take_while(|row| (row.v.bits as i64) < before)
        .last()
        .map(|row| row.e)
}
