//! Datalith's engine: EDN in, columns out.

pub mod datom;
pub mod error;
pub mod limits;
pub mod query;
pub mod value;

pub use error::{Code, Error, Result, Span};
pub use value::{Keyword, Map, Set, Symbol, Value};
