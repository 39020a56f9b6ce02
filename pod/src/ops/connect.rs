//! Making, dropping and reaching databases; giving handles back.

use std::sync::Arc;

use datalith_engine::conn::{self, Config, Conn};
use datalith_engine::{Result, Value};

use crate::ops::call::Call;

/// `database-exists?`
pub(crate) fn database_exists(call: &Call<'_>) -> Result<Value> {
    Ok(Value::Bool(conn::database_exists(&config(call)?)?))
}

/// `create-database`
pub(crate) fn create_database(call: &Call<'_>) -> Result<Value> {
    conn::create_database(&config(call)?)
}

/// `delete-database`
pub(crate) fn delete_database(call: &Call<'_>) -> Result<Value> {
    conn::delete_database(&config(call)?)?;
    Ok(Value::Nil)
}

/// `connect`
pub(crate) fn connect(call: &Call<'_>) -> Result<Value> {
    let config = config(call)?;
    let conn = Conn::connect(&config)?;
    call.session
        .handles
        .add_connection(&config.to_value(), conn, call.face)
}

/// `release`
pub(crate) fn release(call: &Call<'_>) -> Result<Value> {
    let (name, conn) = call.session.handles.remove_connection(call.arg(0))?;
    call.session.listeners.end_all_of(&name);
    if call.arg(1).is_truthy() {
        conn.release_all();
    } else {
        conn.release();
    }
    Ok(Value::Nil)
}

/// `db`
pub(crate) fn db(call: &Call<'_>) -> Result<Value> {
    let db = call.session.handles.connection(call.arg(0))?.db()?;
    call.session
        .handles
        .add_database(db, call.arg(0), call.face)
}

/// `release-db`
pub(crate) fn release_db(call: &Call<'_>) -> Result<Value> {
    call.session.handles.remove_database(call.arg(0))?;
    Ok(Value::Map(Arc::default()))
}

/// The configuration given; the default one where there is none.
fn config(call: &Call<'_>) -> Result<Config> {
    Config::from_value(call.arg(0))
}
