//! Rows to transactions, many rows at a time.

use std::io::Write;

use datalith_engine::conn::Conn;
use datalith_engine::transact::TxData;
use datalith_engine::{Error, Value};
use indicatif::ProgressBar;

use super::plan::Plan;
use super::source::{Content, Row, Source};
use crate::cli::arguments::Import;
use crate::cli::fault::Fault;

/// Most rows left out that are told one by one.
const TOLD_ROWS: usize = 100;

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
        mut source: Source,
        mut plan: Plan,
        bar: &ProgressBar,
    ) -> Result<(), Fault> {
        if self.arguments.files.len() == 1 && !source.columns.is_empty() {
            plan.check_names(&source.columns)?;
        }
        loop {
            let mut rows: Vec<Row> = Vec::new();
            while rows.len() < self.arguments.batch as usize {
                let Some(row) = source.next()? else { break };
                rows.push(row);
            }
            if rows.is_empty() {
                return Ok(());
            }
            let schema = plan.learn(&source.columns, &rows, &self.conn.db()?)?;
            if !schema.is_empty() {
                self.transact(Value::from(schema))?;
            }
            self.load(rows, &plan, &source, bar)?;
        }
    }

    /// Transacts rows; where one cannot be read, those before it are transacted first.
    fn load(
        &mut self,
        rows: Vec<Row>,
        plan: &Plan,
        source: &Source,
        bar: &ProgressBar,
    ) -> Result<(), Fault> {
        let tell = |line, message: &str| format!("{}, line {line}: {message}", source.name);
        let mut forms: Vec<(u64, Value)> = Vec::with_capacity(rows.len());
        for Row { line, content } in rows {
            let form = content.and_then(|content| match content {
                Content::Form(form) => Ok(form),
                Content::Cells(cells) => plan.form(cells, &source.columns),
            });
            match form {
                Ok(Value::Map(entries)) if entries.is_empty() => {}
                Ok(form) => forms.push((line, form)),
                Err(message) => {
                    if !self.arguments.keep_going {
                        self.transact_rows(&forms, source, bar)?;
                    }
                    self.leave_out(&tell(line, &message), bar)?;
                }
            }
        }
        self.transact_rows(&forms, source, bar)
    }

    /// Transacts forms together; where the transaction is refused, in halves, down to the row.
    fn transact_rows(
        &mut self,
        forms: &[(u64, Value)],
        source: &Source,
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
                self.leave_out(&format!("{}, line {line}: {error}", source.name), bar)
            }
            Err(_) => {
                let (before, after) = forms.split_at(forms.len() / 2);
                self.transact_rows(before, source, bar)?;
                self.transact_rows(after, source, bar)
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

/// Whether fewer rows might fare better.
fn is_about_rows(error: &Error) -> bool {
    let ours = ["incorrect", "not-found", "conflict"];
    let category = error.code().category();
    ours.iter().any(|ours| category.ends_with(ours))
}
