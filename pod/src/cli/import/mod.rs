//! Files to transactions: `import`.
//!
//! The path of a row: [`source`] reads it with its line, [`plan`] knows the attribute of each of
//! its columns, [`cell`] makes values of texts, [`load`] transacts many rows at a time and finds
//! the one at fault where a transaction is refused.

mod cell;
mod load;
mod plan;
mod source;

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use datalith_engine::Value;
use indicatif::{ProgressBar, ProgressStyle};

use super::arguments::Import;
use super::database;
use super::fault::Fault;
use super::output::{self, Format};
use load::Load;
use plan::Plan;
use source::Source;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Comma-separated values under a header row
    Csv,
    /// A JSON object on each line
    Jsonl,
    /// Transaction data
    Edn,
}

/// Loads files, in order.
pub(crate) fn run(arguments: &Import) -> Result<(), Fault> {
    let stdins = arguments.files.iter().filter(|file| is_stdin(file)).count();
    if stdins > 1 {
        return Err(Fault::Usage(
            "standard input can be read only once".to_owned(),
        ));
    }
    let kinds: Vec<Kind> = arguments
        .files
        .iter()
        .map(|file| kind_of(file, arguments))
        .collect::<Result<_, _>>()?;
    let conn = database::connect_or_create(&arguments.place, &arguments.creation)?;
    let started = Instant::now();
    let mut load = Load::new(&conn, arguments);
    for (file, kind) in arguments.files.iter().zip(kinds) {
        let (reader, bar) = open(file)?;
        let source = Source::new(reader, kind, name_of(file), arguments.delimiter)?;
        let plan = Plan::new(arguments, file)?;
        let loaded = load.run(source, plan, &bar);
        bar.finish_and_clear();
        loaded?;
    }
    let took = started.elapsed();
    conn.release();
    let done = load.done;
    let summary = [
        ("rows", done.rows),
        ("datoms", done.datoms),
        ("transactions", done.transactions),
        ("rows-left-out", done.left_out),
    ];
    let summary = summary.map(|(key, count)| (Value::keyword(key), Value::from(count)));
    output::show_value(&Value::map(summary), Format::chosen(None))?;
    let per_second = done.datoms as f64 / took.as_secs_f64().max(1e-9);
    let rate = output::count_text(per_second as usize);
    output::remark(&format!(
        "{} · {rate} datoms/s",
        output::duration_text(took)
    ));
    Ok(())
}

fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}

fn name_of(file: &Path) -> String {
    if is_stdin(file) {
        "standard input".to_owned()
    } else {
        file.display().to_string()
    }
}

fn kind_of(file: &Path, arguments: &Import) -> Result<Kind, Fault> {
    if let Some(kind) = arguments.kind {
        return Ok(kind);
    }
    let ending = file
        .extension()
        .map(|ending| ending.to_string_lossy().to_lowercase());
    match ending.as_deref() {
        Some("csv" | "tsv") => Ok(Kind::Csv),
        Some("jsonl" | "ndjson") => Ok(Kind::Jsonl),
        Some("edn") => Ok(Kind::Edn),
        _ => Err(Fault::Usage(format!(
            "what {} holds is not clear from its name; say --kind csv, jsonl or edn",
            name_of(file)
        ))),
    }
}

/// The bytes of a file, counted by a bar that only a person at a terminal sees.
fn open(file: &Path) -> Result<(Box<dyn Read + Send>, ProgressBar), Fault> {
    let is_seen = io::stderr().is_terminal();
    let hidden = |bar: ProgressBar| if is_seen { bar } else { ProgressBar::hidden() };
    if is_stdin(file) {
        let bar = hidden(ProgressBar::new_spinner());
        return Ok((Box::new(bar.wrap_read(io::stdin())), bar));
    }
    let unreadable = |cause| Fault::unreadable(&file.display().to_string(), &cause);
    let opened = File::open(file).map_err(unreadable)?;
    let bytes = opened.metadata().map_err(unreadable)?.len();
    let bar = hidden(ProgressBar::new(bytes));
    let style = "{msg} {wide_bar} {bytes}/{total_bytes} {eta}";
    bar.set_style(
        ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    bar.set_message(name_of(file));
    bar.enable_steady_tick(Duration::from_millis(200));
    Ok((Box::new(bar.wrap_read(opened)), bar))
}
