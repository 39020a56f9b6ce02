//! Upsert: a map that has a known identity is about the entity which has it.

use std::sync::Arc;

use super::attribute::{Known, is_tempid};
use super::show;
use super::state::State;
use crate::datom::AttrId;
use crate::error::{Code, Error, Result};
use crate::index::Cell;
use crate::schema::TupleKind;
use crate::value::{Map, Value};

/// An identity that an entity has: entity, attribute, value.
pub(super) struct Found {
    pub(super) e: i64,
    named: Value,
    value: Value,
}

impl Found {
    fn assertion(&self) -> Value {
        Value::vector([self.named.clone(), self.value.clone()])
    }

    fn to_value(&self) -> Value {
        Value::vector([Value::Long(self.e), self.named.clone(), self.value.clone()])
    }
}

impl State<'_> {
    /// The entity that the identities of a map name, if they name one.
    ///
    /// - `extra`: an entry beside those of the map.
    /// - `id`: what the map gives as its entity, tempid or number.
    pub(super) fn upserted(
        &mut self,
        map: &Map,
        extra: Option<(&Arc<Known>, Value)>,
        id: &Value,
    ) -> Result<Option<i64>> {
        let mut found = None;
        let whole = || map.clone();
        for (name, value) in map {
            if !matches!(name, Value::Keyword(_) | Value::Str(_)) {
                continue;
            }
            let Some(attribute) = self.known(name).filter(|known| known.is_identity()) else {
                continue;
            };
            self.meet_identity(&mut found, &attribute, value, &whole)?;
        }
        if let Some((attribute, value)) = &extra
            && attribute.is_identity()
        {
            self.meet_identity(&mut found, attribute, value, &whole)?;
        }
        for at in 0..self.schema.identity_tuples().len() {
            let tuple = self.schema.identity_tuples()[at];
            self.meet_tuple(&mut found, tuple, map)?;
        }
        let Some(found) = found else { return Ok(None) };
        match id {
            Value::Long(given) if *given >= 0 && *given != found.e => {
                let message = format!(
                    "Conflicting upsert: {} resolves to {}, but entity already has :db/id {given}",
                    show(&found.assertion()),
                    found.e
                );
                Err(Error::new(Code::TransactUpsert, message)
                    .with("entity", Value::from(map.clone()))
                    .with("assertion", found.to_value()))
            }
            _ => Ok(Some(found.e)),
        }
    }

    /// Looks for the entity that an identity names; `whole` is the map it stands in.
    pub(super) fn meet_identity(
        &mut self,
        found: &mut Option<Found>,
        attribute: &Arc<Known>,
        value: &Value,
        whole: &dyn Fn() -> Map,
    ) -> Result<()> {
        let is_collection = matches!(value, Value::Map(_) | Value::Set(_))
            || (attribute.is_many() && value.as_sequential().is_some() && !attribute.is_ref());
        if value.is_nil() || is_collection {
            return Ok(());
        }
        let (e, value) = if attribute.is_ref() && is_tempid(value) {
            let Some(bound) = self.bound(value) else {
                return Ok(());
            };
            (
                self.overlay.owner(attribute.id, Cell::long(bound)),
                Value::Long(bound),
            )
        } else {
            let context = || datom_form(&attribute.named, value);
            self.check_value(attribute, value, &context)?;
            (self.owner(attribute, value)?, value.clone())
        };
        let Some(e) = e else { return Ok(()) };
        agree(
            found,
            Found {
                e,
                named: attribute.named.clone(),
                value,
            },
            whole,
        )
    }

    /// A composite tuple names an entity where the map has all its parts.
    fn meet_tuple(&mut self, found: &mut Option<Found>, tuple: AttrId, map: &Map) -> Result<()> {
        let tuple = self.known_id(tuple);
        let Some(TupleKind::Composite(parts)) = tuple.declared.tuple.clone() else {
            return Ok(());
        };
        if parts.is_empty() || !parts.iter().all(|part| map.contains_key(part)) {
            return Ok(());
        }
        let mut values = Vec::with_capacity(parts.len());
        for part in &parts {
            let value = &map[part];
            let Some(attribute) = self.known(part) else {
                return Ok(());
            };
            if attribute.is_ref() && (is_tempid(value) || matches!(value, Value::Map(_))) {
                return Ok(());
            }
            let context = || datom_form(&attribute.named, value);
            self.check_value(&attribute, value, &context)?;
            values.push(if attribute.is_ref() {
                Value::Long(self.entid_strict(value)?)
            } else {
                value.clone()
            });
        }
        let value = Value::from(values);
        let Some(e) = self.owner(&tuple, &value)? else {
            return Ok(());
        };
        agree(
            found,
            Found {
                e,
                named: tuple.named.clone(),
                value,
            },
            &|| map.clone(),
        )
    }
}

/// Adds an identity to those met before; all must be of one entity.
fn agree(found: &mut Option<Found>, next: Found, whole: &dyn Fn() -> Map) -> Result<()> {
    let Some(first) = found else {
        *found = Some(next);
        return Ok(());
    };
    if first.e == next.e {
        return Ok(());
    }
    let message = format!(
        "Conflicting upserts: {} resolves to {}, but {} resolves to {}",
        show(&first.assertion()),
        first.e,
        show(&next.assertion()),
        next.e
    );
    Err(Error::new(Code::TransactUpsert, message)
        .with("entity", Value::from(whole()))
        .with("assertion", next.to_value())
        .with("conflict", first.to_value()))
}
/// What an error shows of a datom of which no more than this is known.
fn datom_form(named: &Value, value: &Value) -> Value {
    let (named, value) = (named.clone(), value.clone());
    Value::vector([Value::Nil, Value::Nil, named, value, Value::Nil])
}
