//! A branch as far as it was read: its ref, its own log, and the value they make.
//!
//! Reading on is cheap: while the ref stays, only the log's new records are read. Where the ref
//! changed but still holds what was read, the rest of it is read; else all of it, from the root.

use std::sync::Arc;

use super::reference::{MAIN, Piece, Place, Position, Ref, pieces_after};
use super::replay::Replay;
use super::settings;
use crate::db::{Db, Options};
use crate::error::{Code, Error, Result};
use crate::index::Digest;
use crate::store::{Log, OnDamage, Origin, Put, RecordView, Start, Storage, WriterLease};
use crate::transact;
use crate::value::Value;

/// Most attempts at a branch that others change at the same time.
const ATTEMPTS: usize = 16;

/// A branch, open at the last record that was read.
pub(super) struct Lineage {
    pub(super) place: Place,
    options: Options,
    /// The lock that its writers hold.
    lock: String,
    /// The bytes of the ref that was read.
    pub(super) seen: Option<Vec<u8>>,
    pub(super) reference: Ref,
    /// The branch's own log; none before the first write.
    pub(super) log: Option<Log>,
    pub(super) db: Db,
    /// Whether the value may have fallen behind what was read of log and ref: all is to be read
    /// again.
    stale: bool,
}

impl Lineage {
    /// Opens a branch, if there is one. `lock`: the name of the lock that its writers hold.
    pub(super) fn open(place: Place, lock: String, options: Options) -> Result<Option<Lineage>> {
        let Some(reference) = place.load()?.reference else {
            return Ok(None);
        };
        let db = open_root(&*place.storage, None, &options)?;
        let mut lineage = Lineage {
            place,
            options,
            lock,
            seen: None,
            reference,
            log: None,
            db,
            stale: true,
        };
        lineage.read_on(None)?;
        Ok(Some(lineage))
    }

    /// Takes in what other processes wrote.
    pub(super) fn follow(&mut self) -> Result<()> {
        self.read_on(None)?;
        // Durable before it is seen: its writer may have died before its own sync.
        match &self.log {
            Some(log) => self.place.storage.sync(log.name()),
            None => Ok(()),
        }
    }

    /// Takes in what other processes wrote and makes the branch's own log fit to append to.
    pub(super) fn catch_up(&mut self, lease: &WriterLease) -> Result<()> {
        for _ in 0..ATTEMPTS {
            self.read_on(Some(lease))?;
            if !self.log.as_ref().is_some_and(Log::is_sealed) {
                return Ok(());
            }
            // Who sealed the log died before it changed the ref. If somebody else changed it just
            // now, that is seen at the next attempt.
            let next = Ref::fresh(self.reference.root, self.pieces(), self.head());
            self.swap(next)?;
        }
        Err(busy(&self.place))
    }

    /// The last record and what it needs, in pieces.
    pub(super) fn pieces(&self) -> Vec<Piece> {
        self.reference.pieces(self.log.as_ref().map(Log::tip))
    }

    /// What the next record follows.
    pub(super) fn head(&self) -> Origin {
        self.log.as_ref().map_or(self.reference.origin, Log::origin)
    }

    /// The place of the last record behind the root; none if there is none.
    pub(super) fn position(&self) -> Option<Position> {
        self.pieces()
            .pop()
            .map(|Piece { log, upto, .. }| Position { log, tip: upto })
    }

    /// Changes the ref, under the lease, to one that makes the same value; refused if it is no
    /// longer the one that was read.
    pub(super) fn swap(&mut self, next: Ref) -> Result<Put> {
        let Some(bytes) = self.place.swap(self.seen.as_deref(), Some(&next))? else {
            return Ok(Put::Refused);
        };
        (self.seen, self.reference, self.log) = (Some(bytes), next, None);
        Ok(Put::Done)
    }

    /// The branch's own log, made if this is the first write.
    pub(super) fn own_log(&mut self) -> Result<&mut Log> {
        if self.log.is_none() {
            let storage = Arc::clone(&self.place.storage);
            let Ref { log, origin, .. } = &self.reference;
            self.log = Some(Log::create(storage, log, *origin)?.under(&self.lock));
        }
        self.log.as_mut().ok_or_else(|| busy(&self.place))
    }

    fn read_on(&mut self, lease: Option<&WriterLease>) -> Result<()> {
        let mut failed: Option<Error> = None;
        for _ in 0..ATTEMPTS {
            let found = self.place.load()?;
            let reference = found.reference.ok_or_else(|| gone(&self.place))?;
            let changed = found.bytes != self.seen;
            match failed.take() {
                // Read from the start, and the ref is still the same.
                Some(error) if !changed => return Err(error),
                _ => self.seen = found.bytes,
            }
            let from_start = self.stale;
            let read = self.read(reference, changed, lease);
            self.stale = read.is_err();
            match read {
                // What was read of the log is no longer there, or what the ref named was collected
                // while it was read: what the ref says now decides.
                Err(error) if matches!(error.code(), Code::Fenced | Code::MissingSegment) => {
                    failed = from_start.then_some(error);
                }
                read => return read,
            }
        }
        Err(busy(&self.place))
    }

