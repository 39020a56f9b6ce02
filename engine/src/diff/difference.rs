//! The difference of two database values, attribute by attribute.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use foldhash::fast::FixedState;

use crate::datom::{AttrId, Datom, EntityId};
use crate::db::Db;
use crate::error::{Code, Error, Result};
use crate::fault;
use crate::index::{AttributeIndex, Cell, Extra, Holder, Row, Run, Shared, SortOrder, Translation};
use crate::limits;
use crate::value::{Value, compare};

/// What one of two database values shows and the other does not.
#[derive(Clone)]
pub struct Diff {
    a: Db,
    b: Db,
    only_a: Vec<(AttrId, Row)>,
    only_b: Vec<(AttrId, Row)>,
    rows: usize,
}

impl Diff {
    /// The datoms that only the first shows, by entity, attribute and value.
    pub fn only_a(&self) -> impl ExactSizeIterator<Item = Datom> + '_ {
        self.only_a.iter().map(|(a, row)| self.a.datom(*a, *row))
    }

    /// The datoms that only the second shows, by entity, attribute and value.
    pub fn only_b(&self) -> impl ExactSizeIterator<Item = Datom> + '_ {
        self.only_b.iter().map(|(a, row)| self.b.datom(*a, *row))
    }

    /// Whether both show the same.
    pub fn is_empty(&self) -> bool {
        self.only_a.is_empty() && self.only_b.is_empty()
    }

    /// How many rows of both were looked at to find out.
    pub fn rows_looked_at(&self) -> usize {
        self.rows
    }
}

/// The datoms that only one of two database values shows, whether or not they have a common past.
///
/// A datom is the same if entity, attribute and value are, whichever transaction it came with; if
/// one of the two is a history, if transaction and operation are too. Attributes go by their
/// ident, or by their entity where both databases name them so.
///
/// - Cost: O(attributes + chunks that are not shared + difference · log); where the two are
///   different views, or views that are not of the present, O(rows) of the attributes that may
///   differ under them.
/// - Errors: [`Code::Limit`] if more than [`limits::DIFF_DATOMS`] datoms differ.
pub fn diff(a: &Db, b: &Db) -> Result<Diff> {
    fault::catch(|| {
        let mut diff = Diff {
            a: a.clone(),
            b: b.clone(),
            only_a: Vec::new(),
            only_b: Vec::new(),
            rows: 0,
        };
        let comparison = Comparison::new(a, b);
        for (left, right) in attribute_pairs(a, b) {
            comparison.attribute(left, right, &mut diff);
            let found = diff.only_a.len() + diff.only_b.len();
            if found > limits::DIFF_DATOMS {
                let message = format!("The two differ in more than {} datoms", limits::DIFF_DATOMS);
                return Err(Error::new(Code::Limit, message).with("limit", limits::DIFF_DATOMS));
            }
        }
        // Attributes come in the order of the indexes, their rows by entity.
        diff.only_a.sort_by_key(|(_, row)| row.e);
        diff.only_b.sort_by_key(|(_, row)| row.e);
        Ok(diff)
    })
}

type AttributePair = (Option<AttrId>, Option<AttrId>);

/// The attributes of both, those of the same name together, in the order of the indexes.
fn attribute_pairs(a: &Db, b: &Db) -> Vec<AttributePair> {
    let by_entity = a.options().attribute_refs && b.options().attribute_refs;
    let name = |db: &Db, attribute| match by_entity {
        true => db.attribute_value(attribute),
        false => db.ident(attribute).clone(),
    };
    let mut pairs: HashMap<Value, AttributePair, FixedState> = HashMap::default();
    for attribute in a.attribute_ids() {
        pairs.entry(name(a, attribute)).or_default().0 = Some(attribute);
    }
    for attribute in b.attribute_ids() {
        pairs.entry(name(b, attribute)).or_default().1 = Some(attribute);
    }
    let mut named: Vec<(Value, AttributePair)> = pairs.into_iter().collect();
    named.sort_by(|(x, _), (y, _)| compare(x, y));
    named.into_iter().map(|(_, pair)| pair).collect()
}

