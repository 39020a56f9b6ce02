//! Figures as a table, and answers as files.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Instant;

use datalith_engine::Value;

use crate::answer::Row;
use crate::query::Query;

/// What was measured of one query; milliseconds of wall time.
pub(crate) struct Figures {
    pub(crate) number: usize,
    pub(crate) rows: usize,
    /// The first time, when chunks are read from segments.
    pub(crate) first_ms: f64,
    pub(crate) peer_first_ms: f64,
    pub(crate) ours_ms: Vec<f64>,
    pub(crate) peer_ms: Vec<f64>,
}

/// Milliseconds since a moment.
pub(crate) fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// The middle of some figures; 0 of none.
pub(crate) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

/// Prints medians, their ratios and the geometric mean of these.
pub(crate) fn show(all: &[Figures]) {
    println!("| query |   rows | ours ms | Parquet ms | ratio | ours first | Parquet first |");
    println!("|-------|-------:|--------:|-----------:|------:|-----------:|--------------:|");
    let mut logarithms = 0.0;
    for figures in all {
        let (ours, peer) = (median(&figures.ours_ms), median(&figures.peer_ms));
        let ratio = ours / peer;
        logarithms += ratio.ln();
        println!(
            "| q{:<4} | {:>6} | {ours:>7.1} | {peer:>10.1} | {ratio:>5.2} | {:>10.1} | {:>13.1} |",
            figures.number, figures.rows, figures.first_ms, figures.peer_first_ms
        );
    }
    let total = |of: fn(&Figures) -> f64| all.iter().map(of).sum::<f64>();
    println!(
        "| all   |        | {:>7.1} | {:>10.1} | {:>5.2} | {:>10.1} | {:>13.1} |",
        total(|figures| median(&figures.ours_ms)),
        total(|figures| median(&figures.peer_ms)),
        (logarithms / all.len() as f64).exp(),
        total(|figures| figures.first_ms),
        total(|figures| figures.peer_first_ms),
    );
}

/// Writes the text of a query and what it answers, as CSV without a header.
pub(crate) fn write(folder: &Path, query: &Query, text: &str, rows: &[Row]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join(format!("q{}.sql", query.number)), text)?;
    let mut csv = String::new();
    for row in rows {
        let cells: Vec<String> = row.iter().map(cell).collect();
        csv.push_str(&cells.join(","));
        csv.push('\n');
    }
    fs::write(folder.join(format!("q{}.csv", query.number)), csv)
}

/// Texts in quotes, instants in milliseconds.
fn cell(value: &Value) -> String {
    match value {
        Value::Nil => String::new(),
        Value::Instant(ms) => ms.to_string(),
        Value::Str(text) => format!("\"{}\"", text.replace('"', "\"\"")),
        other => other.to_string(),
    }
}
