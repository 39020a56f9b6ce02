//! Counts who is inside, and waits until they have left.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::lock::hold;

/// A door that can be shut: those inside finish, nobody enters any more.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    left: Condvar,
}

#[derive(Default)]
struct State {
    inside_count: usize,
    shut: bool,
}

/// Proof of being inside; dropping it is leaving.
pub(crate) struct Pass(Gate);

impl Gate {
    /// Goes in, unless the gate is shut.
    pub(crate) fn enter(&self) -> Option<Pass> {
        let mut state = hold(&self.0.state);
        if state.shut {
            return None;
        }
        state.inside_count += 1;
        Some(Pass(self.clone()))
    }

    /// Lets nobody in from now on.
    pub(crate) fn shut(&self) {
        hold(&self.0.state).shut = true;
    }

    /// Waits until nobody is inside, at most this long.
    pub(crate) fn wait_empty(&self, limit: Duration) {
        let state = hold(&self.0.state);
        drop(
            self.0
                .left
                .wait_timeout_while(state, limit, |state| state.inside_count > 0),
        );
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut state = hold(&self.0.0.state);
        state.inside_count -= 1;
        if state.inside_count == 0 {
            self.0.0.left.notify_all();
        }
    }
}
