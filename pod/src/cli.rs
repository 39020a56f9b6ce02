//! The command line.

use std::process::ExitCode;

use clap::Parser;

/// A columnar Datalog database: a Babashka pod when started with BABASHKA_POD=true.
#[derive(Parser)]
#[command(version)]
struct CommandLine {}

/// Runs the command that the arguments name.
pub fn run() -> ExitCode {
    let CommandLine {} = CommandLine::parse();
    ExitCode::SUCCESS
}
