//! What goes into a transaction, and what comes out.

use super::rows::Rows;
use crate::datom::{Datom, TxId};
use crate::db::{Db, IndexDatom, Purge};
use crate::error::{Code, Error, Result};
use crate::value::{Map, Value};

/// Transaction data, and what is to be said of the transaction itself.
#[derive(Clone, Debug, Default)]
pub struct TxData {
    /// A sequence of forms, or nil.
    pub data: Value,
    /// `:tx-meta`, a map of attributes of the transaction entity.
    pub meta: Option<Value>,
    /// Entities to assert after the forms.
    pub rows: Option<Rows>,
}

impl TxData {
    /// Transaction data without more.
    pub fn new(data: Value) -> TxData {
        TxData {
            data,
            ..TxData::default()
        }
    }

    /// Entities given as rows, and nothing else.
    pub fn of_rows(rows: Rows) -> TxData {
        TxData {
            rows: Some(rows),
            ..TxData::default()
        }
    }

    /// From what a caller passes to `transact`: forms, or `{:tx-data forms :tx-meta map}`.
    pub fn from_value(value: &Value) -> Result<TxData> {
        match value {
            Value::Vector(_) | Value::List(_) => Ok(TxData::new(value.clone())),
            Value::Map(map) => {
                let Some(data) = map.get(&Value::keyword("tx-data")) else {
                    let message = "Bad argument to transact, map missing key :tx-data.";
                    let keys = Value::list(map.keys().cloned());
                    return Err(
                        Error::new(Code::TransactSyntax, message).with("argument-keys", keys)
                    );
                };
                let meta = map.get(&Value::keyword("tx-meta")).cloned();
                Ok(TxData {
                    data: data.clone(),
                    meta,
                    rows: None,
                })
            }
            other => {
                let message = "Bad argument to transact, expected map, vector or sequence.";
                let kind = format!("{:?}", crate::index::Kind::of(other)).to_lowercase();
                Err(Error::new(Code::TransactSyntax, message)
                    .with("argument-type", Value::keyword(&kind)))
            }
        }
    }
}

/// A transaction that was worked out: everything to log, and the database value it makes.
#[derive(Clone)]
pub struct Transaction {
    /// The database value it started from.
    pub db_before: Db,
    /// The database value it makes.
    pub db_after: Db,
    /// Its datoms in the order of their effects. Their new values are those of the dictionary of
    /// `db_after` from the length of `db_before`'s on.
    pub datoms: Vec<IndexDatom>,
    /// What it takes out of present and past; comes before the datoms.
    pub purges: Vec<Purge>,
    /// The entities that tempids stand for; always with `:db/current-tx`.
    pub tempids: Map,
    /// Its entity.
    pub tx: TxId,
    /// Its instant, milliseconds since 1970 UTC.
    pub instant: i64,
    /// What is said of it: `:db/txInstant` first, then what the caller gave.
    pub tx_meta: Map,
}

/// What a caller learns of a transaction.
#[derive(Clone)]
pub struct TxReport {
    /// The database value before.
    pub db_before: Db,
    /// The database value after.
    pub db_after: Db,
    /// What changed, in order: a replaced value is retracted before the new one is asserted.
    pub tx_data: Vec<Datom>,
    /// The entities that tempids stand for; always with `:db/current-tx`.
    pub tempids: Map,
    /// What is said of the transaction.
    pub tx_meta: Map,
}

impl Transaction {
    /// Its datoms as clients see them.
    pub fn tx_data(&self) -> Vec<Datom> {
        self.db_after.datoms_of(&self.datoms)
    }

    /// What its caller learns.
    pub fn report(&self) -> TxReport {
        TxReport {
            db_before: self.db_before.clone(),
            db_after: self.db_after.clone(),
            tx_data: self.tx_data(),
            tempids: self.tempids.clone(),
            tx_meta: self.tx_meta.clone(),
        }
    }
}
