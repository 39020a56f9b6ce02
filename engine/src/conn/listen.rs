//! Listeners: who is told of each transaction once it is kept.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::transact::TxReport;

/// Names a listener of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(pub u64);

type Listener = Arc<dyn Fn(&TxReport) + Send + Sync>;

/// The listeners of a connection, and the reports they have not seen yet.
#[derive(Default)]
pub(super) struct Listeners {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    listeners: Vec<(ListenerId, Listener)>,
    next: u64,
    reports: VecDeque<TxReport>,
    /// Whether a thread is telling listeners, perhaps this one further down its stack.
    delivering: bool,
}

impl Listeners {
    pub(super) fn add(&self, listener: Box<dyn Fn(&TxReport) + Send + Sync>) -> ListenerId {
        let mut state = self.lock();
        let id = ListenerId(state.next);
        state.next += 1;
        state.listeners.push((id, Arc::from(listener)));
        id
    }

    /// Whether there was such a listener.
    pub(super) fn remove(&self, id: ListenerId) -> bool {
        let mut state = self.lock();
        let before = state.listeners.len();
        state.listeners.retain(|(other, _)| *other != id);
        state.listeners.len() < before
    }

    /// Notes a report; called in the order of the transactions.
    pub(super) fn push(&self, report: &TxReport) {
        let mut state = self.lock();
        if !state.listeners.is_empty() {
            state.reports.push_back(report.clone());
        }
    }

    /// Tells every listener of every report noted so far, unless a thread is at it already.
    ///
    /// A listener that panics has missed that report; the others and the caller go on.
    pub(super) fn deliver(&self) {
        let mut state = self.lock();
        if state.delivering {
            return;
        }
        state.delivering = true;
        while let Some(report) = state.reports.pop_front() {
            let listeners = state.listeners.clone();
            drop(state);
            for (_, listener) in &listeners {
                let _ = catch_unwind(AssertUnwindSafe(|| listener(&report)));
            }
            state = self.lock();
        }
        state.delivering = false;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No listener runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
