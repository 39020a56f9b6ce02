//! Rows that were left out: told, counted, and set aside.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datalith_engine::Value;
use indicatif::ProgressBar;

use super::cell::Cell;
use super::source::Frame;
use crate::cli::fault::Fault;
use crate::cli::json;

/// Most rows left out that are told one by one.
const TOLD_ROWS: usize = 100;

/// What is kept of a row in case it is left out.
pub(super) enum Aside {
    /// Its text.
    Text(Box<[u8]>),
    /// Where its cells lie.
    Cells(Arc<Frame>, usize),
}

/// A row that is left out.
pub(super) struct Reject<'a> {
    /// Its file.
    pub(super) file: &'a str,
    /// `line` or `row`.
    pub(super) unit: &'a str,
    /// Its first line or its place, from 1.
    pub(super) line: u64,
    /// Why.
    pub(super) reason: &'a str,
    /// What is kept of it.
    pub(super) aside: Option<&'a Aside>,
    /// What stands above the rows of its file.
    pub(super) heading: Option<&'a [u8]>,
}

impl Reject<'_> {
    /// One line about it.
    pub(super) fn message(&self) -> String {
        let Reject {
            file, unit, line, ..
        } = self;
        format!("{file}, {unit} {line}: {}", self.reason)
    }
}

/// Where rows that are left out go.
pub(super) struct Rejects {
    path: Option<PathBuf>,
    /// Made with the first row.
    files: Option<Files>,
    /// How many there were.
    pub(super) count: usize,
}

struct Files {
    rows: BufWriter<File>,
    reasons: BufWriter<File>,
    heading: Vec<u8>,
}

impl Rejects {
    /// Fails if a file of that name is there already: it may be what is loaded.
    pub(super) fn new(path: Option<&Path>) -> Result<Rejects, Fault> {
        for path in path
            .into_iter()
            .flat_map(|path| [path.to_owned(), reasons(path)])
        {
            if path.exists() {
                return Err(Fault::Usage(format!(
                    "--rejects: {} is there already: choose another name",
                    path.display()
                )));
            }
        }
        Ok(Rejects {
            path: path.map(Path::to_owned),
            files: None,
            count: 0,
        })
    }

    /// Whether rows are kept.
    pub(super) fn are_kept(&self) -> bool {
        self.path.is_some()
    }

    /// Tells of a row, and sets it aside.
    pub(super) fn add(&mut self, reject: &Reject<'_>, bar: &ProgressBar) -> Result<(), Fault> {
        self.count += 1;
        let message = reject.message();
        let told = match self.count {
            n if n <= TOLD_ROWS => Some(&*message),
            n if n == TOLD_ROWS + 1 => Some("… more rows are left out"),
            _ => None,
        };
        if let Some(told) = told {
            // There is nobody left to tell that standard error is gone.
            bar.suspend(|| {
                let _ = writeln!(io::stderr(), "{told}");
            });
        }
        let Some(path) = &self.path else {
            return Ok(());
        };
        let unwritable = |cause| Fault::Failed(format!("cannot write {}: {cause}", path.display()));
        let files = match &mut self.files {
            Some(files) => files,
            none => none.insert(Files::open(path).map_err(unwritable)?),
        };
        files.write(reject, &message).map_err(unwritable)
    }

    /// Writes what is still in memory.
    pub(super) fn finish(&mut self) -> Result<(), Fault> {
        let Some(files) = &mut self.files else {
            return Ok(());
        };
        let flushed = files.rows.flush().and_then(|()| files.reasons.flush());
        flushed.map_err(|cause| Fault::Failed(format!("cannot write the rejects: {cause}")))
    }
}

/// The file of the reasons beside the file of the rows.
fn reasons(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".reasons");
    name.into()
}

impl Files {
    fn open(path: &Path) -> io::Result<Files> {
        let made = |path: &Path| OpenOptions::new().write(true).create_new(true).open(path);
        Ok(Files {
            rows: BufWriter::new(made(path)?),
            reasons: BufWriter::new(made(&reasons(path))?),
            heading: Vec::new(),
        })
    }

    fn write(&mut self, reject: &Reject<'_>, message: &str) -> io::Result<()> {
        writeln!(self.reasons, "{}", message.replace('\n', " "))?;
        if let Some(heading) = reject.heading
            && self.heading != heading
        {
            self.heading = heading.to_owned();
            self.rows.write_all(heading)?;
            self.rows.write_all(b"\n")?;
        }
        match reject.aside {
            None => Ok(()),
            Some(Aside::Text(text)) => {
                self.rows.write_all(text)?;
                self.rows.write_all(b"\n")
            }
            Some(Aside::Cells(frame, row)) => {
                let entries = [
                    ("file", Value::str(reject.file)),
                    ("row", Value::Long(reject.line as i64)),
                    ("reason", Value::str(reject.reason)),
                    ("values", cells(frame, *row)),
                ];
                let entries = entries.map(|(key, value)| (Value::keyword(key), value));
                json::write(&mut self.rows, &Value::map(entries))?;
                self.rows.write_all(b"\n")
            }
        }
    }
}

/// The cells of a row as a map.
fn cells(frame: &Frame, row: usize) -> Value {
    fn value(cell: &Cell<'_>) -> Value {
        match cell {
            Cell::Text(text) => Value::str(text),
            Cell::Value(value) => value.clone(),
            Cell::Many(parts) => Value::vector(parts.iter().map(value)),
        }
    }
    let columns = frame.names.iter().zip(&frame.columns);
    let entries = columns.filter_map(|(name, cells)| {
        let cell = cells.get(row)?.as_ref().ok()?.as_ref()?;
        Some((Value::str(name), value(cell)))
    });
    Value::map(entries)
}
