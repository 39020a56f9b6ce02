//! Writing a whole database into a dump: every transaction of every branch, what branches share once.

use std::collections::HashSet;
use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Arc;

use uuid::Uuid;

use super::Conn;
use super::dump::{DumpWriter, DumpedRecord, Line};
use super::findings::{Progress, map_of, number};
use super::hold::Hold;
use super::record::{Stand, each_record};
use super::reference::{MAIN, Place, Ref};
use super::settings::Settings;
use crate::error::{Code, Error, Result};
use crate::fault;
use crate::store::{Origin, Storage};
use crate::value::{Keyword, Value};

/// Entries of a configuration that say where a database is and how it is connected to, not what
/// it is.
const OF_THE_PLACE: [&str; 6] = [
    "store",
    "branch",
    "name",
    "initial-tx",
    "lock-timeout",
    "threads",
];

/// What a dump holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DumpReport {
    /// Branches.
    pub branches: u64,
    /// Transactions of all branches, those that branches share counted once.
    pub transactions: u64,
    /// How many of them were there already, from an import that was cut short.
    pub resumed: u64,
    /// Bytes of the dump.
    pub bytes: u64,
}

impl DumpReport {
    /// The report as data.
    pub fn to_value(&self) -> Value {
        map_of([
            ("branches", Some(number(self.branches))),
            ("transactions", Some(number(self.transactions))),
            ("resumed", Some(number(self.resumed))),
            ("bytes", Some(number(self.bytes))),
        ])
    }
}

impl Conn {
    /// Writes the whole database of this connection, all branches and their history, as a dump for
    /// [`import_database`](super::import_database).
    ///
    /// - The same branches at the same commits give the same bytes.
    /// - Branches are taken as they are when the call begins.
    /// - Memory: the largest transaction, and 16 bytes for each where there are several branches.
    pub fn export(&self, out: &mut dyn Write, watch: &dyn Fn(Progress)) -> Result<DumpReport> {
        export_at(&self.database()?.place().storage, out, watch)
    }
}

/// Writes the database in a store of the caller's as a dump; see [`Conn::export`].
pub fn export_at(
    storage: &Arc<dyn Storage>,
    out: &mut dyn Write,
    watch: &dyn Fn(Progress),
) -> Result<DumpReport> {
    let missing = || Error::new(Code::DbDoesNotExist, "Database does not exist.");
    let settings = Settings::load(storage)?.ok_or_else(missing)?;
    let mut head = settings.config.entries().clone();
    for key in OF_THE_PLACE {
        head.shift_remove(&Value::keyword(key));
    }
    let place = Place::new(Arc::clone(storage), settings.log, Keyword::new(MAIN));
    let hold = Hold::all(&place)?;
    let mut export = Export {
        writer: DumpWriter::begin(out, &Value::from(head))?,
        known: HashSet::new(),
        keeps_known: hold.refs.len() > 1,
        done: 0,
        watch,
    };
    for (branch, reference) in &hold.refs {
        fault::catch(|| export.branch(&place.of(branch), reference))?;
    }
    let (totals, bytes) = export.writer.end()?;
    Ok(DumpReport {
        branches: totals.branches,
        transactions: totals.records,
        resumed: 0,
        bytes,
    })
}

struct Export<'e> {
    writer: DumpWriter<'e>,
    /// The commits that are written, where later branches may share them.
    known: HashSet<Uuid>,
    keeps_known: bool,
    done: u64,
    watch: &'e dyn Fn(Progress),
}

impl Export<'_> {
    /// Writes what a branch has beyond those before it.
    fn branch(&mut self, place: &Place, reference: &Ref) -> Result<()> {
        let (mut from, mut begun) = (Origin::default(), false);
        each_record(place, reference, 0, &mut |stand, record| {
            if !begun && self.known.contains(&record.commit) {
                from = Origin {
                    commit: record.commit,
                    t: record.t,
                    epoch: record.epoch,
                };
                return Ok(ControlFlow::Continue(()));
            }
            if !begun {
                begun = true;
                self.line(place, from)?;
            }
            if self.keeps_known {
                self.known.insert(record.commit);
            }
            self.writer.record(&DumpedRecord {
                t: record.t,
                epoch: record.epoch,
                commit: record.commit,
                redacted: stand == (Stand::Archived { redacted: true }),
                payload: record.payload,
            })?;
            self.done += 1;
            if self.done.is_multiple_of(1024) {
                self.tell();
            }
            Ok(ControlFlow::Continue(()))
        })?;
        if !begun {
            self.line(place, from)?;
        }
        self.tell();
        Ok(())
    }

    fn line(&mut self, place: &Place, from: Origin) -> Result<()> {
        let branch = place.branch.clone();
        self.writer.line(&Line { branch, from })
    }

    fn tell(&self) {
        (self.watch)(Progress {
            stage: "transactions",
            done: self.done,
            total: 0,
        });
    }
}
