//! Bounds of the pod on what comes from outside, with their units.

/// Longest message a client may send, in bytes.
pub const MESSAGE_BYTES: usize = 64 << 20;
/// Deepest nesting of a message's bencode.
pub const MESSAGE_DEPTH: usize = 128;
/// Most keys of a message.
pub const MESSAGE_KEYS: usize = 32;
/// Most calls that wait for a worker; then reading pauses.
pub const QUEUE_CALLS: usize = 16 << 10;
/// Most bytes of calls that wait for a worker; then reading pauses.
pub const QUEUE_BYTES: usize = 256 << 20;
/// Most connections open at one time.
pub const CONNECTIONS: usize = 4 << 10;
/// Most database values held for clients at one time.
pub const DATABASES: usize = 256 << 10;
/// How many handles given back are remembered, to name a dead one as such.
pub const RELEASED_NAMES: usize = 16 << 10;
/// Most prepared queries held for clients at one time, each with its plan.
pub const PREPARED_QUERIES: usize = 4 << 10;
/// Queries that are remembered with their plans; past them all are forgotten.
pub const KNOWN_QUERIES: usize = 256;
/// Most listeners at one time.
pub const LISTENERS: usize = 1 << 10;
/// Most transaction reports waiting for one listener; a slower listener is dropped.
pub const LISTENER_REPORTS: usize = 4 << 10;
/// How long calls already sent may go on after the input has ended, in milliseconds.
pub const END_OF_INPUT_MS: u64 = 1_000;
/// How long a commit in hand may go on after the pod was told to end, in milliseconds.
pub const COMMIT_IN_HAND_MS: u64 = 30_000;
/// How long the pod waits for its client to connect to a socket, in milliseconds.
pub const SOCKET_ACCEPT_MS: u64 = 60_000;
/// Most rows that `sql` answers as values.
#[cfg(feature = "sql")]
pub const SQL_ROWS: usize = 4_000_000;
/// Most databases whose tables `sql` keeps ready.
#[cfg(feature = "sql")]
pub const SQL_DATABASES: usize = 16;
