//! Statements and what they answer.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use datalith_engine::script::Allowance;
use datalith_engine::{Error, Value};
use datalith_sql::{Access, Answer, Destination, Parameters, Session, value};

use crate::cli::fault::Fault;
use crate::cli::input::Text;
use crate::cli::json;
use crate::cli::listing::{Listing, plain};
use crate::cli::output::{self, Format, count_text, duration_text};
use crate::cli::table;

/// Rows that a person is shown; the rest is counted.
const TABLE_ROWS: usize = 1_000;
/// The columns of what `EXPLAIN` answers.
const PLAN: [&str; 2] = ["plan_type", "plan"];

/// How statements are asked.
pub(super) struct Asking {
    pub(super) session: Arc<Session>,
    pub(super) parameters: Parameters,
    /// Where the rows go, if not to standard output.
    pub(super) out: Option<Destination>,
    /// Most time of a statement, in milliseconds.
    pub(super) timeout: Option<u64>,
}

impl Asking {
    /// Runs the statements of a text and writes what the last one answers.
    ///
    /// - `cancelled`: ends them once it is set.
    pub(super) fn run(
        &self,
        text: &Text,
        format: Format,
        cancelled: Arc<AtomicBool>,
    ) -> Result<(), Fault> {
        let refused = |error: Error| Fault::refused_in(error, text);
        let mut allowance = Allowance::default().with_cancel(cancelled);
        if let Some(ms) = self.timeout {
            allowance = allowance.with_timeout_ms(ms);
        }
        let began = Instant::now();
        let answer = self.session.run(&text.body, &self.parameters, &allowance);
        let mut answer = answer.map_err(refused)?;
        if let Some(out) = &self.out {
            let rows = out.write(answer, &Access::All).map_err(refused)?;
            let counted = Value::map([(Value::keyword("rows"), Value::from(rows))]);
            output::show_value(&counted, format)?;
            output::remark(&duration_text(began.elapsed()));
            return Ok(());
        }
        let names: Vec<String> = answer
            .schema()
            .fields()
            .iter()
            .map(|f| f.name().clone())
            .collect();
        match format {
            Format::Table if names == PLAN => plans(answer, &refused),
            Format::Table => people(&mut answer, &names, began, &refused),
            format => programs(&mut answer, &names, format, &refused),
        }
    }
}

/// The first rows as a table, and how many there are.
fn people(
    answer: &mut Answer,
    names: &[String],
    began: Instant,
    refused: &dyn Fn(Error) -> Fault,
) -> Result<(), Fault> {
    let mut shown: Vec<Vec<Value>> = Vec::new();
    let mut count = 0;
    for batch in answer {
        let batch = batch.map_err(refused)?;
        let wanted = batch.num_rows().min(TABLE_ROWS - shown.len());
        shown.extend((0..wanted).map(|row| values(&batch, row)));
        count += batch.num_rows();
    }
    let headings: Vec<&str> = names.iter().map(String::as_str).collect();
    let rest = count - shown.len();
    let mut out = output::stdout();
    table::write(&mut out, &Listing::of_rows(&headings, shown))?;
    if rest > 0 {
        writeln!(
            out,
            "… and {} more; --format csv, jsonl or edn shows all",
            count_text(rest)
        )?;
    }
    out.flush()?;
    let rows = if count == 1 { "row" } else { "rows" };
    output::remark(&format!(
        "{} {rows} · {}",
        count_text(count),
        duration_text(began.elapsed())
    ));
    Ok(())
}

/// Every row, as soon as it is there.
fn programs(
    answer: &mut Answer,
    names: &[String],
    format: Format,
    refused: &dyn Fn(Error) -> Fault,
) -> Result<(), Fault> {
    // Nothing is written of an answer that fails before its first row.
    let mut batches = answer.peekable();
    if let Some(Err(error)) = batches.next_if(Result::is_err) {
        return Err(refused(error));
    }
    let mut out = output::stdout();
    let keys: Vec<Value> = names.iter().map(|name| Value::keyword(name)).collect();
    let (open, between, close) = match format {
        Format::Edn => ("[", "\n ", "]\n"),
        Format::Json => ("[", ",\n ", "]\n"),
        _ => ("", "", ""),
    };
    if format == Format::Csv {
        write_csv(&mut out, names.iter().cloned())?;
    }
    out.write_all(open.as_bytes())?;
    let mut is_first = true;
    for batch in batches {
        let batch = batch.map_err(refused)?;
        for row in 0..batch.num_rows() {
            let values = values(&batch, row);
            if !std::mem::take(&mut is_first) {
                out.write_all(between.as_bytes())?;
            }
            match format {
                Format::Csv => write_csv(&mut out, values.iter().map(plain))?,
                Format::Edn => write!(out, "{}", keyed(&keys, values))?,
                Format::Json => json::write(&mut out, &keyed(&keys, values))?,
                Format::Jsonl | Format::Table => {
                    json::write(&mut out, &keyed(&keys, values))?;
                    writeln!(out)?;
                }
            }
        }
    }
    out.write_all(close.as_bytes())?;
    Ok(out.flush()?)
}

/// Plans as they are, line by line.
fn plans(answer: Answer, refused: &dyn Fn(Error) -> Fault) -> Result<(), Fault> {
    let mut out = output::stdout();
    for batch in answer {
        let batch = batch.map_err(refused)?;
        for row in 0..batch.num_rows() {
            if let [kind, plan] = &values(&batch, row)[..] {
                writeln!(out, "{}\n{}\n", plain(kind), plain(plan).trim_end())?;
            }
        }
    }
    Ok(out.flush()?)
}

fn values(batch: &datalith_sql::RecordBatch, row: usize) -> Vec<Value> {
    batch
        .columns()
        .iter()
        .map(|column| value(column, row))
        .collect()
}

fn keyed(keys: &[Value], values: Vec<Value>) -> Value {
    Value::map(keys.iter().cloned().zip(values))
}

fn write_csv(out: &mut impl Write, fields: impl Iterator<Item = String>) -> Result<(), Fault> {
    let mut csv = csv::Writer::from_writer(out);
    let written = csv.write_record(fields).and_then(|()| Ok(csv.flush()?));
    written.map_err(|cause| Fault::Output(cause.into()))
}