    /// Reads what is new, or everything.
    fn read(&mut self, next: Ref, changed: bool, lease: Option<&WriterLease>) -> Result<()> {
        let rest = match (self.stale, changed) {
            (true, _) => None,
            (false, true) => self.rest_of(&next),
            (false, false) => Some(Vec::new()),
        };
        self.stale = true;
        if rest.is_none() {
            self.db = open_root(&*self.place.storage, next.root, &self.options)?;
        }
        let kept = self
            .log
            .take()
            .filter(|log| rest.is_some() && log.name() == next.log);
        let rest = rest.unwrap_or_else(|| next.base.clone());
        (self.reference, self.log) = (next, kept);
        let mut replay = Replay::upon(&self.db);
        let storage = &self.place.storage;
        let mut add = |record: RecordView<'_>| replay.add(&record);
        for Piece { log, after, upto } in &rest {
            Log::read_between(Arc::clone(storage), log, *after, upto, &mut add)?;
        }
        if self.log.is_none() {
            self.log =
                open_own(&self.place, &self.reference, &mut add)?.map(|log| log.under(&self.lock));
        }
        if let Some(log) = &mut self.log {
            match lease {
                Some(lease) => log.catch_up(lease, &mut add)?,
                None => log.follow(&mut add)?,
            };
        }
        self.db = replay.finish();
        if self.db.commit_id().unwrap_or_default() != self.head().commit {
            let message = "the own log of the branch does not continue what the branch starts from";
            return Err(Error::new(Code::CorruptLog, message).with("file", self.place.name()));
        }
        Ok(())
    }

    /// The pieces of another ref behind what was read of this one, if it holds that.
    fn rest_of(&self, next: &Ref) -> Option<Vec<Piece>> {
        if next.root != self.reference.root {
            return None;
        }
        let position = self.position();
        match &position {
            Some(position) if position.log == next.log => Some(Vec::new()),
            _ => pieces_after(&next.base, position.as_ref()),
        }
    }
}

/// The value that pieces make upon a root.
pub(super) fn read_pieces(
    place: &Place,
    options: &Options,
    root: Option<Digest>,
    pieces: &[Piece],
) -> Result<Db> {
    let mut replay = Replay::upon(&open_root(&*place.storage, root, options)?);
    for Piece { log, after, upto } in pieces {
        let storage = Arc::clone(&place.storage);
        Log::read_between(storage, log, *after, upto, &mut |record| {
            replay.add(&record)
        })?;
    }
    Ok(replay.finish())
}

/// The value a root holds; that of no root is the empty database.
fn open_root(_storage: &dyn Storage, root: Option<Digest>, options: &Options) -> Result<Db> {
    match root {
        None => Ok(transact::create(options.clone())),
        Some(root) => Err(Error::new(
            Code::Unsupported,
            format!("this build reads no roots, such as {root}"),
        )),
    }
}

/// Opens the own log of a branch, if it was made.
fn open_own(
    place: &Place,
    reference: &Ref,
    add: &mut dyn FnMut(RecordView<'_>) -> Result<()>,
) -> Result<Option<Log>> {
    let storage = Arc::clone(&place.storage);
    match Log::open(storage, &reference.log, Start::First, OnDamage::Refuse, add) {
        Ok((log, _)) => Ok(Some(log)),
        // The first log is made with the database.
        Err(error) if error.code() == Code::DbDoesNotExist && reference.log == place.database => {
            Err(gone(place))
        }
        Err(error) if error.code() == Code::DbDoesNotExist => Ok(None),
        Err(error) => Err(error),
    }
}

/// The error for a branch that is no longer there.
pub(super) fn gone(place: &Place) -> Error {
    let branch = Value::Keyword(place.branch.clone());
    match settings::is_there(&*place.storage) {
        Ok(true) if place.branch.as_str() != MAIN => Error::new(
            Code::BranchDoesNotExist,
            format!("The branch {} has been deleted.", place.branch),
        )
        .with("branch", branch),
        _ => Error::new(Code::DbDoesNotExist, "The database has been deleted."),
    }
}

fn busy(place: &Place) -> Error {
    let message = format!(
        "the branch {} changes faster than it can be read",
        place.branch
    );
    Error::new(Code::Fenced, message)
}
