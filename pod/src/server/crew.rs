//! The threads that take turns at reading the input and answer what they read.
//!
//! Leader and followers (Schmidt, Stal, Rohnert, Buschmann 2000, POSA 2 §5.4): one thread reads; when it
//! has a call it leaves the reading to a thread that waits and answers the call itself, so that no
//! call waits for a thread to wake up. The last thread that is free never answers: it goes on
//! reading, and calls queue up for whoever becomes free. So long queries stop neither the reading
//! nor what is read without a thread of the crew, as transactions are.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::lock::hold;
use crate::server::waiting::Waiting;

/// What a free thread does next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn<I, J> {
    /// It reads.
    Lead(I),
    /// It answers a call that waited.
    Answer(J),
}

/// Where the threads meet: the input `I` while nobody reads it, and the calls `J` that wait, bounded in
/// number and in bytes.
pub(crate) struct Crew<I, J> {
    state: Mutex<State<I, J>>,
    arrived: Condvar,
    taken: Condvar,
}

struct State<I, J> {
    input: Option<I>,
    jobs: Waiting<J>,
    free_count: usize,
    closed: bool,
}

impl<I, J> Crew<I, J> {
    pub(crate) fn new() -> Crew<I, J> {
        let state = State {
            input: None,
            jobs: Waiting::new(),
            free_count: 0,
            closed: false,
        };
        Crew {
            state: Mutex::new(state),
            arrived: Condvar::new(),
            taken: Condvar::new(),
        }
    }

    /// Waits for something to do; none when the crew is closed.
    pub(crate) fn turn(&self) -> Option<Turn<I, J>> {
        let mut state = hold(&self.state);
        state.free_count += 1;
        let idle = |state: &mut State<I, J>| {
            !state.closed && state.input.is_none() && state.jobs.is_empty()
        };
        let mut state = self
            .arrived
            .wait_while(state, idle)
            .unwrap_or_else(PoisonError::into_inner);
        state.free_count -= 1;
        if state.closed {
            return None;
        }
        if let Some(input) = state.input.take() {
            return Some(Turn::Lead(input));
        }
        let job = state.jobs.pop()?;
        self.taken.notify_one();
        Some(Turn::Answer(job))
    }

    /// Leaves the input to whoever is free.
    pub(crate) fn lay_down(&self, input: I) {
        hold(&self.state).input = Some(input);
        self.arrived.notify_one();
    }

    /// Leaves the input to a free thread and gives the call back for the caller to answer; where
    /// none is free, queues the call and gives the input back for the caller to go on.
    pub(crate) fn share(&self, input: I, size_bytes: usize, job: J) -> Turn<I, J> {
        let mut state = hold(&self.state);
        if state.free_count > state.jobs.len() {
            state.input = Some(input);
            drop(state);
            self.arrived.notify_one();
            return Turn::Answer(job);
        }
        let full = |state: &mut State<I, J>| !state.closed && !state.jobs.has_room(size_bytes);
        let mut state = self
            .taken
            .wait_while(state, full)
            .unwrap_or_else(PoisonError::into_inner);
        if !state.closed {
            state.jobs.push(size_bytes, job);
            self.arrived.notify_one();
        }
        Turn::Lead(input)
    }

    /// Drops what waits and sends everybody home who is free or will be.
    pub(crate) fn close(&self) {
        let mut state = hold(&self.state);
        state.closed = true;
        let dropped = (state.input.take(), state.jobs.take());
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
    fn the_last_free_thread_goes_on_reading() {
        let crew: Crew<&str, i32> = Crew::new();
        assert_eq!(crew.share("input", 1, 1), Turn::Lead("input"));
        assert_eq!(crew.share("input", 1, 2), Turn::Lead("input"));
        assert_eq!(crew.turn(), Some(Turn::Answer(1)));
        crew.lay_down("input");
        assert_eq!(crew.turn(), Some(Turn::Lead("input")));
        assert_eq!(crew.turn(), Some(Turn::Answer(2)));
    }

    #[test]
    fn a_free_thread_takes_the_input_and_the_reader_answers() {
        let crew: Arc<Crew<&str, i32>> = Arc::new(Crew::new());
        let follower = {
            let crew = Arc::clone(&crew);
            thread::spawn(move || crew.turn())
        };
        let mut input = "input";
        let mut queued = 0;
        let answered = loop {
            match crew.share(input, 1, 7) {
                Turn::Answer(job) => break Some(job),
                Turn::Lead(back) => input = back,
            }
            // The follower had not come yet and takes what was queued instead.
            queued += 1;
            if follower.is_finished() {
                break None;
            }
        };
        let taken = follower.join().unwrap();
        match answered {
            Some(job) => assert!(job == 7 && taken.is_some()),
            None => assert!(queued > 0 && taken == Some(Turn::Answer(7))),
        }
    }

    #[test]
    fn a_full_queue_holds_the_reader_until_it_closes() {
        let crew: Arc<Crew<(), usize>> = Arc::new(Crew::new());
        assert_eq!(crew.share((), QUEUE_BYTES, 1), Turn::Lead(()));
        let blocked = {
            let crew = Arc::clone(&crew);
            thread::spawn(move || crew.share((), 1, 2))
        };
        crew.close();
        assert_eq!(blocked.join().unwrap(), Turn::Lead(()));
        assert_eq!(crew.turn(), None);
    }
}
