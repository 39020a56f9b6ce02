//! Rows to transactions, many rows at a time: read and made into values on one thread, transacted on
//! another.

use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::{Arc, mpsc};
use std::thread;

use datalith_engine::conn::Conn;
use datalith_engine::transact::{Rows, TxData};
use datalith_engine::{Error, Value, limits};
use indicatif::ProgressBar;

use super::plan::Plan;
use super::rejects::{Aside, Reject, Rejects};
use super::source::{Content, Row, Source};
use crate::cli::fault::Fault;
use crate::cli::file_arguments::Import;

/// Cells from which on a batch has no more rows: a transaction takes a limited number of datoms.
const BATCH_CELLS: usize = limits::TX_DATOMS / 2;
/// Batches that are read while others are transacted.
const BATCHES_AHEAD: usize = 1;

/// Loads rows into one database.
pub(super) struct Load<'a> {
    conn: &'a Conn,
    arguments: &'a Import,
    /// What came of it so far.
    pub(super) done: Done,
    pub(super) rejects: Rejects,
}

/// What came of a load.
#[derive(Clone, Copy, Default)]
pub(super) struct Done {
    pub(super) rows: usize,
    pub(super) datoms: usize,
    pub(super) transactions: usize,
}

/// What rows of a file are called.
struct Names {
    file: String,
    unit: &'static str,
    heading: Option<Vec<u8>>,
}

impl<'a> Load<'a> {
    /// Nothing loaded yet.
    pub(super) fn new(conn: &'a Conn, arguments: &'a Import) -> Result<Load<'a>, Fault> {
        Ok(Load {
            conn,
            arguments,
            done: Done::default(),
            rejects: Rejects::new(arguments.rejects.as_deref())?,
        })
    }

    /// Loads all rows of a file.
    pub(super) fn run(
        &mut self,
        mut source: Source,
        plan: Plan,
        bar: &ProgressBar,
    ) -> Result<(), Fault> {
        source.keeps = self.rejects.are_kept();
        let names = Names {
            file: source.name.clone(),
            unit: source.unit(),
            heading: source.heading.clone(),
        };
        let (sender, batches) = mpsc::sync_channel(BATCHES_AHEAD);
        let (give_back, loaded) = mpsc::channel();
        let reading = Reading {
            source,
            plan,
            conn: self.conn,
            rows: self.arguments.batch as usize,
            goes_on: self.goes_on(),
            sender,
            loaded,
        };
        thread::scope(|scope| {
            let reading = scope.spawn(|| reading.run());
            // Where this ends early, the receiver goes, and with it the thread that reads.
            let loaded = batches.into_iter().try_for_each(|step| match step {
                Step::Schema { schema, done } => {
                    self.transact(&TxData::new(Value::from(schema)))?;
                    // There is nobody left to tell where reading has ended.
                    let _ = done.send(());
                    Ok(())
                }
                Step::Batch(batch) => {
                    self.load(&batch, &names, bar)?;
                    let _ = give_back.send(batch);
                    Ok(())
                }
            });
            let read = reading.join().unwrap_or_else(|panic| resume_unwind(panic));
            loaded.and(read)
        })
    }

    fn goes_on(&self) -> bool {
        self.arguments.keep_going || self.rejects.are_kept()
    }

    /// Transacts what could be read, and tells of what could not.
    fn load(&mut self, batch: &Batch, names: &Names, bar: &ProgressBar) -> Result<(), Fault> {
        self.transact_rows(batch, 0..batch.lines.len(), names, bar)?;
        for bad in &batch.bad {
            self.leave_out((bad.line, &bad.reason, bad.aside.as_ref()), names, bar)?;
        }
        Ok(())
    }

    /// Transacts rows together; where the transaction is refused, without the row at fault.
    fn transact_rows(
        &mut self,
        batch: &Batch,
        mut rest: Range<usize>,
        names: &Names,
        bar: &ProgressBar,
    ) -> Result<(), Fault> {
        while !rest.is_empty() {
            let error = match self.transact(&batch.tx_data(rest.clone())) {
                Ok(()) => {
                    self.done.rows += rest.len();
                    return Ok(());
                }
                Err(error) if !is_about_rows(&error) => return Err(error.into()),
                Err(error) => error,
            };
            let at_fault = row_at_fault(&error).or((rest.len() == 1).then_some(0));
            let Some(at) = at_fault.map(|at| rest.start + at) else {
                let middle = rest.start + rest.len() / 2;
                self.transact_rows(batch, rest.start..middle, names, bar)?;
                rest.start = middle;
                continue;
            };
            self.transact_rows(batch, rest.start..at, names, bar)?;
            let (reason, aside) = (error.to_string(), batch.asides.get(at));
            self.leave_out((batch.lines[at], &reason, aside), names, bar)?;
            rest.start = at + 1;
        }
        Ok(())
    }

    fn transact(&mut self, data: &TxData) -> Result<(), Error> {
        let report = self.conn.transact(data)?;
        self.done.transactions += 1;
        self.done.datoms += report.tx_data.len();
        Ok(())
    }

    /// A row that cannot be loaded ends the load, unless it was said to go on.
    fn leave_out(
        &mut self,
        (line, reason, aside): (u64, &str, Option<&Aside>),
        names: &Names,
        bar: &ProgressBar,
    ) -> Result<(), Fault> {
        let reject = Reject {
            file: &names.file,
            unit: names.unit,
            line,
            reason,
            aside,
            heading: names.heading.as_deref(),
        };
        if self.goes_on() {
            return self.rejects.add(&reject, bar);
        }
        let (message, rows) = (reject.message(), self.done.rows);
        Err(Fault::Failed(format!(
            "{message}\n{rows} rows before it are loaded; --keep-going leaves such rows out, \
             --rejects FILE sets them aside"
        )))
    }
}

