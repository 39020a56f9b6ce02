//! Records that a root takes into its archive, and what of the archive before it they make stale.
//!
//! Archived records refer to rows. A row lasts as long as history does, so every later root has it
//! too, with few exceptions: a purge takes it out; an attribute ceases to keep its past; or a datom
//! is added in the name of an earlier transaction, and its row can be taken for one of that. The root
//! that is the first without a row, or with one too many, is also the first whose archive has
//! the records that meant it written anew, from what the root before it says.

use std::collections::HashSet;
use std::sync::Arc;

use super::archive::{REFERRING, archived, contents, referred, rewritten};
use super::payload::Stripped;
use super::rebuild::Redacted;
use super::refer::Rows;
use crate::datom::{AttrId, EntityId, TX0};
use crate::db::{Db, Purge};
use crate::error::Result;
use crate::fault;
use crate::root::{self, Position, Reuse, Root, Written};
use crate::segment::{ArchivedRecord, Segments};
use crate::store::{RecordView, Storage};

/// The records since the last root.
pub(super) struct Intake<'d> {
    db: &'d Db,
    rows: Rows<'d>,
    records: Vec<ArchivedRecord>,
    stale: Stale,
    /// The attribute that says which attributes keep no past.
    no_history: Option<AttrId>,
    unswept: bool,
}

/// Attributes of whose rows some may have gone, or may be mistaken.
#[derive(Default)]
struct Stale {
    attributes: HashSet<AttrId>,
    /// Entities that are such attributes.
    entities: HashSet<EntityId>,
    /// Whether it may be any attribute.
    all: bool,
}

