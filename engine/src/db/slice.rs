//! Index access: datoms in the order of an index, by the components they begin with.
//!
//! Components may be entity ids, idents or lookup refs, and attributes by name or entity. What
//! comes out is cut out of the runs of the attributes by search; nothing else is looked at.

use std::cmp::Ordering;
use std::ops::Range;

use super::describe::is_system;
use super::resolve::compare_cell;
use super::scan::{DatomIter, Merge, Span};
use super::{Db, Flexibility};
use crate::datom::{AttrId, Datom, EntityId};
use crate::error::{Code, Error, Result};
use crate::fault;
use crate::index::{Row, Run, SortOrder};
use crate::value::{Keyword, Value, compare};

/// One sort order of datoms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Index {
    /// By entity, attribute, value, transaction.
    Eavt,
    /// By attribute, entity, value, transaction.
    Aevt,
    /// By attribute, value, entity, transaction; only refs and indexed or unique attributes.
    Avet,
}

impl Index {
    /// From `:eavt`, `:aevt` or `:avet`; anything else is a [`Code::IndexAccess`].
    pub fn from_value(value: &Value) -> Result<Index> {
        match value.as_keyword().map(Keyword::as_str) {
            Some("eavt") => Ok(Index::Eavt),
            Some("aevt") => Ok(Index::Aevt),
            Some("avet") => Ok(Index::Avet),
            _ => Err(Error::new(
                Code::IndexAccess,
                format!("There is no index {value}, expected :eavt, :aevt or :avet"),
            )
            .with("index", value.clone())),
        }
    }

    /// How the rows of its attributes follow one another.
    pub(super) fn merge(self) -> Merge {
        if self == Index::Eavt {
            Merge::ByEntity
        } else {
            Merge::Chain
        }
    }

    fn order(self) -> SortOrder {
        match self {
            Index::Eavt | Index::Aevt => SortOrder::ByEntity,
            Index::Avet => SortOrder::ByValue,
        }
    }
}

/// The datoms that begin with the given components, in the order of the index.
///
/// - `components`: in the order of the index, at most four; `nil` stands for any.
/// - Errors: [`Code::EntityIdMissing`] and its kin for a component that names nothing;
///   [`Code::TransactSchema`] for an attribute that is not declared where it must be.
pub fn datoms(db: &Db, index: Index, components: &[Value]) -> Result<Vec<Datom>> {
    fault::catch(|| Ok(datoms_iter(db, index, components)?.collect()))
}

/// As [`datoms`], one by one. Reads that fail are thrown, see [`fault`].
pub fn datoms_iter(db: &Db, index: Index, components: &[Value]) -> Result<DatomIter> {
    let prefix = Prefix::new(db, index, components)?;
    let spans = prefix.spans(db, Some(Side::Start), Some(Side::End));
    let merge = if prefix.e.is_some() {
        Merge::Chain
    } else {
        index.merge()
    };
    let filter = prefix.has_gap().then_some(prefix);
    Ok(DatomIter::new(db.clone(), spans, merge, filter))
}

/// The datoms of an attribute whose value lies between two bounds, both inclusive, by value.
///
/// `nil` is no bound. Errors: [`Code::IndexAccess`] if the attribute is neither indexed, unique
/// nor a ref.
pub fn index_range(db: &Db, attr: &Value, start: &Value, end: &Value) -> Result<Vec<Datom>> {
    fault::catch(|| datoms_between(db, attr, (start, end)))
}

