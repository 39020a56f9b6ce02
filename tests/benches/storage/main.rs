//! What the store costs: bytes, time and memory, every answer checked before a figure is printed.
//!
//! `cargo bench -p datalith-tests --bench storage [-- SUITE… --OPTION=VALUE…]`
//!
//! - Suites: `size open import transact branch temporal`; all unless some are named.
//! - `--millions=1,10`: sizes, in millions of datoms, of the databases of `size`, `open` and
//!   `branch`; `transact` takes the largest.
//! - `--import=20`: millions of datoms of `import`.
//! - `--transactions=100000`: single-entity transactions of `transact`.
//! - `--dir=DIR`: where databases are made, and found again by the next run; otherwise among the
//!   temporary files, and removed.
//!
//! Peers are asked beside us where Python and its packages `duckdb` and `sqlite3` are there.

#![expect(clippy::print_stdout, reason = "a benchmark reports on stdout")]

mod branch;
mod command;
mod crowd;
mod import;
mod open;
mod peer;
mod place;
mod size;
mod temporal;
mod transact;

#[path = "../workload/data.rs"]
#[expect(dead_code, reason = "the other workloads stay in memory")]
mod data;
#[path = "../workload/python.rs"]
mod python;

use std::path::PathBuf;
use std::process::ExitCode;

use datalith_engine::Result;

use place::Place;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the command line asks for.
struct Options {
    suites: Vec<String>,
    millions: Vec<i64>,
    import: i64,
    transactions: usize,
    dir: Option<PathBuf>,
}

fn main() -> ExitCode {
    if command::is_asked() {
        return command::run();
    }
    let options = match Options::from_arguments(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(wrong) => {
            eprintln!("storage: {wrong}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("storage: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let place = Place::new(options.dir.as_deref());
    let is_chosen = |suite: &str| {
        options.suites.is_empty() || options.suites.iter().any(|chosen| chosen == suite)
    };
    if is_chosen("size") {
        size::run(&place, &options.millions)?;
    }
    if is_chosen("open") {
        open::run(&place, &options.millions)?;
    }
    if is_chosen("import") {
        import::run(&place, options.import)?;
    }
    if is_chosen("transact") {
        let largest = options.millions.iter().copied().max().unwrap_or(1);
        transact::run(&place, largest, options.transactions)?;
    }
    if is_chosen("branch") {
        branch::run(&place, &options.millions)?;
    }
    if is_chosen("temporal") {
        temporal::run(&place)?;
    }
    Ok(())
}

impl Options {
    fn from_arguments(
        arguments: impl Iterator<Item = String>,
    ) -> std::result::Result<Options, String> {
        let mut options = Options {
            suites: Vec::new(),
            millions: vec![1, 10],
            import: 20,
            transactions: 100_000,
            dir: None,
        };
        for argument in arguments {
            let wrong = || format!("{argument} is not understood; see the head of its main.rs");
            match argument.split_once('=') {
                Some(("--millions", sizes)) => {
                    let sizes = sizes.split(',').map(str::parse);
                    options.millions = sizes
                        .collect::<std::result::Result<_, _>>()
                        .map_err(|_| wrong())?;
                }
                Some(("--import", size)) => options.import = size.parse().map_err(|_| wrong())?,
                Some(("--transactions", count)) => {
                    options.transactions = count.parse().map_err(|_| wrong())?;
                }
                Some(("--dir", dir)) => options.dir = Some(PathBuf::from(dir)),
                // What Cargo adds.
                None if argument == "--bench" => {}
                None if !argument.starts_with('-') => options.suites.push(argument),
                _ => return Err(wrong()),
            }
        }
        Ok(options)
    }
}
