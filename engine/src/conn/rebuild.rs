//! A branch made anew from its records: folded into segments on the way, so that it may be larger
//! than memory.

use std::sync::Arc;

use uuid::Uuid;

use super::intake::Intake;
use super::replay::Replay;
use crate::db::{Db, Options};
use crate::error::Result;
use crate::fault;
use crate::index::Digest;
use crate::limits::REBUILD_BYTES;
use crate::root::{self, Reuse, Root};
use crate::segment::Segments;
use crate::store::{LogPosition, Origin, RecordView, Storage};
use crate::transact;

/// A branch being made from its records.
pub(super) struct Rebuild {
    storage: Arc<dyn Storage>,
    segments: Segments,
    /// The value that the last root holds.
    db: Db,
    replay: Replay,
    root: Option<(Digest, Arc<Root>)>,
    /// The records since.
    records: Vec<Held>,
    bytes: usize,
    at: Origin,
}

/// A record that no root has yet.
struct Held {
    at: Origin,
    payload: Vec<u8>,
    redacted: Redacted,
}

impl Held {
    fn view(&self) -> RecordView<'_> {
        let Origin { commit, t, epoch } = self.at;
        RecordView {
            position: LogPosition::from_bytes(0),
            epoch,
            t,
            previous: Uuid::nil(),
            commit,
            group_end: 0,
            payload: &self.payload,
        }
    }
}

impl Rebuild {
    /// Goes on from a root, or begins with an empty database.
    pub(super) fn from(
        storage: &Arc<dyn Storage>,
        root: Option<Digest>,
        options: &Options,
    ) -> Result<Rebuild> {
        let segments = Segments::new(Arc::clone(storage));
        let (db, root, at) = match root {
            None => (transact::create(options.clone()), None, Origin::default()),
            Some(digest) => {
                let opened = root::open(&**storage, &segments, digest, options)?;
                let Root {
                    commit, t, epoch, ..
                } = *opened.root;
                let at = Origin { commit, t, epoch };
                (opened.db, Some((digest, opened.root)), at)
            }
        };
        Ok(Rebuild {
            storage: Arc::clone(storage),
            segments,
            replay: Replay::upon(&db),
            db,
            root,
            records: Vec::new(),
            bytes: 0,
            at,
        })
    }

    /// The last record it holds.
    pub(super) fn at(&self) -> Origin {
        self.at
    }

    /// The root of all up to there, once [`Rebuild::fold`] was called.
    pub(super) fn root(&self) -> Option<Digest> {
        self.root.as_ref().map(|(digest, _)| *digest)
    }

    /// The value of the last fold.
    pub(super) fn db(&self) -> &Db {
        &self.db
    }

    /// Adds the next record; its commit id is computed anew, unless part of it was purged.
    pub(super) fn add(&mut self, record: &RecordView<'_>, redacted: Redacted) -> Result<()> {
        fault::catch(|| match redacted {
            Redacted::No => self.replay.add(record),
            Redacted::Yes => self.replay.add_redacted(record),
        })?;
        self.bytes += record.payload.len();
        self.at = Origin {
            commit: record.commit,
            t: record.t,
            epoch: record.epoch,
        };
        self.records.push(Held {
            at: self.at,
            payload: record.payload.to_vec(),
            redacted,
        });
        Ok(())
    }

    /// Whether so much has gathered that it is time for [`Rebuild::fold`].
    pub(super) fn is_due(&self) -> bool {
        self.bytes >= REBUILD_BYTES
    }

    /// Writes a root of everything up to here, if there is something that the last one lacks.
    pub(super) fn fold(&mut self) -> Result<()> {
        if self.records.is_empty() {
            return Ok(());
        }
        let replay = std::mem::replace(&mut self.replay, Replay::upon(&self.db));
        let Origin { commit, t, epoch } = self.at;
        let previous = self.root.as_ref().map(|(_, root)| root);
        let at = root::Position {
            commit,
            t,
            epoch,
            unswept: previous.is_some_and(|root| root.unswept),
        };
        let records = std::mem::take(&mut self.records);
        let (db, written) = fault::catch(|| {
            let db = replay.finish();
            let mut intake = Intake::of(&db);
            let base = (previous, Reuse::Shared);
            for held in records {
                intake.add(&held.view(), held.redacted)?;
            }
            let written = intake.write(&*self.storage, &self.segments, base, at)?;
            Ok((written.rebase(&db), written))
        })?;
        (self.db, self.bytes) = (db, 0);
        self.replay = Replay::upon(&self.db);
        self.root = Some((written.digest, written.root));
        Ok(())
    }

    /// Removes what only earlier roots needed from a store that holds nothing else.
    pub(super) fn sweep(&self) -> Result<()> {
        let Some((digest, root)) = &self.root else {
            return Ok(());
        };
        let mut needed: Vec<String> = root.stamps().map(|stamp| stamp.name()).collect();
        needed.push(root::name(*digest));
        needed.sort_unstable();
        for name in self.storage.list("")? {
            if needed.binary_search(&name).is_err() {
                self.storage.delete(&name)?;
            }
        }
        Ok(())
    }
}

/// Whether part of what a record said was purged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Redacted {
    Yes,
    No,
}
