//! From what callers write for an entity, an attribute or a value to what the indexes hold.
//!
//! An entity is written as its id, as its `:db/ident`, or as a lookup ref `[attribute value]`.
//! What is named must be so in the view at hand; what an attribute promises comes from the schema.

use std::cmp::Ordering;
use std::ops::Range;

use num_traits::ToPrimitive;

use super::Db;
use super::view::viewed_rows;
use crate::datom::{AttrId, EntityId};
use crate::error::{Code, Error, Result};
use crate::index::{Cell, Dictionary, Row, Run, SortOrder};
use crate::schema::ValueType;
use crate::value::{Value, compare};

impl Db {
    /// The entity that a value names; none for a lookup ref or an ident that nothing has.
    ///
    /// A positive number names itself, whether or not such an entity exists. Errors:
    /// [`Code::LookupRefSyntax`], [`Code::LookupRefUnique`], [`Code::EntityIdSyntax`], and for a
    /// lookup ref by reference [`Code::EntityIdMissing`].
    pub fn entid(&self, value: &Value) -> Result<Option<EntityId>> {
        if let Some(e) = positive(value) {
            return Ok(Some(EntityId(e)));
        }
        match value {
            Value::Vector(items) | Value::List(items) => self.look_up(value, items),
            Value::Keyword(_) => Ok(self
                .attribute_named("db/ident")
                .and_then(|a| self.first_with(a, value))),
            _ => Err(entity_error(
                Code::EntityIdSyntax,
                "Expected number or lookup ref for entity id, got",
                value,
            )),
        }
    }

    /// As [`Db::entid`], but naming nothing is an [`Code::EntityIdMissing`].
    pub fn entid_strict(&self, value: &Value) -> Result<EntityId> {
        self.entid(value)?.ok_or_else(|| {
            entity_error(Code::EntityIdMissing, "Nothing found for entity id", value)
        })
    }

    fn look_up(&self, whole: &Value, items: &[Value]) -> Result<Option<EntityId>> {
        let [attribute, value] = items else {
            let message = "Lookup ref should contain 2 elements:";
            return Err(entity_error(Code::LookupRefSyntax, message, whole));
        };
        let declared = self.attr_of(attribute).and_then(|a| self.attribute(a));
        let Some(declared) = declared.filter(|attribute| attribute.unique.is_some()) else {
            let message = "Lookup ref attribute should be marked as :db/unique:";
            return Err(entity_error(Code::LookupRefUnique, message, whole));
        };
        if value.is_nil() {
            return Ok(None);
        }
        if declared.is_ref() {
            let value = Value::Long(self.entid_strict(value)?.0);
            return Ok(self.first_with(declared.id, &value));
        }
        Ok(self.first_with(declared.id, value))
    }

    /// The first entity, in the order of the index, that has a value.
    fn first_with(&self, a: AttrId, value: &Value) -> Option<EntityId> {
        self.rows_matching(a, value)
            .first()
            .map(|row| EntityId(row.e))
    }

    /// The attribute that a client names by its ident, or by its entity under
    /// `:attribute-refs?`; none if nobody ever used such an attribute.
    pub fn attr_of(&self, name: &Value) -> Option<AttrId> {
        match name {
            Value::Keyword(_) | Value::Str(_) => self.attribute_id(name),
            Value::Long(e) if self.options().attribute_refs => self
                .schema()
                .by_entity(EntityId(*e))
                .map(|attribute| attribute.id),
            _ => None,
        }
    }

    /// The rows of an attribute whose value the indexes cannot tell from this one, by value then
    /// entity: `1` finds `1.0` too.
    ///
    /// Cost: O(log rows + found) where rows are kept by value, else O(rows).
    pub fn rows_matching(&self, a: AttrId, value: &Value) -> Vec<Row> {
        let dictionary = self.dictionary();
        let Some(index) = self.index(a) else {
            return Vec::new();
        };
        if let (Some(current), Some(past)) = (index.current_by_value(), index.past_by_value()) {
            let now = value_range(current, value, dictionary);
            if self.view().is_current() {
                return current.rows_in(now).collect();
            }
            let then = value_range(past, value, dictionary);
            return viewed_rows((current, now), (past, then), self.view(), dictionary);
        }
        let Some(run) = self.run(a, SortOrder::ByEntity) else {
            return Vec::new();
        };
        let matches = |row: &Row| compare_cell(row.v, value, dictionary).is_eq();
        run.rows().filter(matches).collect()
    }

    /// The cell under which an attribute would hold a value; none if it surely holds it nowhere.
    ///
    /// Numbers are found across their types and refs by ident or lookup ref. A lookup ref that is
    /// wrong or names nothing gives none: use [`Db::entid_strict`] where that is an error.
    pub fn lookup_cell(&self, a: AttrId, value: &Value) -> Option<Cell> {
        let declared = self.attribute(a);
        if declared.is_some_and(|attribute| attribute.is_ref()) {
            return Some(Cell::long(self.entid(value).ok()??.0));
        }
        let dictionary = self.dictionary();
        let exact = dictionary.cell(value);
        if !is_number(value) {
            return exact;
        }
        if let Some(run) = self.run(a, SortOrder::ByValue) {
            let range = value_range(&run, value, dictionary);
            let mut found = run.rows_in(range).map(|row| row.v);
            let first = found.next()?;
            let same = exact.filter(|&exact| exact == first || found.any(|cell| cell == exact));
            return Some(same.unwrap_or(first));
        }
        let converted = match declared.and_then(|attribute| attribute.value_type) {
            Some(ValueType::Long) => whole(value).map(Value::Long),
            Some(ValueType::Double) => float(value).map(Value::Double),
            _ => return exact,
        };
        let converted = converted.filter(|converted| compare(converted, value).is_eq())?;
        Cell::inline(&converted)
    }
}

