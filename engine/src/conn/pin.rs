//! Pins: which segments an open database reads, or which objects somebody else does, told to whoever collects garbage.
//!
//! A pin is a lock under a name of its own that lists them; a process that dies leaves none.
//! Opening a root and removing objects exclude each other ([`hold_still`]), so a root that was
//! opened is pinned before anything of it can go.

use std::any::Any;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::error::{Code, Error, Result};
use crate::index::Digest;
use crate::limits::MAINTENANCE_WAIT_MS;
use crate::segment::{self, Segments};
use crate::store::{HeldLock, LockAttempt, PINS, Storage, WriterLock};

/// The lock under which objects are removed, roots opened, and branches made from others.
pub(super) const COLLECT: &str = "collect";
/// Attempts to take a pin that somebody else took for a dead one's.
const ATTEMPTS: usize = 8;
/// The lock of whoever writes or removes segments.
pub(super) const MAINTENANCE: &str = "maintenance";
/// What a pin that lists the digests of segments starts with.
const SEGMENTS: &str = "segments ";
/// What a pin that lists the names of objects starts with.
const OBJECTS: &str = "objects ";
/// Longest wait for a lock.
const WAIT: Duration = Duration::from_millis(MAINTENANCE_WAIT_MS);
/// Between two attempts at a lock.
const PAUSE: Duration = Duration::from_micros(200);

/// The newest pin of a connection. It stands until the connection and all values it gave are gone.
#[derive(Clone, Debug, Default)]
pub(super) struct Pins(Arc<Mutex<Option<Pin>>>);

/// A lock that says what its holder needs.
#[derive(Debug)]
pub(super) struct Pin {
    storage: Arc<dyn Storage>,
    name: String,
    lock: Option<Box<dyn WriterLock>>,
}

impl Pins {
    /// What must be held for the pin to stand.
    pub(super) fn kept(&self) -> Arc<dyn Any + Send + Sync> {
        Arc::clone(&self.0) as Arc<dyn Any + Send + Sync>
    }

    /// Pins the segments that are held now, in place of those that were pinned before.
    ///
    /// A store that takes no locks, as one that can only be read, has no pins: what is read there
    /// may be collected.
    pub(super) fn renew(&self, storage: &Arc<dyn Storage>, segments: &Segments) {
        let mut pinned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let alive = segments.alive();
        let digests = alive.iter().map(|stamp| stamp.digest);
        // The old one is given up when the new one stands.
        *pinned = Pin::of_segments(storage, digests);
        segments.set_pinned(alive.is_empty() || pinned.is_some());
    }
}

impl Pin {
    fn of_segments(
        storage: &Arc<dyn Storage>,
        digests: impl Iterator<Item = Digest>,
    ) -> Option<Pin> {
        let digests: Vec<String> = digests.map(|digest| digest.to_string()).collect();
        Pin::take(storage, SEGMENTS, &digests)
    }

    /// Pins objects by their names.
    pub(super) fn of_objects(storage: &Arc<dyn Storage>, names: &BTreeSet<String>) -> Option<Pin> {
        let names: Vec<String> = names.iter().cloned().collect();
        Pin::take(storage, OBJECTS, &names)
    }

    fn take(storage: &Arc<dyn Storage>, kind: &str, needed: &[String]) -> Option<Pin> {
        if needed.is_empty() {
            return None;
        }
        let text = format!("{kind}{};", needed.join(" "));
        for _ in 0..ATTEMPTS {
            let name = format!("{PINS}{}", Uuid::new_v4().simple());
            let Ok(LockAttempt::Taken(lock)) = storage.try_lock(&name, &text) else {
                continue;
            };
            let pin = Pin {
                storage: Arc::clone(storage),
                lock: Some(lock),
                name,
            };
            // Who looks for dead pins may have found it between its making and its locking.
            match storage.held(PINS) {
                Ok(held) if held.iter().any(|held| held.name == pin.name) => return Some(pin),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
        None
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        // Given up first: then its file is nobody's, and whoever collects removes it if we cannot.
        self.lock = None;
        let _ = self.storage.delete(&self.name);
    }
}

/// The objects that a pin needs; none if its holder has not said all of it yet.
pub(super) fn pinned(held: &HeldLock) -> Option<Vec<String>> {
    let needed = held.holder.strip_suffix(';')?;
    if let Some(names) = needed.strip_prefix(OBJECTS) {
        return Some(names.split(' ').map(str::to_owned).collect());
    }
    let mut names = Vec::new();
    for hex in needed.strip_prefix(SEGMENTS)?.split(' ') {
        names.extend(segment::names(Digest::parse(hex)?));
    }
    Some(names)
}

/// Waits for the lock of whoever writes or removes segments. Fails with [`Code::Locked`].
pub(super) fn maintain(storage: &dyn Storage, what: &str) -> Result<Box<dyn WriterLock>> {
    let holder = format!("{what} by process {}", std::process::id());
    wait(|| storage.try_lock(MAINTENANCE, &holder))
}

/// Keeps others from removing objects, opening roots and making branches, for moments.
///
/// None where the store takes no locks. Fails with [`Code::Locked`].
pub(super) fn hold_still(storage: &dyn Storage) -> Result<Option<Box<dyn WriterLock>>> {
    let mut takes_locks = true;
    let lock = wait(|| {
        let attempt = storage.try_lock(COLLECT, "a collection");
        takes_locks = attempt.is_ok();
        attempt
    });
    match lock {
        Err(_) if !takes_locks => Ok(None),
        lock => lock.map(Some),
    }
}

fn wait(mut attempt: impl FnMut() -> Result<LockAttempt>) -> Result<Box<dyn WriterLock>> {
    let start = Instant::now();
    loop {
        match attempt()? {
            LockAttempt::Taken(lock) => return Ok(lock),
            LockAttempt::Busy(_) if start.elapsed() < WAIT => thread::sleep(PAUSE),
            LockAttempt::Busy(holder) => {
                let message = format!("the store is busy with {holder}");
                return Err(Error::new(Code::Locked, message).with("holder", holder));
            }
        }
    }
}
