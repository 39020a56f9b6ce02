//! Functions over graphs: the graph is read from the runs of a database once per query, then walked
//! for all rows of the relation.
//!
//! Input: a call and a relation. Output: the relation with what the function gives, or the rows for
//! which it is true. ADR-0013 says how a graph is named.

mod answer;
mod call;
mod edges;
mod held;
mod options;
mod solve;
mod spec;

pub(super) use call::{compute, filter};
pub(super) use held::Graphs;

#[cfg(test)]
mod tests;
