//! A branch as far as it was read: its ref, its own log, and the value they make.
//!
//! Reading on is cheap: while the ref stays, only the log's new records are read. Where the ref
//! changed but still holds what was read, the rest of it is read; else all of it, from the root.

use std::cell::Cell;
use std::sync::Arc;

use super::pin::hold_still;
use super::reference::{Found, MAIN, Piece, Place, Position, Ref, pieces_after};
use super::replay::Replay;
use super::settings;
use crate::db::{Db, Options};
use crate::error::{Code, Error, Result};
use crate::fault;
use crate::index::Digest;
use crate::root::{self, Root, Written};
use crate::store::{Log, OnDamage, Origin, Put, RecordView, Start, WriterLease};
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
    /// The root the ref names.
    pub(super) root: Option<Arc<Root>>,
    /// Whether pins still say what an older root needs.
    pins_older: Cell<bool>,
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
        let (root, db) = open_root(&place, None, &options)?;
        let mut lineage = Lineage {
            root,
            pins_older: Cell::new(false),
            place,
            options,
            lock,
            seen: None,
            reference,
            log: None,
            db,
            stale: true,
        };
        lineage.follow()?;
        Ok(Some(lineage))
    }

    /// Takes in what other processes wrote.
    pub(super) fn follow(&mut self) -> Result<()> {
        self.read_on(None)?;
        // Durable before it is seen: its writer may have died before its own sync.
        let Some(log) = &self.log else { return Ok(()) };
        let storage = &self.place.storage;
        match storage.sync(log.name()) {
            // Collected since it was read: what it held was durable before the branch left it.
            Err(_) if storage.size(log.name())?.is_none() => Ok(()),
            synced => synced,
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
            let next = Ref::behind_seal(self.reference.root, self.pieces(), self.head());
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

    /// Gives up what only older values needed, once nobody is shown them any more.
    pub(super) fn pin_less(&self) {
        if self.pins_older.replace(false) {
            self.place
                .pins
                .renew(&self.place.storage, &self.place.segments);
        }
    }

    /// Bytes of logs behind the root.
    pub(super) fn novelty_bytes(&self) -> u64 {
        let pieces = self.pieces();
        let bytes = |piece: &Piece| piece.upto.end - piece.after.map_or(0, |after| after.end);
        pieces.iter().map(bytes).sum()
    }

    /// Takes a root over that this value was written into, perhaps before it grew.
    pub(super) fn adopt(&mut self, written: &Written) {
        self.root = Some(Arc::clone(&written.root));
        self.db = written.rebase(&self.db);
        let Place {
            storage,
            segments,
            pins,
            ..
        } = &self.place;
        pins.renew(storage, segments);
        self.pins_older.set(true);
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
            let made = Log::create(storage, log, *origin).map_err(|error| match error.code() {
                // Where locks keep nobody out, another writer was quicker.
                Code::DbAlreadyExists => Error::new(Code::Fenced, error.message()),
                _ => error,
            })?;
            self.log = Some(made.under(&self.lock));
        }
        if !self.reference.begun {
            self.begin()?;
        }
        self.log.as_mut().ok_or_else(|| busy(&self.place))
    }

    /// Says in the ref that the own log was made, before anything is in it: from then on its loss is
    /// noticed.
    fn begin(&mut self) -> Result<()> {
        let next = Ref {
            begun: true,
            ..self.reference.clone()
        };
        let swapped = self.place.swap(self.seen.as_deref(), Some(&next))?;
        let moved_on = || Error::new(Code::Fenced, "another writer changed the branch just now");
        self.seen = Some(swapped.ok_or_else(moved_on)?);
        self.reference = next;
        Ok(())
    }

    fn read_on(&mut self, lease: Option<&WriterLease>) -> Result<()> {
        let mut failed: Option<Error> = None;
        for _ in 0..ATTEMPTS {
            let mut found = self.place.load()?;
            let has_root =
                |found: &Found| found.reference.as_ref().is_some_and(|r| r.root.is_some());
            let mut still = None;
            if has_root(&found) && (self.stale || found.bytes != self.seen) {
                // Nothing of the root is removed before it is opened and pinned.
                still = hold_still(&*self.place.storage)?;
                found = self.place.load()?;
            }
            let reference = found.reference.ok_or_else(|| gone(&self.place))?;
            let changed = found.bytes != self.seen;
            match failed.take() {
                // Read from the start, and the ref is still the same.
                Some(error) if !changed => return Err(error),
                _ => self.seen = found.bytes,
            }
            let from_start = self.stale;
            let read = fault::catch(|| self.read(reference, changed, lease));
            self.stale = read.is_err();
            drop(still);
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
            (self.root, self.db) = open_root(&self.place, next.root, &self.options)?;
            self.pins_older.set(true);
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
    let (_, db) = open_root(place, root, options)?;
    fault::catch(|| {
        let mut replay = Replay::upon(&db);
        for Piece { log, after, upto } in pieces {
            let storage = Arc::clone(&place.storage);
            Log::read_between(storage, log, *after, upto, &mut |record| {
                replay.add(&record)
            })?;
        }
        Ok(replay.finish())
    })
}

/// A root and the value it holds; that of no root is the empty database.
pub(super) fn open_root(
    place: &Place,
    root: Option<Digest>,
    options: &Options,
) -> Result<(Option<Arc<Root>>, Db)> {
    let Some(root) = root else {
        return Ok((None, transact::create(options.clone())));
    };
    let opened = root::open(&*place.storage, &place.segments, root, options)?;
    place.pins.renew(&place.storage, &place.segments);
    Ok((Some(opened.root), opened.db))
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
        Err(error) if error.code() == Code::DbDoesNotExist => reference.without_log(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    use crate::conn::database::{Database, Head};
    use crate::conn::history;
    use crate::conn::journal::Journal;
    use crate::conn::listen::Listeners;
    use crate::conn::queue::{Request, Upon};
    use crate::conn::record;
    use crate::conn::settings::Settings;
    use crate::conn::tests::{
        add, add_to, branch, branch_config, code, head, numbers, open_main, place_of, set,
    };
    use crate::conn::{Conn, create_database};
    use crate::datom::TX0;
    use crate::store::{Fault, FileStorage, MemoryStorage, SimStorage, Storage, Times};

    /// A group of three transactions is one append; a branch may start in the midst of it.
    #[test]
    fn a_branch_starts_in_the_midst_of_a_group() {
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
        let config = branch_config(std::path::Path::new("/nowhere"), MAIN);
        Database::create(&storage, &config, None).unwrap();
        let place = place_of(&storage, MAIN);
        let options = config.options().clone();
        let mut journal = Journal::open(place.clone(), options.clone())
            .unwrap()
            .unwrap();
        let requests: Vec<Request> = (1..=3)
            .map(|n| Request {
                data: add(n),
                upon: Upon::default(),
                listeners: Arc::new(Listeners::default()),
            })
            .collect();
        let head = Head::of(&journal);
        let answers = journal.commit(&requests.iter().collect::<Vec<_>>(), 0, &head);
        let second = answers[1].as_ref().unwrap().db_after.commit_id().unwrap();
        let start = record::locate(
            &place,
            &super::super::hold::Hold::all(&place).unwrap(),
            record::Wanted::id(second),
        )
        .unwrap()
        .unwrap();
        let start = start.start(&place, &options).unwrap();
        let b = place.of(&branch("b"));
        b.swap(None, Some(&start)).unwrap();
        let mut journal = Journal::open(b.clone(), options.clone()).unwrap().unwrap();
        assert_eq!(numbers(journal.db()), set([1, 2]));
        journal.transact(&add(7), &[]).unwrap();
        let again = Journal::open(b, options).unwrap().unwrap();
        assert_eq!(numbers(again.db()), set([1, 2, 7]));
        assert_eq!(again.db().max_tx().0 - TX0, 3);
    }

    #[test]
    fn handles_follow_a_branch_from_log_to_log() {
        let dir = tempfile::tempdir().unwrap();
        let storages: [Arc<dyn Storage>; 3] = [
            Arc::new(MemoryStorage::default()),
            Arc::new(SimStorage::objects(3)),
            Arc::new(FileStorage::at(dir.path().join("db"))),
        ];
        for storage in storages {
            let config = branch_config(std::path::Path::new("/nowhere"), MAIN);
            Database::create(&storage, &config, Some(&add(0))).unwrap();
            let (writer, other, reader) = (
                open_main(&storage),
                open_main(&storage),
                open_main(&storage),
            );
            let mut known = set([0]);
            for round in 1..=3 {
                let at = writer.settled().unwrap();
                assert_eq!(numbers(&at.db), known);
                add_to(&writer, 10 * round).unwrap();
                // No root yet: the pieces of logs hold everything.
                writer.rotate(None, None).unwrap();
                add_to(&other, 10 * round + 1).unwrap();
                add_to(&writer, 10 * round + 2).unwrap();
                known.extend(10 * round..10 * round + 3);
                for database in [&writer, &other, &reader, &open_main(&storage)] {
                    assert_eq!(numbers(&database.db().unwrap()), known);
                }
                assert!(at.position.is_some());
            }
            // What was at hand before a rotation is no longer where the branch goes on from a root.
            let old = Position {
                log: "log/x".to_owned(),
                tip: writer.settled().unwrap().position.unwrap().tip,
            };
            assert_eq!(code(writer.rotate(None, Some(&old))), Code::Fenced);
            assert_eq!(numbers(&reader.db().unwrap()), known);
            let entries = history::commits(&place_of(&storage, MAIN)).unwrap();
            assert_eq!(entries.len(), known.len());
        }
    }

    /// The power is cut between the seal of a log and the swap of the ref, time and again.
    #[test]
    fn a_sealed_log_whose_ref_never_changed_is_gone_on_from() {
        let mut sim = Arc::new(SimStorage::seeded(5));
        let mut storage: Arc<dyn Storage> = sim.clone();
        let config = branch_config(std::path::Path::new("/nowhere"), MAIN);
        Database::create(&storage, &config, None).unwrap();
        let mut known = BTreeSet::new();
        for round in 1..=3 {
            let (database, stale) = (open_main(&storage), open_main(&storage));
            add_to(&database, 2 * round).unwrap();
            assert!(stale.db().is_ok());
            // Append and sync of the seal, then the swap.
            sim.fail_at(
                sim.operations() + 2,
                Times::Forever,
                Fault::Before(Code::Storage),
            );
            assert_eq!(code(database.rotate(None, None)), Code::Storage);
            sim.heal();
            // Who was there before, in this life, finds the seal.
            if round == 2 {
                add_to(&stale, 100).unwrap();
                known.insert(100);
            }
            sim = Arc::new(sim.crash());
            storage = sim.clone();
            let database = open_main(&storage);
            known.insert(2 * round);
            assert_eq!(numbers(&database.db().unwrap()), known);
            add_to(&database, 2 * round + 1).unwrap();
            known.insert(2 * round + 1);
            assert_eq!(numbers(&open_main(&storage).db().unwrap()), known);
        }
        let reference = place_of(&storage, MAIN).load().unwrap().reference.unwrap();
        assert_eq!(reference.base.len(), 3);
    }

    /// What a deletion that was cut short left is no part of the database created after it.
    #[test]
    fn refs_left_by_a_deleted_database_count_for_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        create_database(&branch_config(&path, MAIN)).unwrap();
        let conn = Conn::connect(&branch_config(&path, MAIN)).unwrap();
        conn.transact(&add(1)).unwrap();
        conn.create_branch(&head(MAIN), &branch("b")).unwrap();
        conn.database().unwrap().rotate(None, None).unwrap();
        conn.release();
        std::fs::remove_file(path.join("database")).unwrap();
        create_database(&branch_config(&path, MAIN)).unwrap();
        let conn = Conn::connect(&branch_config(&path, MAIN)).unwrap();
        assert_eq!(conn.branches().unwrap(), [branch(MAIN)]);
        assert_eq!(numbers(&conn.db().unwrap()), set([]));
        conn.create_branch(&head(MAIN), &branch("b")).unwrap();
        conn.database().unwrap().rotate(None, None).unwrap();
        conn.transact(&add(2)).unwrap();
        assert_eq!(numbers(&conn.db().unwrap()), set([2]));
        conn.release();
    }

    /// Every operation of a life with a rotation and a branch fails, and the power is cut.
    #[test]
    fn no_crash_loses_what_a_branch_had_acknowledged() {
        let lived = |sim: &Arc<SimStorage>| {
            let storage: Arc<dyn Storage> = sim.clone();
            let config = branch_config(std::path::Path::new("/nowhere"), MAIN);
            let (mut main, mut other) = (BTreeSet::new(), None);
            let mut live = || -> Result<()> {
                Database::create(&storage, &config, None)?;
                let asked = config.with("lock-timeout", Value::Long(0))?;
                let database = Database::open(Arc::clone(&storage), &asked)?.unwrap();
                for n in 1..=4 {
                    if add_to(&database, n).is_ok() {
                        main.insert(n);
                    }
                    if n == 2 {
                        database.rotate(None, None)?;
                    }
                }
                let settled = database.settled()?;
                let start = Ref::fresh(None, settled.pieces, settled.head);
                let b = place_of(&storage, "b");
                b.swap(None, Some(&start))?;
                other = Some(main.clone());
                let mut journal = Journal::open(b, config.options().clone())?.unwrap();
                journal.transact(&add(9), &[])?;
                other.as_mut().unwrap().insert(9);
                Ok(())
            };
            let done = live().is_ok();
            (done, main, other)
        };
        let whole = Arc::new(SimStorage::seeded(0));
        assert_eq!(
            lived(&whole),
            (true, set(1..=4), Some(set([1, 2, 3, 4, 9])))
        );
        for (seed, at) in (0..6).flat_map(|seed| (0..whole.operations()).map(move |at| (seed, at)))
        {
            let faults = [
                Fault::PowerCut,
                Fault::After(Code::Storage),
                Fault::Before(Code::Storage),
            ];
            let sim = Arc::new(match seed % 2 {
                0 => SimStorage::seeded(seed),
                _ => SimStorage::objects(seed),
            });
            sim.fail_at(at, Times::Once, faults[seed as usize % 3]);
            let (_, main, other) = lived(&sim);
            let storage: Arc<dyn Storage> = Arc::new(sim.crash());
            if Settings::load(&storage).unwrap().is_none() {
                assert!(main.is_empty(), "seed {seed}, operation {at}");
                continue;
            }
            let database = open_main(&storage);
            let found = numbers(&database.db().unwrap());
            assert!(
                main.is_subset(&found),
                "seed {seed}, operation {at}: {found:?} of {main:?}"
            );
            add_to(&database, 77).unwrap();
            let options = database.db().unwrap().options().as_ref().clone();
            let b = Journal::open(place_of(&storage, "b"), options).unwrap();
            match (other, b) {
                (None, _) => {}
                (Some(other), b) => assert!(other.is_subset(&numbers(b.unwrap().db()))),
            }
            assert_eq!(
                numbers(&open_main(&storage).db().unwrap()),
                &found | &set([77])
            );
        }
    }
}
