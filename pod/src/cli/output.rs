//! Where results go: tables to people, data to programs.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::time::Duration;

use clap::ValueEnum;
use datalith_engine::Value;
pub(crate) use datalith_scripts::table::grouped as count_text;

use super::fault::Fault;
use super::json;
use super::listing::{Listing, plain};
use super::paint::Paint;
use super::pretty;
use super::table;

/// Bytes written to standard output at a time.
const WRITE_BYTES: usize = 64 << 10;

/// The form of what goes to standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Columns for people
    Table,
    /// EDN, a row on a line
    Edn,
    /// One JSON document
    Json,
    /// A JSON document for each row
    Jsonl,
    /// Comma-separated values under their headings
    Csv,
}

impl Format {
    /// What was asked for; else a table for a person and EDN for a program.
    pub(crate) fn chosen(asked: Option<Format>) -> Format {
        let is_person = io::stdout().is_terminal();
        asked.unwrap_or(if is_person {
            Format::Table
        } else {
            Format::Edn
        })
    }
}

/// Standard output, buffered.
pub(crate) fn stdout() -> BufWriter<StdoutLock<'static>> {
    BufWriter::with_capacity(WRITE_BYTES, io::stdout().lock())
}

/// Writes rows; a person also learns how many there are and how long they took.
pub(crate) fn show(listing: &Listing<'_>, format: Format, took: Duration) -> Result<(), Fault> {
    let mut out = stdout();
    match format {
        Format::Edn => listing.write_edn(&mut out)?,
        Format::Json => listing.write_json(&mut out)?,
        Format::Jsonl => listing.write_json_lines(&mut out)?,
        Format::Csv => listing.write_csv(&mut out)?,
        Format::Table => match listing.scalar() {
            Some(value) => writeln!(out, "{}", laid_out(&value))?,
            None => table::write(&mut out, listing)?,
        },
    }
    out.flush()?;
    if format == Format::Table {
        let rows = match listing.len() {
            1 => "1 row".to_owned(),
            rows => format!("{rows} rows"),
        };
        remark(&format!("{rows} · {}", duration_text(took)));
    }
    Ok(())
}

/// Writes one value.
pub(crate) fn show_value(value: &Value, format: Format) -> Result<(), Fault> {
    let mut out = stdout();
    match format {
        Format::Edn => writeln!(out, "{value}")?,
        Format::Table => writeln!(out, "{}", laid_out(value))?,
        Format::Csv => writeln!(out, "{}", plain(value))?,
        Format::Json | Format::Jsonl => {
            json::write(&mut out, value)?;
            writeln!(out)?;
        }
    }
    Ok(out.flush()?)
}

/// A string as it is, all else as EDN.
fn laid_out(value: &Value) -> String {
    match value {
        Value::Str(text) => text.to_string(),
        value => pretty::layout(value, 0),
    }
}

/// Says something beside the results to a person who looks at them.
pub(crate) fn remark(text: &str) {
    if !io::stdout().is_terminal() {
        return;
    }
    let stderr = io::stderr();
    let line = Paint::of(&stderr).dim(text);
    // There is nobody left to tell that standard error is gone.
    let _ = writeln!(stderr.lock(), "{line}");
}

/// A duration with three digits and a unit.
pub(crate) fn duration_text(took: Duration) -> String {
    let seconds = took.as_secs_f64();
    let (number, unit) = match seconds {
        s if s < 1e-3 => (s * 1e6, "µs"),
        s if s < 1.0 => (s * 1e3, "ms"),
        s => (s, "s"),
    };
    let digits = if number < 10.0 {
        2
    } else {
        usize::from(number < 100.0)
    };
    format!("{number:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_durations_are_easy_to_read() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(count_text),
            ["0", "999", "1,000", "1,234,567"]
        );
        let text = |micros| duration_text(Duration::from_micros(micros));
        assert_eq!(
            [5, 1_234, 56_789, 1_500_000].map(text),
            ["5.00 µs", "1.23 ms", "56.8 ms", "1.50 s"]
        );
    }
}
