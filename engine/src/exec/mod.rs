//! The executor: a physical plan to relations, columns at a time.
//!
//! Input: a [`Program`](crate::plan::Program), the sources and the inputs. Output: an [`Answer`].
//! Every operator takes a whole [`Relation`] and makes another; values are decoded only for
//! functions that need them and at the very end.

mod access;
mod aggregate;
mod answer;
mod arrangement;
mod batch;
mod block;
mod budget;
mod builtin;
mod call;
mod closure;
mod dense;
mod drawing;
mod explain;
mod fixpoint;
mod fold;
mod forecast;
mod graph;
mod graph_call;
mod grouping;
mod input;
mod intersect;
mod join;
mod key;
mod key_index;
mod lists;
mod lookup;
mod lookup_ref;
mod matches;
mod meeting;
mod merge;
mod nearest;
#[cfg(test)]
mod nearest_tests;
mod order;
mod prepared;
mod query;
mod relation;
mod scan;
mod scripted;
mod shared;
mod source;
mod stretch;
mod table;
mod tables;
mod tally;
mod trace;
mod tuple_set;

pub use answer::{Answer, AnswerColumn, Shape};
pub use budget::Budget;
pub use drawing::Tone;
pub use explain::{Explanation, explain, query_stats};
pub use query::{Input, Prepared, QueryOptions, q, q_within};
pub use relation::Relation;

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod stretch_tests;
#[cfg(test)]
mod tests;