impl<'d> Intake<'d> {
    /// None yet; `db` is the value after all of them.
    pub(super) fn of(db: &'d Db) -> Intake<'d> {
        Intake {
            db,
            rows: Rows::of(db),
            records: Vec::new(),
            stale: Stale::default(),
            no_history: db.attribute_named("db/noHistory"),
            unswept: false,
        }
    }

    /// Takes the next record in.
    pub(super) fn add(&mut self, record: &RecordView<'_>, redacted: Redacted) -> Result<()> {
        let (kept, said) = fault::catch(|| archived(record, redacted, &mut self.rows))?;
        self.unswept |= !said.purges.is_empty();
        self.note(record.t, &said);
        self.records.push(kept);
        Ok(())
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    fn note(&mut self, t: u64, said: &Stripped) {
        let stale = &mut self.stale;
        for purge in &said.purges {
            match purge {
                Purge::Datom { a, .. } | Purge::Attribute { a, .. } => {
                    stale.attributes.insert(*a);
                }
                Purge::PastUpTo(_) => stale.all = true,
            }
        }
        for datom in &said.datoms {
            if datom.tx.0 - TX0 != t as i64 {
                stale.attributes.insert(datom.a);
            }
            if Some(datom.a) == self.no_history {
                stale.entities.insert(datom.e);
            }
        }
    }

    /// Writes the root of the value after all records.
    ///
    /// - `previous`: the root that comes before the first of them.
    /// - `at`: `unswept` need only be right for `previous`.
    pub(super) fn write(
        mut self,
        storage: &dyn Storage,
        segments: &Segments,
        (previous, reuse): (Option<&Arc<Root>>, Reuse<'_>),
        at: Position,
    ) -> Result<Written> {
        let at = Position {
            unswept: at.unswept || self.unswept,
            ..at
        };
        let new = std::mem::take(&mut self.records).into_iter().map(Ok);
        let rewritten = match previous {
            Some(root) => self.first_stale(segments, root)?,
            None => None,
        };
        let Some((opened, from)) = rewritten else {
            let base = (previous.map(|root| &**root), reuse);
            return root::write(storage, segments, self.db, base, at, &mut { new });
        };
        let (kept, anew) = opened.root.archive.split_at(from);
        let mut rows = Rows::of(&opened.db);
        let old = anew.iter().flat_map(|part| {
            let transactions = segments.transactions(&part.stamp);
            transactions.range(part.first..part.last + 1)
        });
        let old = old.map(|record| {
            let record = record?;
            match self.stale.concerns(&record)? {
                true => rewritten_from(record, &mut rows, &mut self.rows),
                false => Ok(record),
            }
        });
        let before = Root {
            archive: kept.to_vec(),
            ..(*opened.root).clone()
        };
        let base = (Some(&before), reuse);
        let mut records = old.chain(new);
        root::write(storage, segments, self.db, base, at, &mut records)
    }

    /// The root before, opened, and its first part of the archive with a record that may mean what
    /// is no longer there; none if there is no such record.
    fn first_stale(
        &mut self,
        segments: &Segments,
        root: &Arc<Root>,
    ) -> Result<Option<(root::Opened, usize)>> {
        if self.stale.is_empty() {
            return Ok(None);
        }
        let opened = root::restore(Arc::clone(root), segments, self.db.options())?;
        self.stale.resolve([&opened.db, self.db]);
        for (at, part) in root.archive.iter().enumerate() {
            let transactions = segments.transactions(&part.stamp);
            if transactions.flags()? & REFERRING == 0 {
                continue;
            }
            for record in transactions.range(part.first..part.last + 1) {
                if self.stale.concerns(&record?)? {
                    return Ok(Some((opened, at)));
                }
            }
        }
        Ok(None)
    }
}

/// A record as it is archived beside new rows.
fn rewritten_from(
    record: ArchivedRecord,
    old: &mut Rows<'_>,
    new: &mut Rows<'_>,
) -> Result<ArchivedRecord> {
    let said = contents(&record, old)?;
    rewritten(record, &said, new)
}

impl Stale {
    fn is_empty(&self) -> bool {
        !self.all && self.attributes.is_empty() && self.entities.is_empty()
    }

    /// Finds the attributes that entities are or were.
    fn resolve(&mut self, dbs: [&Db; 2]) {
        for e in &self.entities {
            let known = dbs.iter().filter_map(|db| db.schema().by_entity(*e));
            let known: Vec<AttrId> = known.map(|attribute| attribute.id).collect();
            self.all |= known.is_empty();
            self.attributes.extend(known);
        }
    }

    /// Whether a record refers to rows of such an attribute.
    fn concerns(&self, record: &ArchivedRecord) -> Result<bool> {
        let referred = referred(record)?;
        Ok(match self.all {
            true => !referred.is_empty(),
            false => referred.iter().any(|a| self.attributes.contains(a)),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;
    use std::io::Cursor;

    use uuid::Uuid;

    use super::*;
    use crate::conn::branch::BranchPoint;
    use crate::conn::gc::GcOptions;
    use crate::conn::history::ChainStatus;
    use crate::conn::{Config, Conn, create_database_at, export_at, import_at};
    use crate::datom::Datom;
    use crate::db::{Index, datoms};
    use crate::edn;
    use crate::error::Code;
    use crate::store::MemoryStorage;
    use crate::transact::TxData;
    use crate::value::{Keyword, Value};

    const PEOPLE: i64 = 300;

    /// A database, and what was said when its transactions were acknowledged.
    struct Story {
        storage: Arc<dyn Storage>,
        conn: Conn,
        told: Vec<(Uuid, Vec<Datom>, Vec<String>)>,
    }

    fn config(branch: &str) -> Config {
        let config = Config::memory(Uuid::from_u128(12));
        let branch = Value::Keyword(Keyword::new(branch));
        config.with("branch", branch).unwrap()
    }

    fn all(db: &Db) -> Vec<String> {
        let datoms = datoms(&db.history().unwrap(), Index::Eavt, &[]).unwrap();
        datoms.iter().map(|datom| format!("{datom:?}")).collect()
    }

    impl Story {
        fn begin() -> Story {
            let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
            create_database_at(&storage, &config("db")).unwrap();
            let conn = Conn::connect_at(Arc::clone(&storage), &config("db")).unwrap();
            let told = Vec::new();
            let mut story = Story {
                storage,
                conn,
                told,
            };
            let one = ":db/cardinality :db.cardinality/one";
            story.say(&format!(
                "[{{:db/ident :name :db/valueType :db.type/string {one} :db/unique :db.unique/identity}}
                  {{:db/ident :age :db/valueType :db.type/long {one}}}
                  {{:db/ident :secret :db/valueType :db.type/long {one}}}
                  {{:db/ident :last :db/valueType :db.type/long {one} :db/noHistory true}}
                  {{:db/ident :tag :db/valueType :db.type/keyword :db/cardinality :db.cardinality/many}}]"
            ));
            story
        }

        fn say(&mut self, text: &str) {
            let data = TxData::from_value(&edn::read(text).unwrap()).unwrap();
            let report = self.conn.transact(&data).unwrap();
            let commit = report.db_after.commit_id().unwrap();
            self.told
                .push((commit, report.tx_data, all(&self.conn.db().unwrap())));
        }

        /// Says the same of everybody; `form` is given a number and the person of that name.
        fn say_of_all(&mut self, form: impl Fn(i64, String) -> String) {
            let mut text = "[".to_owned();
            for n in 0..PEOPLE {
                write!(text, "{} ", form(n, format!("[:name \"n{n}\"]"))).unwrap();
            }
            self.say(&(text + "]"));
        }

        fn people(&mut self) {
            self.say_of_all(|n, _| {
                let (age, secret) = (n * 7919 % 100, 77_000_000 + n);
                let tags = [":a", ":c :b", ":d :e :a"][n as usize % 3];
                format!("{{:name \"n{n}\" :age {age} :secret {secret} :last {n} :tag [{tags}]}}")
            });
        }

        fn checkpoint(&self) {
            self.conn.checkpoint().unwrap();
        }

        /// Nothing that was said has changed, for somebody who comes anew.
        fn check(&self) {
            let conn = Conn::connect_at(Arc::clone(&self.storage), &config("db")).unwrap();
            let entries = conn.tx_range(None, None, None).unwrap();
            assert_eq!(entries.len(), self.told.len());
            for (entry, (commit, datoms, state)) in entries.iter().zip(&self.told) {
                assert_eq!((entry.commit, &entry.datoms), (*commit, datoms));
                let db = conn.commit_as_db(*commit).unwrap().unwrap();
                assert_eq!(all(&db), *state, "t {}", entry.t);
            }
            let chain = conn.verify_chain().unwrap();
            assert_eq!(
                (chain.status, chain.commits, chain.redacted),
                (ChainStatus::Ok, entries.len() as u64, 0),
                "{chain:?}"
            );
            conn.release();
        }

        /// A dump has all, and what is made of it refers to rows of its own.
        fn check_dump(&self) {
            let dump_of = |storage: &Arc<dyn Storage>| {
                let mut dump = Vec::new();
                export_at(storage, &mut dump, &|_| {}).unwrap();
                dump
            };
            let dump = dump_of(&self.storage);
            let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
            import_at(&storage, &config("db"), &mut Cursor::new(&dump), &|_| {}).unwrap();
            assert!(dump_of(&storage) == dump);
            let conn = Conn::connect_at(Arc::clone(&storage), &config("db")).unwrap();
            let told = self.told.clone();
            let made = Story {
                storage,
                conn,
                told,
            };
            made.check();
            assert_eq!(made.referred(2), self.referred(2));
        }

        fn records(&self) -> Vec<ArchivedRecord> {
            let place = self.conn.database().unwrap().place().clone();
            let digest = place.load().unwrap().reference.unwrap().root.unwrap();
            let root = root::load(&*self.storage, digest).unwrap();
            let parts = root.archive.iter();
            let records = parts.flat_map(|part| {
                let transactions = place.segments.transactions(&part.stamp);
                transactions.range(0..u64::MAX)
            });
            records.map(Result::unwrap).collect()
        }

        /// The names of the attributes that the record of a t leaves to the rows.
        fn referred(&self, t: u64) -> Vec<String> {
            let records = self.records();
            let record = records.iter().find(|record| record.t == t).unwrap();
            let db = self.conn.db().unwrap();
            let referred = referred(record).unwrap().into_iter();
            let name = |a: AttrId| db.dictionary().interned(u64::from(a.0)).to_string();
            let mut names: Vec<String> = referred.map(name).collect();
            names.sort();
            names
        }
    }

    const ALL: [&str; 4] = [":age", ":name", ":secret", ":tag"];

    #[test]
    fn transactions_of_many_datoms_refer_to_rows() {
        let mut story = Story::begin();
        story.people();
        story.say("[{:name \"new\" :age 5}]");
        story.checkpoint();
        assert_eq!(story.referred(2), ALL);
        assert!(story.referred(1).is_empty() && story.referred(3).is_empty());
        // What is left is little, and repeats.
        let (body, datoms) = (&story.records()[1].body, story.told[1].1.len());
        assert!(body.len() < 3 * datoms, "{}", body.len());
        story.check();

        // The rows move on to the past, in part at once, in part after a checkpoint.
        story.say_of_all(|n, e| format!("[:db/add {e} :age {}]", n * 31 % 100));
        story.checkpoint();
        assert_eq!(story.referred(4), [":age"]);
        story.check();
        story.say_of_all(|_, e| format!("[:db/retract {e} :tag :a] [:db/retract {e} :secret]"));
        story.say("[[:db/retractEntity [:name \"n7\"]]]");
        story.check();
        story.checkpoint();
        story.say_of_all(|n, _| format!("{{:name \"n{n}\" :tag [:z :a] :secret {n}}}"));
        story.checkpoint();
        assert_eq!(story.referred(2), ALL);
        story.check();
        story.check_dump();

        // A branch from among them has records of its own, which refer to rows of its own.
        let (side, then) = (Keyword::new("side"), story.told[3].clone());
        let point = BranchPoint::Commit(then.0);
        story.conn.create_branch(&point, &side).unwrap();
        let side = Conn::connect_at(Arc::clone(&story.storage), &config("side")).unwrap();
        assert_eq!(all(&side.db().unwrap()), then.2);
        assert_eq!(side.tx_range(None, None, None).unwrap().len(), 4);
        assert_eq!(side.verify_chain().unwrap().status, ChainStatus::Ok);
    }

    #[test]
    fn what_rows_do_not_tell_is_found_out() {
        let mut story = Story::begin();
        story.people();
        story.checkpoint();
        let record = story.records().remove(1);
        let db = story.conn.db().unwrap();
        let said = contents(&record, &mut Rows::of(&db)).unwrap();
        assert_eq!(db.datoms_of(&said.datoms), story.told[1].1);
        let before = story.conn.commit_as_db(story.told[0].0).unwrap().unwrap();
        let error = contents(&record, &mut Rows::of(&before))
            .map(|_| ())
            .unwrap_err();
        assert_eq!(error.code(), Code::CorruptLog);
        assert!(error.to_string().contains("of t 2"), "{error}");

        let mut random = 1u64;
        let mut roll = |below: usize| {
            random = random.wrapping_mul(6364136223846793005);
            random = random.wrapping_add(1442695040888963407);
            (random >> 33) as usize % below
        };
        for _ in 0..400 {
            let mut changed = record.clone();
            // What stands first says most.
            let below = changed.body.len() >> (4 * roll(3));
            changed.body[roll(below)] = roll(256) as u8;
            let _ = contents(&changed, &mut Rows::of(&db));
        }
        let flags = ArchivedRecord { flags: 8, ..record };
        let error = contents(&flags, &mut Rows::of(&db))
            .map(|_| ())
            .unwrap_err();
        assert_eq!(error.code(), Code::FormatVersion);
    }

    #[test]
    fn rows_that_go_are_written_into_the_records_before() {
        let mut story = Story::begin();
        story.people();
        story.checkpoint();
        let plain = story.records()[1].body.len();
        // Its past goes from now on.
        story.say("[{:db/ident :secret :db/noHistory true}]");
        story.say_of_all(|n, e| format!("[:db/add {e} :secret {n}]"));
        story.checkpoint();
        assert_eq!(story.referred(2), [":age", ":name", ":tag"]);
        assert!(story.records()[1].body.len() > plain);
        assert!(story.referred(4).is_empty());
        story.check();
        // A value in the name of the transaction that made the others.
        story.say("[[:db/add [:name \"n1\"] :tag :late 536870914]]");
        story.checkpoint();
        story.check();
        story.check_dump();
    }

    #[test]
    fn purged_values_are_in_no_record_and_the_rest_refers_again() {
        let mut story = Story::begin();
        story.people();
        story.checkpoint();
        story.say_of_all(|n, e| format!("[:db/add {e} :age {}]", n * 37 % 100));
        story.say("[[:db.purge/entity [:name \"n7\"]]]");
        let kept = all(&story.conn.db().unwrap());
        story.checkpoint();
        // Until the sweep, the records say all they said.
        assert!(story.referred(2).is_empty());
        let chain = story.conn.verify_chain().unwrap();
        assert_eq!(
            (chain.status, chain.redacted),
            (ChainStatus::Ok, 0),
            "{chain:?}"
        );
        assert_eq!(
            story.conn.tx_range(None, None, None).unwrap()[1].datoms,
            story.told[1].1
        );
        let now = GcOptions {
            min_age_ms: Some(0),
        };
        story.conn.gc_storage(now).unwrap();
        assert_eq!(story.referred(2), ALL);
        let conn = Conn::connect_at(Arc::clone(&story.storage), &config("db")).unwrap();
        assert_eq!(all(&conn.db().unwrap()), kept);
        let chain = conn.verify_chain().unwrap();
        assert_eq!(chain.status, ChainStatus::Ok, "{chain:?}");
        assert_eq!(chain.redacted, 3);
        let entries = conn.tx_range(None, None, None).unwrap();
        let gone = entries.iter().zip(&story.told);
        let gone: Vec<usize> = gone
            .map(|(entry, (_, datoms, _))| datoms.len() - entry.datoms.len())
            .collect();
        assert_eq!(gone, [0, 6, 2, 0]);
        let first = conn.commit_as_db(entries[1].commit).unwrap().unwrap();
        assert_eq!(all(&first).len(), story.told[1].2.len() - 6);
        // Without what was before, no row says what it was.
        story.say("[[:db.history.purge/before #inst \"2999-01-01\"]]");
        story.checkpoint();
        assert_eq!(story.conn.verify_chain().unwrap().status, ChainStatus::Ok);
        story.conn.gc_storage(now).unwrap();
        let chain = story.conn.verify_chain().unwrap();
        assert_eq!(chain.status, ChainStatus::Ok, "{chain:?}");
    }
}
