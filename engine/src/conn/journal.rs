//! A branch that is written to: groups of transactions in, records out, other processes' on the
//! way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::database::{Head, Seen, all_failed, work_out};
use super::lineage::Lineage;
use super::payload::{self, Changes};
use super::queue::{Answer, Request, Upon};
use super::reference::{Piece, Place, Position, Ref, pieces_after};
use crate::datom::TX0;
use crate::db::{Db, Options};
use crate::error::{Code, Error, Result};
use crate::index::Digest;
use crate::limits::{GROUP_BYTES, LEASE_HELD_MS, LOG_RECORD_BYTES};
use crate::root::{self, Root, Written};
use crate::segment::VectorGraph;
use crate::store::{Entry, Log, Origin, Put, Storage, WriterLease, commit_id};
use crate::transact::{Transaction, TxData, TxReport};
use crate::value::Value;

/// An open branch, and the right to write to it.
pub(super) struct Journal {
    lineage: Lineage,
    lock: String,
    lease: Option<(WriterLease, Instant)>,
    /// Why nothing is written any more.
    stopped: Option<Error>,
}

impl Journal {
    /// Makes the log of a new database, which nobody knows yet.
    pub(super) fn create(place: Place, options: Options) -> Result<Journal> {
        let name = place.database.clone();
        Log::create(Arc::clone(&place.storage), &name, Origin::default())?;
        Journal::under(place, name, options)?
            .ok_or_else(|| Error::new(Code::Internal, "a log that was just made is not there"))
    }

    /// Opens a branch, if there is one, and makes the value that it describes.
    pub(super) fn open(place: Place, options: Options) -> Result<Option<Journal>> {
        let lock = place.name();
        Journal::under(place, lock, options)
    }

    fn under(place: Place, lock: String, options: Options) -> Result<Option<Journal>> {
        let lineage = Lineage::open(place, lock.clone(), options)?;
        Ok(lineage.map(|lineage| Journal {
            lineage,
            lock,
            lease: None,
            stopped: None,
        }))
    }

    /// The value at the branch's end, as far as it was read.
    pub(super) fn db(&self) -> &Db {
        &self.lineage.db
    }

    /// What was read.
    pub(super) fn seen(&self) -> Seen {
        Seen {
            reference: self.lineage.seen.clone(),
            log: self.lineage.reference.log.clone(),
            end: self.lineage.log.as_ref().map(|log| log.tip().end),
        }
    }

    /// Takes in what other processes wrote.
    pub(super) fn follow(&mut self, head: &Head) -> Result<()> {
        // After a failed sync the end of the log may hold what nobody should see.
        if self.stopped.is_some() {
            return Ok(());
        }
        self.lineage.follow()?;
        self.publish(head);
        Ok(())
    }

    fn publish(&self, head: &Head) {
        head.publish(self.db(), self.seen());
        // Now that the value before is gone, what only it needed need not be pinned.
        self.lineage.pin_less();
    }

    /// The newest value and its place, everything before it durable; for what builds upon it.
    pub(super) fn settled(&mut self, lock_timeout_ms: u64, head: &Head) -> Result<Settled> {
        self.prepare(lock_timeout_ms, head)?;
        Ok(Settled {
            root: self.lineage.reference.root,
            opened: self.lineage.root.clone(),
            pieces: self.lineage.pieces(),
            head: self.lineage.head(),
            position: self.lineage.position(),
            db: self.db().clone(),
        })
    }

    /// Closes the branch's log and lets the branch go on from a root, with a fresh one.
    ///
    /// - `at`: the place of the last record the root contains; none is none.
    /// - What was written since is kept as pieces of logs.
    /// - [`Code::Fenced`]: the branch does not hold that place any more; it is as it was.
    pub(super) fn rotate(
        &mut self,
        root: Option<Digest>,
        at: Option<&Position>,
        lock_timeout_ms: u64,
        head: &Head,
    ) -> Result<()> {
        self.prepare(lock_timeout_ms, head)?;
        let rotated = self.rotate_under_lease(root, at);
        self.lease = None;
        rotated?;
        self.publish(head);
        Ok(())
    }

    /// Lets the branch go on from a root that its value was written into; see [`Journal::rotate`].
    pub(super) fn adopt(
        &mut self,
        written: &Written,
        at: Option<&Position>,
        lock_timeout_ms: u64,
        head: &Head,
    ) -> Result<()> {
        self.rotate(Some(written.digest), at, lock_timeout_ms, head)?;
        self.lineage.adopt(written);
        self.publish(head);
        Ok(())
    }

    /// Gives a graph, built from an earlier value, to the newest; false if it would miss rows there.
    pub(super) fn attach(&mut self, from: &Db, graph: VectorGraph, head: &Head) -> bool {
        let may = self.may_have(from, graph.cover());
        if may {
            self.lineage.db = self.lineage.db.with_graph(graph);
            self.publish(head);
        }
        may
    }

    /// Bytes of logs behind the root.
    pub(super) fn novelty_bytes(&self) -> u64 {
        self.lineage.novelty_bytes()
    }

