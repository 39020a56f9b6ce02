//! Pull: what is known of an entity, as nested maps, in the shape that a pattern asks for.
//!
//! Input: a database value under any view, a pattern, entities. Output: values. A pattern is read
//! once into a [`Compiled`]; walking it keeps its own stack, so depth costs no call stack.

mod entity;
mod shape;
mod walk;

pub use entity::entity;

use crate::datom::EntityId;
use crate::db::Db;
use crate::error::Result;
use crate::query::parse_pull;
use crate::value::Value;
use shape::Shape;

/// What a pattern asks for of one entity; none if the entity has nothing of it.
///
/// Errors: `ParserPull` for the pattern, `EntityIdMissing` and its kin for the entity, `Limit`
/// where the result would grow without bounds.
pub fn pull(db: &Db, pattern: &Value, eid: &Value) -> Result<Option<Value>> {
    Compiled::new(pattern)?.run(db, db.entid_strict(eid)?)
}

/// As [`pull`] for several entities; those that have nothing of it are passed over.
pub fn pull_many(db: &Db, pattern: &Value, eids: &[Value]) -> Result<Vec<Value>> {
    let compiled = Compiled::new(pattern)?;
    let entities = eids.iter().map(|eid| Ok(db.entid_strict(eid)?.0)).collect::<Result<Vec<_>>>()?;
    walk::walk(db, &compiled.shape, entities)
}

/// A pattern ready to be run against any database value.
#[derive(Clone, Debug)]
pub struct Compiled {
    shape: Shape,
}

impl Compiled {
    /// Reads a pattern; errors: `ParserPull`.
    pub fn new(pattern: &Value) -> Result<Compiled> {
        Ok(Compiled { shape: Shape::new(parse_pull(pattern)?) })
    }

    /// What it asks for of one entity; none if the entity has nothing of it.
    pub fn run(&self, db: &Db, e: EntityId) -> Result<Option<Value>> {
        Ok(walk::walk(db, &self.shape, vec![e.0])?.pop())
    }
}
