//! The command line, as a shell sees it: arguments and input in, output, errors and exit codes out.

mod aside;
mod ask;
mod crowd;
mod demo;
mod files;
mod import;
#[cfg(feature = "sql")]
mod sql;
mod upkeep;
mod version;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A directory with a database `db` in it, and whatever files a test writes.
struct Place(TempDir);

impl Place {
    fn empty() -> Place {
        Place(tempfile::tempdir().expect("a directory"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("a file");
    }

    /// The command with these arguments, in this directory.
    fn command(&self, arguments: &[&str]) -> Command {
        command(self.0.path(), arguments)
    }

    /// What a command that succeeds says.
    fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("the binary");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// What a command that fails says, after its exit code.
    fn fail(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("the binary");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{arguments:?}");
        let errors = String::from_utf8_lossy(&output.stderr);
        format!("{} {errors}", output.status.code().expect("an exit"))
    }

    /// What a command answers to an input.
    fn feed(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = self.command(arguments);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary");
        let mut stdin = child.stdin.take().expect("piped");
        stdin
            .write_all(input.as_bytes())
            .expect("the command reads");
        drop(stdin);
        child.wait_with_output().expect("an end")
    }
}

fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_datalith"));
    command.args(arguments).current_dir(directory);
    command
        .env_remove("BABASHKA_POD")
        .env_remove("NO_COLOR")
        .stdin(Stdio::null());
    command
}
