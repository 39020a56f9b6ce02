//! Lines and what comes of them.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;
use std::process::{Command as Process, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Instant;

use datalith_engine::datom::TX0;
use datalith_scripts::database::ScriptConn;
use datalith_scripts::fault::FaultKind;
use datalith_scripts::piece::{self, Standing};
use datalith_scripts::{Dynamic, Host, completion, shown};

use super::command;
use super::editor::{Asked, Session};
use super::lines::Lines;
use crate::cli::{
    Console as Arguments, Fault, Interrupt, Paint, Terminal, connect_for_console, drawn,
    duration_text, settings, width,
};

/// Rows of a result in the pager.
const PAGER_ROWS: usize = 100_000;
/// What a piece of a session is called in errors.
const INPUT: &str = "input";

/// Runs the console.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Fault> {
    let interrupt = Interrupt::watch()?;
    let settings = settings(&arguments.allowances, Vec::new())?;
    let mut host = Host::new(&settings, Arc::new(Terminal));
    interrupt.aim(host.cancel_flag());
    let name = match &arguments.path {
        Some(place) => {
            let conn = connect_for_console(place, arguments.branch.as_deref())?;
            host.set_connection("conn", &conn);
            let stem = Path::new(place)
                .file_stem()
                .map(|stem| stem.to_string_lossy().into_owned());
            stem.unwrap_or_else(|| "db".to_owned())
        }
        None => {
            let opened = host.eval("let conn = open(\":memory:\");");
            let _ = opened.map_err(|fault| Fault::Failed(fault.message))?;
            "memory".to_owned()
        }
    };
    let mut dialogue = Dialogue {
        session: Session::new(host),
        name,
        as_of: None,
        paint: Paint::of(&io::stdout()),
        last: Dynamic::UNIT,
    };
    match io::stdin().is_terminal() && io::stdout().is_terminal() {
        true => dialogue.talk(),
        false => dialogue.read(),
    }
}

/// A person, or a pipe, and a session.
struct Dialogue {
    session: Session,
    /// What the database is called in the prompt.
    name: String,
    /// The moment that `db` is held at.
    as_of: Option<String>,
    paint: Paint,
    last: Dynamic,
}

/// What follows a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Line,
    Failed,
    End(u8),
}

