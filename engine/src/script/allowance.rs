//! What a function that users write may spend: the time and memory of the work that calls it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::error::{Code, Error, Result};
use crate::limits;

/// Until when, with how much memory, and whether somebody cancelled it. Clones share the flag.
#[derive(Clone, Debug)]
pub struct Allowance {
    work: Work,
    timeout: Option<(Duration, Instant)>,
    memory_bytes: usize,
    cancelled: Option<Arc<AtomicBool>>,
    /// How many queries of functions are around the work.
    depth: usize,
}

/// Whose time it is.
#[derive(Clone, Copy, Debug)]
enum Work {
    Query,
    Transaction,
}

impl Default for Allowance {
    fn default() -> Allowance {
        Allowance {
            work: Work::Query,
            timeout: None,
            memory_bytes: limits::QUERY_MEMORY_BYTES,
            cancelled: None,
            depth: 0,
        }
    }
}

impl Allowance {
    /// That of the functions that one transaction calls, all together, from now on.
    pub fn of_transaction() -> Allowance {
        let allowance = Allowance {
            work: Work::Transaction,
            memory_bytes: limits::TX_FUNCTION_MEMORY_BYTES,
            ..Allowance::default()
        };
        allowance.with_timeout_ms(limits::TX_FUNCTION_TIMEOUT_MS)
    }

    /// That of a query that a function asks, within its own.
    ///
    /// Errors: [`Code::Limit`] where functions and queries nest too deep.
    pub fn nested(&self) -> Result<Allowance> {
        let limit = limits::FUNCTION_QUERY_DEPTH;
        if self.depth >= limit {
            let message =
                format!("Functions ask queries that call functions: {limit} deep at most");
            return Err(Error::new(Code::Limit, message).with("limit", limit));
        }
        Ok(Allowance {
            depth: self.depth + 1,
            ..self.clone()
        })
    }

    /// Ends the work after that many milliseconds from now, unless it ends before.
    #[must_use]
    pub fn with_timeout_ms(mut self, timeout_ms: u64) -> Allowance {
        let timeout = Duration::from_millis(timeout_ms);
        let later = Instant::now().checked_add(timeout);
        let later = later.map(|deadline| (timeout, deadline));
        let ends = self.timeout.into_iter().chain(later);
        self.timeout = ends.min_by_key(|(_, deadline)| *deadline);
        self
    }

    /// Lets the work hold at most that many bytes at a time.
    #[must_use]
    pub fn with_memory_bytes(mut self, memory_bytes: usize) -> Allowance {
        self.memory_bytes = memory_bytes;
        self
    }

    /// Ends the work soon after the flag is set.
    #[must_use]
    pub fn with_cancel(mut self, cancelled: Arc<AtomicBool>) -> Allowance {
        self.cancelled = Some(cancelled);
        self
    }

    /// Whether it is a transaction that calls: what is answered is transaction data, or a verdict on it.
    pub fn is_of_transaction(&self) -> bool {
        matches!(self.work, Work::Transaction)
    }

    /// Most bytes to hold at a time.
    pub fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// When the work ends, if that is said.
    pub fn deadline(&self) -> Option<Instant> {
        self.timeout.map(|(_, deadline)| deadline)
    }

    /// Fails if time is up or the work was cancelled. A language asks every few thousand steps.
    ///
    /// Errors: [`Code::QueryTimeout`], [`Code::QueryCanceled`], [`Code::TransactTimeout`].
    pub fn check(&self) -> Result<()> {
        let is_cancelled = |flag: &Arc<AtomicBool>| flag.load(Ordering::Relaxed);
        if self.cancelled.as_ref().is_some_and(is_cancelled) {
            return Err(Error::new(Code::QueryCanceled, "Query was cancelled"));
        }
        match self.timeout {
            Some((timeout, deadline)) if Instant::now() >= deadline => Err(self.late(timeout)),
            _ => Ok(()),
        }
    }

    fn late(&self, timeout: Duration) -> Error {
        let ms = timeout.as_millis();
        let (code, message) = match self.work {
            Work::Query => (
                Code::QueryTimeout,
                format!("Query took longer than {ms} ms"),
            ),
            Work::Transaction => (
                Code::TransactTimeout,
                format!("The functions of a transaction took longer than {ms} ms"),
            ),
        };
        Error::new(code, message).with("timeout", ms as i64)
    }
}
