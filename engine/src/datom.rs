//! The atom of information and the numbers that name things.

use crate::value::{Keyword, Value};

/// The transaction entity before the first: transaction `t` is entity `TX0 + t`.
pub const TX0: i64 = 536_870_912;

/// An entity: users' from 1, transactions' from [`TX0`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityId(pub i64);

/// An attribute: the dictionary id of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttrId(pub u32);

/// A transaction: the entity that stands for it, `TX0 + t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TxId(pub i64);

/// Whether a datom says that something is so, or that it no longer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// It is so from this transaction on.
    Assert,
    /// It is no longer so from this transaction on.
    Retract,
}

/// `(e, a, v, tx, op)` with the attribute and the value as a client sees them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Datom {
    /// The entity.
    pub e: EntityId,
    /// The attribute as the client sees it: a keyword (or a string), or an entity id under
    /// `:attribute-refs?`.
    pub a: Value,
    /// The value.
    pub v: Value,
    /// The transaction.
    pub tx: TxId,
    /// Assertion or retraction.
    pub op: Op,
}

impl Datom {
    /// The form clients see: `[e a v tx added]`.
    pub fn to_value(&self) -> Value {
        Value::vector([
            Value::Long(self.e.0),
            self.a.clone(),
            self.v.clone(),
            Value::Long(self.tx.0),
            Value::Bool(self.op == Op::Assert),
        ])
    }

    /// Whether its attribute is this keyword (given without its colon).
    pub fn is_of(&self, attribute: &str) -> bool {
        self.a.as_keyword().map(Keyword::as_str) == Some(attribute)
    }
}
