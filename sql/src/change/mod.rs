//! Statements that change something, as transactions.
//!
//! What a statement asks is read like any query; its rows become transaction data ([`row`]), in one
//! transaction. So a change obeys the schema: unique values, references, predicates.

mod row;
mod statement;
mod target;

pub(crate) use statement::run;
