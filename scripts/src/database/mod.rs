//! Connections, database values and queries as values of scripts.

mod connection;
mod input;
mod query;
mod transaction;
mod value;

pub(crate) use connection::open_path;
pub use connection::{Connections, ScriptConn};
pub use query::Query;
pub use value::ScriptDb;
pub(crate) use value::{attributes, time_point};

use rhai::Engine;

use crate::files::Grants;
use crate::meter::Meter;

/// Gives scripts the doors of the engine.
pub(crate) fn register(engine: &mut Engine, meter: &Meter, files: &Grants, open: &Connections) {
    query::register(engine, meter);
    value::register(engine, meter);
    connection::register(engine, files, open);
    transaction::register(engine);
}
