//! What the commands around scripts take, as clap reads it.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What a script may touch and spend.
#[derive(Args, Clone)]
pub(crate) struct Allowances {
    /// Let scripts read this folder or file; may be given again
    #[arg(long, value_name = "PATH")]
    pub(crate) allow_read: Vec<PathBuf>,
    /// Let scripts read and write this folder or file, databases included; may be given again
    #[arg(long, value_name = "PATH")]
    pub(crate) allow_write: Vec<PathBuf>,
    /// Most time of a script, or of one input of the console, in milliseconds [default: any]
    #[arg(long, value_name = "MS")]
    pub(crate) timeout: Option<u64>,
    /// Most memory of a script, in MiB [default: 2048]
    #[arg(long, value_name = "MIB")]
    pub(crate) memory: Option<usize>,
}

/// `console`
#[derive(Args)]
#[command(after_help = "\
The variable conn is the connection, db the newest database value. Without PATH, the database is kept in
memory. What standard input holds is run instead where it is no terminal.

Examples:
  datalith console routes.db
  datalith console --allow-read . --allow-write reports
  echo 'db.schema()' | datalith console routes.db")]
pub(crate) struct Console {
    /// Directory of the database; made if there is none
    #[arg(value_name = "PATH")]
    pub(crate) path: Option<String>,
    /// The branch [default: db]
    #[arg(long, value_name = "NAME")]
    pub(crate) branch: Option<String>,
    #[command(flatten)]
    pub(crate) allowances: Allowances,
}

/// `run`
#[derive(Args)]
#[command(after_help = "\
A script may touch no file but those of --db and of the folders that are allowed. Its arguments are the
array args. It fails with exit code 1, or with that of exit(n); 130 if it was cancelled.

Examples:
  datalith run --db routes.db report.rhai ICE
  datalith run --allow-read data --allow-write routes.db import.rhai data/airports.csv
  datalith run --db routes.db -e 'conn.db().q(datalog { [:find (count ?a) . :where [?a :airport/code]] })'

As the first line of a script:
  #!/usr/bin/env -S datalith run --allow-write .")]
pub(crate) struct Run {
    /// The directory of a database, as the variable conn
    #[arg(long, value_name = "PATH")]
    pub(crate) db: Option<String>,
    /// The branch [default: db]
    #[arg(long, value_name = "NAME", requires = "db")]
    pub(crate) branch: Option<String>,
    #[command(flatten)]
    pub(crate) allowances: Allowances,
    /// Run this text and print its value, instead of a file
    #[arg(long, short, value_name = "TEXT")]
    pub(crate) expression: Option<String>,
    /// The script, or - for standard input
    pub(crate) script: Option<String>,
    /// Arguments of the script
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) arguments: Vec<String>,
}

/// `kernel`
#[derive(Args)]
#[command(after_help = "\
The kernel runs cells of rhai, and bare queries, which it asks of the variable db. It may read and
write below the folder of the notebook; --allow-read and --allow-write let it do so elsewhere.

Examples:
  datalith kernel install
  datalith kernel install --prefix .venv --name routes --allow-read ~/data
  datalith kernel uninstall
  jupyter lab notebooks/tour.ipynb")]
pub(crate) struct Kernel {
    #[command(subcommand)]
    pub(crate) action: KernelAction,
}

/// What to do with the kernel.
#[derive(Subcommand)]
pub(crate) enum KernelAction {
    /// Write the kernel.json that Jupyter looks for
    Install(InstallKernel),
    /// Remove it again
    Uninstall(KernelPlace),
    /// Run as a kernel, as Jupyter does it
    Run(RunKernel),
}

/// Where a kernel is known.
#[derive(Args)]
pub(crate) struct KernelPlace {
    /// Among the user's own kernels, as without --prefix
    #[arg(long, conflicts_with = "prefix")]
    pub(crate) user: bool,
    /// Below this folder: a virtual environment, or /usr/local for all users
    #[arg(long, value_name = "DIR")]
    pub(crate) prefix: Option<PathBuf>,
    /// What notebooks call it
    #[arg(long, value_name = "NAME", default_value = "datalith")]
    pub(crate) name: String,
}

/// `kernel install`
#[derive(Args)]
pub(crate) struct InstallKernel {
    #[command(flatten)]
    pub(crate) place: KernelPlace,
    #[command(flatten)]
    pub(crate) allowances: Allowances,
}

/// `kernel run`
#[derive(Args)]
pub(crate) struct RunKernel {
    #[command(flatten)]
    pub(crate) allowances: Allowances,
    /// The file in which Jupyter says where it listens
    #[arg(value_name = "CONNECTION_FILE")]
    pub(crate) connection_file: PathBuf,
}

/// `notebook`
#[derive(Args)]
#[command(after_help = "\
Examples:
  datalith notebook run tour.ipynb --in-place
  datalith notebook run tour.ipynb --output out.ipynb
  datalith notebook run tour.ipynb --check")]
pub(crate) struct Notebook {
    #[command(subcommand)]
    pub(crate) action: NotebookAction,
}

/// What to do with a notebook.
#[derive(Subcommand)]
pub(crate) enum NotebookAction {
    /// Run its cells from top to bottom, in a session of their own
    Run(RunNotebook),
}

/// `notebook run`
#[derive(Args)]
#[command(after_help = "\
Cells run in the notebook's folder, which they may read and write. It fails with exit code 1 at the
first cell that fails, unless the tag raises-exception says that it should, and with --check where a
text that the notebook holds is not what the cell says now; durations, counts and drawings may differ.
A notebook of which a cell fails is not written in place.

Examples:
  datalith notebook run tour.ipynb --in-place
  datalith notebook run tour.ipynb --check")]
pub(crate) struct RunNotebook {
    /// The notebook
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Write it with its outputs into this file
    #[arg(long, value_name = "FILE", conflicts_with = "in_place")]
    pub(crate) output: Option<PathBuf>,
    /// Write the outputs into the notebook itself
    #[arg(long, conflicts_with = "check")]
    pub(crate) in_place: bool,
    /// Fail where the outputs are not those that the notebook holds
    #[arg(long)]
    pub(crate) check: bool,
    #[command(flatten)]
    pub(crate) allowances: Allowances,
}
