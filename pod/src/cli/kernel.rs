//! The kernel that Jupyter talks to: `kernel install`, `kernel uninstall`, `kernel run`.

use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use datalith_scripts::kernel::{self, spec};
use datalith_scripts::{Settings, limits};

use super::fault::Fault;
use super::script;
use super::script_arguments::{Allowances, InstallKernel, KernelAction, KernelPlace, RunKernel};

/// Makes the kernel known or unknown, or runs it.
pub(crate) fn run(action: &KernelAction) -> Result<(), Fault> {
    match action {
        KernelAction::Install(arguments) => install(arguments),
        KernelAction::Uninstall(place) => uninstall(place),
        KernelAction::Run(arguments) => serve(arguments),
    }
}

/// What a notebook may do in a folder: read and write below it, and what else is allowed.
pub(crate) fn settings_in(folder: &Path, given: &Allowances) -> Result<Settings, Fault> {
    let mut given = given.clone();
    given.allow_write.push(folder.to_owned());
    let settings = script::settings(&given, Vec::new())?;
    Ok(Settings {
        print_bytes: Some(limits::CELL_PRINT_BYTES),
        ..settings
    })
}

fn install(arguments: &InstallKernel) -> Result<(), Fault> {
    let folder = folder(&arguments.place)?;
    let program = env::current_exe()
        .map_err(|cause| Fault::Failed(format!("this program has no path: {cause}")))?;
    let words = words_of(&arguments.allowances)?;
    spec::install(&folder, &program, &words)
        .map_err(|cause| Fault::Failed(format!("cannot write {}: {cause}", folder.display())))?;
    say(&format!("Jupyter finds the kernel in {}", folder.display()));
    Ok(())
}

fn uninstall(place: &KernelPlace) -> Result<(), Fault> {
    let folder = folder(place)?;
    spec::uninstall(&folder)
        .map_err(|cause| Fault::Failed(format!("cannot remove {}: {cause}", folder.display())))?;
    say(&format!("removed {}", folder.display()));
    Ok(())
}

fn serve(arguments: &RunKernel) -> Result<(), Fault> {
    let settings = settings_in(Path::new("."), &arguments.allowances)?;
    kernel::run(&arguments.connection_file, &settings)
        .map_err(|cause| Fault::Failed(cause.to_string()))
}

fn folder(place: &KernelPlace) -> Result<PathBuf, Fault> {
    spec::folder(place.prefix.as_deref(), &place.name)
        .map_err(|cause| Fault::Usage(cause.to_string()))
}

/// Allowances as arguments of `kernel run`, with paths that hold wherever it starts.
fn words_of(given: &Allowances) -> Result<Vec<String>, Fault> {
    let mut words = Vec::new();
    for (name, paths) in [
        ("--allow-read", &given.allow_read),
        ("--allow-write", &given.allow_write),
    ] {
        for path in paths {
            let real = path.canonicalize().map_err(|cause| {
                Fault::Usage(format!("cannot allow {}: {cause}", path.display()))
            })?;
            words.extend([name.to_owned(), real.to_string_lossy().into_owned()]);
        }
    }
    let timeout = given.timeout.map(|ms| format!("--timeout={ms}"));
    let memory = given.memory.map(|mib| format!("--memory={mib}"));
    words.extend(timeout.into_iter().chain(memory));
    Ok(words)
}

fn say(text: &str) {
    // There is nobody left to tell that standard output is gone.
    let _ = writeln!(io::stdout().lock(), "{text}");
}
