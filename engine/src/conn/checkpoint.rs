//! Checkpoints: the novelty of a branch folded into segments, while it is read and written.
//!
//! A checkpoint takes the newest value, writes what no segment holds yet, and lets the branch go on
//! from the new root; only the first and the last step take the right to write, for moments. One
//! runs at a time in a store, on a thread of its own. Writers that run too far ahead of it wait.

use std::sync::{Arc, PoisonError};
use std::thread;

use super::database::Database;
use super::intake::Intake;
use super::journal::Settled;
use super::pin::MAINTENANCE;
use super::purge::{Purges, Used};
use super::rebuild::Redacted;
use super::refer::Rows;
use super::reference::Piece;
use crate::error::{Code, Error, Result};
use crate::fault;
use crate::limits::{CHECKPOINT_LOG_BYTES, NOVELTY_LOG_BYTES, RELEASE_LOG_BYTES};
use crate::root::{self, Reuse};
use crate::store::{LockAttempt, Log};
use crate::transact;

/// What became of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checkpoint {
    /// The branch has a new root.
    Done,
    /// All lay in segments already.
    NothingNew,
    /// Somebody else writes segments of this store; they or a later checkpoint will do.
    Busy,
}

impl Database {
    /// Folds all novelty into segments.
    ///
    /// Errors leave the branch as it was; what was written is garbage.
    pub(super) fn checkpoint(&self) -> Result<Checkpoint> {
        let place = self.place();
        let holder = format!(
            "checkpoint of {} by process {}",
            place.branch,
            std::process::id()
        );
        let _maintenance = match place.storage.try_lock(MAINTENANCE, &holder)? {
            LockAttempt::Taken(lock) => lock,
            LockAttempt::Busy(_) => return Ok(Checkpoint::Busy),
        };
        self.checkpoint_under_maintenance(Reuse::Shared)
    }

    /// The same for who holds the lock of segments already.
    pub(super) fn checkpoint_under_maintenance(&self, reuse: Reuse<'_>) -> Result<Checkpoint> {
        let settled = self.settled()?;
        if settled.pieces.is_empty() {
            let is_due = settled.opened.as_deref().is_some_and(|root| {
                root::is_wasteful(&settled.db, root, &reuse)
                    || root::lacks_graphs(&settled.db, root)
            });
            if !is_due {
                return Ok(Checkpoint::NothingNew);
            }
        }
        let written = fault::catch(|| self.write_root(&settled, reuse))?;
        self.adopt(&written, settled.position.as_ref())?;
        Ok(Checkpoint::Done)
    }

    /// Writes a root of a settled state.
    fn write_root(&self, settled: &Settled, reuse: Reuse<'_>) -> Result<root::Written> {
        let place = self.place();
        let mut intake = Intake::of(&settled.db);
        for Piece { log, after, upto } in &settled.pieces {
            let storage = Arc::clone(&place.storage);
            Log::read_between(storage, log, *after, upto, &mut |record| {
                intake.add(&record, Redacted::No)
            })?;
        }
        if intake.is_empty() && !settled.pieces.is_empty() {
            let message = "pieces of a log hold no records";
            return Err(Error::new(Code::Internal, message));
        }
        let previous = settled.opened.as_ref();
        let at = settled.root_position(previous.is_some_and(|root| root.unswept));
        intake.write(&*place.storage, &place.segments, (previous, reuse), at)
    }

    /// Writes a root without anything that was purged; none if nothing was since the last sweep.
    fn write_swept_root(&self, settled: &Settled) -> Result<Option<root::Written>> {
        let place = self.place();
        let Some(root) = settled.opened.as_deref().filter(|root| root.unswept) else {
            return Ok(None);
        };
        let all = || {
            let parts = root.archive.iter();
            parts.flat_map(|part| {
                place
                    .segments
                    .transactions(&part.stamp)
                    .range(part.first..part.last + 1)
            })
        };
        let mut purges = Purges::default();
        all().try_for_each(|record| purges.note(&record?))?;
        let mut rows = Rows::of(&settled.db);
        if purges.spans_past() {
            all().try_for_each(|record| purges.note_ends(&record?, &mut rows))?;
        }
        let origin = transact::create(settled.db.options().as_ref().clone());
        let mut used = Used::by(&settled.db, &origin);
        for record in all() {
            used.mark_datoms(&purges.left(&record?, &mut rows)?.0.datoms);
        }
        let mut records = all().map(|record| used.redact(purges.redact(record?, &mut rows)?));
        let reuse = Reuse::Purged {
            live: &|id| used.is_used(id),
        };
        let written = root::write(
            &*place.storage,
            &place.segments,
            &settled.db,
            (Some(root), reuse),
            settled.root_position(false),
            &mut records,
        )?;
        Ok(Some(written))
    }

    /// Takes what was purged out of archive and dictionary. All novelty is in segments before.
    pub(super) fn sweep(&self) -> Result<bool> {
        let settled = self.settled()?;
        if !settled.pieces.is_empty() {
            // Somebody wrote since: a later sweep does it.
            return Ok(false);
        }
        match fault::catch(|| self.write_swept_root(&settled))? {
            None => Ok(false),
            Some(written) => self.adopt(&written, None).map(|()| true),
        }
    }

