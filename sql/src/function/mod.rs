//! Tables that functions make: searches, Datalog, files.

mod argument;
mod datalog;
mod file;
mod made;
mod nearest;

use std::sync::Arc;

use datafusion::execution::session_state::SessionState;

use crate::access::Access;
use datalog::Datalog;
use file::{FileKind, ReadFile};
use nearest::{Nearest, Search};

/// A state that knows the functions.
pub(crate) fn registered(mut state: SessionState, files: &Access) -> SessionState {
    for search in Search::ALL {
        state.register_udtf(search.name(), Arc::new(Nearest(search)));
    }
    state.register_udtf("datalog", Arc::new(Datalog::Now));
    state.register_udtf("datalog_at", Arc::new(Datalog::At));
    for kind in FileKind::ALL {
        let read = ReadFile {
            kind,
            files: files.clone(),
        };
        state.register_udtf(kind.function(), Arc::new(read));
    }
    state
}
