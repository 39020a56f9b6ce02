//! One open database: its newest value, and the writer that makes the next.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, TryLockError};
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use super::Config;
use super::consistency;
use super::journal::{Journal, Waiting};
use super::listen::Listeners;
use super::queue::{Answer, Queue, Request};
use super::settings::Settings;
use crate::db::Db;
use crate::error::{Code, Error, Result};
use crate::store::{Put, Storage};
use crate::transact::{self, Transaction, TxData};
use crate::value::Value;

/// One open database of this process.
pub(super) struct Database {
    config: Config,
    head: Head,
    queue: Queue,
    /// Held while a group is worked off. A panic under it poisons it: nobody writes any more.
    writer: Mutex<Writer>,
    /// Where its log is; none in memory.
    place: Option<Place>,
}

/// The newest value, for readers that never wait for the writer.
pub(super) struct Head {
    db: RwLock<Db>,
    /// Bytes of the log behind it.
    end: AtomicU64,
}

enum Writer {
    InMemory,
    Logged(Box<Journal>),
}

struct Place {
    storage: Arc<dyn Storage>,
    log: String,
}

impl Head {
    fn at(db: Db, end: u64) -> Head {
        Head {
            db: RwLock::new(db),
            end: AtomicU64::new(end),
        }
    }

    fn db(&self) -> Db {
        self.db
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Shows a value to readers.
    pub(super) fn publish(&self, db: &Db, end: u64) {
        *self.db.write().unwrap_or_else(PoisonError::into_inner) = db.clone();
        self.end.store(end, Ordering::Release);
    }
}

impl Database {
    /// A database in memory, with what `:initial-tx` says.
    pub(super) fn in_memory(config: Config, initial: Option<&TxData>) -> Result<Database> {
        let mut db = transact::create(config.options().clone());
        if let Some(data) = initial {
            db = work_out(&db, data)?.db_after;
        }
        let (head, queue) = (Head::at(db, 0), Queue::default());
        Ok(Database {
            config,
            head,
            queue,
            writer: Mutex::new(Writer::InMemory),
            place: None,
        })
    }

    /// Makes a database in a store: whole, or not at all.
    pub(super) fn create(
        storage: &Arc<dyn Storage>,
        config: &Config,
        initial: Option<&TxData>,
    ) -> Result<Put> {
        let log = format!("log/{}", Uuid::new_v4().simple());
        let origin = transact::create(config.options().clone());
        let fill = || -> Result<Put> {
            let mut journal = Journal::create(Arc::clone(storage), &log, origin.clone())?;
            if let Some(data) = initial {
                journal.transact(data, &Head::at(origin, 0))?;
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

    /// Opens the database of a store, if there is one and the configuration fits.
    pub(super) fn open(storage: Arc<dyn Storage>, asked: &Config) -> Result<Option<Database>> {
        let Some(Settings { config, log }) = Settings::load(&storage)? else {
            return Ok(None);
        };
        consistency::check_stored(asked, &config)?;
        let options = consistency::effective_options(asked, &config);
        let journal = Journal::open(Arc::clone(&storage), &log, transact::create(options))?;
        Ok(Some(Database {
            head: Head::at(journal.db().clone(), journal.end()),
            config: config.with("lock-timeout", Value::Long(asked.lock_timeout_ms() as i64))?,
            queue: Queue::default(),
            writer: Mutex::new(Writer::Logged(Box::new(journal))),
            place: Some(Place { storage, log }),
        }))
    }

    /// As it was created.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// Its newest value, with what other processes wrote up to now.
    pub(super) fn db(&self) -> Result<Db> {
        let Some(place) = &self.place else {
            return Ok(self.head.db());
        };
        match place.storage.size(&place.log)? {
            None => {
                return Err(Error::new(
                    Code::DbDoesNotExist,
                    "The database has been deleted.",
                ));
            }
            Some(end) if end == self.head.end.load(Ordering::Acquire) => {}
            // Where our own writer is at work, it is the one that reads and publishes.
            Some(_) => match self.writer.try_lock().as_deref_mut() {
                Ok(Writer::Logged(journal)) => journal.follow(&self.head)?,
                Ok(Writer::InMemory)
                | Err(TryLockError::WouldBlock | TryLockError::Poisoned(_)) => {}
            },
        }
        Ok(self.head.db())
    }

    /// Makes a transaction; others' reports may be made on the way.
    pub(super) fn transact(&self, data: &TxData, listeners: &Arc<Listeners>) -> Answer {
        let request = Request {
            data: data.clone(),
            listeners: Arc::clone(listeners),
        };
        self.queue.submit(request, |group| self.commit(group))
    }

    fn commit(&self, group: &[&Request]) -> Vec<Answer> {
        let Ok(mut writer) = self.writer.lock() else {
            let message =
                "the writer has stopped by a fault, release the connection and connect again";
            let error = Error::new(Code::WriterShutDown, message);
            return all_failed(group.len(), &error.with("db/outcome", not_committed()));
        };
        match &mut *writer {
            Writer::InMemory => group
                .iter()
                .map(|request| self.commit_in_memory(request))
                .collect(),
            Writer::Logged(journal) => {
                let answers = journal.commit(group, self.config.lock_timeout_ms(), &self.head);
                let nobody = self.queue.is_empty();
                journal.rest(if nobody {
                    Waiting::Nobody
                } else {
                    Waiting::Somebody
                });
                answers
            }
        }
    }

    fn commit_in_memory(&self, request: &Request) -> Answer {
        let mut report = work_out(&self.head.db(), &request.data)?.report();
        let commit = Value::Uuid(Uuid::new_v4());
        report.tx_meta.insert(Value::keyword("db/commitId"), commit);
        self.head.publish(&report.db_after, 0);
        request.listeners.push(&report);
        Ok(report)
    }
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
