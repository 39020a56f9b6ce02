//! Transaction data and reports.

use crate::datom::Datom;
use crate::db::{Db, Options};
use crate::error::{Code, Error, Result};
use crate::value::{Map, Value};

/// What a transaction is given.
#[derive(Clone, Debug, Default)]
pub struct TxData {
    /// A vector of maps and operations.
    pub data: Value,
    /// Attributes of the transaction entity, a map.
    pub meta: Option<Value>,
}

/// What became of a transaction.
#[derive(Clone)]
pub struct TxReport {
    /// Before it.
    pub db_before: Db,
    /// After it.
    pub db_after: Db,
    /// What changed.
    pub tx_data: Vec<Datom>,
    /// The entities that tempids stand for.
    pub tempids: Map,
    /// Attributes of the transaction entity.
    pub tx_meta: Map,
}

/// A transaction that is worked out but not yet kept.
pub(super) struct Transaction {
    pub(super) report: TxReport,
}

pub(super) fn create(options: Options) -> Db {
    Db::empty(options)
}

pub(super) fn transact(_db: &Db, _data: &TxData, _now_ms: i64) -> Result<Transaction> {
    Err(Error::new(
        Code::Unsupported,
        "transactions are not built yet",
    ))
}
