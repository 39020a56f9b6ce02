//! What the log remembers: commits, the datoms of each transaction, and whether it was tampered with.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use uuid::Uuid;

use super::hold::Hold;
use super::lineage::gone;
use super::payload::{self, Values};
use super::record::{Stand, Wanted, each_heading, each_record, find, t_of};
use super::reference::{Place, Ref};
use crate::datom::{Datom, TX0, TxId};
use crate::db::{Db, TimePoint};
use crate::error::{Code, Result};
use crate::index::Interner;
use crate::store::RecordView;
use crate::value::Value;

/// A commit: what made one transaction last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its id, made of its content and the ids of its parents.
    pub id: Uuid,
    /// The t of its transaction.
    pub t: u64,
    /// The entity of its transaction.
    pub tx: TxId,
    /// When it was, milliseconds since 1970 UTC.
    pub instant_ms: i64,
    /// The commits it follows, that of its own branch first; empty for the first.
    pub parents: Vec<Uuid>,
}

/// One transaction as the log has it.
#[derive(Clone, Debug, PartialEq)]
pub struct TxEntry {
    /// Its t.
    pub t: u64,
    /// Its entity.
    pub tx: TxId,
    /// When it was, milliseconds since 1970 UTC.
    pub instant_ms: i64,
    /// Its commit.
    pub commit: Uuid,
    /// What it changed, in the order of the effects.
    pub datoms: Vec<Datom>,
}

/// What became of checking a chain of commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainStatus {
    /// Every id is that of its content.
    Ok,
    /// An id is not, or the bytes of a commit are damaged.
    Mismatch,
    /// Part of the chain could not be read.
    Incomplete,
}

/// The chain of a branch's commits, checked.
#[derive(Clone, Debug)]
pub struct ChainReport {
    /// The verdict.
    pub status: ChainStatus,
    /// How many commits were checked.
    pub commits: u64,
    /// How many of them say less than they did, for part of it was purged: their ids are taken on
    /// trust.
    pub redacted: u64,
    /// One sentence for each fault.
    pub errors: Vec<String>,
}

/// The commits that a commit of any branch follows, if there is such a commit.
pub(super) fn parents_of(place: &Place, wanted: Wanted) -> Result<Option<Vec<Uuid>>> {
    let hold = Hold::all(place)?;
    find(place, &hold, wanted, |_, _, record| {
        Ok(commit_of(record)?.parents)
    })
}

fn commit_of(record: &RecordView<'_>) -> Result<Commit> {
    let heading = payload::heading(record.payload)?;
    let previous = Some(record.previous).filter(|previous| !previous.is_nil());
    Ok(Commit {
        id: record.commit,
        t: record.t,
        tx: heading.tx,
        instant_ms: heading.instant_ms,
        parents: previous.into_iter().chain(heading.parents).collect(),
    })
}

/// The commits that the head of a branch follows, itself included: those of the branch, newest
/// first, then the lines of other branches that were merged into it.
pub(super) fn commits(place: &Place) -> Result<Vec<Commit>> {
    let hold = Hold::all(place)?;
    let mut refs = hold.refs.iter();
    let mut known: HashMap<Uuid, Commit> = HashMap::new();
    let mut head = Uuid::nil();
    if let Some((_, own)) = refs.next() {
        head = learn(place, own, &mut known)?;
    }
    let (mut history, mut visited) = (Vec::new(), HashSet::from([Uuid::nil()]));
    let mut wanted = vec![head];
    while let Some(id) = wanted.pop() {
        if !visited.insert(id) {
            continue;
        }
        while !known.contains_key(&id) {
            let Some((_, other)) = refs.next() else {
                break;
            };
            learn(place, other, &mut known)?;
        }
        // None if it went with a branch that was deleted.
        if let Some(commit) = known.remove(&id) {
            wanted.extend(commit.parents.iter().rev());
            history.push(commit);
        }
    }
    Ok(history)
}

