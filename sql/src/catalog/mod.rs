//! The catalog: a schema for each view of a database, and the tables in it.

mod database;
mod naming;
mod schema;
mod view;

pub(crate) use database::{CATALOG, Catalog};
pub(crate) use naming::{ENTITY, TableName, columns, text as ident_text};
pub(crate) use view::{PUBLIC, view};