/// Rows to transact together.
struct Batch {
    /// Their lines.
    lines: Vec<u64>,
    /// What to set aside of them, if anything is.
    asides: Vec<Aside>,
    data: Data,
    /// The rows among them that could not be read.
    bad: Vec<Bad>,
}

struct Bad {
    line: u64,
    reason: String,
    aside: Option<Aside>,
}

enum Data {
    Forms(Vec<Value>),
    Rows(Rows),
}

impl Batch {
    fn tx_data(&self, range: Range<usize>) -> TxData {
        match &self.data {
            Data::Forms(forms) => TxData::new(Value::vector(forms[range].iter().cloned())),
            Data::Rows(rows) => TxData::of_rows(rows.slice(range)),
        }
    }
}

/// What is to be transacted next.
enum Step {
    /// Attributes that the rows behind it need.
    Schema {
        schema: Vec<Value>,
        /// Told when they are there.
        done: mpsc::Sender<()>,
    },
    Batch(Batch),
}

/// The thread that reads.
struct Reading<'a> {
    source: Source,
    plan: Plan,
    conn: &'a Conn,
    /// Rows of a batch.
    rows: usize,
    /// Whether rows that cannot be read are passed over.
    goes_on: bool,
    sender: mpsc::SyncSender<Step>,
    /// What is done with: memory is given back fastest where it was taken.
    loaded: mpsc::Receiver<Batch>,
}

impl Reading<'_> {
    /// Reads to the end, or until nobody wants more.
    fn run(mut self) -> Result<(), Fault> {
        loop {
            self.loaded.try_iter().for_each(drop);
            let (mut rows, mut cells) = (Vec::new(), 0);
            // What is wrong with the file from here on is no fault of the rows before.
            let mut broken = None;
            while rows.len() < self.rows && cells < BATCH_CELLS {
                match self.source.next() {
                    Ok(Some(row)) => {
                        cells += row.cells().max(self.plan.attributes().len());
                        rows.push(row);
                    }
                    Ok(None) => break,
                    Err(fault) => {
                        broken = Some(fault);
                        break;
                    }
                }
            }
            if rows.is_empty() {
                return broken.map_or(Ok(()), Err);
            }
            let db = self.conn.db()?;
            let schema = self.plan.learn(&self.source, &rows, &db)?;
            if !schema.is_empty() {
                let (done, learned) = mpsc::channel();
                let sent = self.sender.send(Step::Schema { schema, done });
                if sent.is_err() || learned.recv().is_err() {
                    return Ok(());
                }
            }
            let batch = self.batch(rows);
            if self.sender.send(Step::Batch(batch)).is_err() {
                return Ok(());
            }
            if let Some(fault) = broken {
                return Err(fault);
            }
        }
    }

    /// The values of rows; up to the first that has none, unless such rows are passed over.
    fn batch(&self, rows: Vec<Row>) -> Batch {
        let attributes = Arc::clone(self.plan.attributes());
        let (mut lines, mut asides, mut bad) = (Vec::new(), Vec::new(), Vec::new());
        let (mut forms, mut values) = (Vec::new(), Vec::new());
        for row in rows {
            let Row {
                line,
                content,
                aside,
            } = row;
            let (start, form_count) = (values.len(), forms.len());
            let read = content.and_then(|content| match content {
                Content::Form(form) => {
                    let is_empty = form.as_map().is_some_and(|map| map.is_empty());
                    forms.extend((!is_empty).then_some(form));
                    Ok(())
                }
                content => self.plan.values(&content, &self.source, &mut values),
            });
            if let Err(reason) = read {
                bad.push(Bad {
                    line,
                    reason,
                    aside,
                });
                if !self.goes_on {
                    break;
                }
                continue;
            }
            // A row that says nothing is none.
            if values[start..].iter().all(Value::is_nil) && forms.len() == form_count {
                values.truncate(start);
                continue;
            }
            lines.push(line);
            asides.extend(aside);
        }
        let data = match forms.is_empty() {
            true => Data::Rows(Rows::new(attributes, values)),
            false => Data::Forms(forms),
        };
        Batch {
            lines,
            asides,
            data,
            bad,
        }
    }
}

/// The place of the row that a transaction was refused for, if the error knows.
fn row_at_fault(error: &Error) -> Option<usize> {
    let data = error.data().iter().find(|(key, _)| *key == "row");
    usize::try_from(data?.1.as_long()?).ok()
}

/// Whether fewer rows might fare better.
fn is_about_rows(error: &Error) -> bool {
    let ours = ["incorrect", "not-found", "conflict"];
    let category = error.code().category();
    ours.iter().any(|ours| category.ends_with(ours))
}
