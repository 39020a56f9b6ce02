//! Tables for people: in a terminal, in a notebook, in a text.

use std::fmt::Write;

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, TableStyle};
use datalith_engine::{Value, edn};

use super::column::{Column, Kind};
use super::rows::Table;
use crate::limits::ROWS_SHOWN;

/// Most characters of one cell.
const CELL_CHARACTERS: usize = 400;
/// Digits of a fraction that people see, with those before the point.
const DIGITS: usize = 6;
/// A line under the headings, and nothing else but space between columns.
const STYLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction(' '));

impl Table {
    /// The first rows for a terminal, within a width if one is given; says how many rows are left out.
    pub fn to_text(&self, width: Option<usize>, rows: usize) -> String {
        let shown = rows.min(self.len());
        let mut table = comfy_table::Table::new();
        table.load_style(STYLE).force_no_tty();
        if let Some(width) = width {
            table.set_content_arrangement(ContentArrangement::Dynamic);
            table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
        }
        table.set_header(self.names().iter().map(|name| visible(name)));
        for row in 0..shown {
            table.add_row(self.columns().iter().map(|column| cell_text(column, row)));
        }
        let columns = table.column_iter_mut().zip(self.columns());
        for (shown, _) in columns.filter(|(_, column)| is_right(column)) {
            shown.set_cell_alignment(CellAlignment::Right);
        }
        let mut text = String::new();
        for line in table.lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        match (self.len(), self.len() - shown) {
            (0, _) => text.push_str("no rows\n"),
            (_, 0) => {}
            (_, rest) => text.push_str(&more(rest)),
        }
        text.trim_end().to_owned()
    }

    /// The first rows for a notebook, with the shape below.
    pub fn to_html(&self, rows: usize) -> String {
        let shown = rows.min(self.len());
        let mut html = String::from("<table class=\"datalith\">\n<thead><tr>");
        for (name, column) in self.names().iter().zip(self.columns()) {
            let (name, kind, side) = (escaped(name), column.kind(), side(column));
            let _ = write!(html, "<th title=\"{kind}\"{side}>{name}</th>");
        }
        html.push_str("</tr></thead>\n<tbody>\n");
        for row in 0..shown {
            html.push_str("<tr>");
            for column in self.columns() {
                let (text, side) = (escaped(&cell_text(column, row)), side(column));
                let _ = write!(html, "<td{side}>{text}</td>");
            }
            html.push_str("</tr>\n");
        }
        html.push_str("</tbody>\n</table>\n<p class=\"datalith-shape\">");
        if shown < self.len() {
            let _ = write!(html, "{} · ", more(self.len() - shown).trim_end());
        }
        let (rows, columns) = (self.len(), self.columns().len());
        let _ = write!(
            html,
            "{} × {}</p>",
            counted(rows, "row"),
            counted(columns, "column")
        );
        html
    }

    /// All rows as a table of Markdown.
    pub fn to_markdown(&self) -> String {
        let cell = |text: &str| text.replace('\\', "\\\\").replace('|', "\\|");
        let mut text = String::new();
        let names = self.names().iter().map(|name| cell(&visible(name)));
        line(&mut text, names);
        line(
            &mut text,
            self.columns().iter().map(|column| match is_right(column) {
                true => "---:".to_owned(),
                false => "---".to_owned(),
            }),
        );
        for row in 0..self.len() {
            line(
                &mut text,
                self.columns().iter().map(|c| cell(&cell_text(c, row))),
            );
        }
        text
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_text(None, ROWS_SHOWN))
    }
}

impl std::fmt::Display for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = self.len().min(ROWS_SHOWN);
        let cells = (0..shown).map(|row| match self.is_null(row) {
            true => "()".to_owned(),
            false => cell_text(self, row),
        });
        write!(f, "[{}", cells.collect::<Vec<_>>().join(", "))?;
        match self.len() - shown {
            0 => f.write_str("]"),
            rest => write!(f, ", … {rest} more]"),
        }
    }
}

fn more(rest: usize) -> String {
    format!(
        "… {} more {}\n",
        grouped(rest),
        if rest == 1 { "row" } else { "rows" }
    )
}

fn counted(count: usize, what: &str) -> String {
    format!(
        "{} {what}{}",
        grouped(count),
        if count == 1 { "" } else { "s" }
    )
}

/// A count with commas between its thousands.
pub fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn line(text: &mut String, cells: impl Iterator<Item = String>) {
    let _ = writeln!(text, "| {} |", cells.collect::<Vec<_>>().join(" | "));
}

fn side(column: &Column) -> &'static str {
    match is_right(column) {
        true => " style=\"text-align: right\"",
        false => " style=\"text-align: left\"",
    }
}

/// Whether a column holds numbers and nothing else.
fn is_right(column: &Column) -> bool {
    match column.kind() {
        Kind::Long | Kind::Double => true,
        Kind::Any => !column.is_empty() && column.values().all(|value| is_number(&value)),
        _ => false,
    }
}

fn is_number(value: &Value) -> bool {
    use Value::{BigDec, BigInt, Double, Float, Long, Ratio};
    matches!(
        value,
        Long(_) | Double(_) | Float(_) | BigInt(_) | BigDec(_) | Ratio(_)
    )
}

/// A cell for people, on one line; null is empty.
fn cell_text(column: &Column, row: usize) -> String {
    let text = match column.value(row) {
        Value::Nil => String::new(),
        Value::Double(x) => rounded(x),
        value => plain(&value),
    };
    let mut text = visible(&text);
    if let Some((end, _)) = text.char_indices().nth(CELL_CHARACTERS) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// A value as text for people and other programs: strings without quotes, instants as RFC 3339.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Nil => String::new(),
        Value::Instant(ms) => edn::instant_text(*ms).unwrap_or_else(|| ms.to_string()),
        _ => edn::display_str(value),
    }
}

/// A double for people: no more digits than they read.
pub(crate) fn rounded(x: f64) -> String {
    let size = x.abs();
    if !x.is_finite() || x == 0.0 {
        return edn::double_text(x);
    }
    if !(1e-4..1e15).contains(&size) {
        let text = format!("{x:.*e}", DIGITS - 1);
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        return format!("{}E{exponent}", trimmed(digits));
    }
    let before = size.log10().floor().max(0.0) as usize + 1;
    trimmed(&format!("{x:.*}", DIGITS.saturating_sub(before).max(1)))
}

/// Without zeros at the end of a fraction, but for one.
fn trimmed(text: &str) -> String {
    if !text.contains('.') {
        return text.to_owned();
    }
    let text = text.trim_end_matches('0');
    match text.ends_with('.') {
        true => format!("{text}0"),
        false => text.to_owned(),
    }
}

/// The same text with control characters made visible: data must not steer a terminal.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
    }
    shown
}

/// Text within HTML.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    html
}
