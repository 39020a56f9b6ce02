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

/// Most connections of a server at one time.
#[cfg(feature = "pg")]
pub const CONNECTIONS: usize = 100;
/// Most connections beyond those that have not said yet who they are.
#[cfg(feature = "pg")]
pub(crate) const OPENINGS: usize = 32;
/// Longest message of who has not said yet who they are, in bytes.
#[cfg(feature = "pg")]
pub(crate) const OPENING_BYTES: usize = 16 << 10;
/// How long they may take to say it.
#[cfg(feature = "pg")]
pub(crate) const OPENING: Duration = Duration::from_secs(10);
/// How long the answer to a wrong password takes.
#[cfg(feature = "pg")]
pub(crate) const WRONG_PASSWORD: Duration = Duration::from_millis(500);
/// Longest message of a client, in bytes.
#[cfg(feature = "pg")]
pub(crate) const MESSAGE_BYTES: usize = 64 << 20;
/// How long a client may take none of what it is sent.
#[cfg(feature = "pg")]
pub(crate) const SENDING: Duration = Duration::from_secs(120);
/// How long a connection is silent before it is asked whether it is still there.
#[cfg(feature = "pg")]
pub(crate) const SILENCE: Duration = Duration::from_secs(120);
/// How long a server that ends waits for its clients to be gone.
#[cfg(feature = "pg")]
pub(crate) const STOPPING: Duration = Duration::from_secs(5);
/// Most prepared statements that a connection keeps.
#[cfg(feature = "pg")]
pub(crate) const PREPARED: usize = 1000;
/// Most portals that a connection keeps.
#[cfg(feature = "pg")]
pub(crate) const PORTALS: usize = 100;
/// Most parameters of a statement.
#[cfg(feature = "pg")]
pub(crate) const PARAMETERS: usize = 65_535;