/// Two database values whose attributes are compared one after the other.
struct Comparison<'a> {
    a: &'a Db,
    b: &'a Db,
    cells: Translation<'a>,
    is_history: bool,
    shared: Shared,
}

/// What makes a datom the same as another; transaction and operation only in a history.
type Sameness = (i64, Cell, Option<(i64, bool)>);

impl<'a> Comparison<'a> {
    fn new(a: &'a Db, b: &'a Db) -> Comparison<'a> {
        Comparison {
            a,
            b,
            cells: Translation::new(a.dictionary(), b.dictionary()),
            is_history: a.view().history || b.view().history,
            shared: if a.view() == b.view() {
                Shared::Skip
            } else {
                Shared::Visit
            },
        }
    }

    fn attribute(&self, left: Option<AttrId>, right: Option<AttrId>, diff: &mut Diff) {
        let indexes = (
            left.and_then(|attribute| self.a.index(attribute)),
            right.and_then(|attribute| self.b.index(attribute)),
        );
        if let (Some(x), Some(y), Shared::Skip) = (indexes.0, indexes.1, self.shared)
            && Arc::ptr_eq(x, y)
        {
            return;
        }
        let (mut only_a, mut only_b) = self.candidates(indexes, &mut diff.rows);
        self.cancel(&mut only_a, &mut only_b);
        if let Some(attribute) = right.filter(|_| !self.b.view().is_current()) {
            only_a.retain(|row| !self.is_in_b(attribute, row));
        }
        if let Some(attribute) = left.filter(|_| !self.a.view().is_current()) {
            only_b.retain(|row| !self.is_in_a(attribute, row));
        }
        let rows = |attribute: Option<AttrId>, rows: Vec<Row>| {
            let named = move |row| attribute.map(|attribute| (attribute, row));
            rows.into_iter().filter_map(named)
        };
        only_a.sort_by(|x, y| x.compare(y, SortOrder::ByEntity, self.a.dictionary()));
        only_b.sort_by(|x, y| x.compare(y, SortOrder::ByEntity, self.b.dictionary()));
        diff.only_a.extend(rows(left, only_a));
        diff.only_b.extend(rows(right, only_b));
    }

    /// The rows that one shows and the other does not show from the same stored row.
    fn candidates(
        &self,
        (left, right): (Option<&Arc<AttributeIndex>>, Option<&Arc<AttributeIndex>>),
        looked_at: &mut usize,
    ) -> (Vec<Row>, Vec<Row>) {
        let (mut only_a, mut only_b) = (Vec::new(), Vec::new());
        let (view_a, view_b) = (self.a.view(), self.b.view());
        let run_or_empty = |run: Option<&Run>, extra| {
            run.map_or_else(|| Run::empty(SortOrder::ByEntity, extra), Run::clone)
        };
        let current = |index: Option<&Arc<AttributeIndex>>| {
            run_or_empty(index.map(|index| index.current()), Extra::Nothing)
        };
        let mut met_current = |holder, row: Row| {
            let shown_a = view_a
                .shown_current(row)
                .filter(|_| holder != Holder::Right);
            let shown_b = view_b.shown_current(row).filter(|_| holder != Holder::Left);
            if shown_a != shown_b {
                only_a.extend(shown_a);
                only_b.extend(shown_b.map(|shown| self.in_right_terms(holder, shown)));
            }
        };
        *looked_at +=
            current(left).differences(&current(right), &self.cells, self.shared, &mut met_current);
        if view_a.is_current() && view_b.is_current() {
            return (only_a, only_b);
        }
        let past = |index: Option<&Arc<AttributeIndex>>| {
            run_or_empty(index.map(|index| index.past()), Extra::End)
        };
        let mut met_past = |holder, row: Row| {
            let shown_a = view_a
                .shown_past(row)
                .map(|row| row.filter(|_| holder != Holder::Right));
            let shown_b = view_b
                .shown_past(row)
                .map(|row| row.filter(|_| holder != Holder::Left));
            if shown_a != shown_b {
                only_a.extend(shown_a.into_iter().flatten());
                let shown_b = shown_b.into_iter().flatten();
                only_b.extend(shown_b.map(|shown| self.in_right_terms(holder, shown)));
            }
        };
        *looked_at += past(left).differences(&past(right), &self.cells, self.shared, &mut met_past);
        (only_a, only_b)
    }

    /// A row of both came in the terms of the left dictionary.
    fn in_right_terms(&self, holder: Holder, row: Row) -> Row {
        match holder {
            Holder::Both => Row {
                v: self.cells.to_right(row.v).unwrap_or(row.v),
                ..row
            },
            _ => row,
        }
    }

    /// What a row of a database value is compared by; `v` in the terms of either dictionary.
    fn sameness(&self, db: &Db, row: &Row, v: Cell) -> Sameness {
        let is_added = !db.view().history || row.extra == 1;
        (row.e, v, self.is_history.then_some((row.tx, is_added)))
    }

    /// Drops what both show, from whichever stored rows, and repetitions.
    fn cancel(&self, only_a: &mut Vec<Row>, only_b: &mut Vec<Row>) {
        let mut unmatched: HashMap<Sameness, bool, FixedState> = only_a
            .iter()
            .map(|row| (self.sameness(self.a, row, row.v), true))
            .collect();
        only_b.retain(|row| {
            let left = self.cells.to_left(row.v);
            let matched = left.and_then(|v| unmatched.get_mut(&self.sameness(self.b, row, v)));
            matched.map(|is_unmatched| *is_unmatched = false).is_none()
        });
        only_a.retain(|row| {
            // Taken out when met: a repetition finds nothing any more.
            unmatched.remove(&self.sameness(self.a, row, row.v)) == Some(true)
        });
        if !self.b.view().is_current() {
            let mut seen: HashSet<Sameness, FixedState> = HashSet::default();
            only_b.retain(|row| seen.insert(self.sameness(self.b, row, row.v)));
        }
    }

    /// Whether `b` shows a datom of `a`.
    fn is_in_b(&self, attribute: AttrId, row: &Row) -> bool {
        let Some(v) = self.cells.to_right(row.v) else {
            return false;
        };
        let wanted = self.sameness(self.a, row, v);
        let rows = self.b.rows_of(EntityId(row.e), attribute);
        rows.iter()
            .any(|row| self.sameness(self.b, row, row.v) == wanted)
    }

    /// Whether `a` shows a datom of `b`.
    fn is_in_a(&self, attribute: AttrId, row: &Row) -> bool {
        let Some(v) = self.cells.to_left(row.v) else {
            return false;
        };
        let wanted = self.sameness(self.b, row, v);
        let rows = self.a.rows_of(EntityId(row.e), attribute);
        rows.iter()
            .any(|row| self.sameness(self.a, row, row.v) == wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datom::{Op, TX0, TxId};
    use crate::db::{Options, TimePoint};
    use crate::edn;
    use crate::index::Chunk;
    use crate::transact::{TxData, create, transact};

    /// A database value after one more transaction.
    fn after(db: &Db, data: &str) -> Db {
        let data = edn::read(data).expect("the test's own EDN");
        let made = transact(db, &TxData::new(data), 1_000).expect("a transaction");
        made.db_after
    }

    fn people() -> Db {
        let read = Options {
            flexibility: crate::db::Flexibility::Read,
            ..Options::default()
        };
        after(
            &create(read),
            r#"[{:db/id 1 :name "Ann" :age 30} {:db/id 2 :name "Bob"}]"#,
        )
    }

    fn check(a: &Db, b: &Db, only_a: &str, only_b: &str) {
        let show = |datoms: &mut dyn Iterator<Item = Datom>| {
            let shown = datoms.filter(|datom| datom.e.0 < TX0).map(|datom| {
                let sign = if datom.op == Op::Assert { "" } else { "-" };
                format!("{sign}{} {} {}", datom.e.0, datom.a, datom.v)
            });
            shown.collect::<Vec<_>>().join(", ")
        };
        let both = |a: &Db, b: &Db| {
            let diff = diff(a, b).expect("a difference");
            (show(&mut diff.only_a()), show(&mut diff.only_b()))
        };
        assert_eq!(both(a, b), (only_a.to_owned(), only_b.to_owned()));
        assert_eq!(both(b, a), (only_b.to_owned(), only_a.to_owned()));
    }

    #[test]
    fn values_of_one_past_differ_in_what_was_done_since() {
        let db = people();
        let later = after(
            &db,
            r#"[[:db/add 1 :age 31] [:db/retract 2 :name "Bob"] {:db/id 3 :pet "cat"}]"#,
        );
        check(&db, &db, "", "");
        check(
            &db,
            &later,
            r#"1 :age 30, 2 :name "Bob""#,
            r#"1 :age 31, 3 :pet "cat""#,
        );
        // The same fact at another time is the same fact.
        let back = after(
            &later,
            r#"[[:db/add 1 :age 30] {:db/id 2 :name "Bob"} [:db/retract 3 :pet "cat"]]"#,
        );
        check(&db, &back, "", "");
    }

    #[test]
    fn branches_and_strangers_are_compared_by_value() {
        let db = people();
        let ours = after(
            &db,
            r#"[{:db/id 3 :name "Cid" :city "Rome"} {:db/id 4 :name "Dan"}]"#,
        );
        let theirs = after(
            &db,
            r#"[{:db/id 3 :city "Rome" :name "Dan"} {:db/id 4 :name "Dan"}]"#,
        );
        check(&ours, &theirs, r#"3 :name "Cid""#, r#"3 :name "Dan""#);
        check(
            &ours,
            &people(),
            r#"3 :city "Rome", 3 :name "Cid", 4 :name "Dan""#,
            "",
        );
    }

    #[test]
    fn views_are_compared_as_they_show_themselves() {
        let first = people();
        let later = after(&first, "[[:db/add 1 :age 31]]");
        let then = later.as_of(TimePoint::Tx(TxId(TX0 + 1))).expect("a view");
        check(&then, &first, "", "");
        check(&then, &later, "1 :age 30", "1 :age 31");
        let since = later.since(TimePoint::Tx(TxId(TX0 + 1))).expect("a view");
        check(&since, &later, "", r#"1 :name "Ann", 2 :name "Bob""#);
        let (old, new) = (
            first.history().expect("kept"),
            later.history().expect("kept"),
        );
        check(&old, &new, "", "-1 :age 30, 1 :age 31");
        check(&old, &first, "", "");
    }

    #[test]
    fn work_grows_with_the_difference_not_with_the_database() {
        let data = |range: std::ops::Range<i64>, age: i64| {
            let person = |e: i64| {
                Value::map([
                    (Value::keyword("db/id"), Value::Long(e)),
                    (Value::keyword("name"), Value::from(format!("n{e}"))),
                    (Value::keyword("age"), Value::Long(age)),
                ])
            };
            TxData::new(Value::vector(range.map(person)))
        };
        let db = transact(&people(), &data(10..100_010, 1), 1).expect("a transaction");
        let db = db.db_after;
        let later = transact(&db, &data(50_000..50_005, 2), 2)
            .expect("a transaction")
            .db_after;
        let later = after(
            &later,
            r#"[{:db/id 50002 :name "x"} {:db/id 50003 :name "y"}]"#,
        );
        let diff = diff(&db, &later).expect("a difference");
        assert_eq!((diff.only_a().len(), diff.only_b().len()), (7, 9));
        let attributes = 3; // With :db/txInstant.
        let most = attributes * 2 * 5 * Chunk::ROWS_MAX;
        assert!(diff.rows_looked_at() < most, "{}", diff.rows_looked_at());
    }
}
