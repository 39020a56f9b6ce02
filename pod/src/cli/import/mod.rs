//! Files to transactions: `import`.
//!
//! The path of a row: [`input`] says which files there are, [`source`] reads a row with its line out of text
//! ([`csv`], [`forms`]) or [`columns`], [`plan`] knows the attribute of each of its columns, [`cell`] makes
//! values of what it holds, [`load`] transacts many rows at a time and finds the one at fault where a
//! transaction is refused, [`rejects`] keeps those that were left out.

mod cell;
mod columns;
mod csv;
mod forms;
mod input;
mod load;
mod plan;
mod rejects;
mod source;

pub(crate) use input::NO_VALUE;
pub(crate) use plan::ID_COLUMN;

use std::fs::File;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use datalith_engine::Value;
use indicatif::{ProgressBar, ProgressStyle};

use super::database;
use super::fault::Fault;
use super::file_arguments::Import;
use super::output::{self, Format};
use input::{Input, inputs};
use load::Load;
use plan::Plan;
use source::{Opened, Source};

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Comma-separated values under a header row
    Csv,
    /// A JSON object on each line
    Jsonl,
    /// Transaction data
    Edn,
    /// Apache Parquet
    Parquet,
    /// A file or a stream of Arrow's columns
    Arrow,
}

/// Loads files, in order.
pub(crate) fn run(arguments: &Import) -> Result<(), Fault> {
    let inputs = inputs(arguments)?;
    let conn = database::connect_or_create(&arguments.place, &arguments.creation)?;
    let started = Instant::now();
    let mut load = Load::new(&conn, arguments)?;
    let loaded = inputs
        .iter()
        .try_for_each(|input| load_file(&mut load, input, arguments, inputs.len() == 1));
    load.rejects.finish()?;
    loaded?;
    let took = started.elapsed();
    conn.release();
    let done = load.done;
    let summary = [
        ("rows", done.rows),
        ("datoms", done.datoms),
        ("transactions", done.transactions),
        ("rows-left-out", load.rejects.count),
    ];
    let summary = summary.map(|(key, count)| (Value::keyword(key), Value::from(count)));
    output::show_value(&Value::map(summary), Format::chosen(None))?;
    let per_second = |count: usize| {
        let rate = count as f64 / took.as_secs_f64().max(1e-9);
        output::count_text(rate as usize)
    };
    output::remark(&format!(
        "{} · {} rows/s · {} datoms/s",
        output::duration_text(took),
        per_second(done.rows),
        per_second(done.datoms)
    ));
    Ok(())
}

fn load_file(
    load: &mut Load<'_>,
    input: &Input,
    arguments: &Import,
    is_only: bool,
) -> Result<(), Fault> {
    let opened = open(input)?;
    let bar = opened.bar.clone();
    let mut source = Source::new(
        opened,
        input.kind,
        input.name(),
        delimiter(input, arguments)?,
    )?;
    for (name, value) in &input.partitions {
        source.add_fixed(name, (value != NO_VALUE).then_some(value));
    }
    let plan = Plan::new(arguments, &input.namespace)?;
    if is_only && !source.columns.is_empty() {
        plan.check_names(&source.columns)?;
    }
    source.skip(|name| plan.is_skipped(name))?;
    let loaded = load.run(source, plan, &bar);
    bar.finish_and_clear();
    loaded
}

/// What separates the columns of a text: what was said, else a tab where the name ends so.
fn delimiter(input: &Input, arguments: &Import) -> Result<u8, Fault> {
    let is_tabbed = input.path.extension().is_some_and(|ending| ending == "tsv");
    let delimiter = arguments
        .delimiter
        .unwrap_or(if is_tabbed { '\t' } else { ',' });
    u8::try_from(delimiter).map_err(|_| {
        Fault::Usage(format!(
            "--delimiter {delimiter}: expected an ASCII character"
        ))
    })
}

/// The bytes of a file, counted by a bar that only a person at a terminal sees.
fn open(input: &Input) -> Result<Opened, Fault> {
    let is_seen = io::stderr().is_terminal();
    let hidden = |bar: ProgressBar| if is_seen { bar } else { ProgressBar::hidden() };
    if input.is_stdin() {
        let bar = hidden(ProgressBar::new_spinner());
        return Ok(Opened {
            bytes: Box::new(bar.wrap_read(io::stdin())),
            file: None,
            bar,
        });
    }
    let unreadable = |cause| Fault::unreadable(&input.name(), &cause);
    let file = File::open(&input.path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let (bar, style) = match input.kind {
        Kind::Parquet => (
            ProgressBar::new_spinner(),
            "{spinner} {msg} {human_pos} rows",
        ),
        _ => (
            ProgressBar::new(length),
            "{msg} {wide_bar} {bytes}/{total_bytes} {eta}",
        ),
    };
    let bar = hidden(bar);
    bar.set_style(
        ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    bar.set_message(input.name());
    bar.enable_steady_tick(Duration::from_millis(200));
    let bytes = file.try_clone().map_err(unreadable)?;
    Ok(Opened {
        bytes: Box::new(bar.wrap_read(bytes)),
        file: Some(file),
        bar,
    })
}
