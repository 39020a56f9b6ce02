//! One open branch of a database: its newest value, and the writer that makes the next.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, TryLockError};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use super::Config;
use super::consistency;
use super::graphs::Builder;
use super::journal::{Journal, Settled, Waiting};
use super::lineage::gone;
use super::listen::Listeners;
use super::queue::{Answer, Queue, Request, Upon};
use super::reference::{MAIN, Place, Position, fresh_log};
use super::settings::Settings;
use crate::db::Db;
use crate::error::{Code, Error, Result};
use crate::root::Written;
use crate::segment::VectorGraph;
use crate::store::{Put, Storage};
use crate::transact::{self, Transaction, TxData};
use crate::value::{Keyword, Value};

/// One open branch of a database of this process.
pub(super) struct Database {
    config: Config,
    place: Place,
    head: Head,
    queue: Queue,
    /// Held while a group is worked off. A panic under it poisons it: nobody writes any more.
    writer: Mutex<Journal>,
    /// Held by the reader that takes in what other processes wrote: the others wait for it.
    following: Mutex<()>,
    /// Bytes of logs behind the root.
    novelty: AtomicU64,
    /// Whether a transaction was made here.
    wrote: AtomicBool,
    /// The checkpoint at work, if there is one.
    merger: Mutex<Option<JoinHandle<()>>>,
    /// The building of graphs at work, if there is one.
    builder: Mutex<Builder>,
    /// Whether it is about to end.
    closing: AtomicBool,
    keeps_segments: bool,
}

/// The newest value, for readers that never wait for the writer.
pub(super) struct Head(RwLock<(Db, Arc<Seen>)>);

/// What was read of a store to make a value: while it is the same, so is the value.
#[derive(Debug, PartialEq)]
pub(super) struct Seen {
    /// The bytes of the branch's ref.
    pub(super) reference: Option<Vec<u8>>,
    /// The branch's own log.
    pub(super) log: String,
    /// How long it is, if it is there.
    pub(super) end: Option<u64>,
}

impl Head {
    pub(super) fn of(journal: &Journal) -> Head {
        let seen = Arc::new(journal.seen());
        Head(RwLock::new((journal.db().clone(), seen)))
    }

    fn get(&self) -> (Db, Arc<Seen>) {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Shows a value to readers.
    pub(super) fn publish(&self, db: &Db, seen: Seen) {
        let next = (db.clone(), Arc::new(seen));
        // The value before is dropped outside of the lock: it may be the last of many rows.
        let before = std::mem::replace(
            &mut *self.0.write().unwrap_or_else(PoisonError::into_inner),
            next,
        );
        drop(before);
    }
}

impl Database {
    /// Makes a database in a store: whole, or not at all.
    pub(super) fn create(
        storage: &Arc<dyn Storage>,
        config: &Config,
        initial: Option<&TxData>,
    ) -> Result<Put> {
        let log = fresh_log();
        let place = Place::new(Arc::clone(storage), log.clone(), Keyword::new(MAIN));
        let fill = || -> Result<Put> {
            let mut journal = Journal::create(place, config.options().clone())?;
            if let Some(data) = initial {
                journal.transact(data, &[])?;
            }
            // From here on there is a database.
            Settings {
                config: config.clone(),
                log: log.clone(),
            }
            .create(&**storage)
        };
        let put = fill();
        if !matches!(put, Ok(Put::Done))
            && Settings::load(storage).is_ok_and(|s| s.is_none_or(|s| s.log != log))
        {
            // Nobody knows its name; if it cannot be removed, it is in nobody's way.
            let _ = storage.delete(&log);
        }
        put
    }

    /// Opens a branch of the database of a store, if there is one and the configuration fits.
    pub(super) fn open(storage: Arc<dyn Storage>, asked: &Config) -> Result<Option<Database>> {
        let Some(Settings { config, log }) = Settings::load(&storage)? else {
            return Ok(None);
        };
        consistency::check_stored(asked, &config)?;
        let place = Place::new(storage, log, asked.branch().clone());
        let options = consistency::effective_options(asked, &config);
        let Some(journal) = Journal::open(place.clone(), options)? else {
            return Ok(None);
        };
        Ok(Some(Database {
            head: Head::of(&journal),
            wrote: AtomicBool::new(false),
            novelty: AtomicU64::new(journal.novelty_bytes()),
            config: config.with("lock-timeout", Value::Long(asked.lock_timeout_ms() as i64))?,
            place,
            queue: Queue::default(),
            writer: Mutex::new(journal),
            following: Mutex::default(),
            merger: Mutex::default(),
            builder: Mutex::default(),
            closing: AtomicBool::new(false),
            keeps_segments: true,
        }))
    }

    /// As it was created.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// Where its branch is kept.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Its newest value, with what other processes wrote up to now.
    pub(super) fn db(&self) -> Result<Db> {
        if let Some(db) = self.newest()? {
            return Ok(db);
        }
        let _turn = self
            .following
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(db) = self.newest()? {
            return Ok(db);
        }
        // Where our own writer is at work, it is the one that reads and publishes.
        match self.writer.try_lock().as_deref_mut() {
            Ok(journal) => journal.follow(&self.head)?,
            Err(TryLockError::WouldBlock | TryLockError::Poisoned(_)) => {}
        }
        Ok(self.head.get().0)
    }

