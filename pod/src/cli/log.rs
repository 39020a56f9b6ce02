//! The transactions of a branch: `log`, and `verify-chain`.

use std::time::Instant;

use datalith_engine::Value;
use datalith_engine::conn::{ChainStatus, Conn, GcOptions, TxEntry};
use datalith_engine::datom::{Datom, Op, TxId};
use datalith_engine::db::TimePoint;

use super::arguments::{Log, Look};
use super::database;
use super::fault::Fault;
use super::listing::Listing;
use super::output::{self, Format};

/// Shows transactions, newest first.
pub(crate) fn log(arguments: &Log) -> Result<(), Fault> {
    let started = Instant::now();
    let conn = database::connect(&arguments.place)?;
    let entries = newest(&conn, arguments)?;
    let mut headings = vec!["t", "tx", "instant", "commit", "asserted", "retracted"];
    headings.extend(arguments.datoms.then_some("datoms"));
    let row = |entry: &TxEntry| {
        // What is said of the transaction itself is on every one of them.
        let count = |op| {
            let datoms = entry.datoms.iter();
            Value::from(datoms.filter(|d| d.op == op && d.e.0 != entry.tx.0).count())
        };
        let mut row = vec![
            Value::Long(entry.t as i64),
            Value::Long(entry.tx.0),
            Value::Instant(entry.instant_ms),
            Value::Uuid(entry.commit),
            count(Op::Assert),
            count(Op::Retract),
        ];
        if arguments.datoms {
            row.push(Value::vector(entry.datoms.iter().map(Datom::to_value)));
        }
        row
    };
    let rows = entries.iter().rev().map(row).collect();
    let listing = Listing::of_maps(&headings, rows);
    let format = Format::chosen(arguments.printing.format);
    output::show(&listing, format, started.elapsed())
}

/// The newest transactions of the range that was asked for, oldest first.
fn newest(conn: &Conn, arguments: &Log) -> Result<Vec<TxEntry>, Fault> {
    let point = |text: &Option<String>, option| {
        let point = text
            .as_deref()
            .map(|text| database::time_point(text, option));
        point.transpose()
    };
    let (mut from, to) = (
        point(&arguments.from, "--from")?,
        point(&arguments.to, "--to")?,
    );
    if let (None, None) = (from, to) {
        let last = conn.db()?.max_tx().0;
        let limit = i64::try_from(arguments.limit).unwrap_or(i64::MAX);
        let first = last.saturating_sub(limit.saturating_sub(1));
        from = Some(TimePoint::Tx(TxId(first.max(datalith_engine::datom::TX0))));
    }
    let mut entries = conn.tx_range(from, to, None)?;
    let extra = entries.len().saturating_sub(arguments.limit);
    entries.drain(..extra);
    Ok(entries)
}

/// Removes what nothing needs.
pub(crate) fn gc(arguments: &Look) -> Result<(), Fault> {
    let conn = database::connect(&arguments.place)?;
    let report = conn.gc_storage(GcOptions::default())?;
    let value = Value::map([
        (
            Value::keyword("removed"),
            Value::Long(report.removed.len() as i64),
        ),
        (Value::keyword("bytes"), Value::Long(report.bytes as i64)),
        (Value::keyword("kept"), Value::Long(report.kept as i64)),
    ]);
    output::show_value(&value, Format::chosen(arguments.printing.format))
}

/// Checks the commits of a branch; failing if one is not what its id says.
pub(crate) fn verify_chain(arguments: &Look) -> Result<(), Fault> {
    let conn = database::connect(&arguments.place)?;
    let report = conn.verify_chain()?;
    let value = report.to_value();
    output::show_value(&value, Format::chosen(arguments.printing.format))?;
    if report.status == ChainStatus::Ok {
        return Ok(());
    }
    let branch = conn.config().branch();
    Err(Fault::Failed(format!(
        "the commits of {branch} are not what their ids say"
    )))
}
