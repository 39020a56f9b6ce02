//! The command line.
//!
//! Input: the arguments, standard input and files. Output: results on standard output and nothing
//! else there; everything said about them goes to standard error. Arguments become a call of the
//! engine in [`ask`], [`change`], [`read`], [`import`], [`export`], [`branch`], [`log`],
//! [`difference`], [`search`], [`sql`], [`script`], [`kernel`], [`notebook`] and [`upkeep`]; what
//! comes back is a [`listing`], which
//! [`output`] writes as a table or as data.

mod arguments;
mod ask;
mod branch;
mod change;
mod database;
mod demo;
mod difference;
mod export;
mod fault;
mod file_arguments;
mod import;
mod input;
mod interrupt;
mod json;
mod kernel;
mod listing;
mod log;
mod notebook;
mod output;
mod paint;
mod pretty;
mod read;
mod script;
mod script_arguments;
mod search;
#[cfg(feature = "sql")]
mod serve;
#[cfg(feature = "sql")]
mod sql;
#[cfg(not(feature = "sql"))]
#[path = "without_sql.rs"]
mod sql;
mod table;
mod upkeep;

pub(crate) use database::connect_for_console;
pub(crate) use fault::Fault;
pub(crate) use interrupt::Interrupt;
pub(crate) use output::duration_text;
pub(crate) use paint::Paint;
pub(crate) use script::{Terminal, drawn, settings, width};
pub(crate) use script_arguments::Console;

use std::process::ExitCode;

use clap::Parser;
use datalith_engine::conn::{Leave, leave};

use arguments::{Command, CommandLine};

/// Runs the command that the arguments name.
pub fn run() -> ExitCode {
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(refusal) => {
            // Help that nobody reads to its end is no failure.
            let _ = refusal.print();
            return ExitCode::from(u8::try_from(refusal.exit_code()).unwrap_or(2));
        }
    };
    let performed = datalith_engine::fault::catch(|| Ok(perform(&line.command)));
    let performed = performed.unwrap_or_else(|error| Err(error.into()));
    leave(Leave::Tidy);
    match performed {
        Ok(code) => code,
        Err(fault) => fault.report(),
    }
}

fn perform(command: &Command) -> Result<ExitCode, Fault> {
    match command {
        Command::Console(arguments) => return crate::console::run(arguments),
        Command::Run(arguments) => return script::run(arguments),
        #[cfg(feature = "sql")]
        Command::Serve(arguments) => serve::run(arguments),
        Command::Kernel(arguments) => kernel::run(&arguments.action),
        Command::Notebook(arguments) => return notebook::run(&arguments.action),
        Command::Demo(arguments) => demo::run(arguments),
        Command::Q(arguments) => ask::q(arguments),
        Command::Explain(arguments) => ask::explain(arguments),
        Command::Sql(arguments) => sql::run(arguments),
        Command::Transact(arguments) => change::transact(arguments),
        Command::Search(arguments) => search::search(arguments),
        Command::Embed(arguments) => search::embed(arguments),
        Command::Index(arguments) => search::index(arguments),
        Command::Import(arguments) => import::run(arguments),
        Command::Pull(arguments) => read::pull(arguments),
        Command::Schema(arguments) => read::schema(arguments),
        Command::Stats(arguments) => read::stats(arguments),
        Command::Branch(arguments) => branch::run(&arguments.action),
        Command::Log(arguments) => log::log(arguments),
        Command::Diff(arguments) => difference::diff(arguments),
        Command::VerifyChain(arguments) => log::verify_chain(arguments),
        Command::Gc(arguments) => log::gc(arguments),
        Command::Checkpoint(arguments) => upkeep::checkpoint(arguments),
        Command::Verify(arguments) => upkeep::verify(arguments),
        Command::Export(arguments) => export::run(arguments),
        Command::ImportDump(arguments) => upkeep::import_dump(arguments),
        Command::Backup(arguments) => upkeep::backup(arguments),
    }
    .map(|()| ExitCode::SUCCESS)
}
