//! The engine's doors that are not built yet, with the shape the operations expect of them.

use datalith_engine::conn::{TxData, TxReport};
use datalith_engine::db::Db;
use datalith_engine::{Code, Error, Result};

fn not_built<T>() -> Result<T> {
    Err(Error::new(
        Code::Unsupported,
        "The engine does not answer this yet",
    ))
}

pub(crate) fn with(_: &Db, _: &TxData) -> Result<TxReport> {
    not_built()
}
