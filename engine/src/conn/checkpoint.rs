//! Checkpoints: the novelty of a branch folded into segments, while it is read and written.
//!
//! A checkpoint takes the newest value, writes what no segment holds yet, and lets the branch go on
//! from the new root; only the first and the last step take the right to write, for moments. One
//! runs at a time in a store, on a thread of its own. Writers that run too far ahead of it wait.

use std::sync::{Arc, PoisonError};
use std::thread;

use super::archive::archived;
use super::database::Database;
use super::journal::Settled;
use super::reference::Piece;
use crate::error::{Code, Error, Result};
use crate::fault;
use crate::limits::{CHECKPOINT_LOG_BYTES, NOVELTY_LOG_BYTES, RELEASE_LOG_BYTES};
use crate::root;
use crate::segment::ArchivedRecord;
use crate::store::{LockAttempt, Log};

/// The lock of whoever writes or removes segments.
pub(super) const MAINTENANCE: &str = "maintenance";

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
        let settled = self.settled()?;
        if settled.pieces.is_empty() {
            return Ok(Checkpoint::NothingNew);
        }
        let written = fault::catch(|| self.write_root(&settled))?;
        self.adopt(&written, settled.position.as_ref())?;
        Ok(Checkpoint::Done)
    }

    /// Writes a root of a settled state.
    pub(super) fn write_root(&self, settled: &Settled) -> Result<root::Written> {
        let place = self.place();
        let records = records_of(&place.storage, &settled.pieces)?;
        let at = root::Position {
            commit: settled.head.commit,
            t: settled.head.t,
            epoch: settled.head.epoch,
        };
        root::write(
            &*place.storage,
            &place.segments,
            &settled.db,
            settled.opened.as_deref(),
            at,
            &mut records.into_iter().map(Ok),
        )
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
        let mut merger = self.merger().lock().unwrap_or_else(PoisonError::into_inner);
        let _ = merger.take().map(thread::JoinHandle::join);
        drop(merger);
        if self.keeps_segments() && self.novelty_bytes() >= RELEASE_LOG_BYTES {
            // Who opens it next replays a longer log, or makes the checkpoint.
            let _ = self.checkpoint();
        }
    }
}

/// The records of pieces as they are archived.
fn records_of(
    storage: &Arc<dyn crate::store::Storage>,
    pieces: &[Piece],
) -> Result<Vec<ArchivedRecord>> {
    let mut records = Vec::new();
    for Piece { log, after, upto } in pieces {
        Log::read_between(Arc::clone(storage), log, *after, upto, &mut |record| {
            records.push(archived(&record)?);
            Ok(())
        })?;
    }
    match records.is_empty() {
        true => Err(Error::new(
            Code::Internal,
            "pieces of a log hold no records",
        )),
        false => Ok(records),
    }
}
