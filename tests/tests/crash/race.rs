//! Two processes on a store without locks: one acts while the other is in the middle of something.
//!
//! At each operation of the one, the other does its own work as a whole, so every order in which their
//! puts can meet is tried. What either was told must hold.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use datalith_engine::conn::{BranchPoint, Config, Conn, create_database_at};
use datalith_engine::store::{HeldLock, LockAttempt, Locks, Put, SimStorage, Storage};
use datalith_engine::transact::TxData;
use datalith_engine::{Code, Error, Index, Keyword, Result, Value, datoms, edn};

use super::pass_on::pass_on;
use super::world::failure;

/// What the rival does in the middle.
const RIVALS: [fn(&mut Process); 3] = [
    |rival| {
        rival.write();
    },
    |rival| {
        rival.write();
        rival.checkpoint();
        rival.write();
    },
    |rival| rival.checkpoint(),
];

/// One process: its connection, what it was told is there, and what is not.
struct Process {
    conn: Conn,
    number: i64,
    next: i64,
    kept: BTreeSet<i64>,
    refused: BTreeSet<i64>,
    broken: Option<String>,
}

impl Process {
    fn on(storage: Arc<dyn Storage>, config: &Config, number: i64) -> Result<Process> {
        Ok(Process {
            conn: Conn::connect_at(storage, config)?,
            number,
            next: number,
            kept: BTreeSet::new(),
            refused: BTreeSet::new(),
            broken: None,
        })
    }

    /// Writes a number of its own.
    fn write(&mut self) {
        self.next += 100;
        let n = self.next;
        let data = edn::read(&format!("[{{:n {n}}}]")).expect("EDN");
        match self.conn.transact(&TxData::new(data)) {
            Ok(_) => {
                self.kept.insert(n);
            }
            Err(error) => {
                let outcome = error.data().iter().find(|(key, _)| *key == "db/outcome");
                if outcome.is_some_and(|(_, value)| *value == Value::keyword("not-committed")) {
                    self.refused.insert(n);
                }
                self.excuse(&error);
            }
        }
    }

    fn checkpoint(&mut self) {
        if let Err(error) = self.conn.checkpoint() {
            self.excuse(&error);
        }
    }

    fn fork(&mut self) {
        let (from, to) = (
            Keyword::new("db"),
            Keyword::new(&format!("side{}", self.number)),
        );
        if let Err(error) = self.conn.create_branch(&BranchPoint::Branch(from), &to) {
            self.excuse(&error);
        }
    }

    /// To be overtaken is no fault; everything else is.
    fn excuse(&mut self, error: &Error) {
        if !matches!(error.code(), Code::Fenced | Code::WriterShutDown) {
            self.broken.get_or_insert(failure(error));
        }
    }
}

/// A store whose rival user acts before one operation.
pub(super) struct Raced {
    inner: Arc<dyn Storage>,
    counted: Counted,
    /// Operations until then.
    left: Mutex<u64>,
    rival: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl std::fmt::Debug for Raced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Raced")
    }
}

/// The operations a rival may act before.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Counted {
    /// Those that change something.
    Puts,
    /// All, but for moments in which somebody holds a lock that the rival would wait for.
    All,
}

impl Raced {
    pub(super) fn new(
        inner: &Arc<dyn Storage>,
        counted: Counted,
        operation: u64,
        rival: impl FnOnce() + Send + 'static,
    ) -> Arc<Raced> {
        Arc::new(Raced {
            inner: Arc::clone(inner),
            counted,
            left: Mutex::new(operation),
            rival: Mutex::new(Some(Box::new(rival))),
        })
    }

    /// Whether the rival got to act.
    pub(super) fn met(&self) -> bool {
        let rival = self.rival.lock();
        rival.unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Before an operation that changes nothing.
    fn look(&self) {
        if self.counted == Counted::All {
            self.step();
        }
    }

    /// Whether the rival would have to wait.
    fn is_locked(&self) -> bool {
        let mut locks = ["collect", "maintenance"].into_iter();
        locks.any(|name| self.inner.held(name).is_ok_and(|held| !held.is_empty()))
    }

    fn step(&self) {
        if self.counted == Counted::All && self.is_locked() {
            return;
        }
        let due = {
            let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
            let due = *left == 0;
            *left = left.saturating_sub(1);
            due
        };
        let rival = match due {
            true => self
                .rival
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
            false => None,
        };
        if let Some(rival) = rival {
            rival();
        }
    }
}

impl Storage for Raced {
    pass_on!(Raced::look);

