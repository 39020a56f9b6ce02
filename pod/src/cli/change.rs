//! Transactions: `transact`.

use std::time::Instant;

use datalith_engine::conn::TxReport;
use datalith_engine::transact::TxData;
use datalith_engine::{Value, edn};

use super::arguments::Transact;
use super::database;
use super::fault::Fault;
use super::input::Text;
use super::output::{self, Format};

/// Makes a transaction of each form.
pub(crate) fn transact(arguments: &Transact) -> Result<(), Fault> {
    let text = Text::of(&arguments.data, "transaction")?;
    let refused = |error| Fault::refused_in(error, &text);
    let forms = edn::read_all(&text.body).map_err(refused)?;
    let conn = database::connect_or_create(&arguments.place, &arguments.creation)?;
    let format = Format::chosen(arguments.printing.format);
    for form in &forms {
        let started = Instant::now();
        let report = conn.transact(&TxData::from_value(form)?)?;
        let took = started.elapsed();
        let mut summary = summary(&report);
        if arguments.datoms {
            let datoms = report.tx_data.iter().map(|datom| datom.to_value());
            summary.push((Value::keyword("tx-data"), Value::vector(datoms)));
        }
        output::show_value(&Value::map(summary), format)?;
        if format == Format::Table {
            output::remark(&output::duration_text(took));
        }
    }
    conn.release();
    Ok(())
}

/// What a person wants to know of a transaction.
fn summary(report: &TxReport) -> Vec<(Value, Value)> {
    let tx = report.db_after.max_tx().0;
    let instant = report.tx_meta.get(&Value::keyword("db/txInstant")).cloned();
    let current = Value::keyword("db/current-tx");
    let tempids = report.tempids.iter().filter(|(name, _)| **name != current);
    let tempids: Vec<(Value, Value)> = tempids.map(|(name, e)| (name.clone(), e.clone())).collect();
    vec![
        (Value::keyword("tx"), Value::Long(tx)),
        (Value::keyword("instant"), instant.unwrap_or_default()),
        (Value::keyword("datoms"), Value::from(report.tx_data.len())),
        (Value::keyword("tempids"), Value::map(tempids)),
    ]
}
