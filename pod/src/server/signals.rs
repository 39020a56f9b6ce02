//! What signals mean to a pod.

use std::io;
use std::thread;

use nix::sys::signal::{SigSet, Signal};

use crate::server::end::{End, Ending};

/// Makes SIGTERM a shutdown, and ignores SIGINT: Ctrl-C goes to the whole group, and the client
/// still has its own shutdown to send. To be called before any other thread starts.
pub(crate) fn watch(ending: Ending) -> io::Result<()> {
    let mut watched = SigSet::empty();
    watched.add(Signal::SIGTERM);
    watched.add(Signal::SIGINT);
    // Threads inherit the mask, so only the thread below ever sees these two.
    watched.thread_block()?;
    let wait = move || {
        while let Ok(signal) = watched.wait() {
            if signal == Signal::SIGTERM {
                ending.announce(End::Terminated);
            }
        }
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(wait)
        .map(drop)
}
