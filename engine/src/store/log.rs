//! The append-only log: what was acknowledged is there, whole, in order, or there is an error.
//!
//! Reading takes no lock. Writing takes a [`WriterLease`], catches up with what other processes
//! wrote, and appends a group of records with one write and one sync. A group is acknowledged after
//! its sync; until then it is whole or absent after a crash.

use std::sync::Arc;

use uuid::Uuid;

use super::lease::WriterLease;
use super::record::{Framer, LogHeader, LogPosition, SECTOR_BYTES, Tip, sector_print};
use super::scan::{Scanned, Sectors, Visit, corrupt, last_group, read_record, scan, tip_before};
use super::storage::{Put, Storage};
use crate::error::{Code, Error, Result};

/// A log, open at the last record this handle has seen.
#[derive(Debug)]
pub struct Log {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) name: String,
    /// The lock that keeps other writers out.
    pub(super) lock: String,
    pub(super) framer: Framer,
    pub(super) tip: Tip,
    /// The epoch of this handle, once it has written.
    pub(super) epoch: Option<u64>,
    /// Whether this handle knows that all up to the tip is durable, and nothing beyond it.
    pub(super) settled: bool,
    pub(super) state: State,
}

/// What a handle may still do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Everything.
    Ready,
    /// Read: the log is closed for ever.
    Sealed,
    /// Read: an earlier failure left the end of the log unknown.
    Poisoned,
    /// Read what comes before the damage.
    Damaged,
}

/// What a new log continues: the last commit of another log, or nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The commit the first record follows; nil for none.
    pub commit: Uuid,
    /// The t of that commit.
    pub t: u64,
    /// The epoch of that commit.
    pub epoch: u64,
}

/// Where the records that [`Log::open`] gives begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// At the first.
    #[default]
    First,
    /// After a tip seen earlier, in this process or another.
    After(Tip),
}

/// What [`Log::open`] does with a log that is damaged before its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDamage {
    /// Fails with [`Code::CorruptLog`].
    #[default]
    Refuse,
    /// Opens what comes before the damage, for reading only.
    ReadBefore,
}

/// What reading the end of a log came by.
#[derive(Clone, Debug, Default)]
pub struct Recovery {
    /// Records given.
    pub records: u64,
    /// Bytes of a group at the end that was never finished. Another process may be writing it, so
    /// only [`Log::catch_up`] drops them.
    pub torn_bytes: u64,
    /// The damage before which [`OnDamage::ReadBefore`] stopped.
    pub damage: Option<Error>,
}

impl Log {
    /// Makes a log that does not exist yet; [`Code::DbAlreadyExists`] if it does.
    pub fn create(storage: Arc<dyn Storage>, name: &str, origin: Origin) -> Result<Log> {
        let Origin { commit, t, epoch } = origin;
        let header = LogHeader {
            log: Uuid::new_v4(),
            commit,
            t,
            epoch,
        };
        match storage.create(name, &header.encode())? {
            Put::Done => {
                let log = Log::at(storage, name, &header, header.tip());
                Ok(Log {
                    settled: true,
                    ..log
                })
            }
            Put::Refused => Err(Error::new(
                Code::DbAlreadyExists,
                format!("the log {name} exists already"),
            )),
        }
    }

    /// The same log, written by those who hold another lock than the one of its own name.
    #[must_use]
    pub fn under(self, lock: &str) -> Log {
        Log {
            lock: lock.to_owned(),
            ..self
        }
    }

    /// Opens a log at its end, without reading what is before. Cost: O(last group).
    pub fn open_at_end(storage: Arc<dyn Storage>, name: &str) -> Result<Log> {
        let header = LogHeader::load(&*storage, name)?;
        let end = storage.size(name)?.unwrap_or_default();
        let mut log = Log::at(storage, name, &header, header.tip());
        let sectors = Sectors::new(&*log.storage, &log.name, &log.framer, end);
        let mut sectors = sectors.scattered();
        if let Some(tip) = last_group(&mut sectors)? {
            log.tip = tip;
        }
        log.follow(&mut |_| Ok(()))?;
        Ok(log)
    }