fn datoms_between(db: &Db, attr: &Value, (start, end): (&Value, &Value)) -> Result<Vec<Datom>> {
    let indexed = db.attr_of(attr).filter(|&a| {
        db.attribute(a)
            .is_some_and(|attribute| attribute.is_by_value())
    });
    let Some(a) = indexed else {
        let message = format!("Attribute {attr} should be marked as :db/index true");
        return Err(Error::new(Code::IndexAccess, message).with("attribute", attr.clone()));
    };
    let from = Prefix::new(db, Index::Avet, &[attr.clone(), start.clone()])?;
    let to = Prefix::new(db, Index::Avet, &[attr.clone(), end.clone()])?;
    let Some(run) = db.run(a, SortOrder::ByValue) else {
        return Ok(Vec::new());
    };
    let first = from.bound_within(&run, Side::Start, db);
    let last = to.bound_within(&run, Side::End, db);
    if first >= last {
        return Ok(Vec::new());
    }
    Ok(run
        .rows_in(first..last)
        .map(|row| db.datom(a, row))
        .collect())
}

/// Before the rows that begin with a prefix, or after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Before them.
    Start,
    /// After them.
    End,
}

/// Resolved components.
#[derive(Clone, Debug)]
pub(super) struct Prefix {
    index: Index,
    pub(super) e: Option<i64>,
    /// The attribute as datoms show it, whether or not it exists.
    a: Option<Value>,
    v: Option<Value>,
    tx: Option<i64>,
}

impl Prefix {
    pub(super) fn new(db: &Db, index: Index, components: &[Value]) -> Result<Prefix> {
        let at = |i: usize| components.get(i).unwrap_or(&Value::Nil);
        let (e, a, v) = match index {
            Index::Eavt => (at(0), at(1), at(2)),
            Index::Aevt => (at(1), at(0), at(2)),
            Index::Avet => (at(2), at(0), at(1)),
        };
        check_attribute(db, a, [e, v, at(3)])?;
        let declared = db.attr_of(a).and_then(|a| db.attribute(a));
        let is_ref = declared.is_some_and(|attribute| attribute.is_ref());
        let a = match db.attr_of(a) {
            Some(a) => Some(db.attribute_value(a)),
            None => (!a.is_nil()).then(|| a.clone()),
        };
        let v = match v {
            Value::Nil => None,
            v if is_ref => Some(Value::Long(db.entid_strict(v)?.0)),
            v => Some(v.clone()),
        };
        Ok(Prefix {
            index,
            e: entity(db, e)?,
            a,
            v,
            tx: entity(db, at(3))?,
        })
    }

    /// Whether a component is given after one that is not.
    fn has_gap(&self) -> bool {
        let given = match self.index {
            Index::Eavt => [self.e.is_some(), self.a.is_some(), self.v.is_some()],
            Index::Aevt => [self.a.is_some(), self.e.is_some(), self.v.is_some()],
            Index::Avet => [self.a.is_some(), self.v.is_some(), self.e.is_some()],
        };
        let given = [given[0], given[1], given[2], self.tx.is_some()];
        given.windows(2).any(|pair| !pair[0] && pair[1])
    }

    /// Whether a row agrees with every component given.
    pub(super) fn matches(&self, db: &Db, name: &Value, row: &Row) -> bool {
        self.e.is_none_or(|e| row.e == e)
            && self.a.as_ref().is_none_or(|a| a == name)
            && self
                .v
                .as_ref()
                .is_none_or(|v| compare_cell(row.v, v, db.dictionary()).is_eq())
            && self.tx.is_none_or(|tx| row.tx == tx)
    }

    /// The rows between two sides of the prefix, by attribute in index order; none is open.
    pub(super) fn spans(&self, db: &Db, from: Option<Side>, to: Option<Side>) -> Vec<Span> {
        let exact = from.is_some() && to.is_some();
        let only = self.a.as_ref().filter(|_| exact).map(|a| db.attr_of(a));
        let mut attributes: Vec<AttrId> = match only {
            Some(a) => a.into_iter().collect(),
            None => db.attribute_ids().collect(),
        };
        db.sort_attributes(&mut attributes);
        let mut spans = Vec::new();
        for a in attributes {
            // A view makes whole runs; one entity's rows are cheaper taken alone.
            let run = match self.e.filter(|_| exact && self.index != Index::Avet) {
                Some(e) => db.run_of(EntityId(e), a),
                None => db.run(a, self.index.order()),
            };
            let Some(run) = run else { continue };
            let name = db.attribute_value(a);
            let start = from.map_or(0, |side| self.bound(&run, &name, side, db));
            let end = to.map_or(run.len(), |side| self.bound(&run, &name, side, db));
            if start < end {
                spans.push(Span::new(name, run, start..end));
            }
        }
        spans
    }

