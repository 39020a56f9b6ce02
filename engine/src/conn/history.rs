//! What the log remembers: commits, the datoms of each transaction, and whether it was tampered with.

use uuid::Uuid;

use crate::datom::{Datom, TxId};

/// A commit: what made one transaction last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its id, made of its content and the ids of its parents.
    pub id: Uuid,
    /// The t of its transaction.
    pub t: u64,
    /// The entity of its transaction.
    pub tx: TxId,
    /// When it was, milliseconds since 1970 UTC.
    pub instant_ms: i64,
    /// The commits it follows, that of its own branch first; empty for the first.
    pub parents: Vec<Uuid>,
}

/// One transaction as the log has it.
#[derive(Clone, Debug, PartialEq)]
pub struct TxEntry {
    /// Its t.
    pub t: u64,
    /// Its entity.
    pub tx: TxId,
    /// When it was, milliseconds since 1970 UTC.
    pub instant_ms: i64,
    /// Its commit.
    pub commit: Uuid,
    /// What it changed, in the order of the effects.
    pub datoms: Vec<Datom>,
}

/// What became of checking a chain of commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainStatus {
    /// Every id is that of its content.
    Ok,
    /// An id is not, or the bytes of a commit are damaged.
    Mismatch,
    /// Part of the chain could not be read.
    Incomplete,
}

/// The chain of a branch's commits, checked.
#[derive(Clone, Debug)]
pub struct ChainReport {
    /// The verdict.
    pub status: ChainStatus,
    /// How many commits were checked.
    pub commits: u64,
    /// One sentence for each fault.
    pub errors: Vec<String>,
}