/// Notes the commits of a branch that are not known yet; gives its head, nil if there is none.
fn learn(place: &Place, reference: &Ref, known: &mut HashMap<Uuid, Commit>) -> Result<Uuid> {
    let mut head = Uuid::nil();
    each_heading(place, reference, 0, &mut |_, record| {
        head = record.commit;
        known.insert(head, commit_of(record)?);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(head)
}

/// The transactions of a branch from a point up to another, at most `limit`.
///
/// - `db`: the branch's newest value; what came after it is left out.
pub(super) fn tx_range(
    place: &Place,
    db: &Db,
    from: Option<TimePoint>,
    to: Option<TimePoint>,
    limit: Option<usize>,
) -> Result<Vec<TxEntry>> {
    let mut entries = Vec::new();
    let hold = Hold::branch(place)?;
    let Some((_, reference)) = hold.refs.first() else {
        return Err(gone(place));
    };
    let from_t = match from {
        Some(TimePoint::Tx(tx)) => t_of(tx),
        _ => 0,
    };
    let mut interner = Interner::new(db.dictionary().clone());
    each_record(place, reference, from_t, &mut |_, record| {
        let room = limit.is_none_or(|limit| entries.len() < limit);
        let heading = payload::heading(record.payload)?;
        let is_before = |point: TimePoint| match point {
            TimePoint::Tx(tx) => record.t < t_of(tx),
            TimePoint::Instant(ms) => heading.instant_ms < ms,
        };
        if !room || heading.tx > db.max_tx() || to.is_some_and(|to| !is_before(to)) {
            return Ok(ControlFlow::Break(()));
        }
        if from.is_some_and(is_before) {
            return Ok(ControlFlow::Continue(()));
        }
        let mut datoms = Vec::new();
        payload::read(record.payload, Values::Known, &mut interner, &mut datoms)?;
        entries.push(TxEntry {
            t: record.t,
            tx: heading.tx,
            instant_ms: heading.instant_ms,
            commit: record.commit,
            datoms: db.datoms_of(&datoms),
        });
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(entries)
}

/// Computes the id of every commit of a branch anew.
///
/// - `db`: the value that the branch is said to have; its commit must be among them.
pub(super) fn verify(place: &Place, db: &Db) -> Result<ChainReport> {
    let hold = Hold::branch(place)?;
    let Some((_, reference)) = hold.refs.first() else {
        return Err(gone(place));
    };
    let mut report = ChainReport {
        status: ChainStatus::Ok,
        commits: 0,
        redacted: 0,
        errors: Vec::new(),
    };
    let (head, head_t) = (db.commit_id(), (db.max_tx().0 - TX0) as u64);
    let (mut previous, mut holds_head) = (Uuid::nil(), head.is_none());
    let read = each_record(place, reference, 0, &mut |stand, record| {
        report.commits += 1;
        let RecordView { commit, t, .. } = record;
        if stand == (Stand::Archived { redacted: true }) {
            report.redacted += 1;
        } else if !record.is_genuine() {
            report.fault(format!(
                "commit {commit} at t {t} is not that of its content"
            ));
        }
        if record.previous != previous {
            report.fault(format!(
                "commit {commit} at t {t} does not follow {previous}"
            ));
        }
        holds_head |= *t == head_t && Some(*commit) == head;
        previous = *commit;
        Ok(ControlFlow::Continue(()))
    });
    match read {
        Err(error) if error.code() == Code::CorruptLog => report.fault(error.to_string()),
        Err(error) => {
            report.errors.push(error.to_string());
            if report.status == ChainStatus::Ok {
                report.status = ChainStatus::Incomplete;
            }
        }
        Ok(()) if !holds_head => report.fault(format!(
            "the commit {} of the database value is not in its branch",
            head.unwrap_or_default()
        )),
        Ok(()) => {}
    }
    Ok(report)
}

impl ChainReport {
    /// The report as data: `:status`, `:commits`, `:redacted`, and `:errors` in words.
    pub fn to_value(&self) -> Value {
        let status = match self.status {
            ChainStatus::Ok => "ok",
            ChainStatus::Mismatch => "mismatch",
            ChainStatus::Incomplete => "incomplete",
        };
        let errors = self.errors.iter().map(|error| Value::str(error));
        Value::map([
            (Value::keyword("status"), Value::keyword(status)),
            (Value::keyword("commits"), Value::Long(self.commits as i64)),
            (
                Value::keyword("redacted"),
                Value::Long(self.redacted as i64),
            ),
            (Value::keyword("errors"), Value::vector(errors)),
        ])
    }

    fn fault(&mut self, sentence: String) {
        self.status = ChainStatus::Mismatch;
        self.errors.push(sentence);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conn::reference::MAIN;
    use crate::conn::tests::{add, branch, branch_config, code, head, memory};
    use crate::conn::{Conn, create_database};
    use crate::store::{FileStorage, Storage};

    #[test]
    fn transactions_are_read_from_the_log() {
        let id = Uuid::new_v4();
        create_database(&memory(id, MAIN)).unwrap();
        let main = Conn::connect(&memory(id, MAIN)).unwrap();
        let reports: Vec<_> = (1..=3).map(|n| main.transact(&add(n)).unwrap()).collect();
        main.create_branch(&head(MAIN), &branch("b")).unwrap();
        let b = Conn::connect(&memory(id, "b")).unwrap();
        let reports = [reports, vec![b.transact(&add(4)).unwrap()]].concat();
        let entries = b.tx_range(None, None, None).unwrap();
        assert_eq!(entries.len(), 4);
        for (entry, report) in entries.iter().zip(&reports) {
            assert_eq!(entry.datoms, report.tx_data);
            assert_eq!(Some(entry.commit), report.db_after.commit_id());
            assert_eq!(
                (entry.tx, entry.t),
                (report.db_after.max_tx(), (entry.tx.0 - TX0) as u64)
            );
        }
        let ts = |from: Option<TimePoint>, to: Option<TimePoint>, limit| -> Vec<u64> {
            let entries = b.tx_range(from, to, limit).unwrap();
            entries.iter().map(|entry| entry.t).collect()
        };
        let at = |t: i64| Some(TimePoint::Tx(TxId(TX0 + t)));
        assert_eq!(ts(at(2), at(4), None), [2, 3]);
        assert_eq!(ts(Some(TimePoint::Tx(TxId(3))), None, None), [3, 4]);
        assert_eq!(ts(None, None, Some(2)), [1, 2]);
        assert_eq!(ts(at(5), None, None), [0u64; 0]);
        let last = Some(TimePoint::Instant(entries[3].instant_ms));
        assert!(ts(last, None, None).contains(&4) && !ts(None, last, None).contains(&4));
    }

    /// Puts another byte into the first payload byte of the last record, with sums that are right.
    #[test]
    fn a_commit_that_was_tampered_with_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        create_database(&branch_config(&path, MAIN)).unwrap();
        let conn = Conn::connect(&branch_config(&path, MAIN)).unwrap();
        for n in 1..=3 {
            conn.transact(&add(n)).unwrap();
        }
        assert_eq!(conn.verify_chain().unwrap().status, ChainStatus::Ok);
        let storage = FileStorage::at(&path);
        let file = path.join(storage.list("log/").unwrap().remove(0));
        let good = std::fs::read(&file).unwrap();
        let mut bytes = good.clone();
        // Sector 2 is the second transaction: 16 bytes of the sector, 72 of the record, the payload.
        let sector = &mut bytes[2 * 512..3 * 512];
        sector[16 + 72 + 4] ^= 1;
        std::fs::write(&file, &bytes).unwrap();
        let report = conn.verify_chain().unwrap();
        assert_eq!(
            (report.status, report.errors.len()),
            (ChainStatus::Mismatch, 1)
        );
        let mut sum = crc32fast::Hasher::new();
        sum.update(&good[16..32]);
        sum.update(&2u64.to_le_bytes());
        sum.update(&bytes[2 * 512 + 4..3 * 512]);
        bytes[2 * 512..2 * 512 + 4].copy_from_slice(&sum.finalize().to_le_bytes());
        std::fs::write(&file, &bytes).unwrap();
        let report = conn.verify_chain().unwrap();
        assert_eq!((report.status, report.commits), (ChainStatus::Mismatch, 3));
        assert!(
            report.errors[0].contains("t 2 is not that of its content"),
            "{:?}",
            report.errors
        );
        std::fs::remove_file(&file).unwrap();
        assert_eq!(code(conn.verify_chain()), Code::DbDoesNotExist);
        conn.release();
    }
}
