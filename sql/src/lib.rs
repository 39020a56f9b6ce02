//! SQL over the same facts: a DataFusion catalog over a database value.
//!
//! The path of a statement: `statement` reads it, DataFusion plans it against the `catalog`, whose tables
//! `scan` reads from runs as `column`s; what changes something becomes a transaction in `change`. A
//! [`Session`] is one database, an [`Executor`] the threads and the memory that sessions share.

mod access;
mod catalog;
mod change;
mod column;
mod executor;
mod fault;
mod function;
pub mod limits;
pub mod lower;
mod output;
mod scan;
#[cfg(feature = "pg")]
pub mod server;
mod session;
mod statement;

pub use access::{Access, Decide, Purpose};
pub use column::value;
pub use executor::{Executor, ExecutorOptions};
pub use output::{Destination, FileForm};
pub use session::{Answer, Session, Source};
pub use statement::Parameters;

/// A batch of an answer, and the columns it has.
pub use datafusion::arrow::{array::RecordBatch, datatypes::SchemaRef};
