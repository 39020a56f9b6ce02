//! Datalith's engine: EDN in, columns out.

mod bytes;
pub mod conn;
pub mod datom;
pub mod db;
pub mod diff;
pub mod edn;
pub mod embed;
pub mod error;
pub mod exec;
pub mod fault;
mod fork;
pub mod function;
pub mod graph;
pub mod index;
pub mod limits;
pub mod nearest;
pub mod plan;
pub mod pull;
pub mod query;
pub mod root;
pub mod schema;
pub mod script;
pub mod segment;
pub mod store;
pub mod transact;
pub mod value;

pub use db::{
    Db, Index, datoms, index_range, metrics, reverse_schema, rseek_datoms, schema_map, schema_rows,
    seek_datoms,
};
pub use error::{Code, Error, Result, Span};
pub use pull::{entity, pull, pull_many};
pub use value::{Keyword, Map, Set, Symbol, Value};

/// The snippet of the README, run as a test.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}
