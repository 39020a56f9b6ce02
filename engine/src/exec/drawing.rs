//! An explanation as text: a tree on the left, figures in columns on the right.

use std::time::Duration;

use super::explain::{Explanation, Line};

/// Columns of a terminal that an explanation takes at most.
const WIDTH: usize = 100;
/// Columns that a clause gets at least.
const CLAUSE_WIDTH_MIN: usize = 24;

/// What a part of an explanation is like, for those who paint it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Nothing special.
    Plain,
    /// Less prominent.
    Faint,
    /// More prominent.
    Strong,
    /// Something is amiss.
    Alarm,
}

/// A line with its place in the tree.
struct Drawn<'a> {
    /// The branches of the tree before it.
    lead: String,
    /// Columns of the longest operator beside it.
    operator_width: usize,
    line: &'a Line,
}

impl Drawn<'_> {
    fn width(&self) -> usize {
        width(&self.lead) + self.operator_width + 1 + width(&self.line.text)
    }
}

/// A column of figures.
struct Figures {
    title: &'static str,
    tone: Tone,
    is_left: bool,
    width_min: usize,
    cells: Vec<String>,
}

/// Lays an explanation out.
pub(super) fn draw(explanation: &Explanation, paint: &dyn Fn(Tone, &str) -> String) -> String {
    let mut drawn = Vec::new();
    place(&explanation.lines, "", &mut drawn);
    let mut columns = figures(explanation, &drawn);
    columns.retain(|column| column.cells.iter().any(|cell| !cell.is_empty()));
    let taken: usize = columns.iter().map(|column| column.width() + 2).sum();
    let widest = drawn.iter().map(Drawn::width).max().unwrap_or(0);
    let room = WIDTH.saturating_sub(taken);
    let tree_width = widest.min(room).max(CLAUSE_WIDTH_MIN);
    let mut out = paint(Tone::Strong, "plan");
    let mut gap = tree_width - "plan".len();
    for column in &columns {
        out.push_str(&" ".repeat(gap + 2));
        out.push_str(&paint(Tone::Faint, &column.padded(column.title)));
        gap = 0;
    }
    end_line(&mut out);
    for (at, drawn) in drawn.iter().enumerate() {
        draw_line(drawn, tree_width, paint, &mut out);
        for column in &columns {
            out.push_str("  ");
            out.push_str(&paint(column.tone, &column.padded(&column.cells[at])));
        }
        end_line(&mut out);
    }
    if let Some(analysis) = &explanation.analysis {
        let rows = count_text(analysis.rows as f64);
        let unit = if analysis.rows == 1 { "row" } else { "rows" };
        let [planned, answered] = [analysis.planned, analysis.answered].map(duration_text);
        let summary = format!("{rows} {unit} · planned in {planned} · answered in {answered}");
        out.push_str(&paint(Tone::Faint, &summary));
        out.push('\n');
    }
    out
}

fn end_line(out: &mut String) {
    out.truncate(out.trim_end_matches(' ').len());
    out.push('\n');
}

/// Gives every line its place, depth first.
fn place<'a>(lines: &'a [Line], indent: &str, out: &mut Vec<Drawn<'a>>) {
    let operators = lines.iter().map(|line| width(line.operator));
    let operator_width = operators.max().unwrap_or(0);
    for (at, line) in lines.iter().enumerate() {
        let is_last = at + 1 == lines.len();
        let (branch, deeper) = if is_last {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        out.push(Drawn {
            lead: format!("{indent}{branch}"),
            operator_width,
            line,
        });
        place(&line.below, &format!("{indent}{deeper}"), out);
    }
}

fn draw_line(
    drawn: &Drawn<'_>,
    tree_width: usize,
    paint: &dyn Fn(Tone, &str) -> String,
    out: &mut String,
) {
    let Drawn {
        lead,
        operator_width,
        line,
    } = drawn;
    let operator = format!("{:<operator_width$} ", line.operator);
    let room = tree_width.saturating_sub(width(lead) + operator_width + 1);
    let text = cut(&line.text, room.max(1));
    let used = width(lead) + operator_width + 1 + width(&text);
    out.push_str(&paint(Tone::Faint, lead));
    out.push_str(&paint(Tone::Strong, &operator));
    out.push_str(&paint(Tone::Plain, &text));
    out.push_str(&" ".repeat(tree_width.saturating_sub(used)));
}

