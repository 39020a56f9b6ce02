//! What waits for a thread: first in, first out, bounded in number and in bytes.

use std::collections::VecDeque;

use crate::limits::{QUEUE_BYTES, QUEUE_CALLS};

/// Items that wait, with the bytes they hold.
pub(crate) struct Waiting<T> {
    items: VecDeque<(usize, T)>,
    held_bytes: usize,
}

impl<T> Waiting<T> {
    pub(crate) fn new() -> Waiting<T> {
        Waiting {
            items: VecDeque::new(),
            held_bytes: 0,
        }
    }

    /// Whether an item of this size may wait too; one always may: its own limit is the message's.
    pub(crate) fn has_room(&self, size_bytes: usize) -> bool {
        self.items.is_empty()
            || (self.items.len() < QUEUE_CALLS && self.held_bytes + size_bytes <= QUEUE_BYTES)
    }

    pub(crate) fn push(&mut self, size_bytes: usize, item: T) {
        self.held_bytes += size_bytes;
        self.items.push_back((size_bytes, item));
    }

    /// The oldest.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let (size_bytes, item) = self.items.pop_front()?;
        self.held_bytes -= size_bytes;
        Some(item)
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// All of them, at once.
    pub(crate) fn take(&mut self) -> Waiting<T> {
        std::mem::replace(self, Waiting::new())
    }
}
