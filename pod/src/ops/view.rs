//! Database values made from database values.

use datalith_engine::db::{Db, TimePoint};
use datalith_engine::{Result, Value};

use crate::ops::call::Call;
use crate::ops::change;

/// `as-of`
pub(crate) fn as_of(call: &Call<'_>) -> Result<Value> {
    let db = source(call)?.as_of(TimePoint::from_value(call.arg(1))?)?;
    call.session
        .handles
        .add_database(db, call.arg(0), call.face)
}

/// `since`
pub(crate) fn since(call: &Call<'_>) -> Result<Value> {
    let db = source(call)?.since(TimePoint::from_value(call.arg(1))?)?;
    call.session
        .handles
        .add_database(db, call.arg(0), call.face)
}

/// `history`
pub(crate) fn history(call: &Call<'_>) -> Result<Value> {
    let db = source(call)?.history()?;
    call.session
        .handles
        .add_database(db, call.arg(0), call.face)
}

/// `db-with`
pub(crate) fn db_with(call: &Call<'_>) -> Result<Value> {
    let report = source(call)?.with(&change::tx_data(call.arg(1))?)?;
    call.session
        .handles
        .add_database(report.db_after, call.arg(0), call.face)
}

/// `with`: as the report of `transact`, but `:db-after` can be asked.
pub(crate) fn with(call: &Call<'_>) -> Result<Value> {
    let mut tx_data = change::tx_data(call.arg(1))?;
    if !call.arg(2).is_nil() {
        tx_data.meta = Some(call.arg(2).clone());
    }
    let report = source(call)?.with(&tx_data)?;
    let db_after =
        call.session
            .handles
            .add_database(report.db_after.clone(), call.arg(0), call.face)?;
    let db_before = call.arg(0).clone();
    Ok(change::report_value(&report, db_before, db_after))
}

fn source(call: &Call<'_>) -> Result<Db> {
    call.session.handles.database(call.arg(0))
}
