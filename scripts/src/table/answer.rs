//! Answers of queries as tables, cells as they lie.

use arrow_array::{BooleanArray, Float64Array, Int64Array};
use arrow_buffer::{NullBuffer, ScalarBuffer};
use datalith_engine::Value;
use datalith_engine::exec::{Answer, AnswerColumn};
use datalith_engine::index::{self, Kind as Cells, Kinds};

use super::column::{Column, texts};
use super::rows::{Table, unique};

impl Table {
    /// The rows of an answer, its columns called by the names given.
    ///
    /// A variable loses its `?`; an aggregate such as `(count-distinct ?x)` is called `count_distinct_x`;
    /// what is called the same as a column before it gets a number.
    pub fn from_answer(answer: &Answer, names: Vec<String>) -> Table {
        let columns = (0..answer.columns().len()).map(|at| Column::from_answer(answer, at));
        let names = readable_names(&names);
        Table::of_columns(names, columns.collect(), answer.len())
    }
}

impl Column {
    /// One column of an answer. Numbers, booleans and instants are not made values on the way;
    /// 32-bit floats become doubles.
    pub fn from_answer(answer: &Answer, at: usize) -> Column {
        match &answer.columns()[at] {
            AnswerColumn::Values(values) => Column::from_values(values.clone()),
            AnswerColumn::Cells(cells) => {
                let column = match cells.kinds() {
                    Kinds::All(kind) => of_cells(answer, cells, *kind, None),
                    Kinds::Each(kinds) => only(kinds)
                        .and_then(|kind| of_cells(answer, cells, kind, Some(present(kinds)))),
                };
                column.unwrap_or_else(|| {
                    Column::from_values((0..cells.len()).map(|row| answer.value(at, row)).collect())
                })
            }
        }
    }
}

/// Cells of one kind, some of them null; none for kinds that have no array.
fn of_cells(
    answer: &Answer,
    cells: &index::Column,
    kind: Cells,
    nulls: Option<NullBuffer>,
) -> Option<Column> {
    let bits = || cells.buffer().inner().clone();
    let rows = cells.len();
    let text = |row: usize| match answer.interned(cells.cell(row)) {
        Value::Str(text) => Some(&**text),
        Value::Keyword(keyword) => Some(keyword.as_str()),
        _ => None,
    };
    let text = |row| match &nulls {
        Some(nulls) if nulls.is_null(row) => None,
        _ => text(row),
    };
    Some(match kind {
        Cells::Long => Column::Long(Int64Array::new(longs(bits(), rows), nulls)),
        Cells::Instant => Column::instants(Int64Array::new(longs(bits(), rows), nulls)),
        Cells::Double | Cells::Float => {
            Column::Double(Float64Array::new(ScalarBuffer::new(bits(), 0, rows), nulls))
        }
        Cells::Bool => {
            let bits = cells.bits().iter().map(|bits| *bits != 0);
            Column::Bool(BooleanArray::new(bits.collect(), nulls))
        }
        Cells::Str => Column::Str(texts(rows, (0..rows).map(text))?),
        Cells::Keyword => Column::Keyword(texts(rows, (0..rows).map(text))?),
        _ => return None,
    })
}

fn longs(bits: arrow_buffer::Buffer, rows: usize) -> ScalarBuffer<i64> {
    ScalarBuffer::new(bits, 0, rows)
}

/// The one kind of all cells that are not null.
fn only(kinds: &[u8]) -> Option<Cells> {
    let mut known = kinds.iter().filter(|kind| **kind != Cells::Nil as u8);
    let kind = *known.next()?;
    known.all(|other| *other == kind).then_some(())?;
    Cells::from_number(kind)
}

fn present(kinds: &[u8]) -> NullBuffer {
    kinds.iter().map(|kind| *kind != Cells::Nil as u8).collect()
}

/// The names of an answer's columns: readable, and each once.
pub fn readable_names(names: &[String]) -> Vec<String> {
    unique(names.iter().map(|name| readable(name)))
}

/// A find element as a name: variables as they are, aggregates joined by underscores.
fn readable(name: &str) -> String {
    let name = name.trim();
    if !name.starts_with('(') {
        return name.trim_start_matches(['?', ':']).to_owned();
    }
    let words = name.split(|c: char| !c.is_alphanumeric());
    words
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_readable_and_unique() {
        let names = [
            "?code",
            "(count ?x)",
            "(count-distinct ?x)",
            "?code",
            "(max 3 ?x)",
            ":a/b",
        ];
        assert_eq!(
            unique(names.iter().map(|name| readable(name))),
            [
                "code",
                "count_x",
                "count_distinct_x",
                "code_2",
                "max_3_x",
                "a/b"
            ]
        );
    }
}
