//! Bytes to rows, each with the line it begins on.

use std::io::{BufRead, BufReader, Read};

use datalith_engine::{Value, edn};

use super::Kind;
use super::cell::Cell;
use crate::cli::fault::Fault;

/// Longest line of JSON, in bytes.
const LINE_BYTES: u64 = 64 << 20;

/// A row of a file.
pub(super) struct Row {
    /// Its first line, from 1.
    pub(super) line: u64,
    /// What it says, or why it cannot be read.
    pub(super) content: Result<Content, String>,
}

impl Row {
    /// How many values it has about, at least one.
    pub(super) fn cells(&self) -> usize {
        match &self.content {
            Ok(Content::Cells(cells)) => cells.len().max(1),
            Ok(Content::Form(Value::Map(entries))) => entries.len().max(1),
            _ => 1,
        }
    }
}

/// What a row says.
pub(super) enum Content {
    /// Cells by the position of their column.
    Cells(Vec<(usize, Cell)>),
    /// A form to transact as it is.
    Form(Value),
}

/// The rows of one file.
pub(super) struct Source {
    /// What to call it in errors.
    pub(super) name: String,
    /// The names of the columns met so far.
    pub(super) columns: Vec<String>,
    reader: Reader,
}

enum Reader {
    Csv(Box<csv::Reader<Box<dyn Read + Send>>>),
    Lines {
        lines: BufReader<Box<dyn Read + Send>>,
        line: u64,
    },
    Forms(std::vec::IntoIter<(u64, Value)>),
}

impl Source {
    /// Reads the beginning: a header row, or all of an EDN file.
    pub(super) fn new(
        mut bytes: Box<dyn Read + Send>,
        kind: Kind,
        name: String,
        delimiter: char,
    ) -> Result<Source, Fault> {
        let mut columns = Vec::new();
        let reader = match kind {
            Kind::Csv => {
                let delimiter = u8::try_from(delimiter).map_err(|_| {
                    Fault::Usage(format!(
                        "--delimiter {delimiter}: expected an ASCII character"
                    ))
                })?;
                let mut reader = csv::ReaderBuilder::new()
                    .delimiter(delimiter)
                    .flexible(true)
                    .from_reader(bytes);
                let headers = reader
                    .headers()
                    .map_err(|cause| Fault::Failed(format!("{name}: {cause}")))?;
                let headers = headers
                    .iter()
                    .map(|header| header.trim_start_matches('\u{feff}'));
                columns.extend(headers.map(|header| header.trim().to_owned()));
                Reader::Csv(Box::new(reader))
            }
            Kind::Jsonl => Reader::Lines {
                lines: BufReader::new(bytes),
                line: 0,
            },
            Kind::Edn => {
                let mut text = String::new();
                bytes
                    .read_to_string(&mut text)
                    .map_err(|cause| Fault::unreadable(&name, &cause))?;
                Reader::Forms(forms(&text, &name)?.into_iter())
            }
        };
        Ok(Source {
            name,
            columns,
            reader,
        })
    }

    /// The next row; none at the end.
    ///
    /// Errors: only what makes all further reading pointless.
    pub(super) fn next(&mut self) -> Result<Option<Row>, Fault> {
        match &mut self.reader {
            Reader::Csv(reader) => next_record(reader, self.columns.len(), &self.name),
            Reader::Lines { lines, line } => next_line(lines, line, &mut self.columns, &self.name),
            Reader::Forms(forms) => Ok(forms.next().map(|(line, form)| Row {
                line,
                content: Ok(Content::Form(form)),
            })),
        }
    }
}

fn next_record(
    reader: &mut csv::Reader<Box<dyn Read + Send>>,
    columns: usize,
    name: &str,
) -> Result<Option<Row>, Fault> {
    let mut record = csv::StringRecord::new();
    let line = reader.position().line();
    match reader.read_record(&mut record) {
        Ok(false) => return Ok(None),
        Ok(true) => {}
        Err(cause) if matches!(cause.kind(), csv::ErrorKind::Io(_)) => {
            return Err(Fault::Failed(format!("cannot read {name}: {cause}")));
        }
        Err(_) => {
            return Ok(Some(Row {
                line,
                content: Err("the row is not UTF-8".to_owned()),
            }));
        }
    }
    let line = record.position().map_or(line, csv::Position::line);
    if record.len() != columns {
        let message = format!("{} columns, the header has {columns}", record.len());
        return Ok(Some(Row {
            line,
            content: Err(message),
        }));
    }
    let cells = record
        .iter()
        .enumerate()
        .filter(|(_, text)| !text.is_empty());
    let cells = cells
        .map(|(at, text)| (at, Cell::Text(text.to_owned())))
        .collect();
    Ok(Some(Row {
        line,
        content: Ok(Content::Cells(cells)),
    }))
}

