//! Why the pod ends, and telling the thread that ends it.

use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::bencode::frame::Fault;
use crate::lock::hold;

/// Why the pod ends.
#[derive(Debug)]
pub(crate) enum End {
    /// The client closed its side between two messages.
    Input,
    /// The input can no longer be followed.
    Fault(Fault),
    /// The client asked for it.
    Shutdown,
    /// The process was asked to terminate.
    Terminated,
    /// Nobody reads the answers any more.
    OutputClosed,
}

impl End {
    /// Whether calls already sent may still be answered for a moment.
    pub(crate) fn leaves_time(&self) -> bool {
        matches!(self, End::Input | End::Fault(_))
    }

    /// What the process returns; a lost stream is named on stderr.
    pub(crate) fn exit_code(&self) -> ExitCode {
        if let End::Fault(fault) = self {
            eprintln!("datalith: {fault}; the pod ends");
            return ExitCode::FAILURE;
        }
        ExitCode::SUCCESS
    }
}

/// A latch: the first reason to end is the reason.
#[derive(Clone, Default)]
pub(crate) struct Ending(Arc<(Mutex<Option<End>>, Condvar)>);

impl Ending {
    pub(crate) fn announce(&self, end: End) {
        let (reason, announced) = &*self.0;
        hold(reason).get_or_insert(end);
        announced.notify_all();
    }

    /// Whether there is a reason to end, now or within this time.
    pub(crate) fn is_announced_within(&self, limit: Duration) -> bool {
        let (reason, announced) = &*self.0;
        let none = |reason: &mut Option<End>| reason.is_none();
        let held = announced
            .wait_timeout_while(hold(reason), limit, none)
            .unwrap_or_else(PoisonError::into_inner);
        held.0.is_some()
    }

    /// Waits for a reason to end, and takes it.
    pub(crate) fn wait(&self) -> End {
        let (reason, announced) = &*self.0;
        let mut held = hold(reason);
        loop {
            if let Some(end) = held.take() {
                return end;
            }
            held = announced.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