/// The columns beside the tree.
fn figures(explanation: &Explanation, drawn: &[Drawn<'_>]) -> Vec<Figures> {
    let column = |title, tone, cell: &dyn Fn(&Line) -> Option<String>| Figures {
        title,
        tone,
        is_left: title == "index",
        // Times take the same room in every run.
        width_min: if title == "time" {
            "1.23 ms".len()
        } else {
            width(title)
        },
        cells: drawn
            .iter()
            .map(|drawn| cell(drawn.line).unwrap_or_default())
            .collect(),
    };
    let total = explanation
        .analysis
        .as_ref()
        .map(|analysis| analysis.answered);
    let share = |took: Duration| {
        let percent = 100.0 * took.as_secs_f64() / total?.as_secs_f64().max(1e-9);
        Some(format!("{percent:.0}%"))
    };
    let repeats = |line: &Line| {
        line.measured
            .as_ref()
            .filter(|m| m.runs > 1)
            .map(|m| m.runs)
    };
    vec![
        column("index", Tone::Faint, &|line| line.index.map(str::to_owned)),
        column("expected", Tone::Plain, &|line| {
            line.estimate.map(count_text)
        }),
        column("rows", Tone::Plain, &|line| {
            line.measured
                .as_ref()
                .map(|measured| count_text(measured.rows as f64))
        }),
        column("runs", Tone::Faint, &|line| {
            repeats(line).map(|runs| count_text(runs as f64))
        }),
        column("time", Tone::Plain, &|line| {
            line.measured
                .as_ref()
                .map(|measured| duration_text(measured.took))
        }),
        column("share", Tone::Faint, &|line| {
            share(line.measured.as_ref()?.took)
        }),
        column("off", Tone::Alarm, &|line| line.misjudged().map(ratio_text)),
    ]
}

impl Figures {
    fn width(&self) -> usize {
        let cells = self.cells.iter().map(|cell| width(cell));
        cells.max().unwrap_or(0).max(self.width_min)
    }

    fn padded(&self, cell: &str) -> String {
        let width = self.width();
        if self.is_left {
            format!("{cell:<width$}")
        } else {
            format!("{cell:>width$}")
        }
    }
}

/// At most so many columns of a text; control characters must not steer a terminal.
fn cut(text: &str, columns: usize) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    if width(&shown) <= columns {
        return shown;
    }
    let kept: String = shown.chars().take(columns - 1).collect();
    kept + "…"
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// A count: its thousands apart below a million, three digits and a letter above.
fn count_text(count: f64) -> String {
    let count = count.ceil();
    if count >= 1e15 {
        return format!("{count:.0e}");
    }
    for (unit, letter) in [(1e12, 'T'), (1e9, 'G'), (1e6, 'M')] {
        if count >= unit {
            return format!("{}{letter}", three_digits(count / unit));
        }
    }
    let count = count as u64;
    match count / 1000 {
        0 => count.to_string(),
        thousands => format!("{thousands},{:03}", count % 1000),
    }
}

/// How far off an estimate was: `×27` where there were more rows, `÷27` where there were fewer.
fn ratio_text(ratio: f64) -> String {
    if ratio > 1.0 {
        format!("×{}", count_text(ratio.floor()))
    } else {
        format!("÷{}", count_text((1.0 / ratio).floor()))
    }
}

/// A duration with three digits and a unit.
fn duration_text(took: Duration) -> String {
    let seconds = took.as_secs_f64();
    let (number, unit) = match seconds {
        s if s < 1e-3 => (s * 1e6, "µs"),
        s if s < 1.0 => (s * 1e3, "ms"),
        s => (s, "s "),
    };
    format!("{} {unit}", three_digits(number))
}

fn three_digits(number: f64) -> String {
    let digits = match number {
        n if n < 9.995 => 2,
        n if n < 99.95 => 1,
        _ => 0,
    };
    format!("{number:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_take_few_columns() {
        let counts = [0.0, 0.2, 999.0, 63_430.0, 3_792_396.0, 2.5e10, 1e20].map(count_text);
        assert_eq!(
            counts,
            ["0", "1", "999", "63,430", "3.79M", "25.0G", "1e20"]
        );
        assert_eq!([27.4, 1.0 / 1500.0].map(ratio_text), ["×27", "÷1,500"]);
        let times = [0, 1_234, 999_990].map(|micros| duration_text(Duration::from_micros(micros)));
        assert_eq!(times, ["0.00 µs", "1.23 ms", "1000 ms"]);
    }

    #[test]
    fn what_is_too_long_is_cut() {
        assert_eq!(cut("[?e :name ?n]", 13), "[?e :name ?n]");
        assert_eq!(cut("[?e :name ?n]", 8), "[?e :na…");
        assert_eq!(cut("a\u{1b}[2J", 20), "a\\u{1b}[2J");
    }
}
