//! Checks a database value: what holds of its rows, its values and its schema, whoever wrote them.
//!
//! Rows are looked at a leaf at a time and what was read for that is let go, so that a database
//! larger than memory can be checked. Bytes are not its matter: checksums are compared below.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_128;

use crate::datom::{AttrId, EntityId, Op, TX0, TxId};
use crate::db::{Db, IndexDatom};
use crate::index::{AttributeIndex, Cell, Dictionary, Kind, Leaf, Row, Run};
use crate::schema::{Attribute, BUILT_IN};
use crate::transact;
use crate::value::Value;

/// Values whose kinds are looked up before what was read of them is let go.
const VALUES_AT_ONCE: usize = 1 << 16;
/// What stands for the kind of a value that was purged.
const PURGED: u8 = u8::MAX;

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Broken {
    /// The attribute whose rows it is about; none for the schema.
    pub attribute: Option<Value>,
    /// One sentence.
    pub what: String,
}

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Current rows.
    pub current: u64,
    /// Past rows.
    pub past: u64,
    /// Rows that name transactions this database never had, or none in order: data may be
    /// transacted with transactions of its own.
    pub foreign: u64,
}

/// Stands for the rows of a run, in whatever order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Print {
    rows: u64,
    sum: u128,
}

impl Print {
    fn add(&mut self, row: &Row) {
        let mut bytes = [0; 33];
        for (place, number) in bytes.chunks_exact_mut(8).zip([
            row.e as u64,
            row.v.bits,
            row.tx as u64,
            row.extra as u64,
        ]) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        bytes[32] = row.v.kind as u8;
        self.rows += 1;
        self.sum = self.sum.wrapping_add(xxh3_128(&bytes));
    }
}

/// The prints of the current and the past rows of each attribute that has any.
pub type Prints = BTreeMap<AttrId, [Print; 2]>;

/// Checks all rows of a database value and gives their prints.
///
/// - `anew`: the dictionary of `db`, nothing of it read.
/// - `found`: told of everything that does not hold.
/// - Reads that fail are thrown, see [`fault`](crate::fault).
/// - Memory: a byte for each value, and the values of one attribute.
pub fn check(
    db: &Db,
    anew: &dyn Fn() -> Dictionary,
    found: &mut dyn FnMut(Broken),
) -> (Counts, Prints) {
    let mut check = Check {
        db,
        kinds: kinds_of(anew),
        counts: Counts::default(),
        found,
    };
    let mut attributes: Vec<AttrId> = db.attribute_ids().collect();
    attributes.sort_unstable();
    let mut prints = Prints::new();
    for a in attributes {
        if let Some(index) = db.index(a) {
            let dictionary = anew();
            prints.insert(a, check.attribute(a, index, &dictionary));
        }
    }
    check.schema(anew());
    (check.counts, prints)
}

/// Says where the prints of two values of one commit differ.
pub fn compare(db: &Db, (ours, theirs): (&Prints, &Prints), found: &mut dyn FnMut(Broken)) {
    let mut attributes: Vec<AttrId> = ours.keys().chain(theirs.keys()).copied().collect();
    attributes.sort_unstable();
    attributes.dedup();
    for a in attributes {
        let of = |prints: &Prints| prints.get(&a).copied().unwrap_or_default();
        for ((ours, theirs), which) in of(ours).iter().zip(&of(theirs)).zip(["current", "past"]) {
            if ours != theirs {
                found(Broken {
                    attribute: Some(name_of(db, a)),
                    what: format!(
                        "its {} {which} rows are not the {} that its transactions make",
                        ours.rows, theirs.rows
                    ),
                });
            }
        }
    }
}

fn name_of(db: &Db, a: AttrId) -> Value {
    let is_known = db.attribute(a).is_some() || a.0 < db.dictionary().len();
    match is_known {
        true => db.ident(a).clone(),
        false => Value::Long(i64::from(a.0)),
    }
}

