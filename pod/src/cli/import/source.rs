//! Bytes to rows, each with the line it begins on, or its place where there are no lines.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

use datalith_engine::Value;
use datalith_engine::schema::ValueType;
use datalith_scripts::columnar::Batches;
use indicatif::ProgressBar;

use super::Kind;
use super::cell::Cell;
use super::columns::{self, Cells, is_readable, noted_type};
use super::csv::{Fields, Records};
use super::forms::forms;
use super::rejects::Aside;
use crate::cli::fault::Fault;

/// Longest line of JSON, in bytes.
const LINE_BYTES: u64 = 64 << 20;

/// A row of a file.
pub(super) struct Row {
    /// Its first line, or its place; from 1.
    pub(super) line: u64,
    /// What it says, or why it cannot be read.
    pub(super) content: Result<Content, String>,
    /// What to set aside if it is left out, where that was asked for.
    pub(super) aside: Option<Aside>,
}

impl Row {
    /// How many values it has about, at least one.
    pub(super) fn cells(&self) -> usize {
        match &self.content {
            Ok(Content::Fields(fields)) => fields.len().max(1),
            Ok(Content::Cells(cells)) => cells.len().max(1),
            Ok(Content::Slot(frame, _)) => frame.columns.len().max(1),
            Ok(Content::Form(Value::Map(entries))) => entries.len().max(1),
            _ => 1,
        }
    }
}

