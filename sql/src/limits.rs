//! Every bound of SQL, with its unit and its default.

use std::time::Duration;

/// Most bytes that sorts, joins and groups of all statements hold in memory.
pub const MEMORY_BYTES: usize = 4 << 30;
/// Most bytes of temporary files that they fill beyond.
pub const SPILL_BYTES: u64 = 64 << 30;
/// Stack of a thread.
pub(crate) const STACK_BYTES: usize = 8 << 20;
/// How often a statement that runs is asked whether it still may.
pub(crate) const CHECK: Duration = Duration::from_millis(5);
/// Most rows that one statement of change may touch.
pub const CHANGED_ROWS: usize = 1_000_000;