impl Dialogue {
    /// Talks with a person.
    fn talk(&mut self) -> Result<ExitCode, Fault> {
        let asked = Asked {
            session: self.session.clone(),
            paint: self.paint,
        };
        let mut lines = Lines::open(asked, "history")?;
        let version = env!("CARGO_PKG_VERSION");
        self.say(&self.paint.dim(&format!(
            "Datalith {version} · :help explains, Tab completes, Ctrl-D leaves"
        )));
        while let Some(line) = lines.next(&self.prompt())? {
            if let Next::End(code) = self.perform(&line) {
                return Ok(ExitCode::from(code));
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Takes pieces from a pipe, each as soon as it is complete; stops at the first that fails.
    fn read(&mut self) -> Result<ExitCode, Fault> {
        let mut piece = String::new();
        let mut lines = io::stdin().lock().lines();
        loop {
            let line = lines
                .next()
                .transpose()
                .map_err(|cause| Fault::unreadable("standard input", &cause))?;
            let is_end = line.is_none();
            piece.push_str(&line.unwrap_or_default());
            piece.push('\n');
            if piece.trim().is_empty() {
                piece.clear();
            } else if is_end || !self.is_open(&piece) {
                match self.perform(&piece) {
                    Next::Line => piece.clear(),
                    Next::Failed => return Ok(ExitCode::FAILURE),
                    Next::End(code) => return Ok(ExitCode::from(code)),
                }
            }
            if is_end {
                return Ok(ExitCode::SUCCESS);
            }
        }
    }

    fn is_open(&self, piece: &str) -> bool {
        !command::is_command(piece)
            && piece::standing(&self.session.host(), piece) == Standing::Open
    }

    fn prompt(&self) -> String {
        let host = self.session.host();
        let branch = host.variable("conn").and_then(|conn| {
            let conn = conn.read_lock::<ScriptConn>()?;
            Some(conn.0.config().branch().as_str().to_owned())
        });
        let branch = branch
            .filter(|branch| branch != "db")
            .map(|branch| format!(":{branch}"))
            .unwrap_or_default();
        let moment = self
            .as_of
            .as_ref()
            .map(|point| format!("@{point}"))
            .unwrap_or_default();
        format!("{}{branch}{moment}> ", self.name)
    }

    fn perform(&mut self, line: &str) -> Next {
        if let Some((name, rest)) = command::parse(line) {
            return self.command(name, rest);
        }
        self.eval(line.trim_end())
    }

    /// Runs a piece and shows its value.
    fn eval(&mut self, typed: &str) -> Next {
        self.tell(typed, piece::run)
    }

    /// Shows what comes of a text; errors show the text.
    fn tell(
        &mut self,
        typed: &str,
        run: fn(&mut Host, &str) -> Result<Dynamic, datalith_scripts::Fault>,
    ) -> Next {
        self.refresh();
        let began = Instant::now();
        let result = run(&mut self.session.host(), typed);
        let took = began.elapsed();
        match result {
            Ok(value) => {
                if !piece::is_quiet(typed)
                    && let Some(shown) = shown::show(&value, width())
                {
                    self.say(shown.text.trim_end());
                    self.remark(&duration_text(took));
                }
                if !value.is_unit() {
                    self.last = value;
                }
                Next::Line
            }
            Err(fault) => match fault.kind {
                FaultKind::Exit(code) => Next::End(code),
                FaultKind::Cancelled => {
                    self.remark(&format!("cancelled after {}", duration_text(took)));
                    Next::Line
                }
                _ => {
                    let _ = io::stderr()
                        .lock()
                        .write_all(drawn(&fault, INPUT, typed).as_bytes());
                    Next::Failed
                }
            },
        }
    }

    /// Makes `db` the newest value, or that of the moment it is held at.
    fn refresh(&mut self) {
        piece::follow(&mut self.session.host(), self.as_of.as_deref());
    }

    fn command(&mut self, name: &str, rest: &str) -> Next {
        match (name, rest) {
            (":quit" | ":q" | ":exit", _) => return Next::End(0),
            (":help" | ":h", "") => self.say(&command::help(self.paint)),
            (":help" | ":h", topic) => {
                let known = command::help_on(topic);
                let known =
                    known.or_else(|| completion::inspect(&self.session.host(), topic, topic.len()));
                match known {
                    Some(text) => self.say(&text),
                    None => return self.fail(&format!("nothing is known of {topic}")),
                }
            }
            (":schema", _) => return self.eval("db.schema()"),
            (":explain", query) if !query.is_empty() => {
                return self.tell(query, |host, query| piece::ask(host, "explain", query));
            }
            (":branch", "") => return self.eval("conn.branches()"),
            (":branch", branch) => {
                let script = format!("conn = conn.branch({branch:?});");
                return self.eval(&script);
            }
            (":as-of", "") => self.as_of = None,
            (":as-of", point) => return self.hold(point),
            (":run", file) if !file.is_empty() => return self.run_file(file),
            (":more", _) => self.page(),
            (":explain" | ":run", _) => {
                return self.fail(&format!("{name} needs an argument; :help shows"));
            }
            _ => return self.fail(&format!("there is no command {name}; :help shows all")),
        }
        Next::Line
    }

    fn hold(&mut self, point: &str) -> Next {
        let conn = self.session.host().variable("conn");
        let db = conn.and_then(|conn| conn.read_lock::<ScriptConn>()?.0.db().ok());
        match db.map(|db| (db.max_tx().0 - TX0, completion::moment(&db, point))) {
            Some((_, Ok(_))) => {
                self.as_of = Some(point.to_owned());
                Next::Line
            }
            Some((newest, Err(message))) => {
                self.fail(&format!("{message}; the newest is {newest}"))
            }
            None => self.fail("there is no connection conn"),
        }
    }

    fn run_file(&mut self, file: &str) -> Next {
        match std::fs::read_to_string(file) {
            Ok(text) => {
                self.refresh();
                let result = self.session.host().eval(&text);
                match result {
                    Ok(_) => Next::Line,
                    Err(fault) => {
                        let _ = io::stderr()
                            .lock()
                            .write_all(drawn(&fault, file, &text).as_bytes());
                        Next::Failed
                    }
                }
            }
            Err(cause) => self.fail(&format!("cannot read {file}: {cause}")),
        }
    }

    /// Shows the last result in the user's pager.
    fn page(&self) {
        let text = shown::whole(&self.last, PAGER_ROWS);
        let pager = std::env::var("PAGER").unwrap_or_else(|_| "less -FRSX".to_owned());
        let mut words = pager.split_whitespace();
        let started = words.next().map(|program| {
            Process::new(program)
                .args(words)
                .stdin(Stdio::piped())
                .spawn()
        });
        match started {
            Some(Ok(mut child)) => {
                if let Some(mut input) = child.stdin.take() {
                    // Who has seen enough closes it.
                    let _ = input.write_all(text.as_bytes());
                }
                let _ = child.wait();
            }
            _ => self.say(&text),
        }
    }

    fn say(&self, text: &str) {
        let mut out = io::stdout().lock();
        // There is nobody left to tell that standard output is gone.
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    }

    fn remark(&self, text: &str) {
        if io::stdout().is_terminal() {
            self.say(&self.paint.dim(text));
        }
    }

    fn fail(&self, message: &str) -> Next {
        let label = Paint::of(&io::stderr()).red("error");
        let _ = writeln!(io::stderr().lock(), "{label}: {message}");
        Next::Failed
    }
}
