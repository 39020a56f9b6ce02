//! Figures as a table, and answers as files.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use datalith_engine::Value;

use crate::answer::Row;
use crate::query::Query;

/// Milliseconds of one run.
#[derive(Clone, Copy, Default)]
pub(crate) struct Time {
    pub(crate) wall_ms: f64,
    /// Of all threads of the process.
    pub(crate) cpu_ms: f64,
}

/// A moment from which time is taken.
pub(crate) struct Watch {
    wall: Instant,
    cpu: ProcessTime,
}

impl Watch {
    pub(crate) fn start() -> Watch {
        Watch {
            wall: Instant::now(),
            cpu: ProcessTime::now(),
        }
    }

    pub(crate) fn time(&self) -> Time {
        let milliseconds = |duration: Duration| duration.as_secs_f64() * 1e3;
        Time {
            wall_ms: milliseconds(self.wall.elapsed()),
            cpu_ms: milliseconds(self.cpu.elapsed()),
        }
    }
}

/// What was measured of one query.
pub(crate) struct Figures {
    pub(crate) number: usize,
    pub(crate) rows: usize,
    /// The first time, when chunks are read from segments.
    pub(crate) first: Time,
    pub(crate) peer_first: Time,
    pub(crate) ours: Vec<Time>,
    pub(crate) peer: Vec<Time>,
}

/// The middle of wall and CPU times, each by itself, or between the two that are there; 0 of none.
pub(crate) fn median(times: &[Time]) -> Time {
    let middle = |of: fn(&Time) -> f64| {
        let mut sorted: Vec<f64> = times.iter().map(of).collect();
        sorted.sort_by(f64::total_cmp);
        let (below, above) = (sorted.len().saturating_sub(1) / 2, sorted.len() / 2);
        let at = |at: usize| sorted.get(at).copied().unwrap_or(0.0);
        f64::midpoint(at(below), at(above))
    };
    Time {
        wall_ms: middle(|time| time.wall_ms),
        cpu_ms: middle(|time| time.cpu_ms),
    }
}

/// Prints medians, their ratios, the sums of times and the geometric means of ratios.
pub(crate) fn show(all: &[Figures]) {
    println!(
        "|       |        |     wall ms |         |       |      CPU ms |         |       | first, wall |         |"
    );
    println!(
        "| query |   rows |        ours | Parquet | ratio |        ours | Parquet | ratio |        ours | Parquet |"
    );
    println!(
        "|-------|-------:|------------:|--------:|------:|------------:|--------:|------:|------------:|--------:|"
    );
    let mut sums = [Time::default(); 4];
    let mut logarithms = Time::default();
    for figures in all {
        let times = [
            median(&figures.ours),
            median(&figures.peer),
            figures.first,
            figures.peer_first,
        ];
        for (sum, time) in sums.iter_mut().zip(times) {
            sum.wall_ms += time.wall_ms;
            sum.cpu_ms += time.cpu_ms;
        }
        let ratios = ratios(times);
        logarithms.wall_ms += ratios.wall_ms.ln();
        logarithms.cpu_ms += ratios.cpu_ms.ln();
        line(
            &format!("q{}", figures.number),
            &figures.rows.to_string(),
            times,
            ratios,
        );
    }
    let mean = |logarithms: f64| (logarithms / all.len() as f64).exp();
    let means = Time {
        wall_ms: mean(logarithms.wall_ms),
        cpu_ms: mean(logarithms.cpu_ms),
    };
    line("all", "", sums, means);
}

fn ratios([ours, peer, ..]: [Time; 4]) -> Time {
    Time {
        wall_ms: ours.wall_ms / peer.wall_ms,
        cpu_ms: ours.cpu_ms / peer.cpu_ms,
    }
}

fn line(name: &str, rows: &str, [ours, peer, first, peer_first]: [Time; 4], ratios: Time) {
    println!(
        "| {name:<5} | {rows:>6} | {:>11.1} | {:>7.1} | {:>5.2} | {:>11.1} | {:>7.1} | {:>5.2} | {:>11.1} | {:>7.1} |",
        ours.wall_ms,
        peer.wall_ms,
        ratios.wall_ms,
        ours.cpu_ms,
        peer.cpu_ms,
        ratios.cpu_ms,
        first.wall_ms,
        peer_first.wall_ms,
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
