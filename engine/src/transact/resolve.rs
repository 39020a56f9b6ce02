//! Which entity a form names: by number, ident, lookup ref or tempid, in the middle of a
//! transaction.

use std::sync::Arc;

use super::attribute::{Known, is_tempid, names_current_tx};
use super::state::State;
use super::{Stop, show};
use crate::error::{Code, Error, Result};
use crate::index::{Cell, Kind};
use crate::value::Value;

impl State<'_> {
    /// The entity that a value names; none if nothing has that ident or unique value.
    pub(super) fn entid(&mut self, value: &Value) -> Result<Option<i64>> {
        match value {
            Value::Long(e) if *e > 0 => Ok(Some(*e)),
            Value::Double(e) if *e >= 1.0 && e.fract() == 0.0 => Ok(Some(*e as i64)),
            Value::Keyword(ident) => Ok(self.schema.entity_of(ident).map(|e| e.0)),
            Value::Vector(parts) | Value::List(parts) => self.look_up(value, parts),
            _ => {
                let message = "Expected number or lookup ref for entity id, got";
                Err(entity_error(Code::EntityIdSyntax, message, value))
            }
        }
    }

    /// As [`State::entid`]; naming nothing is an error.
    pub(super) fn entid_strict(&mut self, value: &Value) -> Result<i64> {
        self.entid(value)?.ok_or_else(|| {
            entity_error(Code::EntityIdMissing, "Nothing found for entity id", value)
        })
    }

    fn look_up(&mut self, whole: &Value, parts: &[Value]) -> Result<Option<i64>> {
        let [name, value] = parts else {
            let message = "Lookup ref should contain 2 elements:";
            return Err(entity_error(Code::LookupRefSyntax, message, whole));
        };
        let attribute = self
            .known_as(name)
            .filter(|known| known.declared.unique.is_some());
        let Some(attribute) = attribute else {
            let message = "Lookup ref attribute should be marked as :db/unique:";
            return Err(entity_error(Code::LookupRefUnique, message, whole));
        };
        if value.is_nil() {
            Ok(None)
        } else {
            self.owner(&attribute, value)
        }
    }

    /// The entity that holds a value of a unique attribute.
    pub(super) fn owner(&mut self, attribute: &Arc<Known>, value: &Value) -> Result<Option<i64>> {
        let cell = if attribute.is_ref() {
            Some(Cell::long(self.entid_strict(value)?))
        } else {
            self.cell(&attribute.stood_for(value))
        };
        Ok(cell.and_then(|cell| self.overlay.owner(attribute.id, cell)))
    }

    /// The cell of a value that the database or this transaction holds already.
    pub(super) fn cell(&self, value: &Value) -> Option<Cell> {
        Cell::inline(value).or_else(|| {
            let bits = u64::from(self.interner.find(value)?);
            Some(Cell {
                kind: Kind::of(value),
                bits,
            })
        })
    }

    /// The entity that an assertion is about: a tempid gets a number, unless its value tells that
    /// it is an entity that exists.
    pub(super) fn asserted_entity(
        &mut self,
        e: &Value,
        attribute: Option<&Arc<Known>>,
        value: &Value,
    ) -> std::result::Result<Value, Stop> {
        if names_current_tx(e) {
            self.bind(e, self.tx);
            return Ok(Value::Long(self.tx));
        }
        if !is_tempid(e) {
            return Ok(e.clone());
        }
        let upserted = match attribute.filter(|known| known.is_identity()) {
            Some(attribute) => self.upserted_by(attribute, value)?,
            None => None,
        };
        let bound = self.bound(e);
        if let (Some(upserted), Some(bound)) = (upserted, bound)
            && upserted != bound
        {
            return Err(Stop::Rebind(e.clone(), upserted));
        }
        let found = match upserted.or(bound) {
            Some(found) => found,
            None => self.allocate()?,
        };
        self.bind(e, found);
        Ok(Value::Long(found))
    }

    /// The entity that holds an identity value. As in Datahike, a tempid is no such value: it is
    /// an error here, though it is none in a map.
    fn upserted_by(&mut self, attribute: &Arc<Known>, value: &Value) -> Result<Option<i64>> {
        if value.is_nil() {
            return Ok(None);
        }
        if attribute.is_ref() && names_current_tx(value) {
            return Ok(self.overlay.owner(attribute.id, Cell::long(self.tx)));
        }
        self.owner(attribute, value)
    }

    /// The entity that a reference names; a tempid gets a number here if it has none.
    pub(super) fn referred_entity(&mut self, value: &Value) -> Result<i64> {
        if names_current_tx(value) {
            self.bind(value, self.tx);
            return Ok(self.tx);
        }
        if is_tempid(value) {
            if let Some(bound) = self.bound(value) {
                self.bind(value, bound);
                return Ok(bound);
            }
            let e = self.allocate()?;
            self.bind(value, e);
            return Ok(e);
        }
        self.entid_strict(value)
    }
}

/// An error about what a form gives for an entity.
pub(super) fn entity_error(code: Code, message: &str, entity: &Value) -> Error {
    Error::new(code, format!("{message} {}", show(entity))).with("entity-id", entity.clone())
}
