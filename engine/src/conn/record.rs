//! The records of branches, wherever they stand: in the archive of a root, in pieces of logs that
//! branches share, in a branch's own log.

use std::ops::ControlFlow;
use std::sync::Arc;

use uuid::Uuid;

use super::archive::{Extent, each_archived};
use super::hold::Hold;
use super::intake::Intake;
use super::lineage::read_pieces;
use super::pin::maintain;
use super::rebuild::Redacted;
use super::reference::{Piece, Place, Ref};
use super::replay::Replay;
use crate::datom::{TX0, TxId};
use crate::db::{Db, Options};
use crate::error::{Code, Error, Result};
use crate::fault;
use crate::root::{self, Reuse};
use crate::store::{Log, OnDamage, Origin, RecordView, Start, Storage, Tip};
use crate::transact;

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    /// In the archive of the root.
    Archived {
        /// Whether part of what it said was purged.
        redacted: bool,
    },
    /// In the piece of a log with this number; the own log comes last.
    Piece(usize),
}

pub(super) type VisitRecord<'v> = dyn FnMut(Stand, &RecordView<'_>) -> Result<ControlFlow<()>> + 'v;

/// The records of one branch from `from_t` on and perhaps some before, oldest first, until `visit`
/// has seen enough. Cost: O(log records + those given).
pub(super) fn each_record(
    place: &Place,
    reference: &Ref,
    from_t: u64,
    visit: &mut VisitRecord<'_>,
) -> Result<()> {
    each_extent(place, reference, from_t, Extent::Whole, visit)
}

/// As [`each_record`], but of a payload perhaps no more than its heading: neither values nor rows
/// are read for it.
pub(super) fn each_heading(
    place: &Place,
    reference: &Ref,
    from_t: u64,
    visit: &mut VisitRecord<'_>,
) -> Result<()> {
    each_extent(place, reference, from_t, Extent::Heading, visit)
}

fn each_extent(
    place: &Place,
    reference: &Ref,
    from_t: u64,
    extent: Extent,
    visit: &mut VisitRecord<'_>,
) -> Result<()> {
    if let Some(root) = reference.root {
        // Of what the value is opened with, rows and dictionary depend on nothing.
        let options = Options::default();
        let opened = root::open(&*place.storage, &place.segments, root, &options)?;
        let mut archived =
            |record: &RecordView<'_>, redacted| visit(Stand::Archived { redacted }, record);
        let read = each_archived(&place.segments, &opened, (from_t, extent), &mut archived);
        if read?.is_break() {
            return Ok(());
        }
    }
    let mut enough = false;
    let pieces = reference.base.iter().map(Some).chain([None]).enumerate();
    for (at, piece) in pieces {
        let mut stop = |record: RecordView<'_>| match visit(Stand::Piece(at), &record)? {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => {
                enough = true;
                Err(Error::new(Code::QueryCanceled, "enough was read"))
            }
        };
        let read = match piece {
            Some(piece) => read_piece(&place.storage, piece, from_t, &mut stop),
            None => read_own(&place.storage, reference, from_t, &mut stop),
        };
        match read {
            _ if enough => return Ok(()),
            read => read?,
        }
    }
    Ok(())
}