/// What a row says.
pub(super) enum Content {
    /// Texts, by the position of their column; an empty one is none.
    Fields(Fields),
    /// Cells with the position of their column.
    Cells(Vec<(usize, Cell<'static>)>),
    /// The cells of a place in columns.
    Slot(Arc<Frame>, usize),
    /// A form to transact as it is.
    Form(Value),
}

impl Content {
    /// Calls `take` with each cell and the position of its column.
    pub(super) fn try_each(
        &self,
        mut take: impl FnMut(usize, &Cell<'_>) -> Result<(), String>,
    ) -> Result<(), String> {
        match self {
            Content::Fields(fields) => {
                let mut fields = fields.iter().enumerate();
                fields.try_for_each(|(at, text)| match text.is_empty() {
                    true => Ok(()),
                    false => take(at, &Cell::Text(text.into())),
                })
            }
            Content::Cells(cells) => cells.iter().try_for_each(|(at, cell)| take(*at, cell)),
            Content::Slot(frame, row) => {
                let mut columns = frame.columns.iter().enumerate();
                columns.try_for_each(|(at, column)| match column.get(*row) {
                    None | Some(Ok(None)) => Ok(()),
                    Some(Ok(Some(cell))) => take(at, cell),
                    Some(Err(message)) => Err(format!("{}: {message}", frame.names[at])),
                })
            }
            Content::Form(_) => Ok(()),
        }
    }
}

/// Some rows of a file of columns.
pub(super) struct Frame {
    pub(super) names: Arc<[String]>,
    /// Of a column that is skipped there are no cells.
    pub(super) columns: Vec<Cells>,
}

/// The rows of one file.
pub(super) struct Source {
    /// What to call it in errors.
    pub(super) name: String,
    /// The names of the columns met so far.
    pub(super) columns: Vec<String>,
    /// How many of them the header names.
    own: usize,
    /// What each row says beside its own cells.
    pub(super) fixed: Vec<(usize, Cell<'static>)>,
    /// The text above the rows.
    pub(super) heading: Option<Vec<u8>>,
    /// Whether rows are kept in case they are left out.
    pub(super) keeps: bool,
    reader: Reader,
}

enum Reader {
    Csv(Box<Records>),
    Lines {
        lines: BufReader<Box<dyn Read + Send>>,
        line: u64,
    },
    Columns(Box<Columns>),
    Forms(std::vec::IntoIter<(u64, Value)>),
}

/// A file of columns.
struct Columns {
    batches: Batches,
    names: Arc<[String]>,
    wanted: Vec<bool>,
    frame: Arc<Frame>,
    /// The next row of the frame, and how many it has.
    at: usize,
    rows: usize,
    line: u64,
    bar: ProgressBar,
}

/// The bytes of a file, and the file itself where it is one.
pub(super) struct Opened {
    pub(super) bytes: Box<dyn Read + Send>,
    pub(super) file: Option<File>,
    pub(super) bar: ProgressBar,
}

impl Source {
    /// Reads the beginning: a header row, a schema, or all of an EDN file.
    pub(super) fn new(
        opened: Opened,
        kind: Kind,
        name: String,
        delimiter: u8,
    ) -> Result<Source, Fault> {
        let (mut columns, mut heading) = (Vec::new(), None);
        let failed = |cause: &dyn std::fmt::Display| Fault::Failed(format!("{name}: {cause}"));
        let reader = match kind {
            Kind::Csv => {
                let records = Records::new(opened.bytes, delimiter);
                let mut records = records.map_err(|cause| Fault::unreadable(&name, &cause))?;
                let header = records.next().map_err(|cause| failed(&cause))?;
                if let Some(header) = header {
                    heading = Some(records.text(&header).to_owned());
                    let fields = header.fields.map_err(|cause| failed(&cause))?;
                    columns.extend(fields.iter().map(|header| header.trim().to_owned()));
                }
                Reader::Csv(Box::new(records))
            }
            Kind::Jsonl => Reader::Lines {
                lines: BufReader::new(opened.bytes),
                line: 0,
            },
            Kind::Parquet | Kind::Arrow => {
                let batches = match (kind, opened.file) {
                    (Kind::Arrow, _) => Batches::arrow(opened.bytes),
                    (_, Some(file)) => Batches::parquet(file),
                    (_, None) => {
                        return Err(Fault::Usage(
                            "Parquet is read from its end: give a file instead of -".to_owned(),
                        ));
                    }
                };
                let batches = batches.map_err(|cause| failed(&cause))?;
                let fields = batches.schema().fields();
                columns.extend(fields.iter().map(|field| field.name().clone()));
                // Of Arrow's files the bytes are counted as they are read.
                let bar = match kind {
                    Kind::Parquet => opened.bar,
                    _ => ProgressBar::hidden(),
                };
                Reader::Columns(Box::new(Columns::new(batches, &columns, bar)))
            }
            Kind::Edn => {
                let (mut text, mut bytes) = (String::new(), opened.bytes);
                bytes
                    .read_to_string(&mut text)
                    .map_err(|cause| Fault::unreadable(&name, &cause))?;
                Reader::Forms(forms(&text, &name)?.into_iter())
            }
        };
        Ok(Source {
            name,
            own: columns.len(),
            columns,
            fixed: Vec::new(),
            heading,
            keeps: false,
            reader,
        })
    }

    /// Says the same in each row, unless the rows have a column of that name themselves.
    pub(super) fn add_fixed(&mut self, name: &str, text: Option<&str>) {
        if matches!(self.reader, Reader::Forms(_)) || self.columns.iter().any(|own| own == name) {
            return;
        }
        let at = self.columns.len();
        self.columns.push(name.to_owned());
        let text = text.filter(|text| !text.is_empty());
        self.fixed
            .extend(text.map(|text| (at, Cell::Text(text.to_owned().into()))));
    }

    /// Reads no cells of columns that are skipped; fails for others that no value can be made of.
    pub(super) fn skip(&mut self, is_skipped: impl Fn(&str) -> bool) -> Result<(), Fault> {
        let Reader::Columns(columns) = &mut self.reader else {
            return Ok(());
        };
        let fields = columns.batches.schema().fields();
        let wanted = fields.iter().map(|field| {
            let name = field.name();
            let is_wanted = !is_skipped(name);
            match is_wanted && !is_readable(field.data_type()) {
                false => Ok(is_wanted),
                true => Err(Fault::Failed(format!(
                    "{}: the column {name} is of the type {}, which no attribute has; \
                     --skip {name} leaves it out",
                    self.name,
                    field.data_type()
                ))),
            }
        });
        columns.wanted = wanted.collect::<Result<_, _>>()?;
        Ok(())
    }

    /// The type that the file says a column has, beyond what its cells look like.
    pub(super) fn declared_type(&self, at: usize) -> Option<ValueType> {
        let Reader::Columns(columns) = &self.reader else {
            return None;
        };
        let fields = columns.batches.schema().fields();
        fields.get(at).and_then(|field| noted_type(field))
    }

    /// What rows are counted by.
    pub(super) fn unit(&self) -> &'static str {
        match self.reader {
            Reader::Columns(_) => "row",
            _ => "line",
        }
    }

    /// The next row; none at the end.
    ///
    /// Errors: only what makes all further reading pointless.
    pub(super) fn next(&mut self) -> Result<Option<Row>, Fault> {
        let keeps = self.keeps;
        match &mut self.reader {
            Reader::Csv(records) => next_record(records, self.own, keeps)
                .map_err(|cause| Fault::unreadable(&self.name, &cause)),
            Reader::Lines { lines, line } => {
                next_line(lines, line, &mut self.columns, &self.name, keeps)
            }
            Reader::Columns(columns) => {
                let next = columns.next(keeps);
                next.map_err(|message| {
                    let (name, line) = (&self.name, columns.line);
                    Fault::Failed(format!("{name}, after row {line}: {message}"))
                })
            }
            Reader::Forms(forms) => Ok(forms.next().map(|(line, form)| Row {
                line,
                aside: keeps.then(|| Aside::Text(form.to_string().into_bytes().into())),
                content: Ok(Content::Form(form)),
            })),
        }
    }
}

impl Columns {
    fn new(batches: Batches, names: &[String], bar: ProgressBar) -> Columns {
        let names: Arc<[String]> = names.into();
        let frame = Frame {
            names: Arc::clone(&names),
            columns: Vec::new(),
        };
        Columns {
            batches,
            wanted: vec![true; names.len()],
            names,
            frame: Arc::new(frame),
            at: 0,
            rows: 0,
            line: 0,
            bar,
        }
    }

    fn next(&mut self, keeps: bool) -> Result<Option<Row>, String> {
        while self.at == self.rows {
            let Some(batch) = self.batches.next() else {
                return Ok(None);
            };
            let batch = batch.map_err(|cause| cause.to_string())?;
            self.bar.inc(batch.num_rows() as u64);
            self.frame = Arc::new(Frame {
                names: Arc::clone(&self.names),
                columns: columns::columns(&batch, &self.wanted),
            });
            (self.at, self.rows) = (0, batch.num_rows());
        }
        let at = self.at;
        self.at += 1;
        self.line += 1;
        Ok(Some(Row {
            line: self.line,
            content: Ok(Content::Slot(Arc::clone(&self.frame), at)),
            aside: keeps.then(|| Aside::Cells(Arc::clone(&self.frame), at)),
        }))
    }
}

fn next_record(records: &mut Records, columns: usize, keeps: bool) -> std::io::Result<Option<Row>> {
    let Some(record) = records.next()? else {
        return Ok(None);
    };
    let aside = keeps.then(|| Aside::Text(records.text(&record).into()));
    let content = record.fields.and_then(|fields| match fields.len() {
        len if len == columns => Ok(Content::Fields(fields)),
        len => Err(format!("{len} columns, the header has {columns}")),
    });
    Ok(Some(Row {
        line: record.line,
        content,
        aside,
    }))
}

fn next_line(
    lines: &mut BufReader<Box<dyn Read + Send>>,
    line: &mut u64,
    columns: &mut Vec<String>,
    name: &str,
    keeps: bool,
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
            aside: keeps.then(|| Aside::Text(bytes.trim_ascii_end().into())),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &'static str, kind: Kind) -> Vec<String> {
        let opened = Opened {
            bytes: Box::new(text.as_bytes()),
            file: None,
            bar: ProgressBar::hidden(),
        };
        let mut source = Source::new(opened, kind, "t".to_owned(), b',').unwrap();
        let mut shown = Vec::new();
        while let Some(row) = source.next().unwrap() {
            let content = match row.content {
                Ok(Content::Form(form)) => form.to_string(),
                Ok(content) => {
                    let mut shown = Vec::new();
                    let show = |at: usize, cell: &Cell<'_>| {
                        shown.push(format!("{}={cell:?}", source.columns[at]));
                        Ok(())
                    };
                    content.try_each(show).unwrap();
                    shown.join(" ")
                }
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
