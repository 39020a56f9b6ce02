//! Bytes that stay: the storage trait, its three implementations and the append-only log.
//!
//! Nothing above this module touches a file, and nothing in it knows what the bytes mean: a payload
//! goes in as `&[u8]` and comes out the same or not at all.

mod append;
mod file;
mod lease;
mod log;
#[cfg(test)]
mod log_tests;
mod memory;
mod mmap;
mod record;
mod scan;
mod sim;
mod storage;

pub use append::Entry;
pub use file::{FileStorage, read_text};
pub use lease::WriterLease;
pub use log::{Log, OnDamage, Origin, Recovery, Start};
pub use memory::MemoryStorage;
pub use mmap::Mapped;
pub use record::{Appended, FORMAT_VERSION, LogPosition, RecordView, Tip, commit_id};
pub use sim::{Fault, SimStorage, Times};
pub use storage::{
    HeldLock, Listed, LockAttempt, Locks, PINS, Put, Storage, WriterLock, create_by_content,
};
