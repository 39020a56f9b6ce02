//! A database whose transactions are kept in a log: groups in, records out, other processes' on the
//! way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::database::{Head, all_failed, work_out};
use super::payload::{self, Changes};
use super::queue::{Answer, Request};
use super::replay::Replay;
use crate::datom::TX0;
use crate::db::Db;
use crate::error::{Code, Error, Result};
use crate::limits::{GROUP_BYTES, LEASE_HELD_MS, LOG_RECORD_BYTES};
use crate::store::{Entry, Log, OnDamage, Origin, Recovery, Start, Storage, WriterLease};
use crate::transact::{Transaction, TxData, TxReport};
use crate::value::Value;

/// The log of an open database, and the value its records make.
pub(super) struct Journal {
    storage: Arc<dyn Storage>,
    name: String,
    log: Log,
    /// Before the first record.
    origin: Db,
    /// At the log's tip.
    db: Db,
    lease: Option<(WriterLease, Instant)>,
    /// Whether the value may have fallen behind the log's tip: both are to be read again.
    stale: bool,
    /// Why nothing is written any more.
    stopped: Option<Error>,
}

impl Journal {
    /// Makes the log of a new database.
    pub(super) fn create(storage: Arc<dyn Storage>, name: &str, origin: Db) -> Result<Journal> {
        let log = Log::create(Arc::clone(&storage), name, Origin::default())?;
        let (name, db) = (name.to_owned(), origin.clone());
        Ok(Journal {
            storage,
            name,
            log,
            origin,
            db,
            lease: None,
            stale: false,
            stopped: None,
        })
    }

    /// Opens a log and makes the database value that its records describe.
    pub(super) fn open(storage: Arc<dyn Storage>, name: &str, origin: Db) -> Result<Journal> {
        let (log, db) = read(&storage, name, &origin)?;
        let name = name.to_owned();
        Ok(Journal {
            storage,
            name,
            log,
            origin,
            db,
            lease: None,
            stale: false,
            stopped: None,
        })
    }

    /// The value at the log's end, as far as it was read.
    pub(super) fn db(&self) -> &Db {
        &self.db
    }

    /// Bytes of the log that were read.
    pub(super) fn end(&self) -> u64 {
        self.log.tip().end
    }

    /// Takes in what other processes wrote.
    pub(super) fn follow(&mut self, head: &Head) -> Result<()> {
        // After a failed sync the end of the log may hold what nobody should see.
        if self.stopped.is_some() {
            return Ok(());
        }
        self.read_on(|log, replay| log.follow(&mut |record| replay.add(&record)))?;
        // Durable before it is seen: its writer may have died before its own sync.
        self.storage.sync(&self.name)?;
        head.publish(&self.db, self.end());
        Ok(())
    }

