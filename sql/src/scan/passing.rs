//! Tables whose rows go straight out: what is read of them is given back as they go.
//!
//! What a scan reads is kept with the database value, for the statements that follow. A statement that hands
//! out all rows of a large table would so hold the table once more; instead it reads copies of the table, each
//! for some of the rows.

use std::ops::Range;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::datasource::sink::DataSinkExec;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::{EmissionType, replace_children_if_necessary};

use super::exec::Scan;
use super::rows::{Piece, Rows};

/// Fewest rows that are not kept.
pub(super) const PASSING_ROWS: usize = 1 << 20;
/// Rows that a copy of the table serves.
const COPY_ROWS: usize = 1 << 17;
/// Bytes of interned values that copies keep.
const COPY_BYTES: usize = 64 << 20;

/// The plan in which a large scan keeps nothing, if its rows go straight out.
pub(crate) fn passing(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    if let Some(scan) = plan.downcast_ref::<Scan>() {
        return Ok(scan.passing().map_or(plan, |scan| Arc::new(scan)));
    }
    let [input] = plan.children()[..] else {
        return Ok(plan);
    };
    let goes_on = plan.properties().emission_type == EmissionType::Incremental;
    if !goes_on && !plan.is::<DataSinkExec>() {
        return Ok(plan);
    }
    let passed = passing(Arc::clone(input))?;
    match Arc::ptr_eq(&passed, input) {
        true => Ok(plan),
        false => replace_children_if_necessary(plan, vec![passed]),
    }
}

/// The copy that a pass has come to.
#[derive(Default)]
pub(super) struct Passing {
    rows: Option<Arc<dyn Rows>>,
    /// The rows that it serves.
    serves: Range<usize>,
}

impl Passing {
    /// A copy for a piece of the table.
    pub(super) fn at(&mut self, table: &Arc<dyn Rows>, piece: &Piece) -> Arc<dyn Rows> {
        let Piece::Rows(rows) = piece else {
            return Arc::clone(table);
        };
        match &self.rows {
            Some(copy) if rows.start >= self.serves.start && rows.end <= self.serves.end => {
                Arc::clone(copy)
            }
            last => {
                // Rows anywhere share values: those that are read serve as long as they are not too many.
                let known = last.as_ref().map(|last| last.dictionary());
                let known = known.filter(|known| known.held_bytes() < COPY_BYTES);
                let dictionary = match known {
                    Some(known) => known.clone(),
                    None => table.dictionary().apart(),
                };
                self.serves = rows.start..rows.end.max(rows.start + COPY_ROWS);
                let copy = table.apart(self.serves.clone(), dictionary);
                self.rows = Some(Arc::clone(&copy));
                copy
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use datalith_engine::conn::{Config, Conn, TxData, create_database};
    use datalith_engine::transact;
    use datalith_engine::{Db, Value, edn};

    use super::super::kept::Kept;
    use super::super::{Datoms, Narrow, Wide};
    use super::*;

    const ROWS: i64 = 160_000;
    const SCHEMA: &str = "[{:db/ident :m/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
                           {:db/ident :m/n :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]";

    /// Rows in segments, some of them without a name, and a few that are in none yet.
    fn stored(folder: &tempfile::TempDir) -> Conn {
        let path = Value::from(folder.path().join("db").display().to_string());
        let id = "#uuid \"5ea1f0e2-0000-4000-8000-00000000a9a7\"";
        let config = edn::read(&format!(
            "{{:store {{:backend :file :id {id} :path {path}}}}}"
        ));
        let config = Config::from_value(&config.unwrap()).unwrap();
        create_database(&config).unwrap();
        let conn = Conn::connect(&config).unwrap();
        let data = TxData::from_value(&edn::read(SCHEMA).unwrap()).unwrap();
        conn.transact(&data).unwrap();
        let attributes: Arc<[Value]> = ["m/name", "m/n"].map(Value::keyword).into();
        let transact = |rows: Range<i64>| {
            let values = rows.flat_map(|n| match n % 7 {
                0 => [Value::Nil, Value::Long(n)],
                _ => [Value::from(format!("name {n}")), Value::Long(n)],
            });
            let rows = transact::Rows::new(Arc::clone(&attributes), values.collect());
            conn.transact(&TxData::of_rows(rows)).unwrap();
        };
        transact(0..ROWS);
        conn.checkpoint().unwrap();
        conn.release();
        let conn = Conn::connect(&config).unwrap();
        let rows = transact::Rows::new(
            Arc::clone(&attributes),
            vec![Value::str("last"), Value::Long(ROWS)],
        );
        conn.transact(&TxData::of_rows(rows)).unwrap();
        conn
    }

    fn check(db: &Db, make: impl Fn(&Db) -> Arc<dyn Rows>) {
        let (passed, kept) = (make(db), make(db));
        let mut copy = Passing::default();
        let pieces = kept.select(&[], 1).unwrap().parts.concat();
        let projection: Vec<usize> = (0..kept.schema().fields().len()).collect();
        let held = passed.dictionary().held_bytes();
        let mut copies = Vec::new();
        for piece in &pieces {
            let rows = copy.at(&passed, piece);
            let batch = rows.batch(piece, &projection, &Kept::all()).unwrap();
            copies.push(rows);
            assert_eq!(passed.dictionary().held_bytes(), held);
            let expected = kept.apart(0..0, kept.dictionary().apart());
            let expected = expected.batch(piece, &projection, &Kept::all());
            assert_eq!(batch, expected.unwrap());
        }
        copies.dedup_by(|a, b| Arc::ptr_eq(a, b));
        assert!((2..pieces.len()).contains(&copies.len()));
    }

    #[test]
    fn what_passes_is_what_the_table_has_and_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let conn = stored(&folder);
        let db = conn.db().unwrap();
        let [name, n] = ["m/name", "m/n"].map(|ident| db.attribute_named(ident).unwrap());
        check(&db, |db| Arc::new(Wide::new(db, &[name, n])));
        check(&db, |db| Arc::new(Wide::new(db, &[name])));
        check(&db, |db| Arc::new(Narrow::of_attribute(db, name)));
        check(&db, |db| Arc::new(Datoms::new(db)));
        conn.release();
    }
}
