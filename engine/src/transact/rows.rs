//! Entities as rows of values, for loads of many that are alike.
//!
//! A row says what a map of its attributes and values says, without there being such a map: what is asked
//! of an attribute is asked once for all rows.

use std::ops::Range;
use std::sync::Arc;

use super::Stop;
use super::attribute::{Known, forward_name};
use super::form::Step;
use super::state::State;
use crate::value::{Map, Value};

/// Entities that have values of the same attributes, or none of some.
#[derive(Clone, Debug)]
pub struct Rows {
    attributes: Arc<[Value]>,
    /// [rows × attributes], row-major; nil for no value.
    values: Arc<Vec<Value>>,
    range: Range<usize>,
}

impl Rows {
    /// - `attributes`: idents, each once.
    /// - `values`: as many for each row, row after row; nil where an entity has no value.
    /// - Panics if the last row is short.
    pub fn new(attributes: Arc<[Value]>, values: Vec<Value>) -> Rows {
        let rows = values.len().checked_div(attributes.len()).unwrap_or(0);
        assert!(
            rows * attributes.len() == values.len(),
            "each row has a value for each attribute"
        );
        Rows {
            attributes,
            values: Arc::new(values),
            range: 0..rows,
        }
    }

    /// Some of them.
    pub fn slice(&self, range: Range<usize>) -> Rows {
        let start = self.range.start + range.start;
        let end = (self.range.start + range.end).min(self.range.end);
        Rows {
            range: start.min(end)..end,
            ..self.clone()
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    fn iter(&self) -> impl Iterator<Item = &[Value]> {
        let width = self.attributes.len();
        let row = move |at: usize| &self.values[at * width..(at + 1) * width];
        self.range.clone().map(row)
    }

    fn map(&self, row: &[Value]) -> Map {
        let entries = self.attributes.iter().zip(row);
        let present = entries.filter(|(_, value)| !value.is_nil());
        present.map(|(a, v)| (a.clone(), v.clone())).collect()
    }
}

impl State<'_> {
    /// Asserts what rows say; an error has the place of its row as `row`.
    pub(super) fn rows(&mut self, rows: &Rows) -> Step {
        let attributes = self.plain_attributes(rows);
        for (at, row) in rows.iter().enumerate() {
            let said = match &attributes {
                Some(attributes) => self.row(rows, attributes, row),
                None => self.entity(&rows.map(row), None, 0).map(drop),
            };
            let said = said.and_then(|()| self.flush_tuples());
            said.map_err(|stop| match stop {
                Stop::Error(error) => Stop::from(error.with("row", at)),
                stop => stop,
            })?;
        }
        Ok(())
    }

    /// The attributes of rows, if all of them say no more than that entities have their values.
    fn plain_attributes(&mut self, rows: &Rows) -> Option<Vec<Arc<Known>>> {
        if self.options.attribute_refs || !self.schema.identity_tuples().is_empty() {
            return None;
        }
        let attributes = rows.attributes.iter().map(|name| {
            let is_reserved = name
                .as_keyword()
                .is_some_and(|name| name.as_str().starts_with("db"));
            let is_plain = !is_reserved && forward_name(name).is_none();
            let known = self.known(name).filter(|known| known.built_in.is_none())?;
            is_plain.then_some(known)
        });
        attributes.collect()
    }

    fn row(&mut self, rows: &Rows, attributes: &[Arc<Known>], row: &[Value]) -> Step {
        let mut found = None;
        let whole = || rows.map(row);
        let present = || {
            let pairs = attributes.iter().zip(row);
            pairs.filter(|(_, value)| !value.is_nil())
        };
        for (attribute, value) in present().filter(|(known, _)| known.is_identity()) {
            self.meet_identity(&mut found, attribute, value, &whole)?;
        }
        let e = match found {
            Some(found) => found.e,
            None => self.allocate()?,
        };
        self.advance(e);
        for (attribute, value) in present() {
            self.stated(e, attribute, value, 0)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::{Db, Index, Options, datoms};
    use crate::edn;
    use crate::transact::{TxData, create, transact};

    const SCHEMA: &str = "[{:db/ident :name :db/valueType :db.type/string \
        :db/cardinality :db.cardinality/one :db/unique :db.unique/identity} \
        {:db/ident :age :db/valueType :db.type/long :db/cardinality :db.cardinality/one} \
        {:db/ident :tag :db/valueType :db.type/keyword :db/cardinality :db.cardinality/many} \
        {:db/ident :friend :db/valueType :db.type/ref :db/cardinality :db.cardinality/one}]";

    fn read(text: &str) -> Value {
        edn::read(text).expect("the test's own EDN")
    }

    fn filled() -> Db {
        let mut db = create(Options::default());
        for text in [SCHEMA, r#"[{:name "a" :age 1} {:name "b" :tag [:x]}]"#] {
            let made = transact(&db, &TxData::new(read(text)), 1).expect("a transaction");
            db = made.db_after.clone();
        }
        db
    }

    /// What rows make of a database, or why they are refused, as maps and as rows.
    fn check(attributes: &str, values: &str, expected: &str) {
        let (attributes, values) = (read(attributes), read(values));
        let items = |value: &Value| value.as_sequential().expect("a vector").to_vec();
        let rows = Rows::new(items(&attributes).into(), items(&values));
        let maps = rows.iter().map(|row| Value::from(rows.map(row)));
        let maps = TxData::new(Value::vector(maps));
        let db = filled();
        let shown = |data: &TxData| match transact(&db, data, 2) {
            Ok(made) => {
                let all = datoms(&made.db_after, Index::Eavt, &[]).expect("datoms");
                let all = all.iter().filter(|datom| datom.tx == made.tx);
                let all = all.filter(|datom| !datom.is_of("db/txInstant"));
                let shown = all.map(|datom| format!("{} {} {}", datom.e.0, datom.a, datom.v));
                shown.collect::<Vec<_>>().join(", ")
            }
            Err(error) => error.message().to_owned(),
        };
        assert_eq!(shown(&TxData::of_rows(rows)), expected);
        assert_eq!(shown(&maps), expected);
    }

    #[test]
    fn rows_say_what_maps_say() {
        check(
            "[:name :age :tag]",
            r#"["a" 2 nil "c" nil [:x :y] "c" 3 :z]"#,
            r#"5 :age 2, 7 :age 3, 7 :name "c", 7 :tag :x, 7 :tag :y, 7 :tag :z"#,
        );
        check(
            "[:friend]",
            r#"[[:name "b"] {:name "d"}]"#,
            "7 :friend 6, 8 :friend 9, 9 :name \"d\"",
        );
        check("[:db/id :age]", "[5 9 nil 1]", "5 :age 9, 7 :age 1");
        check(
            "[:name :age]",
            r#"["a" "x"]"#,
            "Bad entity value \"x\" at [:db/add 5 :age \"x\"], value does not match schema \
             definition. Must be conform to: (= (class %) java.lang.Long)",
        );
    }

    #[test]
    fn the_row_at_fault_is_known() {
        let rows = Rows::new(
            [Value::keyword("age")].into(),
            vec![Value::Long(1), Value::Long(2), Value::str("x")],
        );
        let at = |rows: Rows| {
            let refused = transact(&filled(), &TxData::of_rows(rows), 2);
            let error = refused.map(drop).expect_err("no long");
            error
                .data()
                .iter()
                .find(|(key, _)| *key == "row")
                .map(|(_, at)| at.clone())
        };
        assert_eq!(at(rows.clone()), Some(Value::Long(2)));
        assert_eq!(at(rows.slice(1..3)), Some(Value::Long(1)));
    }
}