    /// How many rows of an attribute's run lie before a side of the prefix.
    fn bound(&self, run: &Run, name: &Value, side: Side, db: &Db) -> usize {
        let by_name = self.a.as_ref().map(|a| compare(name, a));
        match (self.index, by_name) {
            (Index::Eavt, by_name) => {
                let Some(e) = self.e else {
                    return side.of(0..run.len());
                };
                let rows = run.entity_range(e);
                match by_name {
                    None => side.of(rows),
                    Some(Ordering::Less) => rows.end,
                    Some(Ordering::Greater) => rows.start,
                    Some(Ordering::Equal) => self.bound_within(run, side, db),
                }
            }
            (_, None) => side.of(0..run.len()),
            (_, Some(Ordering::Less)) => run.len(),
            (_, Some(Ordering::Greater)) => 0,
            (_, Some(Ordering::Equal)) => self.bound_within(run, side, db),
        }
    }

    /// As [`Prefix::bound`] in the run of the prefix's own attribute.
    fn bound_within(&self, run: &Run, side: Side, db: &Db) -> usize {
        let dictionary = db.dictionary();
        let (by_e, by_v) = match self.index {
            Index::Avet => (self.e.filter(|_| self.v.is_some()), self.v.as_ref()),
            _ => (self.e, self.v.as_ref().filter(|_| self.e.is_some())),
        };
        if by_e.is_none() && by_v.is_none() {
            return side.of(0..run.len());
        }
        let compare_row = |e: i64, v| {
            let by_e = by_e.map_or(Ordering::Equal, |x| e.cmp(&x));
            let by_v = || by_v.map_or(Ordering::Equal, |x| compare_cell(v, x, dictionary));
            match self.index {
                Index::Avet => by_v().then(by_e),
                _ => by_e.then_with(by_v),
            }
        };
        let start = run.offset(run.partition_point(|e, v| compare_row(e, v).is_lt()));
        let end = run.offset(run.partition_point(|e, v| compare_row(e, v).is_le()));
        let Some(tx) = self.tx.filter(|_| by_e.is_some() && by_v.is_some()) else {
            return side.of(start..end);
        };
        let before = run
            .rows_in(start..end)
            .take_while(|row| row.tx < tx)
            .count();
        let up_to = run
            .rows_in(start..end)
            .take_while(|row| row.tx <= tx)
            .count();
        side.of(start + before..start + up_to)
    }
}

impl Side {
    fn of(self, rows: Range<usize>) -> usize {
        match self {
            Side::Start => rows.start,
            Side::End => rows.end,
        }
    }
}

fn entity(db: &Db, component: &Value) -> Result<Option<i64>> {
    if !component.is_truthy() {
        return Ok(None);
    }
    db.entid_strict(component).map(|e| Some(e.0))
}

/// Refuses what names no attribute, and under `:schema-flexibility :write` what is not declared.
fn check_attribute(db: &Db, a: &Value, [e, v, tx]: [&Value; 3]) -> Result<()> {
    let bad = |code, expected: &str| {
        let names = ["resolve-datom", "db"].map(Value::symbol);
        let rest = [e, a, v, tx].map(Value::clone);
        let context = Value::list(names.into_iter().chain(rest));
        let message = format!("Bad entity attribute {a} at {context}, {expected}");
        Error::new(code, message)
            .with("attribute", a.clone())
            .with("context", context)
    };
    match a {
        Value::Nil => Ok(()),
        // An entity that is no attribute has no rows as one.
        Value::Long(_) if db.options().attribute_refs => Ok(()),
        Value::Keyword(_) | Value::Str(_) => {
            let is_open = db.options().flexibility == Flexibility::Read
                || a.as_keyword().is_some_and(is_system);
            if is_open || db.schema().by_ident(&forward(a)).is_some() {
                return Ok(());
            }
            Err(bad(Code::TransactSchema, "not defined in current schema"))
        }
        _ => Err(bad(Code::TransactSyntax, "expected keyword or string")),
    }
}

