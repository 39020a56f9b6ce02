//! Rows with headings, whatever they came from; written row by row, never as one text.

use std::io::{self, Write};

use datalith_engine::exec::{Answer, Shape};
use datalith_engine::query::ast::Query;
use datalith_engine::{Value, edn};

use super::json;

/// Rows with headings.
pub(crate) struct Listing<'a> {
    /// What each column is.
    pub(crate) headings: Vec<String>,
    shape: Shape,
    cells: Cells<'a>,
}

enum Cells<'a> {
    Answer(&'a Answer),
    Rows(Vec<Vec<Value>>),
    /// Rows that programs get as maps by their headings.
    Keyed(Vec<Vec<Value>>),
}

impl<'a> Listing<'a> {
    /// The rows of an answer; the query names its columns.
    pub(crate) fn of_answer(answer: &'a Answer, query: &Query) -> Listing<'a> {
        let headings = match answer.keys() {
            Some(keys) => keys.iter().map(edn::display_str).collect(),
            None => query
                .find
                .elements()
                .iter()
                .map(ToString::to_string)
                .collect(),
        };
        Listing {
            headings,
            shape: answer.shape(),
            cells: Cells::Answer(answer),
        }
    }

    /// Rows given one by one.
    pub(crate) fn of_rows(headings: &[&str], rows: Vec<Vec<Value>>) -> Listing<'a> {
        let headings = headings
            .iter()
            .map(|heading| (*heading).to_owned())
            .collect();
        Listing {
            headings,
            shape: Shape::Rows,
            cells: Cells::Rows(rows),
        }
    }

    /// Rows given one by one; a program gets each as a map, keyed by its heading.
    pub(crate) fn of_maps(headings: &[&str], rows: Vec<Vec<Value>>) -> Listing<'a> {
        let mut listing = Listing::of_rows(headings, Vec::new());
        listing.cells = Cells::Keyed(rows);
        listing
    }

    /// Rows to show; of a tuple or a scalar the first is all there is.
    pub(crate) fn len(&self) -> usize {
        let rows = match &self.cells {
            Cells::Answer(answer) => answer.len(),
            Cells::Rows(rows) | Cells::Keyed(rows) => rows.len(),
        };
        if self.is_single() { rows.min(1) } else { rows }
    }

    /// Whether it stands for one row or value instead of a collection.
    pub(crate) fn is_single(&self) -> bool {
        matches!(self.shape, Shape::Tuple | Shape::Scalar)
    }

    /// One value.
    pub(crate) fn value(&self, column: usize, row: usize) -> Value {
        match &self.cells {
            Cells::Answer(answer) => answer.value(column, row),
            Cells::Rows(rows) | Cells::Keyed(rows) => rows[row][column].clone(),
        }
    }

    /// The one value, where that is all that was asked for.
    pub(crate) fn scalar(&self) -> Option<Value> {
        let is_scalar = self.shape == Shape::Scalar;
        is_scalar.then(|| {
            if self.len() == 0 {
                Value::Nil
            } else {
                self.value(0, 0)
            }
        })
    }

    /// A row as the query asked for it: a tuple, a map, or the only value.
    fn row(&self, row: usize) -> Value {
        let values = (0..self.headings.len()).map(|column| self.value(column, row));
        let keys = match &self.cells {
            Cells::Answer(answer) => answer.keys(),
            Cells::Rows(_) => None,
            Cells::Keyed(_) => {
                let keys = self.headings.iter().map(|heading| Value::keyword(heading));
                return Value::map(keys.zip(values));
            }
        };
        match (self.shape, keys) {
            (Shape::Collection | Shape::Scalar, _) => self.value(0, row),
            (_, Some(keys)) => Value::map(keys.iter().cloned().zip(values)),
            (_, None) => Value::vector(values),
        }
    }

    /// As EDN, a row on a line.
    pub(crate) fn write_edn(&self, out: &mut impl Write) -> io::Result<()> {
        if self.is_single() {
            let only = if self.len() == 0 {
                Value::Nil
            } else {
                self.row(0)
            };
            return writeln!(out, "{only}");
        }
        let (open, indent, close) = if self.shape == Shape::Set {
            ("#{", "\n  ", "}")
        } else {
            ("[", "\n ", "]")
        };
        out.write_all(open.as_bytes())?;
        for row in 0..self.len() {
            let before = if row == 0 { "" } else { indent };
            write!(out, "{before}{}", self.row(row))?;
        }
        writeln!(out, "{close}")
    }

    /// As one JSON document, a row on a line.
    pub(crate) fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        if self.is_single() {
            return self.write_json_lines(out);
        }
        out.write_all(b"[")?;
        for row in 0..self.len() {
            out.write_all(if row == 0 { b"" } else { b",\n " })?;
            json::write(out, &self.row(row))?;
        }
        out.write_all(b"]\n")
    }

    /// As JSON, a document for each row.
    pub(crate) fn write_json_lines(&self, out: &mut impl Write) -> io::Result<()> {
        if self.is_single() && self.len() == 0 {
            return out.write_all(b"null\n");
        }
        for row in 0..self.len() {
            json::write(out, &self.row(row))?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }

    /// As comma-separated values under their headings.
    pub(crate) fn write_csv(&self, out: &mut impl Write) -> io::Result<()> {
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(&self.headings)?;
        for row in 0..self.len() {
            for column in 0..self.headings.len() {
                csv.write_field(plain(&self.value(column, row)))?;
            }
            csv.write_record(None::<&[u8]>)?;
        }
        csv.flush()
    }
}

/// A value as text for people and other programs: strings without quotes, instants as RFC 3339.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Instant(ms) => edn::instant_text(*ms).unwrap_or_else(|| ms.to_string()),
        _ => edn::display_str(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(&Listing<'_>, &mut Vec<u8>) -> io::Result<()>) -> String {
        let rows = [("a, \"b\"", 1), ("é\n", -2)];
        let rows =
            rows.map(|(text, n)| vec![Value::str(text), Value::Long(n), Value::keyword("k/w")]);
        let listing = Listing::of_rows(&["?t", "?n", "?k"], rows.to_vec());
        let mut out = Vec::new();
        write(&listing, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn rows_are_written_in_every_form() {
        assert_eq!(
            written(|listing, out| listing.write_edn(out)),
            "[[\"a, \\\"b\\\"\" 1 :k/w]\n [\"é\\n\" -2 :k/w]]\n"
        );
        assert_eq!(
            written(|listing, out| listing.write_json(out)),
            "[[\"a, \\\"b\\\"\",1,\"k/w\"],\n [\"é\\n\",-2,\"k/w\"]]\n"
        );
        assert_eq!(
            written(|listing, out| listing.write_json_lines(out)),
            "[\"a, \\\"b\\\"\",1,\"k/w\"]\n[\"é\\n\",-2,\"k/w\"]\n"
        );
        assert_eq!(
            written(|listing, out| listing.write_csv(out)),
            "?t,?n,?k\n\"a, \"\"b\"\"\",1,:k/w\n\"é\n\",-2,:k/w\n"
        );
    }
}
