//! The queue of transactions before the one writer.
//!
//! There is no writer thread: of the callers that wait, the one in front works off a group for
//! all, then hands its place to the next. So a lone caller pays no thread switch, and many callers
//! share one sync.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::listen::Listeners;
use crate::error::{Code, Error, Result};
use crate::limits::{GROUP_TRANSACTIONS, QUEUE_TRANSACTIONS};
use crate::transact::{TxData, TxReport};

/// What a caller gets.
pub(super) type Answer = Result<TxReport>;

/// A transaction somebody waits for.
pub(super) struct Request {
    /// The transaction data.
    pub(super) data: TxData,
    /// What its commit follows.
    pub(super) upon: Upon,
    /// Who is told when it is kept.
    pub(super) listeners: Arc<Listeners>,
}

/// What a commit follows.
#[derive(Clone, Debug, Default)]
pub(super) struct Upon {
    /// The commits beside the head.
    pub(super) parents: Vec<Uuid>,
    /// The head that the data were worked out for, nil before the first commit; none if they will
    /// do for any.
    pub(super) head: Option<Uuid>,
}

/// Transactions in the order they came.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Arc<Slot>>,
    /// Whether somebody works off a group. While nobody does, nobody waits.
    led: bool,
}

struct Slot {
    request: Request,
    turn: Mutex<Turn>,
    changed: Condvar,
}

enum Turn {
    Wait,
    Lead,
    Answered(Box<Answer>),
}

impl Queue {
    /// Waits for the turn of a request and gives its answer.
    ///
    /// - `commit`: works off a group in order; as many answers as requests. May be called on this
    ///   thread for the requests of others, or on another thread for this one.
    /// - Listeners are called before the answers are given, outside the writer's place.
    pub(super) fn submit(
        &self,
        request: Request,
        commit: impl FnOnce(&[&Request]) -> Vec<Answer>,
    ) -> Answer {
        let slot = Arc::new(Slot {
            request,
            turn: Mutex::new(Turn::Wait),
            changed: Condvar::new(),
        });
        if self.enter(&slot)? == Entry::Behind
            && let Some(answer) = slot.wait()
        {
            return answer;
        }
        let group = self.front();
        let requests: Vec<&Request> = group.iter().map(|slot| &slot.request).collect();
        let answers = catch_unwind(AssertUnwindSafe(|| commit(&requests)));
        self.pass_on();
        let mut answers = match answers {
            Ok(answers) => answers,
            Err(_) => requests.iter().map(|_| Err(panicked())).collect(),
        }
        .into_iter();
        for request in &requests {
            request.listeners.deliver();
        }
        // Who leads stands in front: the first answer is this caller's own.
        let own = answers.next().unwrap_or_else(|| Err(panicked()));
        for slot in &group[1..] {
            slot.set(Turn::Answered(Box::new(
                answers.next().unwrap_or_else(|| Err(panicked())),
            )));
        }
        own
    }

    /// Whether nobody stands in line.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().waiting.is_empty()
    }

    fn enter(&self, slot: &Arc<Slot>) -> Result<Entry> {
        let mut state = self.lock();
        if state.waiting.len() >= QUEUE_TRANSACTIONS {
            let message = format!("{QUEUE_TRANSACTIONS} transactions wait already");
            return Err(Error::new(Code::Limit, message).with("limit", "queue-transactions"));
        }
        state.waiting.push_back(Arc::clone(slot));
        let entry = if state.led {
            Entry::Behind
        } else {
            Entry::Leading
        };
        state.led = true;
        Ok(entry)
    }

    fn front(&self) -> Vec<Arc<Slot>> {
        let mut state = self.lock();
        let count = state.waiting.len().min(GROUP_TRANSACTIONS);
        state.waiting.drain(..count).collect()
    }

    fn pass_on(&self) {
        let mut state = self.lock();
        match state.waiting.front() {
            Some(next) => next.set(Turn::Lead),
            None => state.led = false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that could panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(PartialEq, Eq)]
enum Entry {
    Leading,
    Behind,
}

impl Slot {
    fn set(&self, turn: Turn) {
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner) = turn;
        self.changed.notify_one();
    }

    /// Waits for the answer; none if it is this caller's turn to lead.
    fn wait(&self) -> Option<Answer> {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match std::mem::replace(&mut *turn, Turn::Wait) {
                Turn::Wait => {}
                Turn::Lead => return None,
                Turn::Answered(answer) => return Some(*answer),
            }
            turn = self
                .changed
                .wait(turn)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn panicked() -> Error {
    Error::new(
        Code::WriterShutDown,
        "the writer stopped in the middle of a transaction",
    )
    .with("db/outcome", crate::value::Value::keyword("unknown"))
}
