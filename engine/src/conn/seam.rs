//! How a connection sees transactions: worked out, and what callers are told of them.

use crate::db::{Db, Options};
use crate::error::Result;
use crate::transact;

pub use crate::transact::{TxData, TxReport};

/// A transaction that is worked out but not yet kept.
pub(super) struct Transaction {
    pub(super) report: TxReport,
}

pub(super) fn create(options: Options) -> Db {
    transact::create(options)
}

pub(super) fn transact(db: &Db, data: &TxData, now_ms: i64) -> Result<Transaction> {
    Ok(Transaction {
        report: transact::transact(db, data, now_ms)?.report(),
    })
}