/// The kind of each value of a dictionary, by its number.
fn kinds_of(anew: &dyn Fn() -> Dictionary) -> Vec<u8> {
    let len = anew().len() as usize;
    let mut kinds = Vec::with_capacity(len);
    while kinds.len() < len {
        let dictionary = anew();
        let values = dictionary.values_from(kinds.len() as u32);
        let kind = |value: Option<&Value>| value.map_or(PURGED, |value| Kind::of(value) as u8);
        kinds.extend(values.take(VALUES_AT_ONCE).map(kind));
    }
    kinds
}

struct Check<'c> {
    db: &'c Db,
    kinds: Vec<u8>,
    counts: Counts,
    found: &'c mut dyn FnMut(Broken),
}

impl Check<'_> {
    fn broken(&mut self, a: AttrId, what: impl Into<String>) {
        let (attribute, what) = (Some(name_of(self.db, a)), what.into());
        (self.found)(Broken { attribute, what });
    }

    fn attribute(
        &mut self,
        a: AttrId,
        index: &AttributeIndex,
        dictionary: &Dictionary,
    ) -> [Print; 2] {
        let names = |kind: u8| kind == Kind::Keyword as u8 || kind == Kind::Str as u8;
        let name = self.kinds.get(a.0 as usize).copied();
        let declared = self.db.attribute(a).cloned();
        if declared.is_none() && !name.is_some_and(names) {
            self.broken(a, "it has rows and no name");
        }
        let by_value = declared.as_ref().is_some_and(|known| known.is_by_value());
        if by_value != index.current_by_value().is_some() {
            self.broken(
                a,
                "its rows by value are kept otherwise than its schema says",
            );
        }
        let mut prints = Vec::with_capacity(4);
        for (run, which) in index.runs().zip(RUNS) {
            let about = About {
                a,
                which,
                declared: declared.as_deref(),
            };
            prints.push(self.run(run, &about, dictionary));
        }
        for (at, which) in ["current", "past"].iter().enumerate() {
            if prints.get(at + 2).is_some_and(|print| *print != prints[at]) {
                self.broken(
                    a,
                    format!("its {which} rows by value are not those by entity"),
                );
            }
        }
        self.counts.current += prints[0].rows;
        self.counts.past += prints[1].rows;
        [prints[0], prints[1]]
    }

    fn run(&mut self, run: &Run, about: &About<'_>, dictionary: &Dictionary) -> Print {
        let mut print = Print::default();
        let mut before: Option<Row> = None;
        for leaf in run.leaves() {
            let rows_before = print.rows;
            for chunk in leaf.pass() {
                for row in (0..chunk.len()).map(|at| chunk.row(at)) {
                    if print.rows == rows_before {
                        self.first_of(leaf, &row, about);
                    }
                    print.add(&row);
                    let is_known = self.row(&row, about);
                    if let Some(before) = before.filter(|_| is_known) {
                        self.neighbours(run, [&before, &row], about, dictionary);
                    }
                    before = Some(row).filter(|_| is_known);
                }
            }
            let got = print.rows - rows_before;
            if got != leaf.rows() as u64 {
                let expected = leaf.rows();
                self.broken(
                    about.a,
                    format!("a leaf of {} has {got} rows, not {expected}", about.which),
                );
            }
        }
        print
    }

    fn first_of(&mut self, leaf: &Leaf, row: &Row, about: &About<'_>) {
        if leaf.first() != (row.e, row.v) {
            let what = format!("a leaf of {} starts with another row", about.which);
            self.broken(about.a, what);
        }
    }

    /// Checks a row by itself; whether its value can be looked up.
    fn row(&mut self, row: &Row, about: &About<'_>) -> bool {
        let is_known = self.is_known(row.v);
        if !is_known {
            let what = format!("entity {} has a value that is in no dictionary", row.e);
            self.broken(about.a, what);
        }
        if about.which == RUNS[0] || about.which == RUNS[1] {
            let had = TX0..=self.db.max_tx().0;
            let is_past = about.which == RUNS[1];
            let is_own = had.contains(&row.tx)
                && (!is_past || had.contains(&row.extra) && row.tx <= row.extra);
            self.counts.foreign += u64::from(!is_own);
        }
        is_known
    }

    fn is_known(&self, cell: Cell) -> bool {
        match cell.kind {
            kind if kind.is_interned() => {
                let id = usize::try_from(cell.bits).ok();
                id.and_then(|id| self.kinds.get(id)) == Some(&(kind as u8))
            }
            Kind::Nil => cell.bits == 0,
            Kind::Bool => cell.bits <= 1,
            Kind::Char => cell.inline_value().is_some(),
            _ => true,
        }
    }

    fn neighbours(
        &mut self,
        run: &Run,
        [before, row]: [&Row; 2],
        about: &About<'_>,
        dictionary: &Dictionary,
    ) {
        if before.compare(row, run.order(), dictionary).is_ge() {
            let what = format!("the rows of {} are out of order at {}", about.which, row.e);
            self.broken(about.a, what);
        }
        let Some(declared) = about.declared else {
            return;
        };
        if about.which == RUNS[0] && before.e == row.e && !declared.is_many() {
            self.broken(about.a, format!("entity {} has several values", row.e));
        }
        let is_nan = row.v.kind == Kind::Double && f64::from_bits(row.v.bits).is_nan();
        if about.which == RUNS[2] && declared.unique.is_some() && before.v == row.v && !is_nan {
            let what = format!("entities {} and {} share a unique value", before.e, row.e);
            self.broken(about.a, what);
        }
    }

    /// Derives the schema from the current rows that speak of it.
    fn schema(&mut self, dictionary: Dictionary) {
        let db = self.db;
        let keys = BUILT_IN.iter().filter(|key| key.shapes_schema());
        let keys = keys.filter_map(|key| dictionary.find(&Value::keyword(key.ident)));
        let mut datoms: Vec<IndexDatom> = Vec::new();
        for (a, index) in keys.filter_map(|a| Some((AttrId(a), db.index(AttrId(a))?))) {
            let rows = index.current().leaves().iter();
            let rows = rows.flat_map(|leaf| leaf.pass());
            for chunk in rows {
                let rows = (0..chunk.len()).map(|at| chunk.row(at));
                let rows = rows.filter(|row| self.is_known(row.v));
                datoms.extend(rows.map(|row| IndexDatom {
                    e: EntityId(row.e),
                    a,
                    v: row.v,
                    tx: TxId(row.tx),
                    op: Op::Assert,
                }));
            }
        }
        datoms.sort_by_key(|datom| datom.tx);
        let origin = transact::create((**db.options()).clone());
        let derived = transact::evolve(origin.schema(), &datoms, &dictionary);
        let (kept, derived) = (entries(&db.schema().kept()), entries(&derived.kept()));
        let mut entities: Vec<i64> = kept.keys().chain(derived.keys()).copied().collect();
        entities.sort_unstable();
        entities.dedup();
        for e in entities.iter().filter(|e| kept.get(e) != derived.get(e)) {
            (self.found)(Broken {
                attribute: None,
                what: format!("what the schema says of entity {e} is not what its datoms say"),
            });
        }
    }
}

