//! Records of the log folded into a database value, many at a time.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use uuid::Uuid;

use super::payload::{self, Values};
use crate::bytes::malformed;
use crate::datom::{AttrId, TX0, TxId};
use crate::db::{Db, IndexDatom, Purge};
use crate::error::Result;
use crate::index::Interner;
use crate::limits::REPLAY_DATOMS;
use crate::store::RecordView;
use crate::transact::{self, Logged};
use crate::value::Value;

/// A database value being brought up to a log.
///
/// Transactions gather until they are many or one of them changes the rules by which datoms are
/// kept (the schema, a purge); then all are applied at once.
pub(super) struct Replay {
    db: Db,
    interner: Interner,
    datoms: Vec<IndexDatom>,
    max_eid: i64,
    max_tx: TxId,
    commit: Uuid,
    shapes_schema: HashMap<AttrId, bool, FixedState>,
}

impl Replay {
    /// Starts at a database value.
    pub(super) fn upon(db: &Db) -> Replay {
        Replay {
            interner: Interner::new(db.dictionary().clone()),
            datoms: Vec::new(),
            max_eid: db.max_eid(),
            max_tx: db.max_tx(),
            commit: db.commit_id().unwrap_or_default(),
            shapes_schema: HashMap::default(),
            db: db.clone(),
        }
    }

    /// Adds a record of the log.
    pub(super) fn add(&mut self, record: &RecordView<'_>) -> Result<()> {
        if !record.is_genuine() {
            return Err(malformed("its commit id is not that of its content"));
        }
        self.add_redacted(record)
    }

    /// Adds a record that says less than it once did.
    pub(super) fn add_redacted(&mut self, record: &RecordView<'_>) -> Result<()> {
        if record.previous != self.commit {
            return Err(malformed("it does not follow the commit before it"));
        }
        let start = self.datoms.len();
        let (interner, datoms) = (&mut self.interner, &mut self.datoms);
        let summary = payload::read(record.payload, Values::Interned, interner, datoms)?;
        if (summary.tx.0 - TX0) as u64 != record.t || summary.tx <= self.max_tx {
            return Err(malformed("its transaction is out of turn"));
        }
        let stands_alone =
            !summary.purges.is_empty() || (start..self.datoms.len()).any(|at| self.is_schema(at));
        if stands_alone {
            let own = self.datoms.split_off(start);
            self.apply(Vec::new());
            self.datoms = own;
        }
        (self.max_eid, self.max_tx) = (summary.max_eid, summary.tx);
        self.commit = record.commit;
        if stands_alone || self.datoms.len() >= REPLAY_DATOMS {
            self.apply(summary.purges);
        }
        Ok(())
    }

    /// The database value after all records.
    pub(super) fn finish(mut self) -> Db {
        self.apply(Vec::new());
        if self.commit == self.db.commit_id().unwrap_or_default() {
            return self.db;
        }
        self.db.at_commit(Some(self.commit))
    }

    /// Applies what has gathered: one transaction, or several that keep the rules.
    fn apply(&mut self, purges: Vec<Purge>) {
        if self.db.max_tx() == self.max_tx {
            return;
        }
        let dictionary = std::mem::take(&mut self.interner).finish();
        let datoms = std::mem::take(&mut self.datoms);
        let mut gathered = [Logged {
            purges,
            datoms,
            max_eid: self.max_eid,
            tx: self.max_tx.0,
        }];
        self.db = transact::replay(&self.db, &gathered, &dictionary);
        self.interner = Interner::new(dictionary);
        // The room is kept for the records that follow.
        self.datoms = std::mem::take(&mut gathered[0].datoms);
        self.datoms.clear();
    }

    /// Whether a datom may change what attributes are.
    fn is_schema(&mut self, at: usize) -> bool {
        let a = self.datoms[at].a;
        let interner = &self.interner;
        *self.shapes_schema.entry(a).or_insert_with(|| {
            let Value::Keyword(ident) = interner.interned(u64::from(a.0)) else {
                return false;
            };
            let namespace = ident.namespace().unwrap_or_default();
            (namespace == "db" || namespace.starts_with("db.")) && ident.as_str() != "db/txInstant"
        })
    }
}
