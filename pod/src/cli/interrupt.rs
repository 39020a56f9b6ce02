//! Ctrl-C ends what a script is doing, and nothing else.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use nix::sys::signal::{SigSet, Signal, raise};

/// What Ctrl-C sets.
#[derive(Clone, Default)]
pub(crate) struct Interrupt(Arc<Mutex<Option<Arc<AtomicBool>>>>);

impl Interrupt {
    /// Watches for Ctrl-C from here on. To be called before any other thread starts.
    pub(crate) fn watch() -> io::Result<Interrupt> {
        let mut watched = SigSet::empty();
        watched.add(Signal::SIGINT);
        // Threads inherit the mask, so only the thread below ever sees it.
        watched.thread_block()?;
        let interrupt = Interrupt::default();
        let target = interrupt.clone();
        let wait = move || {
            while watched.wait().is_ok() {
                let flag = target
                    .0
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone();
                match flag {
                    // What does not end by the first ends by the second.
                    Some(flag) if !flag.swap(true, Ordering::Relaxed) => {}
                    _ => {
                        let _ = watched.thread_unblock();
                        let _ = raise(Signal::SIGINT);
                    }
                }
            }
        };
        thread::Builder::new()
            .name("interrupt".to_owned())
            .spawn(wait)?;
        Ok(interrupt)
    }

    /// A new flag that Ctrl-C sets from here on.
    #[cfg(feature = "sql")]
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        let flag = Arc::new(AtomicBool::new(false));
        self.aim(Arc::clone(&flag));
        flag
    }

    /// Makes Ctrl-C set a flag.
    pub(crate) fn aim(&self, flag: Arc<AtomicBool>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(flag);
    }
}
