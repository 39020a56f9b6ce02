//! The right to append to a log, held for one group commit and waited for in turn.

use std::thread;
use std::time::{Duration, Instant};

use super::storage::{LockAttempt, Storage, TURN, WriterLock};
use crate::error::{Code, Error, Result};
use crate::value::Value;

/// The first pause between two attempts; each next one is twice as long.
const PAUSE_MIN: Duration = Duration::from_micros(100);
/// The longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_millis(10);

/// The exclusive right to append to one log; dropping it gives it up.
#[derive(Debug)]
pub struct WriterLease {
    name: String,
    _lock: Box<dyn WriterLock>,
}

impl WriterLease {
    /// Waits up to `timeout_ms` for the right to append to the log `name`; 0 tries once.
    ///
    /// Who waits holds a second lock, so that one who gives the lease up and wants it back at once
    /// comes after. `epoch` is the newest the caller knows, for those whom it keeps waiting. Fails
    /// with [`Code::Locked`], naming the holder in `:holder`.
    pub fn acquire(
        storage: &dyn Storage,
        name: &str,
        epoch: u64,
        timeout_ms: u64,
    ) -> Result<WriterLease> {
        let holder = format!(
            "process {} on {}, epoch {epoch}",
            std::process::id(),
            host()
        );
        let wait = Wait {
            storage,
            name,
            holder,
            start: Instant::now(),
            timeout_ms,
        };
        let _turn = wait.take(&format!("{name}{TURN}"))?;
        Ok(WriterLease {
            name: name.to_owned(),
            _lock: wait.take(name)?,
        })
    }

    /// The log this lease is for.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// One wait for a lease.
struct Wait<'w> {
    storage: &'w dyn Storage,
    name: &'w str,
    holder: String,
    start: Instant,
    timeout_ms: u64,
}

impl Wait<'_> {
    fn take(&self, lock: &str) -> Result<Box<dyn WriterLock>> {
        let timeout = Duration::from_millis(self.timeout_ms);
        let mut pause = PAUSE_MIN;
        loop {
            let busy = match self.storage.try_lock(lock, &self.holder)? {
                LockAttempt::Taken(lock) => return Ok(lock),
                LockAttempt::Busy(holder) => holder,
            };
            let left = timeout.saturating_sub(self.start.elapsed());
            if left.is_zero() {
                return Err(self.locked(busy));
            }
            thread::sleep(pause.min(left));
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// The error for one who waited long enough; `busy` holds the lock that was wanted.
    fn locked(&self, busy: String) -> Error {
        // Whoever waits longer than us does not write: the lock of the log itself tells who does.
        let holder = match self.storage.try_lock(self.name, &self.holder) {
            Ok(LockAttempt::Busy(writer)) if !writer.is_empty() => writer,
            _ if !busy.is_empty() => busy,
            _ => "another process".to_owned(),
        };
        let message = format!(
            "{} is being written by {holder}; waited {} ms for it",
            self.name, self.timeout_ms
        );
        Error::new(Code::Locked, message)
            .with("holder", holder)
            .with("db/outcome", Value::keyword("not-committed"))
    }
}

/// The name of this machine, as far as it is known.
fn host() -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let named = kernel.or_else(|| std::env::var("HOSTNAME").ok());
    named.map_or_else(|| "this machine".to_owned(), |name| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStorage;

    #[test]
    fn second_writer_is_told_who_holds_the_lease() {
        let storage = MemoryStorage::default();
        let lease = WriterLease::acquire(&storage, "log/main", 3, 0).unwrap();
        let error = WriterLease::acquire(&storage, "log/main", 3, 0).unwrap_err();
        assert_eq!(error.code(), Code::Locked);
        let pid = format!("process {} on ", std::process::id());
        assert!(error.message().contains(&pid), "{error}");
        drop(lease);
        WriterLease::acquire(&storage, "log/main", 3, 0).unwrap();
    }

    #[test]
    fn waiter_gets_the_lease_before_the_one_who_gave_it_up() {
        let storage = MemoryStorage::default();
        let lease = WriterLease::acquire(&storage, "log/main", 0, 0).unwrap();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| WriterLease::acquire(&storage, "log/main", 0, 60_000));
            while matches!(
                storage.try_lock("log/main.next", "").unwrap(),
                LockAttempt::Taken(_)
            ) {
                thread::yield_now();
            }
            drop(lease);
            drop(waiter.join().unwrap().unwrap());
        });
    }

    #[test]
    fn many_writers_all_get_their_turn() {
        let storage = MemoryStorage::default();
        let (mut total, count) = (0, std::sync::atomic::AtomicU32::new(0));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..25 {
                        let _lease = WriterLease::acquire(&storage, "l", 0, 60_000).unwrap();
                        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    }
                });
            }
        });
        total += count.into_inner();
        assert_eq!(total, 100);
    }
}
