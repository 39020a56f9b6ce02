//! Conflicts of a merge: what two sides did to the same thing, as data.

use std::fmt;

use crate::error::{Code, Error, Result};
use crate::limits;
use crate::value::{Keyword, Value};

/// What a merge does where both sides changed the same thing in different ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// Refuses, and says where.
    #[default]
    Fail,
    /// Keeps what is so on our side.
    Ours,
    /// Takes what is so on their side.
    Theirs,
}

impl Strategy {
    /// From `:fail`, `:ours` or `:theirs`; nil is `:fail`.
    pub fn from_value(value: &Value) -> Result<Strategy> {
        match value {
            Value::Nil => Ok(Strategy::Fail),
            value => match value.as_keyword().map(Keyword::as_str) {
                Some("fail") => Ok(Strategy::Fail),
                Some("ours") => Ok(Strategy::Ours),
                Some("theirs") => Ok(Strategy::Theirs),
                _ => {
                    let message =
                        format!("There is no strategy {value}, expected :fail, :ours or :theirs");
                    Err(Error::new(Code::MergeStrategy, message).with("strategy", value.clone()))
                }
            },
        }
    }

    fn keyword(self) -> &'static str {
        match self {
            Strategy::Fail => "fail",
            Strategy::Ours => "ours",
            Strategy::Theirs => "theirs",
        }
    }
}

/// In which way two sides disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConflictKind {
    /// Both gave a single-valued attribute another value.
    EditEdit,
    /// One side retracted the value that the other changed.
    EditRetract,
    /// One side retracted the whole entity; the other changed it or refers to it anew.
    EntityRetracted,
    /// On one side the number of the entity went to another one, as happens to a branch into
    /// which a merge brought renumbered entities; the other side changed what it stood for.
    EntityReplaced,
    /// A unique value went to two entities.
    Unique,
    /// Both changed the schema of one attribute, or one made it single-valued where the other
    /// gave it several values.
    Schema,
}

impl ConflictKind {
    fn keyword(self) -> &'static str {
        match self {
            ConflictKind::EditEdit => "edit-edit",
            ConflictKind::EditRetract => "edit-retract",
            ConflictKind::EntityRetracted => "entity-retracted",
            ConflictKind::EntityReplaced => "entity-replaced",
            ConflictKind::Unique => "unique",
            ConflictKind::Schema => "schema",
        }
    }
}

/// One thing on which two sides disagree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// In which way.
    pub kind: ConflictKind,
    /// The entity on our side.
    pub entity: Value,
    /// A lookup ref by which people know the entity; nil if it has none.
    pub identity: Value,
    /// The attribute; nil where the whole entity is meant.
    pub attribute: Value,
    /// Before both: the value (a set of several), the entity as a map, or nil for nothing. Of a
    /// unique value, the value itself.
    pub base: Value,
    /// On our side, likewise; of a unique value, the entity that has it.
    pub ours: Value,
    /// On their side, likewise.
    pub theirs: Value,
    /// Which side a strategy took; none if it is open.
    pub resolution: Option<Strategy>,
}

impl Conflict {
    /// The map that reports show.
    pub fn to_value(&self) -> Value {
        let keyed = |key: &str, value: &Value| (Value::keyword(key), value.clone());
        let mut entries = vec![
            keyed("conflict", &Value::keyword(self.kind.keyword())),
            keyed("entity", &self.entity),
        ];
        for (key, value) in [("identity", &self.identity), ("attribute", &self.attribute)] {
            entries.extend((!value.is_nil()).then(|| keyed(key, value)));
        }
        entries.push(keyed("base", &self.base));
        entries.push(keyed("ours", &self.ours));
        entries.push(keyed("theirs", &self.theirs));
        if let Some(side) = self.resolution {
            entries.push(keyed("resolution", &Value::keyword(side.keyword())));
        }
        Value::map(entries)
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Conflict {
            attribute,
            base,
            ours,
            theirs,
            ..
        } = self;
        let entity = match &self.identity {
            Value::Nil => &self.entity,
            identity => identity,
        };
        let or_nothing = |value: &Value| match value {
            Value::Nil => "nothing".to_owned(),
            value => value.to_string(),
        };
        match self.kind {
            ConflictKind::EntityRetracted if theirs.is_nil() => {
                write!(f, "entity {entity} is retracted there and changed here")
            }
            ConflictKind::EntityRetracted => {
                write!(f, "entity {entity} is retracted here and changed there")
            }
            ConflictKind::EntityReplaced => {
                write!(
                    f,
                    "the number {} stands for another entity on one side",
                    self.entity
                )
            }
            ConflictKind::Unique => write!(
                f,
                "{attribute} {base} is unique, and belongs to {ours} here and to {theirs} there"
            ),
            _ => write!(
                f,
                "{attribute} of {entity} was {}, is {} here and {} there",
                or_nothing(base),
                or_nothing(ours),
                or_nothing(theirs)
            ),
        }
    }
}

/// The error of a merge that would lose changes.
pub(super) fn refusal(conflicts: &[Conflict]) -> Error {
    let open = || conflicts.iter().filter(|c| c.resolution.is_none());
    let shown = open().take(limits::CONFLICTS_SHOWN).map(Conflict::to_value);
    let first = open().next().map(Conflict::to_string).unwrap_or_default();
    let message = match open().count() {
        1 => format!("The two sides disagree: {first}"),
        count => format!("The two sides disagree on {count} things, the first: {first}"),
    };
    Error::new(Code::MergeConflict, message)
        .with("count", open().count())
        .with("conflicts", Value::vector(shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conflicts_name_entity_attribute_and_all_three_values() {
        let conflict = Conflict {
            kind: ConflictKind::EditEdit,
            entity: Value::Long(5),
            identity: Value::Nil,
            attribute: Value::keyword("age"),
            base: Value::Nil,
            ours: Value::Long(31),
            theirs: Value::Long(32),
            resolution: None,
        };
        assert_eq!(
            conflict.to_value().to_string(),
            "{:conflict :edit-edit, :entity 5, :attribute :age, :base nil, :ours 31, :theirs 32}"
        );
        let error = refusal(&[conflict]);
        assert_eq!(
            error.message(),
            "The two sides disagree: :age of 5 was nothing, is 31 here and 32 there"
        );
        assert_eq!(error.code(), Code::MergeConflict);
    }
}
