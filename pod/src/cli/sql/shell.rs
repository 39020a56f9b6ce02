//! The shell: statements in, tables out, until Ctrl-D.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::editor::Asked;
use super::statement::Asking;
use crate::cli::fault::Fault;
use crate::cli::input::Text;
use crate::cli::interrupt::Interrupt;
use crate::cli::output::Format;
use crate::cli::paint::Paint;
use crate::console::Lines;

/// The commands, for a person who asks.
const HELP: &str = "\
A statement ends with a semicolon, or with an empty line. Ctrl-C ends what runs, Ctrl-D leaves.

  \\d            tables of the database
  \\d NAME       columns of a table
  \\q            leaves

Schemas are views:  public, history, \"as_of:2026-01-31\", \"since:7\", \"branch:draft\"
or, by table:       select * from person for system_time as of '2026-01-31';
Files:              select * from read_parquet('trips/*.parquet');
Datalog:            select * from datalog('[:find ?name ?age :where [?e :person/name ?name] [?e :person/age ?age]]');";

/// A person, and statements.
pub(super) struct Shell<'a> {
    asking: &'a Asking,
    interrupt: &'a Interrupt,
    name: String,
    paint: Paint,
}

impl<'a> Shell<'a> {
    pub(super) fn new(asking: &'a Asking, interrupt: &'a Interrupt, place: &str) -> Shell<'a> {
        let stem = Path::new(place).file_stem();
        Shell {
            asking,
            interrupt,
            name: stem.map_or_else(
                || "sql".to_owned(),
                |stem| stem.to_string_lossy().into_owned(),
            ),
            paint: Paint::of(&io::stdout()),
        }
    }

    /// Talks with a person.
    pub(super) fn talk(&self) -> Result<(), Fault> {
        let asked = Asked {
            session: self.asking.session.clone(),
            paint: self.paint,
        };
        let mut lines = Lines::open(asked, "sql_history")?;
        let version = env!("CARGO_PKG_VERSION");
        say(&self.paint.dim(&format!(
            "Datalith {version} · SQL · \\? explains, Tab completes, Ctrl-D leaves"
        )));
        let prompt = format!("{}# ", self.name);
        loop {
            // While a line is typed, Ctrl-C is a key; from its end on it is about what the line asks for.
            let cancelled = self.interrupt.flag();
            match lines.next(&prompt)?.as_deref().map(str::trim) {
                None | Some("\\q") => return Ok(()),
                Some(line) => self.perform(line, cancelled),
            }
        }
    }

    fn perform(&self, line: &str, cancelled: Arc<AtomicBool>) {
        let statement = match line.strip_prefix('\\').map(|command| command.split_once(' ').unwrap_or((command, ""))) {
            None => line.to_owned(),
            Some(("?" | "h" | "help", _)) => return say(HELP),
            Some(("d" | "dt", "")) => {
                "select table_name as \"table\" from information_schema.tables where table_schema = 'public'".to_owned()
            }
            Some(("d", table)) => format!(
                "select column_name as \"column\", data_type as type from information_schema.columns \
                 where table_schema = 'public' and table_name = '{}' order by ordinal_position",
                table.trim().replace('\'', "''")
            ),
            Some((command, _)) => {
                return say(&format!("there is no command \\{command}; \\? shows all"));
            }
        };
        let text = Text {
            name: "input".to_owned(),
            body: statement,
        };
        if let Err(fault) = self.asking.run(&text, Format::Table, cancelled) {
            // What is wrong with a statement ends nothing but the statement.
            let _ = fault.report();
        }
    }
}

fn say(text: &str) {
    let mut out = io::stdout().lock();
    // There is nobody left to tell that standard output is gone.
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}
