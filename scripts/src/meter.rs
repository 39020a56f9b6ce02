//! What a script may spend: time, memory, and whether somebody cancelled it.
//!
//! One meter serves a script from its first operation to its last: rhai asks it while it runs, and each
//! function of the host hands it on to the query it makes, so that all draw on the same budget.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::limits::MEMORY_BYTES;

/// Operations between two looks at the clock: few enough that large ones do not pile up.
const LOOK_OPERATIONS: u64 = 32;
/// How often the size of the process is read while operations are short, in microseconds.
const WEIGH_MICROS: u64 = 2_000;

/// The budget of a script, shared by all that works for it.
#[derive(Clone)]
pub struct Meter(Arc<State>);

struct State {
    cancelled: Arc<AtomicBool>,
    /// Where time is counted from.
    epoch: Instant,
    /// Microseconds after the epoch at which time is up; the largest number for never.
    deadline: AtomicU64,
    timeout_ms: AtomicU64,
    weighed: AtomicU64,
    memory_bytes: AtomicUsize,
    /// Bytes of the process when the script began.
    began_bytes: AtomicUsize,
    /// Bytes that were printed when that became too much; else 0.
    printed_bytes: AtomicUsize,
}

/// Why a script has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// Somebody cancelled it.
    Cancelled,
    /// It took longer than it may, in milliseconds.
    Time(u64),
    /// The process grew more than it may, in bytes.
    Memory(usize),
    /// It printed more than it may, in bytes.
    Print(usize),
}

impl std::fmt::Display for Spent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Spent::Cancelled => f.write_str("Script was cancelled"),
            Spent::Time(ms) => write!(f, "Script took longer than {ms} ms"),
            Spent::Print(bytes) => write!(
                f,
                "Script printed more than its limit of {} MiB",
                bytes >> 20
            ),
            Spent::Memory(bytes) => {
                write!(
                    f,
                    "Script needs more memory than its limit of {} MiB",
                    bytes >> 20
                )
            }
        }
    }
}

impl Default for Meter {
    fn default() -> Meter {
        Meter(Arc::new(State {
            cancelled: Arc::default(),
            epoch: Instant::now(),
            deadline: AtomicU64::new(u64::MAX),
            timeout_ms: AtomicU64::new(0),
            weighed: AtomicU64::new(0),
            memory_bytes: AtomicUsize::new(MEMORY_BYTES),
            began_bytes: AtomicUsize::new(0),
            printed_bytes: AtomicUsize::new(0),
        }))
    }
}

impl Meter {
    /// Begins a script: what it spends is counted from here, with a timeout if one is given.
    pub fn begin(&self, timeout: Option<Duration>) {
        let state = &self.0;
        let now = state.epoch.elapsed();
        let deadline = timeout.map_or(u64::MAX, |timeout| micros(now.saturating_add(timeout)));
        state.deadline.store(deadline, Ordering::Relaxed);
        let timeout_ms = timeout.map_or(0, |timeout| micros(timeout) / 1_000);
        state.timeout_ms.store(timeout_ms, Ordering::Relaxed);
        state.weighed.store(micros(now), Ordering::Relaxed);
        state.began_bytes.store(process_bytes(), Ordering::Relaxed);
        state.printed_bytes.store(0, Ordering::Relaxed);
        state.cancelled.store(false, Ordering::Relaxed);
    }

    /// Ends the script because it printed more than so many bytes.
    pub fn end_printing(&self, limit_bytes: usize) {
        self.0.printed_bytes.store(limit_bytes, Ordering::Relaxed);
    }

    /// How much the process may grow while a script runs, in bytes.
    pub fn set_memory_bytes(&self, bytes: usize) {
        self.0.memory_bytes.store(bytes, Ordering::Relaxed);
    }

    /// How much the process may grow while a script runs, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.0.memory_bytes.load(Ordering::Relaxed)
    }

    /// Ends the script soon after it is set; queries take it as theirs.
    pub fn cancel_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0.cancelled)
    }

    /// Milliseconds that are left, where time is limited.
    pub fn left_ms(&self) -> Option<u64> {
        let deadline = self.0.deadline.load(Ordering::Relaxed);
        let now = micros(self.0.epoch.elapsed());
        (deadline != u64::MAX).then(|| deadline.saturating_sub(now) / 1_000)
    }

    /// What rhai asks after each operation; most answers cost no look at the clock.
    pub fn after_operation(&self, count: u64) -> Option<Spent> {
        if self.0.cancelled.load(Ordering::Relaxed) {
            return Some(Spent::Cancelled);
        }
        if !count.is_multiple_of(LOOK_OPERATIONS) {
            return None;
        }
        let now = micros(self.0.epoch.elapsed());
        if now >= self.0.deadline.load(Ordering::Relaxed) {
            return Some(Spent::Time(self.0.timeout_ms.load(Ordering::Relaxed)));
        }
        if now < self.0.weighed.load(Ordering::Relaxed) + WEIGH_MICROS {
            return None;
        }
        self.0.weighed.store(now, Ordering::Relaxed);
        self.weigh(0).err()
    }

    /// Fails if the script was cancelled, is out of time, or would hold more than it may with so many
    /// bytes more. Functions of the host ask this before they make something large.
    pub fn check(&self, more_bytes: usize) -> Result<(), Spent> {
        if self.0.cancelled.load(Ordering::Relaxed) {
            return Err(Spent::Cancelled);
        }
        let now = micros(self.0.epoch.elapsed());
        if now >= self.0.deadline.load(Ordering::Relaxed) {
            return Err(Spent::Time(self.0.timeout_ms.load(Ordering::Relaxed)));
        }
        self.weigh(more_bytes)
    }

    fn weigh(&self, more_bytes: usize) -> Result<(), Spent> {
        match self.0.printed_bytes.load(Ordering::Relaxed) {
            0 => {}
            limit => return Err(Spent::Print(limit)),
        }
        let limit = self.memory_bytes();
        let grown = process_bytes().saturating_sub(self.0.began_bytes.load(Ordering::Relaxed));
        match grown.saturating_add(more_bytes) > limit {
            true => Err(Spent::Memory(limit)),
            false => Ok(()),
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Bytes of this process that are in memory; 0 where the system does not say.
fn process_bytes() -> usize {
    memory_stats::memory_stats().map_or(0, |stats| stats.physical_mem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_ends_a_script() {
        let meter = Meter::default();
        meter.begin(None);
        assert_eq!(meter.check(1 << 20), Ok(()));
        assert_eq!(meter.check(3 << 30), Err(Spent::Memory(2 << 30)));
        assert_eq!(meter.left_ms(), None);
        meter.begin(Some(Duration::ZERO));
        assert_eq!(meter.check(0), Err(Spent::Time(0)));
        assert_eq!(meter.after_operation(31), None);
        assert_eq!(meter.after_operation(32), Some(Spent::Time(0)));
        meter.cancel_flag().store(true, Ordering::Relaxed);
        assert_eq!(meter.after_operation(1), Some(Spent::Cancelled));
        meter.begin(None);
        assert_eq!(meter.after_operation(32), None);
    }
}