/// The runs of an attribute as [`AttributeIndex::runs`] gives them.
const RUNS: [&str; 4] = [
    "current rows",
    "past rows",
    "current rows by value",
    "past rows by value",
];

/// What a run is, for those who read of it.
struct About<'a> {
    a: AttrId,
    which: &'static str,
    declared: Option<&'a Attribute>,
}

/// What a schema says of each entity, lists in no order.
fn entries(kept: &Value) -> BTreeMap<i64, Vec<(Value, Vec<Value>)>> {
    let parts = kept.as_sequential().unwrap_or_default();
    let entries = parts.first().and_then(Value::as_sequential);
    let entries = entries.unwrap_or_default().iter();
    let entry = |entry: &Value| {
        let [e, _, Value::Map(map)] = entry.as_sequential()? else {
            return None;
        };
        let mut said: Vec<(Value, Vec<Value>)> = map
            .iter()
            .map(|(key, value)| (key.clone(), sorted(value)))
            .collect();
        said.sort_by(|(a, _), (b, _)| crate::value::compare(a, b));
        Some((e.as_long()?, said))
    };
    entries.filter_map(entry).collect()
}

fn sorted(value: &Value) -> Vec<Value> {
    let Some(items) = value.as_sequential() else {
        return vec![value.clone()];
    };
    let mut items = items.to_vec();
    items.sort_by(crate::value::compare);
    items
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::db::Options;
    use crate::edn;
    use crate::index::{Extra, SortOrder};
    use crate::transact::TxData;

    fn database() -> Db {
        let mut db = transact::create(Options::default());
        for text in [
            "[{:db/ident :name :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
              {:db/ident :age :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
              {:db/ident :tag :db/valueType :db.type/keyword :db/cardinality :db.cardinality/many :db.attr/preds [even? odd?]}]",
            "[{:name \"a\" :age 1} {:name \"b\" :age 2}]",
            "[{:name \"a\" :age 3} {:db/ident :age :db/doc \"years\"}]",
        ] {
            let data = TxData::new(edn::read(text).unwrap());
            db = transact::transact(&db, &data, 7).unwrap().db_after;
        }
        db
    }

    fn broken(db: &Db) -> Vec<String> {
        let mut found = Vec::new();
        let dictionary = || db.dictionary().clone();
        check(db, &dictionary, &mut |broken| found.push(broken.what));
        found
    }

    /// A database with other current rows of an attribute.
    fn with_rows(db: &Db, name: &str, change: impl Fn(&mut Vec<Row>)) -> Db {
        let a = db.attribute_named(name).unwrap();
        let parts = db.attribute_ids().filter_map(|id| {
            let index = db.index(id)?;
            if id != a {
                return Some((id, (**index).clone()));
            }
            let mut rows: Vec<Row> = index.current().rows().collect();
            change(&mut rows);
            let run = Run::from_sorted(SortOrder::ByEntity, Extra::Nothing, &rows);
            let by_value = index.current_by_value().zip(index.past_by_value());
            let by_value = by_value.map(|(current, past)| (current.clone(), past.clone()));
            let past = index.past().clone();
            Some((id, AttributeIndex::of((run, past), by_value, None)))
        });
        let ids = (db.max_eid(), db.max_tx());
        let (schema, dictionary) = (Arc::clone(db.schema()), db.dictionary().clone());
        Db::restore(
            Arc::clone(db.options()),
            schema,
            dictionary,
            parts,
            ids,
            None,
        )
    }

    #[test]
    fn what_transactions_make_holds_and_what_does_not_is_told() {
        let db = database();
        assert_eq!(broken(&db), [""; 0]);
        let check = |name: &str, change: &dyn Fn(&mut Vec<Row>), told: &str| {
            let found = broken(&with_rows(&db, name, change));
            assert!(found.iter().any(|what| what.contains(told)), "{found:?}");
        };
        check("age", &|rows| rows.reverse(), "out of order");
        check("age", &|rows| rows.push(rows[1]), "out of order");
        let twice = |rows: &mut Vec<Row>| {
            let mut row = rows[1];
            row.v.bits += 1;
            rows.push(row);
        };
        check("age", &twice, "several values");
        check("name", &|rows| rows[0].v.bits = 1 << 40, "in no dictionary");
        check("name", &|rows| rows[0].v.bits = 0, "in no dictionary");
        check("name", &|rows| rows[0].tx += 1, "not those by entity");
        check(
            "db/cardinality",
            &|rows| rows.truncate(rows.len() - 1),
            "what the schema says",
        );
    }

    #[test]
    fn prints_tell_databases_apart() {
        let db = database();
        let other = with_rows(&db, "age", |rows| rows[0].tx += 1);
        let dictionary = || db.dictionary().clone();
        let prints = [&db, &other].map(|db| check(db, &dictionary, &mut |_| {}).1);
        let mut found = Vec::new();
        compare(&db, (&prints[0], &prints[0]), &mut |broken| {
            found.push(broken)
        });
        assert_eq!(found, []);
        compare(&db, (&prints[0], &prints[1]), &mut |broken| {
            found.push(broken)
        });
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].attribute, Some(Value::keyword("age")));
    }
}
