//! Connections, database values and queries as values of scripts.

mod connection;
mod input;
mod query;
mod sql;
mod transaction;
mod value;

pub use connection::{Connections, ScriptConn};
pub use query::Query;
pub(crate) use transaction::named;
pub use value::ScriptDb;
pub(crate) use value::{attributes, time_point};

use rhai::Engine;

use crate::files::Grants;
use crate::meter::Meter;

/// Gives scripts database values and queries, and nothing that could change or open anything.
pub(crate) fn register_values(engine: &mut Engine, meter: &Meter) {
    query::register(engine, meter);
    value::register(engine, meter);
}

/// Gives scripts the doors of the engine.
pub(crate) fn register(engine: &mut Engine, meter: &Meter, files: &Grants, open: &Connections) {
    register_values(engine, meter);
    connection::register(engine, files, open);
    sql::register(engine, meter, files);
    transaction::register(engine);
}
