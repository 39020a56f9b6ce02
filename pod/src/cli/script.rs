//! Scripts: `run`.

use std::fs;
use std::io::{self, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use datalith_scripts::fault::{FaultKind, Tone};
use datalith_scripts::files::Grants;
use datalith_scripts::shown::{self, Shown};
use datalith_scripts::{Host, Settings, Sink, piece};

use super::database;
use super::fault::Fault;
use super::interrupt::Interrupt;
use super::paint::Paint;
use super::script_arguments::{Allowances, Run};

/// Exit code of what its user cancelled, as shells give it.
const CANCELLED: u8 = 130;

/// Runs a script, or the text of one.
pub(crate) fn run(arguments: &Run) -> Result<ExitCode, Fault> {
    let (name, text, rest) = script_of(arguments)?;
    let interrupt = Interrupt::watch()?;
    let settings = settings(&arguments.allowances, rest)?;
    let mut host = Host::new(&settings, Arc::new(Terminal));
    interrupt.aim(host.cancel_flag());
    host.on_error_line(|line| {
        // There is nobody left to tell that standard error is gone.
        let _ = writeln!(io::stderr().lock(), "{line}");
    });
    if let Some(place) = &arguments.db {
        let conn = database::connect_to(place, arguments.branch.as_deref())?;
        host.set_connection("conn", &conn);
    }
    // The line that names this program is rhai's comment.
    let text = match text.strip_prefix("#!") {
        Some(rest) => format!("//{rest}"),
        None => text,
    };
    match host.eval(&text) {
        Ok(value) => {
            if arguments.expression.is_some()
                && !piece::is_quiet(&text)
                && let Some(shown) = shown::show(&value, width())
            {
                Terminal.print(&format!("{}\n", shown.text.trim_end()));
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(fault) => Ok(ExitCode::from(report(&fault, &name, &text))),
    }
}

/// The name of a script, its text, and the arguments that are its own.
fn script_of(arguments: &Run) -> Result<(String, String, Vec<String>), Fault> {
    let own = || arguments.arguments.clone();
    if let Some(text) = &arguments.expression {
        let first = arguments.script.iter().cloned();
        return Ok((
            "expression".to_owned(),
            text.clone(),
            first.chain(own()).collect(),
        ));
    }
    match arguments.script.as_deref() {
        None => Err(Fault::Usage(
            "give a script, or an expression with -e".to_owned(),
        )),
        Some("-") => {
            let mut text = String::new();
            let unreadable = |cause| Fault::unreadable("standard input", &cause);
            io::stdin().read_to_string(&mut text).map_err(unreadable)?;
            Ok(("standard input".to_owned(), text, own()))
        }
        Some(path) => {
            let text = fs::read_to_string(path).map_err(|cause| Fault::unreadable(path, &cause))?;
            Ok((path.to_owned(), text, own()))
        }
    }
}

/// What a session may do, as the command line says it.
pub(crate) fn settings(given: &Allowances, arguments: Vec<String>) -> Result<Settings, Fault> {
    let grants = Grants::new(&given.allow_read, &given.allow_write);
    let all = || given.allow_read.iter().chain(&given.allow_write);
    let grants = grants.map_err(|cause| {
        let missing = all().find(|path| !path.exists()).map(PathBuf::as_path);
        let named = missing
            .map(|path| path.display().to_string())
            .unwrap_or_default();
        Fault::Usage(format!("cannot allow {named}: {cause}"))
    })?;
    Ok(Settings {
        grants,
        timeout: given.timeout.map(Duration::from_millis),
        memory_bytes: given.memory.map(|mib| mib << 20),
        print_bytes: None,
        arguments,
    })
}

/// Tells of a fault and gives the exit code.
pub(crate) fn report(fault: &datalith_scripts::Fault, name: &str, text: &str) -> u8 {
    match fault.kind {
        FaultKind::Exit(code) => return code,
        FaultKind::Cancelled => {
            let _ = writeln!(io::stderr().lock(), "cancelled");
            return CANCELLED;
        }
        _ => {}
    }
    let _ = io::stderr()
        .lock()
        .write_all(drawn(fault, name, text).as_bytes());
    1
}

/// A fault as a person reads it on standard error.
pub(crate) fn drawn(fault: &datalith_scripts::Fault, name: &str, text: &str) -> String {
    let paint = Paint::of(&io::stderr());
    fault.drawn(name, text, &|tone, part| match tone {
        Tone::Wrong => paint.red(part),
        Tone::Faint => paint.dim(part),
    })
}

/// Columns of the terminal that standard output is.
pub(crate) fn width() -> Option<usize> {
    let is_person = io::stdout().is_terminal();
    let width = is_person
        .then(|| comfy_table::Table::new().width())
        .flatten();
    width.map(usize::from)
}

/// Standard output as scripts print to it.
pub(crate) struct Terminal;

impl Sink for Terminal {
    fn print(&self, text: &str) {
        let mut out = io::stdout().lock();
        // Who closed it wants no more; the script ends by itself.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    fn show(&self, shown: &Shown) {
        self.print(&format!("{}\n", shown.text.trim_end()));
    }
}