/// The rows of a run by value whose value compares equal, as offsets.
fn value_range(run: &Run, value: &Value, dictionary: &Dictionary) -> Range<usize> {
    let start = run.partition_point(|_, cell| compare_cell(cell, value, dictionary).is_lt());
    let end = run.partition_point(|_, cell| compare_cell(cell, value, dictionary).is_le());
    run.offset(start)..run.offset(end)
}

/// How a stored value compares with one that need not be stored; blind to the kind of cell.
pub(super) fn compare_cell(cell: Cell, value: &Value, dictionary: &Dictionary) -> Ordering {
    match cell.inline_value() {
        Some(inline) => compare(&inline, value),
        None => compare(dictionary.interned(cell.bits), value),
    }
}

fn entity_error(code: Code, message: &str, entity: &Value) -> Error {
    Error::new(code, format!("{message} {entity}")).with("entity-id", entity.clone())
}

/// A number above zero, as an entity id; decimals lose their fraction, as Java's `longValue` does.
fn positive(value: &Value) -> Option<i64> {
    if !is_number(value) || compare(value, &Value::Long(0)).is_le() {
        return None;
    }
    match value {
        Value::Long(n) => Some(*n),
        _ => Some(float(value)?.to_i64().unwrap_or(i64::MAX)),
    }
}

fn is_number(value: &Value) -> bool {
    crate::index::Kind::of(value).is_number()
}

fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Long(n) => Some(*n),
        Value::BigInt(n) => n.to_i64(),
        _ => float(value).filter(|x| x.fract() == 0.0)?.to_i64(),
    }
}

fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Long(n) => Some(*n as f64),
        Value::Double(x) => Some(*x),
        Value::Float(x) => Some(f64::from(*x)),
        Value::BigInt(n) => n.to_f64(),
        Value::BigDec(n) => n.to_f64(),
        Value::Ratio(n) => n.to_f64(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::datom::{Op, TX0, TxId};
    use crate::db::{IndexDatom, Options};
    use crate::index::Interner;
    use crate::schema::{Attribute, Unique};
    use crate::value::Keyword;

    /// Entity 1 has `:name "Ivan"` and `:age 1`, entity 2 `:db/ident :red`.
    fn sample() -> Db {
        let db = Db::empty(Options::default());
        let mut interner = Interner::default();
        let mut schema = crate::schema::Schema::default();
        let mut attr = |ident: &str, unique, value_type| {
            let ident = Value::keyword(ident);
            let id = AttrId(interner.intern(&ident));
            schema.declare(Attribute {
                unique,
                value_type,
                ..Attribute::new(id, ident)
            });
            id
        };
        let ident = attr("db/ident", Some(Unique::Identity), Some(ValueType::Keyword));
        let name = attr("name", Some(Unique::Identity), Some(ValueType::String));
        let age = attr("age", None, Some(ValueType::Long));
        schema.set_ident(EntityId(2), Keyword::new("red"));
        let mut datom = |e, a, v: &Value| IndexDatom {
            e: EntityId(e),
            a,
            v: interner.cell(v),
            tx: TxId(TX0 + 1),
            op: Op::Assert,
        };
        let datoms = [
            datom(1, name, &Value::from("Ivan")),
            datom(1, age, &Value::Long(1)),
            datom(2, ident, &Value::keyword("red")),
        ];
        db.apply(
            &datoms,
            interner.finish(),
            Arc::new(schema),
            2,
            TxId(TX0 + 1),
        )
    }

    fn check(value: Value, expected: std::result::Result<Option<i64>, Code>) {
        let found = sample()
            .entid(&value)
            .map(|e| e.map(|e| e.0))
            .map_err(|error| error.code());
        assert_eq!(found, expected, "{value:?}");
    }

    #[test]
    fn entities_go_by_number_ident_or_lookup_ref() {
        let lookup = |a: &str, v: Value| Value::vector([Value::keyword(a), v]);
        check(Value::Long(7), Ok(Some(7)));
        check(Value::keyword("red"), Ok(Some(2)));
        check(Value::keyword("blue"), Ok(None));
        check(lookup("name", Value::from("Ivan")), Ok(Some(1)));
        check(lookup("name", Value::from("Oleg")), Ok(None));
        check(lookup("name", Value::Nil), Ok(None));
        check(lookup("age", Value::Long(1)), Err(Code::LookupRefUnique));
        check(
            Value::vector([Value::keyword("name")]),
            Err(Code::LookupRefSyntax),
        );
        for wrong in [
            Value::Long(0),
            Value::Long(-1),
            Value::from("x"),
            Value::Nil,
        ] {
            check(wrong, Err(Code::EntityIdSyntax));
        }
    }

    #[test]
    fn numbers_are_looked_up_across_their_types() {
        let db = sample();
        let age = db.attribute_named("age").unwrap();
        assert_eq!(
            db.lookup_cell(age, &Value::Double(1.0)),
            Some(Cell::long(1))
        );
        assert_eq!(db.lookup_cell(age, &Value::Double(1.5)), None);
        assert_eq!(db.rows_matching(age, &Value::Double(1.0)).len(), 1);
    }
}
