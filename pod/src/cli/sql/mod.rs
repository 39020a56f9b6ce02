//! SQL: `sql`.
//!
//! [`statement`] runs statements and writes what they answer, batch by batch; [`shell`] takes them from a
//! person, with the [`editor`]'s help.

mod editor;
mod shell;
mod statement;

use std::io::{self, IsTerminal};
use std::sync::Arc;

use datalith_engine::conn::Conn;
use datalith_engine::db::Options;
use datalith_engine::{Db, Value, edn};
use datalith_sql::{Access, Destination, Executor, ExecutorOptions, Parameters, Session, Source};

use super::arguments::Sql;
use super::database;
use super::fault::Fault;
use super::input::Text;
use super::interrupt::Interrupt;
use super::output::Format;
use shell::Shell;
use statement::Asking;

/// Runs statements, or a shell.
pub(crate) fn run(arguments: &Sql) -> Result<(), Fault> {
    let interrupt = Interrupt::watch()?;
    let conn = match &arguments.db {
        Some(place) => Some(database::connect_to(place, arguments.branch.as_deref())?),
        None => None,
    };
    let defaults = ExecutorOptions::default();
    let executor = Executor::new(&ExecutorOptions {
        memory_bytes: arguments
            .memory
            .map_or(defaults.memory_bytes, |mib| mib << 20),
        files: Access::All,
        ..defaults
    })?;
    let asking = Asking {
        session: Arc::new(Session::new(&executor, source(conn.as_ref()))),
        parameters: parameters(&arguments.parameters)?,
        timeout: arguments.timeout,
        out: match &arguments.out {
            Some(out) => Some(Destination::parse(out)?),
            None => None,
        },
    };
    let format = Format::chosen(arguments.printing.format);
    let is_talk = io::stdin().is_terminal() && io::stdout().is_terminal();
    let run = |text: &Text| asking.run(text, format, interrupt.flag());
    let ran = match &arguments.statement {
        Some(statement) => run(&Text::of(statement, "statement")?),
        None if is_talk => {
            let name = arguments.db.as_deref().unwrap_or("files");
            Shell::new(&asking, &interrupt, name).talk()
        }
        None => run(&Text::of("-", "statement")?),
    };
    if let Some(conn) = conn {
        conn.release();
    }
    ran
}

/// The database, or an empty one where there are only files.
fn source(conn: Option<&Conn>) -> Source {
    match conn {
        Some(conn) => Source::Conn(conn.clone()),
        None => Source::Db(Db::empty(Options::default())),
    }
}

fn parameters(given: &[String]) -> Result<Parameters, Fault> {
    let value = |text: &String| {
        edn::read(text).map_err(|error| Fault::Usage(format!("--param {text}: {error}")))
    };
    let values: Vec<Value> = given.iter().map(value).collect::<Result<_, _>>()?;
    Ok(Parameters {
        positional: values,
        named: Vec::new(),
    })
}
