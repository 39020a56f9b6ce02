//! A bounded queue between the thread that reads and the threads that work.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::lock::hold;
use crate::server::waiting::Waiting;

/// First in, first out; bounded in number and in bytes, so a fast client waits instead of filling
/// the memory.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    arrived: Condvar,
    taken: Condvar,
}

struct State<T> {
    items: Waiting<T>,
    closed: bool,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Queue<T> {
        let state = State {
            items: Waiting::new(),
            closed: false,
        };
        Queue {
            state: Mutex::new(state),
            arrived: Condvar::new(),
            taken: Condvar::new(),
        }
    }

    /// Adds an item of this size when there is room; drops it if the queue is closed.
    pub(crate) fn push(&self, size_bytes: usize, item: T) {
        let full = |state: &mut State<T>| !state.closed && !state.items.has_room(size_bytes);
        let mut state = self
            .taken
            .wait_while(hold(&self.state), full)
            .unwrap_or_else(PoisonError::into_inner);
        if !state.closed {
            state.items.push(size_bytes, item);
            self.arrived.notify_one();
        }
    }

    /// Takes the oldest item, waiting for one; none when the queue is closed.
    pub(crate) fn pop(&self) -> Option<T> {
        let empty = |state: &mut State<T>| !state.closed && state.items.is_empty();
        let mut state = self
            .arrived
            .wait_while(hold(&self.state), empty)
            .unwrap_or_else(PoisonError::into_inner);
        let item = state.items.pop()?;
        // All, because waiters differ in the room they need.
        self.taken.notify_all();
        Some(item)
    }

    /// Drops what waits and lets nothing in from now on.
    pub(crate) fn close(&self) {
        let mut state = hold(&self.state);
        state.closed = true;
        let dropped = state.items.take();
        drop(state);
        drop(dropped);
        self.arrived.notify_all();
        self.taken.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;
    use crate::limits::QUEUE_BYTES;

    #[test]
    fn waits_for_room_and_keeps_the_order() {
        let queue = Arc::new(Queue::new());
        let producer = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || (0..100).for_each(|n| queue.push(QUEUE_BYTES / 2, n)))
        };
        let taken: Vec<i32> = (0..100).map(|_| queue.pop().unwrap()).collect();
        assert_eq!(taken, (0..100).collect::<Vec<_>>());
        producer.join().unwrap();
    }

    #[test]
    fn closing_frees_both_sides() {
        let queue = Arc::new(Queue::new());
        queue.push(QUEUE_BYTES, 1);
        let blocked = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.push(1, 2))
        };
        queue.close();
        blocked.join().unwrap();
        assert_eq!(queue.pop(), None);
    }
}
