//! Transactions, and the form their reports have for a client.

use datalith_engine::conn::{TxData, TxReport};
use datalith_engine::db::Db;
use datalith_engine::{Code, Error, Result, Value};

use crate::ops::call::Call;
use crate::ops::read::datom_list;

/// `transact`
pub(crate) fn transact(call: &Call<'_>) -> Result<Value> {
    let conn = call.session.handles.connection(call.arg(0))?;
    Ok(summary(&conn.transact(&tx_data(call.arg(1))?)?))
}

/// Transaction data in either form: a sequence, or a map of it with metadata.
pub(crate) fn tx_data(value: &Value) -> Result<TxData> {
    let syntax = |message| Error::new(Code::TransactSyntax, message);
    match value {
        Value::Vector(_) | Value::List(_) => Ok(TxData::new(value.clone())),
        Value::Map(map) => {
            let Some(data) = value.get("tx-data") else {
                return Err(
                    syntax("Bad argument to transact, map missing key :tx-data.")
                        .with("argument-keys", Value::list(map.keys().cloned())),
                );
            };
            let meta = value.get("tx-meta").filter(|meta| !meta.is_nil());
            Ok(TxData {
                data: data.clone(),
                meta: meta.cloned(),
                rows: None,
            })
        }
        _ => Err(
            syntax("Bad argument to transact, expected map, vector or sequence.")
                .with("argument", value.clone()),
        ),
    }
}

/// A report without its databases: of those, only how far they reach.
pub(crate) fn summary(report: &TxReport) -> Value {
    report_value(report, reach(&report.db_before), reach(&report.db_after))
}

/// A report: five keys in this order.
pub(crate) fn report_value(report: &TxReport, db_before: Value, db_after: Value) -> Value {
    Value::map([
        (Value::keyword("tempids"), report.tempids.clone().into()),
        (Value::keyword("db-before"), db_before),
        (Value::keyword("db-after"), db_after),
        (Value::keyword("tx-meta"), report.tx_meta.clone().into()),
        (
            Value::keyword("tx-data"),
            Value::list(report.tx_data.iter().map(datom_list)),
        ),
    ])
}

fn reach(db: &Db) -> Value {
    Value::map([
        (Value::keyword("max-tx"), Value::Long(db.max_tx().0)),
        (Value::keyword("max-eid"), Value::Long(db.max_eid())),
    ])
}
