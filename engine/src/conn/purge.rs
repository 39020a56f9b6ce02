//! Purged data taken out of where it still stands: the archive of the log, and the dictionary.
//!
//! A purge takes rows out of the runs at once. Here the records that made those rows are rewritten
//! without them, and every value that no row and no record uses any more becomes a hole in the
//! dictionary. A record that was changed keeps its commit id and says that it is redacted.

use std::collections::{HashMap, HashSet};

use foldhash::fast::FixedState;

use super::archive::{REDACTED, contents, purges, rewritten};
use super::payload::{self, Stripped};
use super::refer::Rows;
use crate::datom::{AttrId, Op, TX0};
use crate::db::{Db, IndexDatom, Purge};
use crate::error::Result;
use crate::index::{Cell, Chunk, Dictionary, Kinds, ids_of};
use crate::segment::ArchivedRecord;

/// What was purged by later transactions, for each record of the log.
#[derive(Default)]
pub(super) struct Purges {
    datoms: HashMap<(i64, u32, Cell), u64, FixedState>,
    attributes: HashMap<(i64, u32), u64, FixedState>,
    /// Up to which transaction the past went.
    past: i64,
    /// When datoms that went with the past were retracted.
    ends: HashMap<(i64, u32, Cell), Vec<i64>, FixedState>,
}

impl Purges {
    /// Notes what a record purged. First pass over all records.
    pub(super) fn note(&mut self, record: &ArchivedRecord) -> Result<()> {
        for purge in purges(record)? {
            match purge {
                Purge::Datom { e, a, v } => {
                    self.datoms.insert((e.0, a.0, v), record.t);
                }
                Purge::Attribute { e, a } => {
                    self.attributes.insert((e.0, a.0), record.t);
                }
                Purge::PastUpTo(tx) => self.past = self.past.max(tx.0),
            }
        }
        Ok(())
    }

    /// Notes when what went with the past was retracted. Second pass, if [`Purges::spans_past`].
    pub(super) fn note_ends(&mut self, record: &ArchivedRecord, rows: &mut Rows<'_>) -> Result<()> {
        for datom in contents(record, rows)?.datoms {
            if datom.op == Op::Retract && datom.tx.0 <= self.past {
                let ends = self
                    .ends
                    .entry((datom.e.0, datom.a.0, datom.v))
                    .or_default();
                ends.push(datom.tx.0);
            }
        }
        Ok(())
    }

    /// Whether a second pass is needed.
    pub(super) fn spans_past(&self) -> bool {
        self.past > 0
    }

    /// The record without what was purged after it; `rows` are those of the newest value.
    pub(super) fn redact(
        &self,
        record: ArchivedRecord,
        rows: &mut Rows<'_>,
    ) -> Result<ArchivedRecord> {
        let (left, is_all) = self.left(&record, rows)?;
        let flags = record.flags | if is_all { 0 } else { REDACTED };
        // What a purge took from the rows may be all that kept the record from leaving the rest to them.
        rewritten(ArchivedRecord { flags, ..record }, &left, rows)
    }

    /// What is left of a record, and whether that is all of it.
    pub(super) fn left(
        &self,
        record: &ArchivedRecord,
        rows: &mut Rows<'_>,
    ) -> Result<(Stripped, bool)> {
        let Stripped { mut datoms, purges } = contents(record, rows)?;
        let before = datoms.len();
        datoms.retain(|datom| !self.takes(datom, record.t));
        // A purge says what it took out.
        let is_all = datoms.len() == before && purges.is_empty();
        let purges = Vec::new();
        Ok((Stripped { purges, datoms }, is_all))
    }

    fn takes(&self, datom: &IndexDatom, t: u64) -> bool {
        let key = (datom.e.0, datom.a.0, datom.v);
        let later = |at: Option<&u64>| at.is_some_and(|at| *at > t);
        later(self.datoms.get(&key))
            || later(self.attributes.get(&(datom.e.0, datom.a.0)))
            || (datom.tx.0 <= self.past && datom.tx.0 > TX0 && self.takes_past(datom, &key))
    }

    fn takes_past(&self, datom: &IndexDatom, key: &(i64, u32, Cell)) -> bool {
        match datom.op {
            Op::Retract => true,
            Op::Assert => self
                .ends
                .get(key)
                .is_some_and(|ends| ends.iter().any(|end| *end >= datom.tx.0)),
        }
    }
}

/// Which ids of the dictionary are used.
pub(super) struct Used {
    words: Vec<u64>,
    dictionary: Dictionary,
    /// The attributes whose arrays are kept aside.
    aside: HashSet<AttrId>,
}

impl Used {
    /// By the rows and the schema of a database value; `origin` is that of the empty one.
    pub(super) fn by(db: &Db, origin: &Db) -> Used {
        let aside = db.schema().attributes().filter(|known| known.aside);
        let mut used = Used {
            words: vec![0; db.dictionary().len() as usize / 64 + 1],
            dictionary: db.dictionary().clone(),
            aside: aside.map(|known| known.id).collect(),
        };
        (0..origin.dictionary().len()).for_each(|id| used.mark(id));
        db.attribute_ids().for_each(|a| used.mark(a.0));
        db.schema().ids().for_each(|a| used.mark(a.0));
        let named: HashSet<u32> = db
            .schema()
            .idents()
            .filter_map(|(ident, _)| db.attribute_named(ident.as_str()))
            .map(|a| a.0)
            .collect();
        named.into_iter().for_each(|id| used.mark(id));
        for (a, index) in db.attribute_ids().filter_map(|a| Some((a, db.index(a)?))) {
            let (current, past) = (index.current(), index.past());
            let leaves = current.leaves().iter().chain(past.leaves());
            leaves
                .flat_map(|leaf| leaf.pass())
                .for_each(|chunk| used.mark_chunk(a, &chunk));
        }
        used
    }

    /// By datoms that archived records have.
    pub(super) fn mark_datoms(&mut self, datoms: &[IndexDatom]) {
        for datom in datoms {
            self.mark(datom.a.0);
            self.mark_cell(datom.a, datom.v);
        }
    }

    /// Whether an id is used.
    pub(super) fn is_used(&self, id: u32) -> bool {
        let word = self.words.get(id as usize / 64);
        word.is_some_and(|word| word & (1 << (id % 64)) != 0)
    }

    /// Whether a record interned a value that is not used: then it is redacted too.
    pub(super) fn redact(&self, record: ArchivedRecord) -> Result<ArchivedRecord> {
        let (_, mut ids) = payload::value_ids(&record.body)?;
        let flags = match ids.all(|id| self.is_used(id)) {
            true => record.flags,
            false => record.flags | REDACTED,
        };
        Ok(ArchivedRecord { flags, ..record })
    }

    fn mark(&mut self, id: u32) {
        if let Some(word) = self.words.get_mut(id as usize / 64) {
            *word |= 1 << (id % 64);
        }
    }

    fn mark_cell(&mut self, a: AttrId, cell: Cell) {
        if !cell.kind.is_interned() {
            return;
        }
        self.mark(cell.bits as u32);
        if self.aside.contains(&a) {
            let kept = ids_of(&self.dictionary, cell);
            kept.into_iter().flatten().for_each(|id| self.mark(id));
        }
    }

    fn mark_chunk(&mut self, a: AttrId, chunk: &Chunk) {
        match chunk.v.kinds() {
            Kinds::All(kind) if !kind.is_interned() => {}
            _ => chunk.v.cells().for_each(|cell| self.mark_cell(a, cell)),
        }
    }
}