    /// The value that was read last, if nobody wrote since.
    fn newest(&self) -> Result<Option<Db>> {
        let (db, seen) = self.head.get();
        let reference = self.place.read()?;
        if reference != seen.reference {
            return Ok(None);
        }
        let end = self.place.storage.size(&seen.log)?;
        if reference.is_none() && end.is_none() {
            return Err(gone(&self.place));
        }
        Ok((end == seen.end).then_some(db))
    }

    /// Makes a transaction; others' reports may be made on the way. `upon`: what it is to
    /// follow.
    pub(super) fn transact(&self, data: &TxData, upon: Upon, listeners: &Arc<Listeners>) -> Answer {
        let request = Request {
            data: data.clone(),
            upon,
            listeners: Arc::clone(listeners),
        };
        self.wrote.store(true, Ordering::Relaxed);
        self.queue.submit(request, |group| self.commit(group))
    }

    /// Whether its novelty goes into segments: in memory there is nothing to gain.
    pub(super) fn keeps_segments(&self) -> bool {
        self.keeps_segments
    }

    /// The same for a store in memory.
    pub(super) fn without_segments(self) -> Database {
        Database {
            keeps_segments: false,
            ..self
        }
    }

    pub(super) fn merger(&self) -> &Mutex<Option<JoinHandle<()>>> {
        &self.merger
    }

    pub(super) fn builder(&self) -> &Mutex<Builder> {
        &self.builder
    }

    pub(super) fn is_closing(&self) -> &AtomicBool {
        &self.closing
    }

    /// The value that was read or made last here.
    pub(super) fn current(&self) -> Db {
        self.head.get().0
    }

    /// Gives a graph that was built from an earlier value to the newest; see [`Journal::attach`].
    pub(super) fn attach(&self, from: &Db, graph: VectorGraph) -> Result<bool> {
        self.with_writer(|journal| Ok(journal.attach(from, graph, &self.head)))
    }

    /// Whether a transaction was made here.
    pub(super) fn has_written(&self) -> bool {
        self.wrote.load(Ordering::Relaxed)
    }

    /// Bytes of logs behind the root.
    pub(super) fn novelty_bytes(&self) -> u64 {
        self.novelty.load(Ordering::Relaxed)
    }

    /// Lets the branch go on from a root that its value was written into.
    pub(super) fn adopt(&self, written: &Written, at: Option<&Position>) -> Result<()> {
        let timeout_ms = self.config.lock_timeout_ms();
        self.with_writer(|journal| journal.adopt(written, at, timeout_ms, &self.head))
    }

    /// The newest state, durable, for what builds upon it.
    pub(super) fn settled(&self) -> Result<Settled> {
        self.with_writer(|journal| journal.settled(self.config.lock_timeout_ms(), &self.head))
    }

    /// Lets the branch go on from a root; see [`Journal::rotate`].
    #[cfg(test)]
    pub(super) fn rotate(
        &self,
        root: Option<crate::index::Digest>,
        at: Option<&Position>,
    ) -> Result<()> {
        let timeout_ms = self.config.lock_timeout_ms();
        self.with_writer(|journal| journal.rotate(root, at, timeout_ms, &self.head))
    }

    fn with_writer<T>(&self, work: impl FnOnce(&mut Journal) -> Result<T>) -> Result<T> {
        let mut journal = self.writer.lock().map_err(|_| faulted())?;
        let done = work(&mut journal);
        self.rest(&mut journal);
        done
    }

    fn commit(&self, group: &[&Request]) -> Vec<Answer> {
        let Ok(mut journal) = self.writer.lock() else {
            return all_failed(group.len(), &faulted());
        };
        let answers = journal.commit(group, self.config.lock_timeout_ms(), &self.head);
        self.rest(&mut journal);
        answers
    }

    fn rest(&self, journal: &mut Journal) {
        self.novelty
            .store(journal.novelty_bytes(), Ordering::Relaxed);
        journal.rest(match self.queue.is_empty() {
            true => Waiting::Nobody,
            false => Waiting::Somebody,
        });
    }
}

fn faulted() -> Error {
    let message = "the writer has stopped by a fault, release the connection and connect again";
    Error::new(Code::WriterShutDown, message).with("db/outcome", not_committed())
}

/// A transaction upon a value. A panic in there has changed nothing that anybody sees.
pub(super) fn work_out(db: &Db, data: &TxData) -> Result<Transaction> {
    let result = catch_unwind(AssertUnwindSafe(|| transact::transact(db, data, now_ms())));
    result.unwrap_or_else(|_| {
        let message = "a transaction failed by a fault of the database; nothing of it is kept";
        Err(Error::new(Code::Internal, message).with("db/outcome", not_committed()))
    })
}

/// The same answer for all of a group.
pub(super) fn all_failed(count: usize, error: &Error) -> Vec<Answer> {
    (0..count).map(|_| Err(error.clone())).collect()
}

fn not_committed() -> Value {
    Value::keyword("not-committed")
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |elapsed| {
        i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
    })
}
