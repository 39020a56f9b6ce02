//! One open database: its newest value, and the writer that makes the next.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use super::Config;
use super::listen::Listeners;
use super::queue::{Answer, Queue, Request};
use super::seam::{self, Transaction, TxData};
use crate::db::Db;
use crate::error::{Code, Error, Result};
use crate::value::Value;

/// One open database of this process.
pub(super) struct Database {
    config: Config,
    head: RwLock<Db>,
    queue: Queue,
    /// Held while a group is worked off.
    writer: Mutex<()>,
}

impl Database {
    /// A database in memory, with what `:initial-tx` says.
    pub(super) fn in_memory(config: Config) -> Result<Database> {
        let mut db = seam::create(config.options().clone());
        if let Some(data) = config.initial_tx() {
            let data = TxData {
                data: data.clone(),
                meta: None,
            };
            db = work_out(&db, &data)?.report.db_after;
        }
        Ok(Database {
            config,
            head: RwLock::new(db),
            queue: Queue::default(),
            writer: Mutex::new(()),
        })
    }

    /// As it was created.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// Its newest value.
    pub(super) fn db(&self) -> Result<Db> {
        Ok(self
            .head
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone())
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
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        group
            .iter()
            .map(|request| self.commit_one(request))
            .collect()
    }

    fn commit_one(&self, request: &Request) -> Answer {
        let mut report = work_out(&self.db()?, &request.data)?.report;
        let commit = Value::Uuid(Uuid::new_v4());
        report.tx_meta.insert(Value::keyword("db/commitId"), commit);
        *self.head.write().unwrap_or_else(PoisonError::into_inner) = report.db_after.clone();
        request.listeners.push(&report);
        Ok(report)
    }
}

/// A transaction upon a value. A panic in there has changed nothing that anybody sees.
fn work_out(db: &Db, data: &TxData) -> Result<Transaction> {
    let result = catch_unwind(AssertUnwindSafe(|| seam::transact(db, data, now_ms())));
    result.unwrap_or_else(|_| {
        Err(Error::new(
            Code::Internal,
            "a transaction failed by a fault of the database",
        )
        .with("db/outcome", Value::keyword("not-committed")))
    })
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |elapsed| {
        i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
    })
}