fn forward(a: &Value) -> Value {
    let unreversed = a.as_keyword().and_then(Keyword::unreversed);
    unreversed.map_or_else(|| a.clone(), Value::Keyword)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::fixture::{database, edn};
    use crate::db::{rseek_datoms, seek_datoms};

    /// Checks what a call gives as `e a v` (and whether asserted, in a history).
    fn check(call: &str, expected: &str) {
        check_in(&sample(), call, expected);
    }

    fn sample() -> Db {
        database(
            "{:name #{:identity} :friend #{:ref :many} :age #{:index}}",
            &[
                r#"[[1 :name "Ivan"] [1 :friend 2] [1 :friend 3] [2 :name "Petr"] [2 :friend 3]
                    [3 :name "Oleg"] [1 :age 15] [2 :age 20.0] [3 :age 7] [3 "note" "x"]]"#,
                r#"[[1 :age 15 false] [1 :age 16]]"#,
            ],
        )
    }

    fn check_in(db: &Db, call: &str, expected: &str) {
        let call = edn(call);
        let [name, index, components @ ..] = call.as_sequential().unwrap() else {
            panic!()
        };
        let index = || Index::from_value(index).unwrap();
        let found = match name.as_symbol().unwrap().as_str() {
            "datoms" => datoms(db, index(), components),
            "seek" => seek_datoms(db, index(), components),
            "rseek" => rseek_datoms(db, index(), components),
            _ => index_range(db, &components[0], &components[1], &components[2]),
        };
        let shown = match found {
            Ok(found) => {
                let shown = found.iter().map(|d| {
                    let added = (d.op == crate::datom::Op::Retract).then_some(" false");
                    format!("[{} {} {}{}]", d.e.0, d.a, d.v, added.unwrap_or(""))
                });
                shown.collect::<Vec<_>>().join(" ")
            }
            Err(error) => format!("{:?}", error.code()),
        };
        assert_eq!(shown, expected, "{call}");
    }

    #[test]
    fn datoms_begin_with_all_components() {
        check(
            "(datoms :eavt 3)",
            r#"[3 :age 7] [3 :name "Oleg"] [3 "note" "x"]"#,
        );
        check("(datoms :eavt 1 :friend)", "[1 :friend 2] [1 :friend 3]");
        check(
            "(datoms :eavt [:name \"Ivan\"] :friend [:name \"Oleg\"])",
            "[1 :friend 3]",
        );
        check("(datoms :eavt 1 :friend 3 536870913)", "[1 :friend 3]");
        check("(datoms :eavt 1 :friend 3 536870914)", "");
        check(
            "(datoms :aevt :friend)",
            "[1 :friend 2] [1 :friend 3] [2 :friend 3]",
        );
        check("(datoms :avet :friend 3)", "[1 :friend 3] [2 :friend 3]");
        check("(datoms :avet :friend 3 2)", "[2 :friend 3]");
        check(
            "(datoms :avet :age)",
            "[3 :age 7] [1 :age 16] [2 :age 20.0]",
        );
        check("(datoms :avet :age 20)", "[2 :age 20.0]");
        check("(datoms :avet \"note\")", "");
        check("(datoms :aevt :unknown)", "");
        check("(datoms :eavt [:name \"Nobody\"])", "EntityIdMissing");
        check("(datoms :eavt 1 7)", "TransactSyntax");
        assert_eq!(datoms(&sample(), Index::Eavt, &[]).unwrap().len(), 10);
    }

    #[test]
    fn components_after_a_gap_filter() {
        check(
            "(datoms :eavt nil :friend)",
            "[1 :friend 2] [1 :friend 3] [2 :friend 3]",
        );
        check("(datoms :eavt 1 nil 3)", "[1 :friend 3]");
        check(
            "(datoms :aevt nil 2)",
            r#"[2 :age 20.0] [2 :friend 3] [2 :name "Petr"]"#,
        );
        check("(datoms :eavt nil nil nil 536870914)", "[1 :age 16]");
    }

    #[test]
    fn a_seek_goes_on_to_the_end_and_a_reverse_seek_to_the_beginning() {
        check(
            "(seek :eavt 2 :name)",
            r#"[2 :name "Petr"] [3 :age 7] [3 :name "Oleg"] [3 "note" "x"]"#,
        );
        check(
            "(seek :eavt 2 :g)",
            r#"[2 :name "Petr"] [3 :age 7] [3 :name "Oleg"] [3 "note" "x"]"#,
        );
        check(
            "(seek :avet :friend 3 2)",
            r#"[2 :friend 3] [1 :name "Ivan"] [3 :name "Oleg"] [2 :name "Petr"]"#,
        );
        check(
            "(seek :avet :name \"J\")",
            r#"[3 :name "Oleg"] [2 :name "Petr"]"#,
        );
        check("(seek :aevt :name 3)", r#"[3 :name "Oleg"] [3 "note" "x"]"#);
        check("(rseek :avet :age 16)", "[1 :age 16] [3 :age 7]");
        check(
            "(rseek :avet :friend)",
            "[2 :friend 3] [1 :friend 3] [1 :friend 2] [2 :age 20.0] [1 :age 16] [3 :age 7]",
        );
        check(
            "(rseek :eavt 1)",
            r#"[1 :name "Ivan"] [1 :friend 3] [1 :friend 2] [1 :age 16]"#,
        );
        check(
            "(rseek :eavt 2 :age)",
            r#"[2 :age 20.0] [1 :name "Ivan"] [1 :friend 3] [1 :friend 2] [1 :age 16]"#,
        );
    }

    #[test]
    fn a_range_takes_both_bounds_in() {
        check("(range :avet :age 7 16)", "[3 :age 7] [1 :age 16]");
        check("(range :avet :age nil 15)", "[3 :age 7]");
        check("(range :avet :age 16.5 nil)", "[2 :age 20.0]");
        check("(range :avet :age 20 7)", "");
        check(
            "(range :avet :friend [:name \"Petr\"] [:name \"Petr\"])",
            "[1 :friend 2]",
        );
        check("(range :avet \"note\" nil nil)", "IndexAccess");
    }

    #[test]
    fn views_show_their_own_datoms() {
        let db = sample();
        let tx = |n: i64| crate::db::TimePoint::Tx(crate::datom::TxId(536_870_912 + n));
        let history = db.history().unwrap();
        check_in(
            &history,
            "(datoms :eavt 1 :age)",
            "[1 :age 15] [1 :age 15 false] [1 :age 16]",
        );
        check_in(
            &history,
            "(datoms :avet :age 15)",
            "[1 :age 15] [1 :age 15 false]",
        );
        check_in(
            &db.as_of(tx(1)).unwrap(),
            "(datoms :eavt 1 :age)",
            "[1 :age 15]",
        );
        check_in(
            &db.as_of(tx(1)).unwrap(),
            "(seek :avet :age 8)",
            r#"[1 :age 15] [2 :age 20.0] [1 :friend 2] [1 :friend 3] [2 :friend 3] [1 :name "Ivan"] [3 :name "Oleg"] [2 :name "Petr"]"#,
        );
        check_in(&db.since(tx(1)).unwrap(), "(datoms :eavt)", "[1 :age 16]");
    }
}
