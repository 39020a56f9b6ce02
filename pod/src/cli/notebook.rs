//! Notebooks without Jupyter: `notebook run`.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use datalith_scripts::notebook::{self, Broken, Document};

use super::fault::Fault;
use super::interrupt::Interrupt;
use super::kernel::settings_in;
use super::paint::Paint;
use super::script_arguments::{NotebookAction, RunNotebook};

/// Runs a notebook.
pub(crate) fn run(action: &NotebookAction) -> Result<ExitCode, Fault> {
    let NotebookAction::Run(arguments) = action;
    let before = read(&arguments.file)?;
    let interrupt = Interrupt::watch()?;
    let place = absolute(&arguments.file)?;
    let output = match (&arguments.output, arguments.in_place) {
        (Some(output), _) => Some(absolute(output)?),
        (None, true) => Some(place.clone()),
        (None, false) => None,
    };
    let folder = place.parent().unwrap_or(Path::new("/"));
    let settings = settings_in(folder, &arguments.allowances)?;
    // Paths in cells are those that a kernel would find, which Jupyter starts there.
    env::set_current_dir(folder)
        .map_err(|cause| Fault::unreadable(&folder.display().to_string(), &cause))?;
    let mut now = before.clone();
    let broken = notebook::execute(&mut now, &settings, &|flag| interrupt.aim(flag));
    // A notebook keeps its outputs until all of its cells have others.
    let is_kept = arguments.in_place && broken.is_some();
    if let Some(output) = output.filter(|_| !is_kept) {
        fs::write(&output, now.text()).map_err(|cause| {
            Fault::Failed(format!("cannot write {}: {cause}", output.display()))
        })?;
    }
    let told = match broken {
        Some(broken) => Some(broken_text(&broken)),
        None if arguments.check => checked(&before, &now),
        None => None,
    };
    report(arguments, &now, told)
}

fn report(
    arguments: &RunNotebook,
    now: &Document,
    told: Option<String>,
) -> Result<ExitCode, Fault> {
    let name = arguments.file.display();
    let Some(told) = told else {
        let cells = now.code().len();
        let _ = writeln!(io::stderr().lock(), "{name}: {cells} cells");
        return Ok(ExitCode::SUCCESS);
    };
    let label = Paint::of(&io::stderr()).red("error");
    let _ = writeln!(io::stderr().lock(), "{label}: {name}: {}", told.trim_end());
    Ok(ExitCode::FAILURE)
}

fn broken_text(broken: &Broken) -> String {
    let drawn = match Paint::of(&io::stderr()).is_on() {
        true => broken.failure.traceback.join("\n"),
        false => broken.failure.plain(),
    };
    format!("cell {} failed\n{drawn}", broken.number)
}

/// How outputs differ from those a notebook holds, if they do.
fn checked(before: &Document, now: &Document) -> Option<String> {
    let differences = notebook::compare(before, now);
    (!differences.is_empty()).then(|| {
        let shown: String = differences.iter().map(ToString::to_string).collect();
        format!("the outputs are not those it holds\n{shown}")
    })
}

fn read(file: &Path) -> Result<Document, Fault> {
    let name = file.display().to_string();
    let text = fs::read_to_string(file).map_err(|cause| Fault::unreadable(&name, &cause))?;
    Document::read(&text).map_err(|cause| Fault::Usage(format!("{name}: {cause}")))
}

fn absolute(path: &Path) -> Result<PathBuf, Fault> {
    std::path::absolute(path)
        .map_err(|cause| Fault::unreadable(&path.display().to_string(), &cause))
}
