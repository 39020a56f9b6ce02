//! The schema as one value, for roots: what datoms say of it, and which ids its attributes have.

use std::sync::Arc;

use super::Schema;
use super::evolve::attribute;
use crate::datom::{AttrId, EntityId};
use crate::error::{Code, Error, Result};
use crate::value::{Map, Value};

impl Schema {
    /// What [`Schema::restore`] makes the schema of: `[entries ids tuples identity-tuples]`.
    pub fn kept(&self) -> Value {
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_by_key(|(e, _)| **e);
        let entry = |(e, entry): (&EntityId, &Arc<Map>)| {
            let id = self.by_entity.get(e).map_or(Value::Nil, |id| id_value(*id));
            Value::vector([Value::Long(e.0), id, Value::from((**entry).clone())])
        };
        let mut ids: Vec<_> = self.lasting_ids.iter().collect();
        ids.sort();
        let mut tuples: Vec<_> = self.tuples_of.iter().collect();
        tuples.sort_by(|(a, _), (b, _)| crate::value::compare(a, b));
        let tuple = |(part, of): (&Value, &Vec<(AttrId, usize)>)| {
            let of = of
                .iter()
                .flat_map(|(id, at)| [id_value(*id), Value::from(*at)]);
            Value::vector([part.clone(), Value::vector(of)])
        };
        Value::vector([
            Value::vector(entries.into_iter().map(entry)),
            Value::vector(
                ids.into_iter()
                    .flat_map(|(e, id)| [Value::Long(e.0), id_value(*id)]),
            ),
            Value::vector(tuples.into_iter().map(tuple)),
            Value::vector(self.identity_tuples.iter().map(|id| id_value(*id))),
        ])
    }

    /// A schema from what [`Schema::kept`] said of it; `origin` is that of an empty database.
    pub fn restore(origin: &Schema, kept: &Value) -> Result<Schema> {
        let mut schema = origin.clone();
        let parts = items(kept)?;
        let [entries, ids, tuples, identity_tuples] = parts else {
            return Err(unreadable());
        };
        for entry in items(entries)? {
            let [e, id, Value::Map(entry)] = items(entry)? else {
                return Err(unreadable());
            };
            let e = EntityId(e.as_long().ok_or_else(unreadable)?);
            let ident = entry
                .get(&Value::keyword("db/ident"))
                .and_then(Value::as_keyword)
                .cloned();
            schema.entries.insert(e, Arc::new((**entry).clone()));
            schema.declare_secondary(e);
            let Some(ident) = ident else { continue };
            schema.set_ident(e, ident.clone());
            if !id.is_nil() {
                schema.declare(attribute(id_of(id)?, Value::Keyword(ident), e, entry));
            }
        }
        for pair in items(ids)?.chunks_exact(2) {
            let e = EntityId(pair[0].as_long().ok_or_else(unreadable)?);
            schema.lasting_ids.insert(e, id_of(&pair[1])?);
        }
        // The order in which tuples were declared is that of the datoms they make.
        for tuple in items(tuples)? {
            let [part, of] = items(tuple)? else {
                return Err(unreadable());
            };
            let place = |pair: &[Value]| {
                let at = pair[1].as_long().and_then(|at| usize::try_from(at).ok());
                Ok((id_of(&pair[0])?, at.ok_or_else(unreadable)?))
            };
            let of = items(of)?
                .chunks_exact(2)
                .map(place)
                .collect::<Result<_>>()?;
            schema.tuples_of.insert(part.clone(), of);
        }
        schema.identity_tuples = items(identity_tuples)?
            .iter()
            .map(id_of)
            .collect::<Result<_>>()?;
        Ok(schema)
    }
}

fn id_value(id: AttrId) -> Value {
    Value::Long(i64::from(id.0))
}

fn id_of(value: &Value) -> Result<AttrId> {
    let id = value.as_long().and_then(|id| u32::try_from(id).ok());
    id.map(AttrId).ok_or_else(unreadable)
}

fn items(value: &Value) -> Result<&[Value]> {
    value.as_sequential().ok_or_else(unreadable)
}

fn unreadable() -> Error {
    Error::new(Code::CorruptSegment, "the schema of a root cannot be read")
}
