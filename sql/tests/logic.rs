//! The SQL of Datalith as a language reference: every file of `logic/` is run against a database of its own.
//!
//! Beside SQL a statement may be `transact …` with transaction data, `branch :name` from the newest commit,
//! `on :branch` with transaction data for it, or `reopen`, after which everything is read from disk.
//! `BLESS=1` writes what is answered into the files.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datalith_engine::conn::{BranchPoint, Config, Conn, TxData, create_database};
use datalith_engine::script::Allowance;
use datalith_engine::{Keyword, Value, edn};
use datalith_sql::{Access, Executor, ExecutorOptions, Parameters, Session, Source, value};
use sqllogictest::{
    DB, DBOutput, DefaultColumnType, Runner, default_column_validator, default_normalizer,
    default_validator,
};

type Failure = datalith_engine::Error;

struct Database {
    executor: Arc<Executor>,
    config: Config,
    conn: Conn,
    session: Session,
    _folder: tempfile::TempDir,
}

impl Database {
    fn new() -> Result<Database, Failure> {
        let folder = tempfile::tempdir().expect("a folder for a database can be made");
        let path = folder.path().join("db").display().to_string();
        let config = format!(
            "{{:store {{:backend :file :id #uuid \"5ea1f0e2-0000-4000-8000-000000000001\" :path {}}}}}",
            Value::from(path)
        );
        let config = Config::from_value(&edn::read(&config)?)?;
        create_database(&config)?;
        let conn = Conn::connect(&config)?;
        let executor = Executor::new(&ExecutorOptions {
            threads: Some(2),
            files: Access::All,
            ..ExecutorOptions::default()
        })?;
        Ok(Database {
            session: Session::new(&executor, Source::Conn(conn.clone())),
            executor,
            config,
            conn,
            _folder: folder,
        })
    }

    fn special(&mut self, sql: &str) -> Result<bool, Failure> {
        let (word, rest) = sql.split_once(char::is_whitespace).unwrap_or((sql, ""));
        match word {
            "transact" => {
                self.conn
                    .transact(&TxData::from_value(&edn::read(rest)?)?)?;
            }
            "branch" => {
                let name = Keyword::new(rest.trim().trim_start_matches(':'));
                let from = BranchPoint::from_value(&Value::keyword("db"))?;
                self.conn.create_branch(&from, &name)?;
            }
            "on" => {
                let (branch, data) = rest.trim().split_once(' ').unwrap_or((rest, "[]"));
                let config = self.config.with("branch", edn::read(branch)?)?;
                let conn = Conn::connect(&config)?;
                conn.transact(&TxData::from_value(&edn::read(data)?)?)?;
                conn.release();
            }
            "reopen" => {
                self.conn.checkpoint()?;
                self.conn.release();
                self.conn = Conn::connect(&self.config)?;
                self.session = Session::new(&self.executor, Source::Conn(self.conn.clone()));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl DB for Database {
    type Error = Failure;
    type ColumnType = DefaultColumnType;

    fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Failure> {
        if self.special(sql)? {
            return Ok(DBOutput::StatementComplete(0));
        }
        let answer = self
            .session
            .run(sql, &Parameters::default(), &Allowance::default())?;
        let types = vec![DefaultColumnType::Any; answer.schema().fields().len()];
        let mut rows = Vec::new();
        for batch in answer {
            let batch = batch?;
            for row in 0..batch.num_rows() {
                let columns = batch.columns().iter();
                let cells: Vec<String> = columns.map(|column| text(&value(column, row))).collect();
                rows.extend(lines(cells));
            }
        }
        Ok(DBOutput::Rows { types, rows })
    }
}

/// A row whose last cell has several lines, as plans have, as a row for each of them.
fn lines(mut cells: Vec<String>) -> Vec<Vec<String>> {
    let Some(last) = cells.pop() else {
        return vec![cells];
    };
    let mut lines = last.trim_end().split('\n').map(str::to_owned);
    cells.extend(lines.next());
    let rest = lines.map(|line| vec![line]);
    std::iter::once(cells).chain(rest).collect()
}

/// A cell: strings as they are, all else as EDN.
fn text(value: &Value) -> String {
    match value {
        Value::Str(text) if text.is_empty() => "(empty)".to_owned(),
        Value::Str(text) => text.to_string(),
        Value::Nil => "NULL".to_owned(),
        other => other.to_string(),
    }
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/logic");
    let files = std::fs::read_dir(folder).expect("the folder of the tests is there");
    let mut files: Vec<PathBuf> = files
        .map(|file| file.expect("it can be listed").path())
        .collect();
    files.sort();
    files
}

#[test]
fn every_file_is_answered_as_it_says() {
    std::env::set_current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"))
        .expect("the tests have a folder");
    let files = files();
    assert!(files.len() > 5, "the files are not where they should be");
    let failed: Vec<String> = files
        .iter()
        .filter_map(|file| run(file).err())
        .map(|e| e.to_string())
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

fn run(file: &Path) -> Result<(), Box<dyn Error>> {
    let mut runner = Runner::new(async || Database::new());
    if std::env::var_os("BLESS").is_some() {
        let updated = runner.update_test_file(
            file,
            "  ",
            default_validator,
            default_normalizer,
            default_column_validator,
        );
        return futures::executor::block_on(updated);
    }
    Ok(runner.run_file(file)?)
}