fn next_line(
    lines: &mut BufReader<Box<dyn Read + Send>>,
    line: &mut u64,
    columns: &mut Vec<String>,
    name: &str,
) -> Result<Option<Row>, Fault> {
    loop {
        let mut bytes = Vec::new();
        let unreadable = |cause| Fault::unreadable(name, &cause);
        let limited = &mut lines.by_ref().take(LINE_BYTES);
        let read = limited.read_until(b'\n', &mut bytes).map_err(unreadable)?;
        if read == 0 {
            return Ok(None);
        }
        *line += 1;
        if read as u64 == LINE_BYTES {
            let message = format!("{name}, line {line}: longer than {LINE_BYTES} bytes");
            return Err(Fault::Failed(message));
        }
        if bytes.trim_ascii().is_empty() {
            continue;
        }
        let content = object(&bytes, columns);
        return Ok(Some(Row {
            line: *line,
            content,
        }));
    }
}

/// The cells of a JSON object; keys met for the first time become columns.
fn object(bytes: &[u8], columns: &mut Vec<String>) -> Result<Content, String> {
    let parsed: serde_json::Value =
        serde_json::from_slice(bytes).map_err(|cause| format!("no JSON: {cause}"))?;
    let serde_json::Value::Object(entries) = parsed else {
        return Err("expected a JSON object".to_owned());
    };
    let mut cells = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let Some(cell) = Cell::of_json(value).map_err(|message| format!("{key}: {message}"))?
        else {
            continue;
        };
        let at = columns
            .iter()
            .position(|column| *column == key)
            .unwrap_or_else(|| {
                columns.push(key);
                columns.len() - 1
            });
        cells.push((at, cell));
    }
    Ok(Content::Cells(cells))
}

/// The forms of a text, each with its line: those within its one vector, else the top-level ones.
fn forms(text: &str, name: &str) -> Result<Vec<(u64, Value)>, Fault> {
    let is_operation =
        |first: Option<&Value>| first.is_some_and(|form| form.as_keyword().is_some());
    // Form by form: a vector of everything may be over the limits of one form.
    let inner = text
        .trim()
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    if let Some(inner) = inner
        && let Ok(forms) = read_forms(inner, name, leading_lines(text, inner))
        && !is_operation(forms.first().map(|(_, form)| form))
    {
        return Ok(forms);
    }
    let forms = read_forms(text, name, 0)?;
    match forms.as_slice() {
        [(line, Value::Vector(items))] if !is_operation(items.first()) => {
            Ok(items.iter().map(|item| (*line, item.clone())).collect())
        }
        _ => Ok(forms),
    }
}

/// How many lines of a text come before a part of it.
fn leading_lines(text: &str, part: &str) -> u64 {
    let at = part.as_ptr() as usize - text.as_ptr() as usize;
    text.as_bytes()[..at]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count() as u64
}

fn read_forms(text: &str, name: &str, lines_before: u64) -> Result<Vec<(u64, Value)>, Fault> {
    let mut forms = edn::Forms::new(text);
    let mut read = Vec::new();
    let (mut counted_to, mut line) = (0, 1 + lines_before);
    while let Some(form) = forms.next() {
        let start = forms.last_span().start;
        let form = form.map_err(|error| {
            let at = error.span().map_or(start, |span| span.start);
            let place = edn::line_column(text, at);
            let shown = place.line as u64 + lines_before;
            Fault::Failed(format!(
                "{name}, line {shown}, column {}: {error}",
                place.column
            ))
        })?;
        let newlines = text.as_bytes()[counted_to..start]
            .iter()
            .filter(|byte| **byte == b'\n');
        line += newlines.count() as u64;
        counted_to = start;
        read.push((line, form));
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &'static str, kind: Kind) -> Vec<String> {
        let mut source = Source::new(Box::new(text.as_bytes()), kind, "t".to_owned(), ',').unwrap();
        let mut shown = Vec::new();
        while let Some(row) = source.next().unwrap() {
            let content = match row.content {
                Ok(Content::Cells(cells)) => cells
                    .iter()
                    .map(|(at, cell)| format!("{}={cell:?}", source.columns[*at]))
                    .collect::<Vec<_>>()
                    .join(" "),
                Ok(Content::Form(form)) => form.to_string(),
                Err(message) => message,
            };
            shown.push(format!("{}: {content}", row.line));
        }
        shown
    }

    #[test]
    fn rows_have_lines() {
        assert_eq!(
            rows("\u{feff}a,b\n1,\"x\ny\"\n2\n,z\n", Kind::Csv),
            [
                "2: a=Text(\"1\") b=Text(\"x\\ny\")",
                "4: 1 columns, the header has 2",
                "5: b=Text(\"z\")"
            ]
        );
        assert_eq!(
            rows("{\"a\": [1, 2.5]}\n\n[1]\n{\"b\": {}}\n", Kind::Jsonl),
            [
                "1: a=Many([Value(Long(1)), Value(Double(2.5))])",
                "3: expected a JSON object",
                "4: b: expected a scalar or a list of scalars"
            ]
        );
        assert_eq!(
            rows("; c\n[{:a 1}\n {:a 2}]\n", Kind::Edn),
            ["2: {:a 1}", "2: {:a 2}"]
        );
        assert_eq!(
            rows("\n[{:a 1}\n {:a 2}]\n", Kind::Edn),
            ["2: {:a 1}", "3: {:a 2}"]
        );
        assert_eq!(
            rows("[:db/add 1 :a 1]\n{:a 2}", Kind::Edn),
            ["1: [:db/add 1 :a 1]", "2: {:a 2}"]
        );
    }
}