    fn rotate_under_lease(&mut self, root: Option<Digest>, at: Option<&Position>) -> Result<()> {
        let lineage = &mut self.lineage;
        let moved_on = || Error::new(Code::Fenced, "the branch has gone on from another place");
        let rest = pieces_after(&lineage.pieces(), at).ok_or_else(moved_on)?;
        if let Some((lease, _)) = &self.lease {
            // From here on nobody appends to it; a crash before the swap is made good by the next
            // writer. A log that was not there yet is made: where locks keep nobody out, or the swap
            // arrives late, a writer that makes it would append to what the branch has left.
            lineage.own_log()?.seal(lease)?;
        }
        match lineage.swap(Ref::behind_seal(root, rest, lineage.head()))? {
            Put::Done => Ok(()),
            Put::Refused => Err(moved_on()),
        }
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
        let mut db = self.db().clone();
        for request in group {
            if bytes > GROUP_BYTES {
                break;
            }
            match requested(&db, request) {
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

    /// Makes one transaction outside of any queue: the first of a new database or branch.
    pub(super) fn transact(&mut self, data: &TxData, parents: &[Uuid]) -> Result<()> {
        let head = Head::of(self);
        self.prepare(0, &head)?;
        let (mut report, payload) = made_upon(self.db(), data, parents)?;
        self.append(&mut [&mut report], &[payload], &head)?;
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
        let storage = &*self.lineage.place.storage;
        let epoch = self.lineage.head().epoch;
        let lease = WriterLease::acquire(storage, &self.lock, epoch, lock_timeout_ms)?;
        self.lineage
            .catch_up(&lease)
            .map_err(|error| error.with("db/outcome", Value::keyword("not-committed")))?;
        self.publish(head);
        self.lease = Some((lease, Instant::now()));
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
        let appended = self
            .lineage
            .own_log()
            .map_err(|error| error.with("db/outcome", Value::keyword("not-committed")))
            .and_then(|log| log.append_group(lease, &entries))
            .inspect_err(|error| {
                let unknown = ("db/outcome", Value::keyword("unknown"));
                self.stopped = error.data().contains(&unknown).then(|| error.clone());
            });
        // Whoever writes next reads first what really stands there.
        let appended = appended.inspect_err(|_| self.lease = None)?;
        let last = appended.last().map(|appended| appended.commit);
        assert_eq!(
            last,
            db.commit_id(),
            "a commit is called what it was said to be"
        );
        self.lineage.db = db;
        self.publish(head);
        for (report, appended) in reports.iter_mut().zip(appended) {
            let commit = Value::Uuid(appended.commit);
            report.tx_meta.insert(Value::keyword("db/commitId"), commit);
        }
        Ok(())
    }
}

/// The newest state of a branch, durable.
pub(super) struct Settled {
    pub(super) root: Option<Digest>,
    pub(super) opened: Option<Arc<Root>>,
    /// What comes after the root.
    pub(super) pieces: Vec<Piece>,
    /// What the next record follows.
    pub(super) head: Origin,
    /// The place of the last record behind the root.
    pub(super) position: Option<Position>,
    pub(super) db: Db,
}

impl Settled {
    /// Where a root of this state stands.
    pub(super) fn root_position(&self, unswept: bool) -> root::Position {
        root::Position {
            commit: self.head.commit,
            t: self.head.t,
            epoch: self.head.epoch,
            unswept,
        }
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

/// Writes a transaction that says nothing into the own log of a branch that nobody knows yet.
pub(super) fn write_first(
    storage: &Arc<dyn Storage>,
    reference: &Ref,
    db: &Db,
    parents: &[Uuid],
) -> Result<()> {
    let (report, payload) = made_upon(db, &TxData::new(Value::Nil), parents)?;
    let mut log = Log::create(Arc::clone(storage), &reference.log, reference.origin)?;
    let lease = log.lease(0)?;
    let entry = Entry {
        t: t_of(&report.db_after),
        payload: &payload,
    };
    log.append_group(&lease, &[entry]).map(|_| ())
}

/// A transaction that somebody waits for.
fn requested(db: &Db, request: &Request) -> Result<(TxReport, Vec<u8>)> {
    let Upon { parents, head } = &request.upon;
    if head.is_some_and(|head| head != db.commit_id().unwrap_or_default()) {
        let message = "the branch went on while the transaction was worked out";
        let outcome = Value::keyword("not-committed");
        return Err(Error::new(Code::Fenced, message).with("db/outcome", outcome));
    }
    made_upon(db, &request.data, parents)
}

/// A transaction upon a value: its report, and what the log keeps of it.
fn made_upon(db: &Db, data: &TxData, parents: &[Uuid]) -> Result<(TxReport, Vec<u8>)> {
    let previous = db.commit_id().unwrap_or_default();
    let mut made = work_out(db, data)?;
    let further: Vec<Uuid> = parents
        .iter()
        .copied()
        .filter(|parent| *parent != previous)
        .collect();
    let payload = payload_of(&made, &further)?;
    let commit = commit_id(previous, t_of(&made.db_after), &payload);
    made.db_after = made.db_after.at_commit(Some(commit));
    Ok((made.report(), payload))
}

fn payload_of(made: &Transaction, parents: &[Uuid]) -> Result<Vec<u8>> {
    let payload = payload::write(&Changes {
        tx: made.tx,
        instant_ms: made.instant,
        parents,
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
    Ok(payload)
}

fn stopped_by(cause: &Error) -> Error {
    let message =
        format!("the writer of this connection has stopped, release it and connect again: {cause}");
    Error::new(Code::WriterShutDown, message).with("db/outcome", Value::keyword("not-committed"))
}
