//! Rows as a table for people.

use std::io::{self, Write};

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};
use datalith_engine::Value;

use super::listing::{Listing, plain};
use super::paint::visible;

/// Most rows of a table; more are for programs.
const ROWS: usize = 1_000;
/// Columns of the terminal left free, for those who indent.
const MARGIN_COLUMNS: u16 = 4;
/// Most characters of one cell.
const CELL_CHARACTERS: usize = 400;

/// A line under the headings, and nothing else but space between columns.
const STYLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction(' '));

/// Writes rows as a table, within the width of the terminal if it goes to one.
pub(crate) fn write(out: &mut impl Write, listing: &Listing<'_>) -> io::Result<()> {
    let (shown, columns) = (listing.len().min(ROWS), listing.headings.len());
    let mut table = Table::new();
    table
        .load_style(STYLE)
        .set_content_arrangement(ContentArrangement::Dynamic);
    if let Some(width) = table.width() {
        table.set_width(width.saturating_sub(MARGIN_COLUMNS));
    }
    table.set_header(listing.headings.iter().map(|heading| visible(heading)));
    let mut is_number = vec![shown > 0; columns];
    for row in 0..shown {
        let values: Vec<Value> = (0..columns)
            .map(|column| listing.value(column, row))
            .collect();
        for (column, value) in values.iter().enumerate() {
            is_number[column] &= value.is_nil() || is_a_number(value);
        }
        table.add_row(values.iter().map(cell));
    }
    let numbers = table
        .column_iter_mut()
        .zip(is_number)
        .filter(|(_, is_number)| *is_number);
    numbers.for_each(|(column, _)| column.set_cell_alignment(CellAlignment::Right));
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    if shown < listing.len() {
        let rest = listing.len() - shown;
        writeln!(
            out,
            "… and {rest} more; --format edn, json or csv shows all"
        )?;
    }
    Ok(())
}

fn cell(value: &Value) -> String {
    let mut text = visible(&plain(value));
    if let Some((end, _)) = text.char_indices().nth(CELL_CHARACTERS) {
        text.truncate(end);
        text.push('…');
    }
    text
}

fn is_a_number(value: &Value) -> bool {
    use Value::{BigDec, BigInt, Double, Float, Long, Ratio};
    matches!(
        value,
        Long(_) | Double(_) | Float(_) | BigInt(_) | BigDec(_) | Ratio(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_on_the_right() {
        let rows = [("Reykjavik", 86), ("Oslo\u{7}", 144)];
        let rows = rows.map(|(city, count)| vec![Value::str(city), Value::Long(count)]);
        let mut out = Vec::new();
        write(
            &mut out,
            &Listing::of_rows(&["city", "routes"], rows.to_vec()),
        )
        .unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            " city        routes\n─────────── ────────\n Reykjavik       86\n Oslo\\u{7}      144\n"
        );
    }
}
