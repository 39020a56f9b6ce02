//! Datalith's engine: EDN in, columns out.

pub mod conn;
pub mod datom;
pub mod db;
pub mod edn;
pub mod error;
pub mod index;
pub mod limits;
pub mod pull;
pub mod query;
pub mod schema;
pub mod store;
pub mod value;

pub use error::{Code, Error, Result, Span};
pub use value::{Keyword, Map, Set, Symbol, Value};