    /// Works off a group of transactions, in order.
    pub(super) fn commit(
        &mut self,
        group: &[&Request],
        lock_timeout_ms: u64,
        head: &Head,
    ) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(group.len());
        while answers.len() < group.len() {
            let rest = &group[answers.len()..];
            match self.prepare(lock_timeout_ms, head) {
                Ok(()) => answers.extend(self.commit_some(rest, head)),
                Err(error) => answers.extend(all_failed(rest.len(), &error)),
            }
        }
        answers
    }

    /// Works off as many transactions of a group as one append may take; at least one.
    fn commit_some(&mut self, group: &[&Request], head: &Head) -> Vec<Answer> {
        let (mut answers, mut pending, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut db = self.db.clone();
        for request in group {
            if bytes > GROUP_BYTES {
                break;
            }
            match work_out(&db, &request.data).and_then(|made| written(&made)) {
                Ok((report, payload)) => {
                    db = report.db_after.clone();
                    bytes += payload.len();
                    pending.push(payload);
                    answers.push(Ok(report));
                }
                Err(error) => answers.push(Err(error)),
            }
        }
        let mut reports: Vec<&mut TxReport> = answers.iter_mut().flatten().collect();
        match self.append(&mut reports, &pending, head) {
            Ok(()) => {
                let told = group.iter().zip(&answers);
                told.for_each(|(request, answer)| {
                    if let Ok(report) = answer {
                        request.listeners.push(report);
                    }
                });
            }
            Err(error) => answers
                .iter_mut()
                .filter(|answer| answer.is_ok())
                .for_each(|answer| {
                    *answer = Err(error.clone());
                }),
        }
        answers
    }

    /// Makes one transaction outside of any queue: the first of a new database.
    pub(super) fn transact(&mut self, data: &TxData, head: &Head) -> Result<()> {
        self.prepare(0, head)?;
        let (mut report, payload) = work_out(&self.db, data).and_then(|made| written(&made))?;
        self.append(&mut [&mut report], &[payload], head)?;
        self.lease = None;
        Ok(())
    }

    /// Gives the right to write up, if it was held long enough or nobody waits to use it.
    pub(super) fn rest(&mut self, others_wait: Waiting) {
        let held = self.lease.as_ref().map(|(_, since)| since.elapsed());
        let long = held.is_some_and(|held| held > Duration::from_millis(LEASE_HELD_MS));
        if long || others_wait == Waiting::Nobody {
            self.lease = None;
        }
    }

    /// Takes the right to write and everything that was written before.
    fn prepare(&mut self, lock_timeout_ms: u64, head: &Head) -> Result<()> {
        if let Some(error) = &self.stopped {
            return Err(stopped_by(error));
        }
        if self.lease.is_some() {
            return Ok(());
        }
        let lease = self.log.lease(lock_timeout_ms)?;
        self.read_on(|log, replay| log.catch_up(&lease, &mut |record| replay.add(&record)))
            .map_err(|error| error.with("db/outcome", Value::keyword("not-committed")))?;
        head.publish(&self.db, self.end());
        self.lease = Some((lease, Instant::now()));
        Ok(())
    }

    /// Reads records behind the tip into the value. Where the log no longer holds what was read of
    /// it, for it was put back to an earlier state, all of it is read again.
    fn read_on(
        &mut self,
        mut read_from: impl FnMut(&mut Log, &mut Replay) -> Result<Recovery>,
    ) -> Result<()> {
        for attempt in 0..2 {
            if self.stale {
                (self.log, self.db) = read(&self.storage, &self.name, &self.origin)?;
            }
            self.stale = true;
            let mut replay = Replay::upon(&self.db);
            match read_from(&mut self.log, &mut replay).map(|_| replay.finish()) {
                Ok(db) => {
                    (self.db, self.stale) = (db, false);
                    return Ok(());
                }
                Err(error) if error.code() == Code::Fenced && attempt == 0 => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Appends transactions as one group and publishes the last; all are kept or none.
    fn append(
        &mut self,
        reports: &mut [&mut TxReport],
        payloads: &[Vec<u8>],
        head: &Head,
    ) -> Result<()> {
        let (Some((lease, _)), Some(last)) = (&self.lease, reports.last()) else {
            return Ok(());
        };
        let db = last.db_after.clone();
        let entries: Vec<Entry<'_>> = reports
            .iter()
            .zip(payloads)
            .map(|(report, payload)| Entry {
                t: t_of(&report.db_after),
                payload,
            })
            .collect();
        let appended = self.log.append_group(lease, &entries).inspect_err(|error| {
            let unknown = ("db/outcome", Value::keyword("unknown"));
            self.stopped = error.data().contains(&unknown).then(|| error.clone());
        });
        // Whoever writes next reads first what really stands there.
        let appended = appended.inspect_err(|_| self.lease = None)?;
        self.db = db;
        head.publish(&self.db, self.end());
        for (report, appended) in reports.iter_mut().zip(appended) {
            let commit = Value::Uuid(appended.commit);
            report.tx_meta.insert(Value::keyword("db/commitId"), commit);
        }
        Ok(())
    }
}

fn t_of(db: &Db) -> u64 {
    (db.max_tx().0 - TX0) as u64
}

/// Whether callers stand in line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiting {
    Somebody,
    Nobody,
}

fn read(storage: &Arc<dyn Storage>, name: &str, origin: &Db) -> Result<(Log, Db)> {
    let mut replay = Replay::upon(origin);
    let storage = Arc::clone(storage);
    let mut visit = |record: crate::store::RecordView<'_>| replay.add(&record);
    let (log, _) = Log::open(storage, name, Start::First, OnDamage::Refuse, &mut visit)?;
    Ok((log, replay.finish()))
}

/// The report of a transaction, and what the log keeps of it.
fn written(made: &Transaction) -> Result<(TxReport, Vec<u8>)> {
    let payload = payload::write(&Changes {
        tx: made.tx,
        instant_ms: made.instant,
        max_eid: made.db_after.max_eid(),
        values_before: made.db_before.dictionary().len(),
        dictionary: made.db_after.dictionary(),
        datoms: &made.datoms,
        purges: &made.purges,
    })?;
    if payload.len() > LOG_RECORD_BYTES {
        let message = "a transaction is larger than a record of the log";
        return Err(Error::new(Code::Limit, message).with("limit", "log-record-bytes"));
    }
    Ok((made.report(), payload))
}

fn stopped_by(cause: &Error) -> Error {
    let message =
        format!("the writer of this connection has stopped, release it and connect again: {cause}");
    Error::new(Code::WriterShutDown, message).with("db/outcome", Value::keyword("not-committed"))
}