    fn create(&self, name: &str, bytes: &[u8]) -> Result<Put> {
        self.step();
        self.inner.create(name, bytes)
    }

    fn read(&self, name: &str, range: Range<u64>) -> Result<Option<Vec<u8>>> {
        self.look();
        self.inner.read(name, range)
    }

    fn size(&self, name: &str) -> Result<Option<u64>> {
        self.look();
        self.inner.size(name)
    }

    fn append(&self, name: &str, at: u64, bytes: &[u8]) -> Result<Put> {
        self.step();
        self.inner.append(name, at, bytes)
    }

    fn swap_ref(&self, name: &str, expected: Option<&[u8]>, bytes: &[u8]) -> Result<Put> {
        self.step();
        self.inner.swap_ref(name, expected, bytes)
    }

    fn try_lock(&self, name: &str, holder: &str) -> Result<LockAttempt> {
        self.inner.try_lock(name, holder)
    }

    fn held(&self, prefix: &str) -> Result<Vec<HeldLock>> {
        self.inner.held(prefix)
    }

    fn locks(&self) -> Locks {
        self.inner.locks()
    }
}

/// Lets a rival act at every operation of a process; what was broken first.
pub(super) fn race(
    wrap: fn(Arc<SimStorage>) -> Arc<dyn Storage>,
) -> std::result::Result<u64, String> {
    let mut races = 0;
    for (kind, rival) in RIVALS.into_iter().enumerate() {
        for operation in 0.. {
            let met = race_at(wrap, operation, rival)
                .map_err(|e| format!("rival {kind} at operation {operation}: {e}"))?;
            if !met {
                break;
            }
            races += 1;
        }
    }
    Ok(races)
}

/// One race; whether the rival got to act.
fn race_at(
    wrap: fn(Arc<SimStorage>) -> Arc<dyn Storage>,
    operation: u64,
    act: fn(&mut Process),
) -> std::result::Result<bool, String> {
    let told = |error: Error| failure(&error);
    let storage = wrap(Arc::new(SimStorage::objects(operation)));
    let config = "{:store {:backend :memory :id #uuid \"7a3ef0d1-6a86-4f1e-9d5f-1d9c3b1a2c55\"}
                   :schema-flexibility :read}";
    let config = edn::read(config)
        .and_then(|config| Config::from_value(&config))
        .map_err(told)?;
    create_database_at(&storage, &config).map_err(told)?;
    let rival = Process::on(Arc::clone(&storage), &config, 2).map_err(told)?;
    let rival = Arc::new(Mutex::new(rival));
    let acting = Arc::clone(&rival);
    let raced = Raced::new(&storage, Counted::Puts, operation, move || {
        act(&mut acting.lock().unwrap_or_else(PoisonError::into_inner));
    });
    let mut process = Process::on(raced.clone(), &config, 1).map_err(told)?;
    process.write();
    process.checkpoint();
    process.checkpoint();
    process.write();
    process.fork();
    process.write();
    process.checkpoint();
    let met = raced.met();
    let rival = rival.lock().unwrap_or_else(PoisonError::into_inner);
    let fresh = Conn::connect_at(storage, &config).map_err(told)?;
    let db = fresh.db().map_err(told)?;
    let all = datoms(&db, Index::Aevt, &[Value::keyword("n")]).unwrap_or_default();
    let found: Vec<i64> = all.iter().filter_map(|datom| datom.v.as_long()).collect();
    for one in [&process, &rival] {
        if let Some(broken) = &one.broken {
            return Err(broken.clone());
        }
        if let Some(lost) = one
            .kept
            .iter()
            .find(|n| found.iter().filter(|f| f == n).count() != 1)
        {
            return Err(format!("{lost} was acknowledged, found are {found:?}"));
        }
        if let Some(n) = one.refused.iter().find(|n| found.contains(n)) {
            return Err(format!("{n} was refused, found are {found:?}"));
        }
    }
    Ok(met)
}
