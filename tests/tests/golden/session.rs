//! What the commands of a script do.

use std::sync::atomic::{AtomicU64, Ordering};

use datalith_engine::conn::{Config, Conn, TxData, TxReport, create_database};
use datalith_engine::{Error, Map, Result, Span, Value, edn, query};
use tempfile::TempDir;
use uuid::Uuid;

use super::script::Command;
use super::show;

/// One database and what a script has said about it.
pub(super) struct Session {
    threads: usize,
    conn: Option<Conn>,
    config: Option<Config>,
    /// Holds the files of a database that is kept in files.
    folder: Option<TempDir>,
}

/// The forms of a command, and where each stands in its text.
struct Forms<'a> {
    text: &'a str,
    forms: Vec<(Value, Span)>,
}

impl Session {
    pub(super) fn new(threads: usize) -> Session {
        Session { threads, conn: None, config: None, folder: None }
    }

    /// Runs one command and gives what it prints.
    ///
    /// - `config {…}`: a new database; without it the first command makes one that reads any schema.
    /// - `tx data meta?`: nothing, or with `[report]` the tempids and datoms.
    /// - `parse query`: the query as a tree.
    /// - `reopen`: releases and connects again.
    pub(super) fn run(&mut self, command: &Command) -> Vec<String> {
        self.try_run(command).unwrap_or_else(|error| show::error(&error, &command.rest))
    }

    fn try_run(&mut self, command: &Command) -> Result<Vec<String>> {
        let forms = Forms::read(&command.rest)?;
        match command.name.as_str() {
            "config" => self.create(forms.value(0))?,
            "tx" => {
                let report = self.conn()?.transact(&forms.tx_data())?;
                return Ok(if command.has("report") { report_lines(&report) } else { Vec::new() });
            }
            "parse" => return forms.parse_query(),
            "reopen" => self.reopen()?,
            other => panic!("no command is called {other}"),
        }
        Ok(Vec::new())
    }

    fn create(&mut self, given: Value) -> Result<()> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = Uuid::from_u64_pair(0xda7a, NEXT.fetch_add(1, Ordering::Relaxed));
        let given = given.as_map().cloned().unwrap_or_default();
        let mut store = given
            .get(&Value::keyword("store"))
            .and_then(Value::as_map)
            .cloned()
            .unwrap_or_default();
        store.entry(Value::keyword("backend")).or_insert(Value::keyword("memory"));
        store.entry(Value::keyword("id")).or_insert(Value::Uuid(id));
        if store[&Value::keyword("backend")] == Value::keyword("file") {
            let folder = tempfile::tempdir().expect("the machine has a folder for temporary files");
            store
                .entry(Value::keyword("path"))
                .or_insert(folder.path().join("db").to_string_lossy().as_ref().into());
            self.folder = Some(folder);
        }
        let mut map: Map = given;
        map.insert(Value::keyword("store"), store.into());
        map.entry(Value::keyword("threads")).or_insert(self.threads.into());
        let config = Config::from_value(&map.into())?;
        create_database(&config)?;
        self.conn = Some(Conn::connect(&config)?);
        self.config = Some(config);
        Ok(())
    }

    fn conn(&mut self) -> Result<Conn> {
        if self.conn.is_none() {
            let key = Value::keyword("schema-flexibility");
            self.create(Value::map([(key, Value::keyword("read"))]))?;
        }
        Ok(self.conn.clone().expect("just created"))
    }

    fn reopen(&mut self) -> Result<()> {
        if let (Some(conn), Some(config)) = (self.conn.take(), &self.config) {
            conn.release();
            self.conn = Some(Conn::connect(config)?);
        }
        Ok(())
    }
}

impl<'a> Forms<'a> {
    fn read(text: &'a str) -> Result<Forms<'a>> {
        // In brackets the forms are one, and each stands a byte further on.
        let (forms, spans) = edn::read_spanned(&format!("[{text}\n]")).map_err(|e| shifted(&e))?;
        let forms = forms.as_sequential().unwrap_or_default().iter().cloned();
        let spans = spans.children.iter().map(|tree| shift(tree.span));
        Ok(Forms { text, forms: forms.zip(spans).collect() })
    }

    fn value(&self, i: usize) -> Value {
        self.forms.get(i).map(|(value, _)| value.clone()).unwrap_or_default()
    }

    fn tx_data(&self) -> TxData {
        TxData { data: self.value(0), meta: self.forms.get(1).map(|(meta, _)| meta.clone()) }
    }

    fn parse_query(&self) -> Result<Vec<String>> {
        let (form, spans) = edn::read_spanned(self.text)?;
        let query = query::parse(&form, Some(&spans))?;
        Ok(query.to_string().lines().map(str::to_owned).collect())
    }
}

fn report_lines(report: &TxReport) -> Vec<String> {
    let mut lines = vec![show::edn(&report.tempids.clone().into())];
    lines.extend(report.tx_data.iter().map(show::datom));
    lines
}

/// The error with its place in the text without the bracket in front.
fn shifted(error: &Error) -> Error {
    Error::new(error.code(), error.message()).at(error.span().map(shift))
}

fn shift(span: Span) -> Span {
    Span { start: span.start.saturating_sub(1), end: span.end.saturating_sub(1) }
}
