//! The answer of a query as transit, straight from its columns: no row is ever made a value.

use datalith_engine::exec::{Answer, AnswerColumn, Shape};
use datalith_engine::index::{Cell, Column, Kind, Kinds};

use crate::transit::Writer;

/// Bytes a cell takes on average: a first guess at the size of the text.
const CELL_BYTES: usize = 12;

/// Whether a text is one answer, or a vector with the answer in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrapping {
    /// The answer itself.
    Bare,
    /// A vector of one, so that `false` arrives at a client.
    Boxed,
}

/// Writes an answer.
pub fn write(answer: &Answer, wrapping: Wrapping) -> Vec<u8> {
    let cells = answer.len() * answer.columns().len();
    let mut writer = Writer::with_capacity(cells * CELL_BYTES + 64);
    let boxed = wrapping == Wrapping::Boxed;
    if boxed {
        writer.begin_array();
    }
    match answer.shape() {
        Shape::Set if is_distinct(answer) => {
            writer.begin_set();
            rows(&mut writer, answer);
            writer.end_tagged();
        }
        Shape::Rows => {
            writer.begin_array();
            rows(&mut writer, answer);
            writer.end();
        }
        Shape::Collection => {
            writer.begin_array();
            (0..answer.len()).for_each(|row| item(&mut writer, answer, &answer.columns()[0], row));
            writer.end();
        }
        // One row at most, or rows that must first be made distinct as values.
        Shape::Set | Shape::Tuple | Shape::Scalar if boxed => writer.value(&answer.to_value()),
        Shape::Set | Shape::Tuple | Shape::Scalar => writer.top(&answer.to_value()),
    }
    if boxed {
        writer.end();
    }
    writer.finish().into_bytes()
}

/// Whether rows that differ in their cells differ as values too, so that no set can hold one twice.
/// Pulled maps may be equal, and so may numbers of different kinds.
fn is_distinct(answer: &Answer) -> bool {
    answer.columns().iter().all(|column| match column {
        AnswerColumn::Cells(cells) => match cells.kinds() {
            Kinds::All(_) => true,
            Kinds::Each(kinds) => !kinds
                .iter()
                .any(|kind| *kind == Kind::BigInt as u8 || *kind == Kind::Float as u8),
        },
        AnswerColumn::Values(_) => false,
    })
}

fn rows(writer: &mut Writer, answer: &Answer) {
    for row in 0..answer.len() {
        match answer.keys() {
            None => {
                writer.begin_array();
                for column in answer.columns() {
                    item(writer, answer, column, row);
                }
            }
            Some(keys) => {
                writer.begin_map();
                for (key, column) in keys.iter().zip(answer.columns()) {
                    writer.key(key);
                    item(writer, answer, column, row);
                }
            }
        }
        writer.end();
    }
}

fn item(writer: &mut Writer, answer: &Answer, column: &AnswerColumn, row: usize) {
    match column {
        AnswerColumn::Cells(cells) => cell(writer, answer, cells, row),
        AnswerColumn::Values(values) => writer.value(&values[row]),
    }
}

fn cell(writer: &mut Writer, answer: &Answer, cells: &Column, row: usize) {
    let Cell { kind, bits } = cells.cell(row);
    match kind {
        Kind::Nil => writer.nil(),
        Kind::Bool => writer.boolean(bits != 0),
        Kind::Long => writer.long(bits as i64),
        Kind::Double => writer.double(f64::from_bits(bits)),
        Kind::Instant => writer.instant(bits as i64),
        Kind::Float | Kind::Char => {
            let value = Cell { kind, bits }.inline_value();
            writer.value(&value.expect("floats and characters lie in the cell"));
        }
        _ => writer.value(answer.interned(Cell { kind, bits })),
    }
}

#[cfg(test)]
mod tests {
    use datalith_engine::edn;
    use datalith_engine::exec::{self, Input, QueryOptions};

    use super::*;
    use crate::transit;

    /// The columns written one way must read as the value written the other way.
    fn check(query: &str, inputs: &[&str], transit: &str) {
        let read = |text: &&str| Input::Value(edn::read(text).expect("EDN"));
        let inputs: Vec<Input> = inputs.iter().map(read).collect();
        let query = edn::read(query).expect("EDN");
        let answer = exec::q(&query, &inputs, &QueryOptions::default()).expect("an answer");
        let bare = write(&answer, Wrapping::Bare);
        assert_eq!(String::from_utf8_lossy(&bare), transit);
        assert_eq!(transit::read(&bare).expect("transit"), answer.to_value());
        let boxed = transit::read(&write(&answer, Wrapping::Boxed)).expect("transit");
        assert_eq!(boxed.as_sequential(), Some(&[answer.to_value()][..]));
    }

    #[test]
    fn every_shape() {
        let pairs = &["[[1 :abc] [2 :abc]]"];
        check(
            "[:find ?a ?b :in [[?a ?b]]]",
            pairs,
            r#"["~#set",[[1,"~:abc"],[2,"^1"]]]"#,
        );
        check(
            "[:find ?a ?b :keys one two :in [[?a ?b]]]",
            pairs,
            r#"[["^ ","~:one",1,"~:two","~:abc"],["^ ","^0",2,"^1","^2"]]"#,
        );
        check("[:find [?a ...] :in [[?a ?b]]]", pairs, "[1,2]");
        check(
            "[:find [?a ?b] :in [[?a ?b]]]",
            &["[[1 :abc]]"],
            r#"[1,"~:abc"]"#,
        );
        check("[:find ?a . :in ?a]", &["false"], r#"["~#'",false]"#);
        check("[:find ?a . :in [[?a]]]", &["[]"], r#"["~#'",null]"#);
        check("[:find ?a :in [?a ...]]", &["[]"], r#"["~#set",[]]"#);
    }

    #[test]
    fn every_kind() {
        check(
            "[:find ?a :in [?a ...]]",
            &["[true 1 1.5 \"~s\" \\c k :k #inst \"1970\" 1.5M 1/2 [1 2]]"],
            r#"["~#set",[[true],[1],[1.5],["~~s"],["~cc"],["~$k"],["~:k"],["~m0"],["~f1.5"],[["~#ratio",["~n1","~n2"]]],[[1,2]]]]"#,
        );
    }
}
