//! Differences and merges: what one database value has and another lacks, and what it takes to
//! bring the changes of one branch to another.
//!
//! Input: database values, of one past or of two. Output: the datoms that differ, or transaction
//! data. What successive values share is not looked at. Nothing here stores anything.

mod change;
mod conflict;
mod difference;
mod entity;
mod merge;
mod resolve;

pub use conflict::{Conflict, ConflictKind, Strategy};
pub use difference::{Diff, diff};
pub use merge::{MergePlan, merge};

#[cfg(test)]
mod tests;