    /// Begins a checkpoint if one is due, and waits for it where novelty grows without bounds.
    pub(super) fn keep_novelty_small(self: &Arc<Database>) {
        let novelty_bytes = self.novelty_bytes();
        if !self.keeps_segments() || novelty_bytes < CHECKPOINT_LOG_BYTES {
            return;
        }
        let mut merger = self.merger().lock().unwrap_or_else(PoisonError::into_inner);
        if merger.as_ref().is_some_and(|thread| thread.is_finished()) {
            // A checkpoint that failed left everything as it was; the next may do better.
            let _ = merger.take().map(thread::JoinHandle::join);
        }
        if merger.is_none() {
            let database = Arc::downgrade(self);
            let started = thread::Builder::new()
                .name("datalith-checkpoint".to_owned())
                .spawn(move || {
                    if let Some(database) = database.upgrade() {
                        let _ = database.checkpoint();
                    }
                });
            *merger = started.ok();
        }
        if novelty_bytes >= NOVELTY_LOG_BYTES {
            let _ = merger.take().map(thread::JoinHandle::join);
        }
    }

    /// Ends the checkpoint at work, and leaves little novelty for the next who opens the branch.
    pub(super) fn close(&self) {
        self.stop_building();
        let mut merger = self.merger().lock().unwrap_or_else(PoisonError::into_inner);
        let _ = merger.take().map(thread::JoinHandle::join);
        drop(merger);
        // Who only read leaves the branch alone.
        let is_ours = self.has_written() && self.keeps_segments();
        if is_ours && self.novelty_bytes() >= RELEASE_LOG_BYTES {
            // Who opens it next replays a longer log, or makes the checkpoint.
            let _ = self.checkpoint();
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::conn::branch::BranchPoint;
    use crate::conn::history::ChainStatus;
    use crate::conn::{Config, Conn, create_database_at};
    use crate::db::{Db, Index, datoms};
    use crate::edn;
    use crate::store::{MemoryStorage, Storage};
    use crate::transact::TxData;
    use crate::value::{Keyword, Value};

    fn config() -> Config {
        Config::memory(Uuid::from_u128(7))
    }

    fn transact(conn: &Conn, text: &str) {
        let data = TxData::from_value(&edn::read(text).unwrap()).unwrap();
        conn.transact(&data).unwrap();
    }

    fn store() -> (Arc<dyn Storage>, Conn) {
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
        create_database_at(&storage, &config()).unwrap();
        let conn = Conn::connect_at(Arc::clone(&storage), &config()).unwrap();
        transact(
            &conn,
            "[{:db/ident :name :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
              {:db/ident :age :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]",
        );
        (storage, conn)
    }

    fn all(db: &Db) -> Vec<String> {
        let datoms = datoms(&db.history().unwrap(), Index::Eavt, &[]).unwrap();
        datoms.iter().map(|datom| format!("{datom:?}")).collect()
    }

    #[test]
    fn checkpoint_changes_nothing_that_anybody_sees() {
        let (storage, conn) = store();
        let mut states = Vec::new();
        for n in 0..12 {
            transact(
                &conn,
                &format!(
                    "[{{:name \"a{n}\" :age {n}}} {{:name \"a{}\" :age {}}}]",
                    n / 2,
                    100 + n
                ),
            );
            if n % 3 == 1 {
                assert_eq!(conn.checkpoint().unwrap(), Checkpoint::Done);
                assert_eq!(conn.checkpoint().unwrap(), Checkpoint::NothingNew);
            }
            states.push((
                conn.db().unwrap().commit_id().unwrap(),
                all(&conn.db().unwrap()),
            ));
        }
        let now = conn.db().unwrap();
        assert_eq!(conn.tx_range(None, None, None).unwrap().len(), 13);
        let reader = Conn::connect_at(storage, &config()).unwrap();
        assert_eq!(all(&reader.db().unwrap()), all(&now));
        for (commit, state) in &states {
            let db = reader.commit_as_db(*commit).unwrap().unwrap();
            assert_eq!((db.commit_id(), &all(&db)), (Some(*commit), state));
        }
        let report = reader.verify_chain().unwrap();
        assert_eq!(
            (report.status, report.commits, report.redacted),
            (ChainStatus::Ok, 13, 0),
            "{report:?}"
        );
        assert_eq!(reader.branch_history().unwrap().len(), 13);

        // A reader sees what is written after its root was replaced.
        transact(&conn, "[{:name \"late\"}]");
        conn.checkpoint().unwrap();
        transact(&conn, "[{:name \"later\"}]");
        assert_eq!(all(&reader.db().unwrap()), all(&conn.db().unwrap()));
    }

    #[test]
    fn branch_from_an_archived_commit_goes_its_own_way() {
        let (storage, conn) = store();
        transact(&conn, "[{:name \"one\" :age 1}]");
        let then = conn.db().unwrap();
        transact(&conn, "[{:name \"two\" :age 2}]");
        conn.checkpoint().unwrap();
        let side = Keyword::new("side");
        conn.create_branch(&BranchPoint::Commit(then.commit_id().unwrap()), &side)
            .unwrap();
        let config = config().with("branch", Value::Keyword(side)).unwrap();
        let branch = Conn::connect_at(Arc::clone(&storage), &config).unwrap();
        assert_eq!(all(&branch.db().unwrap()), all(&then));
        transact(&branch, "[{:name \"three\" :age 3}]");
        branch.checkpoint().unwrap();
        transact(&branch, "[{:name \"four\" :age 4}]");
        let again = Conn::connect_at(storage, &config).unwrap();
        assert_eq!(all(&again.db().unwrap()), all(&branch.db().unwrap()));
        assert_eq!(again.verify_chain().unwrap().status, ChainStatus::Ok);
        assert_eq!(all(&conn.db().unwrap()).len(), all(&then).len() + 3);
    }
}