    /// Gives the records of a log behind one tip, up to and including another, to `visit`.
    ///
    /// - `upto`: may name a record in the midst of a group; `end` is that of the group.
    /// - Fails with [`Code::MissingSegment`] if there is no such log, with [`Code::CorruptLog`] if it
    ///   does not hold these records.
    pub fn read_between(
        storage: Arc<dyn Storage>,
        name: &str,
        after: Option<Tip>,
        upto: &Tip,
        visit: Visit<'_>,
    ) -> Result<()> {
        let header = LogHeader::load(&*storage, name).map_err(|e| {
            if e.code() == Code::DbDoesNotExist {
                missing(name)
            } else {
                e
            }
        })?;
        let mut log = Log::at(storage, name, &header, after.unwrap_or(header.tip()));
        let size = log.check_tip()?;
        let mut sectors = Sectors::new(&*log.storage, name, &log.framer, size.min(upto.end));
        let mut last = log.tip.commit;
        scan(&mut sectors, &mut log.tip, &mut |record| {
            if record.t > upto.t {
                return Ok(());
            }
            last = record.commit;
            visit(record)
        })?;
        if last == upto.commit {
            return Ok(());
        }
        let message = format!("the log {name} does not hold commit {}", upto.commit);
        Err(Error::new(Code::CorruptLog, message))
    }

    /// A tip of a log that all its records from `t` on come after, and few others; none is its
    /// start. Cost: O(log records).
    pub fn tip_before(storage: &dyn Storage, name: &str, t: u64) -> Result<Option<Tip>> {
        let header = LogHeader::load(storage, name)?;
        let end = storage.size(name)?.unwrap_or_default();
        let framer = Framer::new(header.log);
        tip_before(
            &mut Sectors::new(storage, name, &framer, end).scattered(),
            t,
        )
    }

    /// Opens a log and gives each record from `start` on to `visit`, in order.
    ///
    /// Changes nothing and takes no lock. Fails with [`Code::CorruptLog`], [`Code::FormatVersion`],
    /// [`Code::DbDoesNotExist`], [`Code::Fenced`] if the log does not hold the tip to start after.
    pub fn open(
        storage: Arc<dyn Storage>,
        name: &str,
        start: Start,
        on_damage: OnDamage,
        visit: Visit<'_>,
    ) -> Result<(Log, Recovery)> {
        let header = LogHeader::load(&*storage, name)?;
        let tip = match start {
            Start::First => header.tip(),
            Start::After(tip) => tip,
        };
        let mut log = Log::at(storage, name, &header, tip);
        let mut records = 0;
        let followed = log.follow(&mut |record| {
            visit(record)?;
            records += 1;
            Ok(())
        });
        match followed {
            Err(e) if e.code() == Code::CorruptLog && on_damage == OnDamage::ReadBefore => {
                log.state = State::Damaged;
                Ok((
                    log,
                    Recovery {
                        records,
                        torn_bytes: 0,
                        damage: Some(e),
                    },
                ))
            }
            followed => Ok((log, followed?)),
        }
    }

    pub(super) fn at(storage: Arc<dyn Storage>, name: &str, header: &LogHeader, tip: Tip) -> Log {
        let framer = Framer::new(header.log);
        Log {
            storage,
            name: name.to_owned(),
            lock: name.to_owned(),
            framer,
            tip,
            epoch: None,
            settled: false,
            state: State::Ready,
        }
    }

    /// The end of what this handle has seen.
    pub fn tip(&self) -> Tip {
        self.tip
    }

    /// What it is called in its store.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is closed for ever, as far as this handle has seen.
    pub fn is_sealed(&self) -> bool {
        self.state == State::Sealed
    }

    /// What the log continues if nothing was appended to it, else its last record.
    pub fn origin(&self) -> Origin {
        let Tip {
            commit, t, epoch, ..
        } = self.tip;
        Origin { commit, t, epoch }
    }

    /// Waits for the right to append; see [`WriterLease::acquire`].
    pub fn lease(&self, timeout_ms: u64) -> Result<WriterLease> {
        WriterLease::acquire(&*self.storage, &self.lock, self.tip.epoch, timeout_ms)
    }

