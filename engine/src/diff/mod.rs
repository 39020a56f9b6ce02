//! Differences: what one database value has and another lacks.
//!
//! Input: database values, of one past or of two. Output: the datoms that differ. What successive
//! values share is not looked at.

mod difference;

pub use difference::{Diff, diff};
