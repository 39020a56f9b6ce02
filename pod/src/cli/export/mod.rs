//! A database to files: a dump of all of it, or rows for other programs.
//!
//! The path of rows: [`rows`] walks the entities of a namespace or an answer, a batch at a time; [`column`] knows
//! how the values of each column lie; [`file`] writes them.

mod column;
mod file;
mod rows;

use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;
use datalith_engine::Value;
use indicatif::{ProgressBar, ProgressStyle};

use super::arguments::Question;
use super::ask::Asked;
use super::database;
use super::fault::Fault;
use super::file_arguments::Export;
use super::output::{self, Format};
use super::upkeep;
use file::Files;
use rows::{Cells, Namespace};

/// What a file of rows is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// Comma-separated values under their names
    Csv,
    /// The same with tabs
    Tsv,
    /// A JSON object on each line
    Jsonl,
    /// Apache Parquet
    Parquet,
    /// A file of Arrow's columns
    Arrow,
    /// A stream of Arrow's columns
    ArrowStream,
}

/// How Parquet is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Packing {
    /// Fast, and read by everything
    Snappy,
    /// Smaller
    Zstd,
}

/// A form with what belongs to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct TableForm {
    form: Form,
    zstd: bool,
}

impl TableForm {
    fn ending(self) -> &'static str {
        match self.form {
            Form::Csv => "csv",
            Form::Tsv => "tsv",
            Form::Jsonl => "jsonl",
            Form::Parquet => "parquet",
            Form::Arrow => "arrow",
            Form::ArrowStream => "arrows",
        }
    }
}

/// Writes the whole database, or rows of it.
pub(crate) fn run(arguments: &Export) -> Result<(), Fault> {
    let form = arguments.kind.or_else(|| form_of(&arguments.file));
    match (&arguments.table, &arguments.query, form) {
        (None, None, None) => whole(arguments),
        (None, None, Some(_)) => Err(Fault::Usage(format!(
            "{} is to hold rows: say which with --table NAMESPACE or --query QUERY",
            arguments.file.display()
        ))),
        (_, _, None) => Err(Fault::Usage(format!(
            "what {} is to hold is not clear from its name; say --kind",
            arguments.file.display()
        ))),
        (table, query, Some(form)) => {
            let zstd = arguments.compression == Packing::Zstd;
            let form = TableForm { form, zstd };
            match (table, query) {
                (Some(table), _) => entities(arguments, table, form),
                (None, query) => answer(arguments, query.as_deref().unwrap_or_default(), form),
            }
        }
    }
}

fn form_of(file: &Path) -> Option<Form> {
    let ending = file.extension()?.to_string_lossy().to_lowercase();
    Some(match &*ending {
        "csv" => Form::Csv,
        "tsv" => Form::Tsv,
        "jsonl" | "ndjson" => Form::Jsonl,
        "parquet" => Form::Parquet,
        "arrow" | "feather" => Form::Arrow,
        "arrows" => Form::ArrowStream,
        _ => return None,
    })
}

/// A dump; what chooses among rows or moments means nothing for it.
fn whole(arguments: &Export) -> Result<(), Fault> {
    let moment = &arguments.moment;
    let is_narrowed = arguments.branch.is_some()
        || moment.as_of.is_some()
        || moment.since.is_some()
        || moment.history
        || !arguments.partition_by.is_empty();
    if is_narrowed {
        return Err(Fault::Usage(
            "a dump holds all branches and their past: rows are chosen with --table or --query"
                .to_owned(),
        ));
    }
    upkeep::export(&arguments.whole, &arguments.file, &arguments.printing)
}

fn entities(arguments: &Export, table: &str, form: TableForm) -> Result<(), Fault> {
    if arguments.moment.history {
        return Err(Fault::Usage(
            "--history has several values where a row has one: ask for them with --query"
                .to_owned(),
        ));
    }
    if !arguments.inputs.is_empty() {
        return Err(Fault::Usage("only --query takes inputs".to_owned()));
    }
    let conn = database::connect_to(&arguments.whole.path, arguments.branch.as_deref())?;
    let db = database::at(&conn, &arguments.moment)?;
    let namespace = Namespace::new(&db, table)?;
    let columns = namespace.columns.clone();
    let files = Files::new(&arguments.file, form, columns, &arguments.partition_by)?;
    let rows = namespace.rows_min();
    write(arguments, files, rows, |take| namespace.each_batch(take))
}

fn answer(arguments: &Export, query: &str, form: TableForm) -> Result<(), Fault> {
    let question = Question {
        db: vec![arguments.whole.path.clone()],
        branch: arguments.branch.iter().cloned().collect(),
        query: query.to_owned(),
        inputs: arguments.inputs.clone(),
        moment: arguments.moment.clone(),
        limit: None,
        offset: None,
        timeout: None,
    };
    let asked = Asked::of(&question)?;
    let answer = asked.answer()?;
    let columns = rows::columns_of(&answer, &asked.headings(&answer));
    let files = Files::new(&arguments.file, form, columns, &arguments.partition_by)?;
    write(arguments, files, answer.len(), |take| {
        rows::each_batch_of(&answer, take)
    })
}

/// Writes all batches that `each` gives, counted by a bar that only a person at a terminal sees.
fn write(
    arguments: &Export,
    mut files: Files,
    rows: usize,
    each: impl FnOnce(&mut dyn FnMut(&Cells) -> Result<(), Fault>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let bar = match io::stderr().is_terminal() {
        true => ProgressBar::new(rows as u64),
        false => ProgressBar::hidden(),
    };
    let style = ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(arguments.file.display().to_string());
    bar.enable_steady_tick(Duration::from_millis(200));
    let written = each(&mut |cells| {
        bar.inc(cells.first().map_or(0, Vec::len) as u64);
        files.write(cells)
    });
    bar.finish_and_clear();
    written?;
    let rows = files.rows;
    let (count, bytes) = files.finish()?;
    let summary = [
        ("rows", Value::from(rows)),
        ("files", Value::from(count)),
        ("bytes", Value::Long(bytes as i64)),
    ];
    let summary = summary.map(|(key, value)| (Value::keyword(key), value));
    output::show_value(
        &Value::map(summary),
        Format::chosen(arguments.printing.format),
    )
}