    /// Gives the records that others appended since to `visit`; for readers.
    ///
    /// A group counts as soon as it is whole, which may be one sync before it is durable. Where it
    /// fails, the position stays before the group that failed. [`Code::Fenced`] means that the log
    /// no longer holds what this handle saw: open it again.
    pub fn follow(&mut self, visit: Visit<'_>) -> Result<Recovery> {
        let end = self.check_tip()?;
        let before = self.tip.end;
        let mut sectors = Sectors::new(&*self.storage, &self.name, &self.framer, end);
        let scanned = scan(&mut sectors, &mut self.tip, visit);
        self.settled &= self.tip.end == before;
        let Scanned {
            records,
            torn_bytes,
            sealed,
        } = scanned?;
        if sealed && self.state == State::Ready {
            (self.state, self.settled) = (State::Sealed, false);
        }
        Ok(Recovery {
            records,
            torn_bytes,
            damage: None,
        })
    }

    /// Gives the records that others appended since to `visit` and makes the end fit to append to:
    /// what is there is durable, what was never finished is dropped.
    pub fn catch_up(&mut self, lease: &WriterLease, visit: Visit<'_>) -> Result<Recovery> {
        self.check_lease(lease)?;
        let recovery = self.follow(visit)?;
        if !self.settled {
            // The writer of the last group may have died before its sync, or after one that failed;
            // nobody may build on records that can vanish. Groups before it were settled by then.
            self.storage.settle(&self.name, self.last_group_at()?)?;
            self.settled = true;
        }
        if recovery.torn_bytes > 0 && !self.is_sealed() {
            self.storage.truncate(&self.name, self.tip.end)?;
            self.storage.sync(&self.name)?;
        }
        Ok(recovery)
    }

    /// Gives the record at a position to `visit`; only positions up to the tip hold one.
    pub fn read(&self, place: LogPosition, visit: Visit<'_>) -> Result<()> {
        let mut sectors = Sectors::new(&*self.storage, &self.name, &self.framer, self.tip.end);
        read_record(&mut sectors, place, visit)
    }

    /// Refuses a handle that a failure left in doubt.
    pub(super) fn check_lease(&self, lease: &WriterLease) -> Result<()> {
        assert_eq!(
            lease.name(),
            self.lock,
            "a lease is for the lock it was taken for"
        );
        let why = match self.state {
            State::Ready | State::Sealed => return Ok(()),
            State::Poisoned => (
                Code::Storage,
                "must be opened again after a write that failed",
            ),
            State::Damaged => (
                Code::CorruptLog,
                "is damaged and was opened for reading only",
            ),
        };
        Err(Error::new(
            why.0,
            format!("the log {} {}", self.name, why.1),
        ))
    }

    /// Checks that the log still holds the last sector this handle saw; gives the log's length.
    pub(super) fn check_tip(&self) -> Result<u64> {
        let sector_bytes = SECTOR_BYTES as u64;
        let at = self.tip.end.saturating_sub(sector_bytes);
        let size = self.storage.size(&self.name)?.unwrap_or_default();
        if size < self.tip.end || self.tip.end < sector_bytes || !at.is_multiple_of(sector_bytes) {
            return Err(self.fenced());
        }
        let last = self
            .storage
            .read(&self.name, at..self.tip.end)?
            .unwrap_or_default();
        if last.len() == SECTOR_BYTES && sector_print(&last) == self.tip.last_sector {
            return Ok(size);
        }
        if at > 0
            && last.len() == SECTOR_BYTES
            && self.framer.open(at / sector_bytes, &last).is_none()
        {
            return Err(corrupt(at / sector_bytes, "does not match its checksum"));
        }
        Err(self.fenced())
    }

    /// Where the last group starts.
    fn last_group_at(&self) -> Result<u64> {
        let number = self.tip.end / SECTOR_BYTES as u64 - 1;
        let mut sectors = Sectors::new(&*self.storage, &self.name, &self.framer, self.tip.end);
        Ok(SECTOR_BYTES as u64 * (number - sectors.index_in_group(number)?))
    }

    pub(super) fn fenced(&self) -> Error {
        let message = format!(
            "the log {} does not end where this writer left it",
            self.name
        );
        Error::new(Code::Fenced, message)
            .with("epoch", i64::try_from(self.tip.epoch).unwrap_or(i64::MAX))
    }
}

/// The error for a log that should be there.
fn missing(name: &str) -> Error {
    Error::new(
        Code::MissingSegment,
        format!("the log {name} of an earlier part of the branch is not there"),
    )
    .with("file", name)
}