fn read_piece(
    storage: &Arc<dyn Storage>,
    piece: &Piece,
    from_t: u64,
    visit: &mut dyn FnMut(RecordView<'_>) -> Result<()>,
) -> Result<()> {
    let Piece { log, after, upto } = piece;
    if upto.t < from_t {
        return Ok(());
    }
    let mut after = *after;
    if from_t > after.map_or(0, |after| after.t + 1) {
        let sought = Log::tip_before(&**storage, log, from_t)?;
        let later = sought.filter(|tip| after.is_none_or(|after| after.t < tip.t));
        after = later.or(after);
    }
    Log::read_between(Arc::clone(storage), log, after, upto, visit)
}

fn read_own(
    storage: &Arc<dyn Storage>,
    reference: &Ref,
    from_t: u64,
    visit: &mut dyn FnMut(RecordView<'_>) -> Result<()>,
) -> Result<()> {
    let name = &reference.log;
    let mut read = || -> Result<()> {
        let sought = match from_t {
            0 => None,
            t => Log::tip_before(&**storage, name, t)?,
        };
        let start = sought.map_or(Start::First, Start::After);
        Log::open(Arc::clone(storage), name, start, OnDamage::Refuse, visit).map(|_| ())
    };
    match read() {
        // There is none before the first write.
        Err(error) if error.code() == Code::DbDoesNotExist => {
            reference.without_log::<()>().map(|_| ())
        }
        read => read,
    }
}

/// A commit that is looked for.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    id: Uuid,
    /// Its t, where that is known: then only the records about it are read.
    t: Option<u64>,
}

impl Wanted {
    /// The commit of that id.
    pub(super) fn id(id: Uuid) -> Wanted {
        Wanted { id, t: None }
    }

    /// The commit of a database value, if it has one.
    pub(super) fn of(db: &Db) -> Option<Wanted> {
        db.commit_id().map(|id| Wanted {
            id,
            t: Some(t_of(db.max_tx())),
        })
    }
}

/// Where a commit is to be had.
pub(super) enum Located {
    /// At the end of these pieces.
    Live(Ref),
    /// Among the archived records of this branch, at a t: its value is made from the first on.
    Archived(Ref, u64),
}

impl Located {
    /// The database value of the commit.
    ///
    /// Cost: O(datoms since the root), or O(datoms since the first transaction) if archived.
    pub(super) fn db(&self, place: &Place, options: &Options) -> Result<Db> {
        let (reference, last) = match self {
            Located::Live(Ref { root, base, .. }) => {
                return read_pieces(place, options, *root, base);
            }
            Located::Archived(reference, last) => (reference, *last),
        };
        let mut replay = Replay::upon(&transact::create(options.clone()));
        each_record(place, reference, 0, &mut |stand, record| {
            match stand {
                Stand::Archived { redacted: true } => replay.add_redacted(record)?,
                _ => replay.add(record)?,
            }
            Ok(match record.t < last {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            })
        })?;
        Ok(replay.finish())
    }

    /// A ref whose branch starts at the commit; where that is archived, a root is written for it.
    pub(super) fn start(self, place: &Place, options: &Options) -> Result<Ref> {
        if let Located::Live(start) = self {
            return Ok(start);
        }
        let db = self.db(place, options)?;
        let Located::Archived(reference, last) = self else {
            return Err(Error::new(
                Code::Internal,
                "an archived commit was live before",
            ));
        };
        let _maintenance = maintain(&*place.storage, "a branch from an archived commit")?;
        let (mut intake, mut epoch) = (Intake::of(&db), 0);
        each_record(place, &reference, 0, &mut |stand, record| {
            if record.t > last {
                return Ok(ControlFlow::Break(()));
            }
            epoch = record.epoch;
            let redacted = match stand {
                Stand::Archived { redacted: true } => Redacted::Yes,
                _ => Redacted::No,
            };
            intake.add(record, redacted)?;
            Ok(ControlFlow::Continue(()))
        })?;
        let commit = db.commit_id().unwrap_or_default();
        let at = root::Position {
            commit,
            t: last,
            epoch,
            unswept: false,
        };
        let storage = &*place.storage;
        let written =
            fault::catch(|| intake.write(storage, &place.segments, (None, Reuse::Shared), at))?;
        let origin = Origin {
            commit,
            t: last,
            epoch,
        };
        Ok(Ref::fresh(Some(written.digest), Vec::new(), origin))
    }
}

/// Where a commit of any branch is to be had, if there is such a commit.
///
/// What it names is there as long as `hold` is held.
pub(super) fn locate(place: &Place, hold: &Hold, wanted: Wanted) -> Result<Option<Located>> {
    find(place, hold, wanted, |reference, stand, record| {
        let Stand::Piece(at) = stand else {
            return Ok(Located::Archived(reference.clone(), record.t));
        };
        let (log, after) = match reference.base.get(at) {
            Some(piece) => (piece.log.clone(), piece.after),
            None => (reference.log.clone(), None),
        };
        let upto = record.tip();
        let before = reference.base.iter().take(at).cloned();
        let base = before.chain([Piece { log, after, upto }]).collect();
        let Tip {
            commit, t, epoch, ..
        } = upto;
        Ok(Located::Live(Ref::fresh(
            reference.root,
            base,
            Origin { commit, t, epoch },
        )))
    })
}

/// What is made of the record of a commit, its heading at least, if any branch has it.
pub(super) fn find<T>(
    place: &Place,
    hold: &Hold,
    wanted: Wanted,
    make: impl Fn(&Ref, Stand, &RecordView<'_>) -> Result<T>,
) -> Result<Option<T>> {
    let mut failed = None;
    for (_, reference) in &hold.refs {
        let mut found = None;
        let from_t = wanted.t.unwrap_or(0);
        let read = each_heading(place, reference, from_t, &mut |stand, record| {
            if record.commit == wanted.id {
                found = Some(make(reference, stand, record)?);
            }
            let passed = wanted.t.is_some_and(|t| record.t >= t);
            Ok(match found.is_some() || passed {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            })
        });
        if found.is_some() {
            return Ok(found);
        }
        // Damage to one branch does not hide what another one has.
        failed = failed.or(read.err());
    }
    failed.map_or(Ok(None), Err)
}

/// The t of a transaction that is named by its entity or by its t.
pub(super) fn t_of(tx: TxId) -> u64 {
    u64::try_from(if tx.0 >= TX0 { tx.0 - TX0 } else { tx.0 }).unwrap_or(0)
}
