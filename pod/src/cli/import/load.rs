//! Rows to transactions, many rows at a time: read and made into forms on one thread, transacted on
//! another.

use std::io::Write;
use std::panic::resume_unwind;
use std::sync::mpsc;
use std::thread;

use datalith_engine::conn::Conn;
use datalith_engine::transact::TxData;
use datalith_engine::{Error, Value, limits};
use indicatif::ProgressBar;

use super::plan::Plan;
use super::source::{Content, Row, Source};
use crate::cli::arguments::Import;
use crate::cli::fault::Fault;

/// Most rows left out that are told one by one.
const TOLD_ROWS: usize = 100;

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
}

/// What came of a load.
#[derive(Clone, Copy, Default)]
pub(super) struct Done {
    pub(super) rows: usize,
    pub(super) datoms: usize,
    pub(super) transactions: usize,
    pub(super) left_out: usize,
}

impl<'a> Load<'a> {
    /// Nothing loaded yet.
    pub(super) fn new(conn: &'a Conn, arguments: &'a Import) -> Load<'a> {
        Load {
            conn,
            arguments,
            done: Done::default(),
        }
    }

    /// Loads all rows of a file.
    pub(super) fn run(
        &mut self,
        source: Source,
        plan: Plan,
        bar: &ProgressBar,
    ) -> Result<(), Fault> {
        if self.arguments.files.len() == 1 && !source.columns.is_empty() {
            plan.check_names(&source.columns)?;
        }
        let name = source.name.clone();
        let (sender, batches) = mpsc::sync_channel(BATCHES_AHEAD);
        let (give_back, loaded) = mpsc::channel();
        let reading = Reading {
            source,
            plan,
            conn: self.conn,
            rows: self.arguments.batch as usize,
            sender,
            loaded,
        };
        thread::scope(|scope| {
            let reading = scope.spawn(|| reading.run());
            // Where this ends early, the receiver goes, and with it the thread that reads.
            let loaded = batches.into_iter().try_for_each(|batch| match batch {
                Batch::Schema { schema, done } => {
                    self.transact(Value::from(schema))?;
                    // There is nobody left to tell where reading has ended.
                    let _ = done.send(());
                    Ok(())
                }
                Batch::Rows(rows) => {
                    let forms = self.load(rows, &name, bar)?;
                    let _ = give_back.send(forms);
                    Ok(())
                }
            });
            let read = reading.join().unwrap_or_else(|panic| resume_unwind(panic));
            loaded.and(read)
        })
    }

    /// Transacts rows; where one cannot be read, those before it are transacted first. Gives the
    /// forms that were loaded.
    fn load(
        &mut self,
        rows: Vec<FormRow>,
        name: &str,
        bar: &ProgressBar,
    ) -> Result<Vec<(u64, Value)>, Fault> {
        let mut forms: Vec<(u64, Value)> = Vec::with_capacity(rows.len());
        for (line, form) in rows {
            match form {
                Ok(form) => forms.push((line, form)),
                Err(message) => {
                    if !self.arguments.keep_going {
                        self.transact_rows(&forms, name, bar)?;
                    }
                    self.leave_out(&format!("{name}, line {line}: {message}"), bar)?;
                }
            }
        }
        self.transact_rows(&forms, name, bar)?;
        Ok(forms)
    }

    /// Transacts forms together; where the transaction is refused, in halves, down to the row.
    fn transact_rows(
        &mut self,
        forms: &[(u64, Value)],
        name: &str,
        bar: &ProgressBar,
    ) -> Result<(), Fault> {
        let Some((line, _)) = forms.first() else {
            return Ok(());
        };
        match self.transact(Value::vector(forms.iter().map(|(_, form)| form.clone()))) {
            Ok(()) => {
                self.done.rows += forms.len();
                Ok(())
            }
            Err(error) if !is_about_rows(&error) => Err(error.into()),
            Err(error) if forms.len() == 1 => {
                self.leave_out(&format!("{name}, line {line}: {error}"), bar)
            }
            Err(_) => {
                let (before, after) = forms.split_at(forms.len() / 2);
                self.transact_rows(before, name, bar)?;
                self.transact_rows(after, name, bar)
            }
        }
    }

    fn transact(&mut self, data: Value) -> Result<(), Error> {
        let report = self.conn.transact(&TxData::new(data))?;
        self.done.transactions += 1;
        self.done.datoms += report.tx_data.len();
        Ok(())
    }

    /// A row that cannot be loaded ends the load, unless it was said to go on.
    fn leave_out(&mut self, message: &str, bar: &ProgressBar) -> Result<(), Fault> {
        if !self.arguments.keep_going {
            let rows = self.done.rows;
            return Err(Fault::Failed(format!(
                "{message}\n{rows} rows before it are loaded; --keep-going leaves such rows out"
            )));
        }
        self.done.left_out += 1;
        let told = match self.done.left_out {
            n if n <= TOLD_ROWS => message,
            n if n == TOLD_ROWS + 1 => "… more rows are left out",
            _ => return Ok(()),
        };
        // There is nobody left to tell that standard error is gone.
        bar.suspend(|| {
            let _ = writeln!(std::io::stderr(), "{told}");
        });
        Ok(())
    }
}

/// A row with its line: its form, or why there is none.
type FormRow = (u64, Result<Value, String>);

/// What is to be transacted next.
enum Batch {
    /// Attributes that the rows behind it need.
    Schema {
        schema: Vec<Value>,
        /// Told when they are there.
        done: mpsc::Sender<()>,
    },
    /// The forms of rows.
    Rows(Vec<FormRow>),
}

/// The thread that reads.
struct Reading<'a> {
    source: Source,
    plan: Plan,
    conn: &'a Conn,
    /// Rows of a batch.
    rows: usize,
    sender: mpsc::SyncSender<Batch>,
    /// What is done with: memory is given back fastest where it was taken.
    loaded: mpsc::Receiver<Vec<(u64, Value)>>,
}

impl Reading<'_> {
    /// Reads to the end, or until nobody wants more.
    fn run(mut self) -> Result<(), Fault> {
        loop {
            self.loaded.try_iter().for_each(drop);
            let (mut rows, mut cells) = (Vec::new(), 0);
            while rows.len() < self.rows && cells < BATCH_CELLS {
                let Some(row) = self.source.next()? else {
                    break;
                };
                cells += row.cells();
                rows.push(row);
            }
            if rows.is_empty() {
                return Ok(());
            }
            let db = self.conn.db()?;
            let schema = self.plan.learn(&self.source.columns, &rows, &db)?;
            if !schema.is_empty() {
                let (done, learned) = mpsc::channel();
                let sent = self.sender.send(Batch::Schema { schema, done });
                if sent.is_err() || learned.recv().is_err() {
                    return Ok(());
                }
            }
            let forms = rows.into_iter().filter_map(|row| self.form(row)).collect();
            if self.sender.send(Batch::Rows(forms)).is_err() {
                return Ok(());
            }
        }
    }

    /// The form of a row; none of an empty one.
    fn form(&self, Row { line, content }: Row) -> Option<FormRow> {
        let form = content.and_then(|content| match content {
            Content::Form(form) => Ok(form),
            Content::Cells(cells) => self.plan.form(cells, &self.source.columns),
        });
        match form {
            Ok(Value::Map(entries)) if entries.is_empty() => None,
            form => Some((line, form)),
        }
    }
}

/// Whether fewer rows might fare better.
fn is_about_rows(error: &Error) -> bool {
    let ours = ["incorrect", "not-found", "conflict"];
    let category = error.code().category();
    ours.iter().any(|ours| category.ends_with(ours))
}
