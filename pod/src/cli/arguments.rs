//! What the command line takes, as clap reads it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::file_arguments::{Backup, DumpFile, Export, Import};
use super::output::Format;
use super::script_arguments::{Console, Kernel, Notebook, Run};

/// A Datalog database in one binary: command line here, Babashka pod when BABASHKA_POD=true.
#[derive(Parser)]
#[command(
    name = "datalith",
    version,
    arg_required_else_help = true,
    max_term_width = 100
)]
#[command(after_help = "\
Start with:
  datalith demo
  datalith import --db airports.db --create --unique code airports.csv
  datalith q --db airports.db '[:find (count ?a) . :where [?a :airports/code]]'
  datalith help q")]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Load the air routes of the world and ask about them
    Demo(Demo),
    /// Explore a database: rhai and Datalog, line by line
    Console(Console),
    /// Run a rhai script
    Run(Run),
    /// Serve clients of PostgreSQL
    #[cfg(feature = "sql")]
    Serve(super::serve::Serve),
    /// Make the kernel known to Jupyter, or run as one
    Kernel(Kernel),
    /// Execute a notebook without Jupyter
    Notebook(Notebook),
    /// Answer a query
    Q(Q),
    /// Ask in SQL: tables of a database, files, or both; without a statement, line by line
    Sql(Sql),
    /// Make transactions
    Transact(Transact),
    /// Show entities as nested maps
    Pull(Pull),
    /// Show the entities whose vectors are nearest to one
    Search(Search),
    /// Load CSV, JSON lines, Parquet, Arrow or EDN
    Import(Import),
    /// Show the attributes
    Schema(Look),
    /// Count the datoms
    Stats(Look),
    /// Show how a query is answered
    Explain(Explain),
    /// List, make, delete and merge branches
    Branch(Branch),
    /// Show the transactions of a branch, newest first
    Log(Log),
    /// Show the datoms in which two states of the database differ
    Diff(Diff),
    /// Check that every commit of a branch is what its id says
    VerifyChain(Look),
    /// Remove files that nothing needs, and purged data from those that stay
    Gc(Look),
    /// Fold what was written lately into segments, as happens by itself
    Checkpoint(Look),
    /// Make the vectors that texts lack, as happens by itself while a program writes
    Embed(Look),
    /// Build what indexes of vectors lack, as happens by itself while a program writes
    Index(Look),
    /// Check every file, row and commit of a database
    Verify(Verify),
    /// Write a whole database, history and branches included, into a file; or rows for others
    Export(Export),
    /// Make a database of a file that export wrote
    ImportDump(DumpFile),
    /// Copy a database to another folder; again, only what is new
    Backup(Backup),
}

/// Which database.
#[derive(Args)]
pub(crate) struct Place {
    /// Directory of the database, or its configuration as an EDN map
    #[arg(long, value_name = "PATH")]
    pub(crate) db: String,
    /// The branch [default: db]
    #[arg(long, value_name = "NAME")]
    pub(crate) branch: Option<String>,
}

/// Which database, with all of its branches.
#[derive(Args)]
pub(crate) struct Whole {
    /// Directory of the database, or its configuration as an EDN map
    #[arg(value_name = "PATH")]
    pub(crate) path: String,
}

/// What to do where there is no database yet.
#[derive(Args)]
pub(crate) struct Creation {
    /// Create the database if there is none
    #[arg(long)]
    pub(crate) create: bool,
    /// Create it without a schema: any attribute takes any value
    #[arg(long, requires = "create")]
    pub(crate) schema_on_read: bool,
    /// Create it without history: no --as-of, no --since
    #[arg(long, requires = "create")]
    pub(crate) no_history: bool,
}

/// Which moment of the database.
#[derive(Args, Clone)]
pub(crate) struct Moment {
    /// What was so then: a transaction (7 or 536870919) or an instant (2026-01-31T12:00:00Z)
    #[arg(long, value_name = "POINT")]
    pub(crate) as_of: Option<String>,
    /// Only what was said after that point
    #[arg(long, value_name = "POINT")]
    pub(crate) since: Option<String>,
    /// Every assertion and retraction instead of what is so now
    #[arg(long)]
    pub(crate) history: bool,
}

/// How to print.
#[derive(Args)]
pub(crate) struct Printing {
    /// Form of the output [default: table on a terminal, edn otherwise]
    #[arg(long, short, value_enum)]
    pub(crate) format: Option<Format>,
}

/// `demo`
#[derive(Args)]
#[command(after_help = "\
Examples:
  datalith demo
  datalith demo --dir routes.db
  datalith q --db routes.db '[:find ?name . :where [?a :airport/code \"KEF\"] [?a :airport/name ?name]]'")]
pub(crate) struct Demo {
    /// Directory to create the database in [default: a new one among the temporary files]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// `q`
#[derive(Args)]
#[command(after_help = "\
Examples:
  datalith q --db routes.db '[:find ?code ?miles :where [?r :route/from [:airport/code \"KEF\"]]
                             [?r :route/to ?b] [?b :airport/code ?code] [?r :route/miles ?miles]]'
  datalith q --db routes.db '[:find ?name :in $ [?code ...] :where [?a :airport/code ?code]
                             [?a :airport/name ?name]]' '[\"KEF\" \"ATL\"]'
  datalith q --db routes.db @reach.edn @rules.edn '\"KEF\"' --limit 10 --format csv
  datalith q --db routes.db --as-of 2026-01-31 - < query.edn
  datalith q '[:find ?x ?y :in [[?x ?y]] :where [(< ?x ?y)]]' '[[1 2] [4 3]]'")]
pub(crate) struct Q {
    #[command(flatten)]
    pub(crate) question: Question,
    #[command(flatten)]
    pub(crate) printing: Printing,
}

/// A query with all that answers it.
#[derive(Args)]
pub(crate) struct Question {
    /// Directory of the database, or its configuration as an EDN map; given again, the next
    /// source of :in
    #[arg(long, value_name = "PATH")]
    pub(crate) db: Vec<String>,
    /// The branch [default: db]; given again, that of the next --db
    #[arg(long, value_name = "NAME")]
    pub(crate) branch: Vec<String>,
    /// The query: EDN, @FILE, or - for standard input
    pub(crate) query: String,
    /// The other inputs of :in, in order: EDN, @FILE, or - for standard input
    #[arg(allow_negative_numbers = true)]
    pub(crate) inputs: Vec<String>,
    #[command(flatten)]
    pub(crate) moment: Moment,
    /// Most rows
    #[arg(long, value_name = "ROWS")]
    pub(crate) limit: Option<i64>,
    /// Rows to skip
    #[arg(long, value_name = "ROWS")]
    pub(crate) offset: Option<i64>,
    /// Most time, in milliseconds
    #[arg(long, value_name = "MS")]
    pub(crate) timeout: Option<i64>,
}

/// `explain`
#[derive(Args)]
#[command(after_help = "\
Examples:
  datalith explain --db routes.db '[:find ?b :where [?a :airport/code \"KEF\"]
                                   [?r :route/from ?a] [?r :route/to ?b]]'
  datalith explain --analyze --db routes.db @query.edn
  datalith explain --format json --db routes.db @query.edn")]
pub(crate) struct Explain {
    #[command(flatten)]
    pub(crate) question: Question,
    /// Run it too, and show the rows and the time of each step
    #[arg(long)]
    pub(crate) analyze: bool,
    /// The form of the plan
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: PlanFormat,
}

/// The form of a plan on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanFormat {
    /// A tree for people
    Text,
    /// Nested maps
    Edn,
    /// One JSON document
    Json,
}

/// `transact`
#[derive(Args)]
#[command(after_help = "\
Examples:
  datalith transact --db notes.db --create '[{:db/ident :note/text :db/valueType :db.type/string
                                              :db/cardinality :db.cardinality/one}]'
  datalith transact --db notes.db '[{:note/text \"Buy milk\"}]'
  datalith transact --db notes.db '{:tx-data [[:db/add 2 :note/text \"Buy bread\"]]
                                    :tx-meta {:db/doc \"second thoughts\"}}'
  datalith transact --db notes.db - < transactions.edn")]
pub(crate) struct Transact {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) creation: Creation,
    /// Transactions: EDN, @FILE, or - for standard input; each form is one transaction
    pub(crate) data: String,
    /// Show every datom
    #[arg(long)]
    pub(crate) datoms: bool,
    #[command(flatten)]
    pub(crate) printing: Printing,
}

/// `pull`
#[derive(Args)]
#[command(after_help = "\
Examples:
  datalith pull --db routes.db '[*]' '[:airport/code \"KEF\"]'
  datalith pull --db routes.db '[:airport/name {:airport/country [:country/name]}]' 17 18
  datalith pull --db routes.db --as-of 2 '[*]' 17 --format json")]
pub(crate) struct Pull {
    #[command(flatten)]
    pub(crate) place: Place,
    /// What to show: EDN, @FILE, or - for standard input
    pub(crate) pattern: String,
    /// Entities: ids, idents or lookup refs
    #[arg(required = true)]
    pub(crate) entities: Vec<String>,
    #[command(flatten)]
    pub(crate) moment: Moment,
    #[command(flatten)]
    pub(crate) printing: Printing,
}

/// `search`
#[derive(Args)]
#[command(after_help = "\
Examples:
  datalith search --db docs.db :idx/embedding @query.edn --show :doc/title
  datalith search --db docs.db :idx/embedding --like '[:doc/id \"gimp\"]' --count 5
  datalith search --db docs.db :doc/body --text 'photo editor with layers' --show :doc/title
  datalith search --db docs.db :doc/embedding '[0.1 0.2 0.3]' --within 0.4 --as-of 7")]
pub(crate) struct Search {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The index, or an attribute that one covers
    pub(crate) index: String,
    /// The vector to be near to: EDN, @FILE, or - for standard input
    pub(crate) vector: Option<String>,
    /// An entity to be like: an id, an ident or a lookup ref
    #[arg(long, value_name = "ENTITY", conflicts_with_all = ["vector", "text"])]
    pub(crate) like: Option<String>,
    /// A text to be like, where vectors are made of texts
    #[arg(long, value_name = "TEXT", conflicts_with = "vector")]
    pub(crate) text: Option<String>,
    /// How many to show
    #[arg(long, short = 'k', default_value_t = 10)]
    pub(crate) count: usize,
    /// All within this distance instead
    #[arg(long, value_name = "DISTANCE", conflicts_with = "count")]
    pub(crate) within: Option<f32>,
    /// An attribute to show beside them; may be given several times
    #[arg(long, value_name = "ATTRIBUTE")]
    pub(crate) show: Vec<String>,
    /// Candidates while searching: more find more of the nearest and take longer
    #[arg(long)]
    pub(crate) ef: Option<u32>,
    /// Look at every vector
    #[arg(long)]
    pub(crate) exact: bool,
    #[command(flatten)]
    pub(crate) moment: Moment,
    #[command(flatten)]
    pub(crate) printing: Printing,
}

/// `schema`, `stats` and others
#[derive(Args)]
#[command(after_help = "\
Examples:
  datalith schema --db routes.db
  datalith stats --db routes.db --format json")]
pub(crate) struct Look {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) printing: Printing,
}

/// `branch`
#[derive(Args)]
#[command(after_help = "\
A branch starts where another one is and goes its own way; it costs nothing until it is written to.
A merge brings what was done on one branch since both parted to another one, as one transaction.
Where both changed the same thing it stops and says where, unless --strategy says who gives way.

Examples:
  datalith branch list --db notes.db
  datalith branch create draft --db notes.db
  datalith transact --db notes.db --branch draft '[{:note/text \"Maybe\"}]'
  datalith diff --db notes.db db draft
  datalith branch merge draft --db notes.db --dry-run
  datalith branch merge draft --db notes.db
  datalith branch merge draft --db notes.db --strategy theirs
  datalith branch create before --from 17 --db notes.db
  datalith branch delete draft --db notes.db")]
pub(crate) struct Branch {
    #[command(subcommand)]
    pub(crate) action: BranchAction,
}

/// What to do with branches.
#[derive(Subcommand)]
pub(crate) enum BranchAction {
    /// List the branches with their newest commits
    List(Look),
    /// Make a branch
    Create(CreateBranch),
    /// Delete a branch
    Delete(DeleteBranch),
    /// Merge a branch or commit into this branch
    Merge(MergeBranch),
}

/// `branch create`
#[derive(Args)]
pub(crate) struct CreateBranch {
    /// The name of the branch
    pub(crate) name: String,
    /// Where it starts: a branch, a commit, or a transaction or instant of --branch
    /// [default: the newest state of --branch]
    #[arg(long, value_name = "STATE")]
    pub(crate) from: Option<String>,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// `branch delete`
#[derive(Args)]
pub(crate) struct DeleteBranch {
    /// The name of the branch
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// `branch merge`
#[derive(Args)]
pub(crate) struct MergeBranch {
    /// The branch or commit whose changes are brought here
    pub(crate) from: String,
    /// Who gives way where both changed the same thing: nobody, so that nothing is done, or the
    /// other side
    #[arg(long, value_enum, default_value = "fail")]
    pub(crate) strategy: Side,
    /// Show the transaction that the merge would be, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) printing: Printing,
}

/// Whose changes stay in a merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Side {
    /// Stop where both changed the same thing
    Fail,
    /// Keep what this branch says
    Ours,
    /// Take what the other branch says
    Theirs,
}

/// `sql`
#[derive(Args)]
#[command(after_help = "\
Each namespace of attributes is a table (person), each attribute too (person_name); datoms, transactions and
schema are tables. Schemas are views: public, history, \"as_of:2026-01-31\", \"since:7\", \"branch:draft\".
INSERT, UPDATE and DELETE are transactions. read_parquet, read_csv, read_json and read_arrow read files,
datalog, knn and semantic are tables of what they find.

Examples:
  datalith sql --db routes.db 'select code, count(*) from country group by code'
  datalith sql --db routes.db 'select * from city for system_time as of $1' -p '\"2026-01-31\"'
  datalith sql \"select count(*) from read_parquet('trips/*.parquet')\"
  datalith sql --db routes.db @report.sql --out report.parquet
  datalith sql --db routes.db")]
pub(crate) struct Sql {
    /// Statements: themselves, a file (@report.sql), or standard input (-)
    #[arg(value_name = "STATEMENT")]
    pub(crate) statement: Option<String>,
    /// Directory of the database, or its configuration as an EDN map; without one there are only files
    #[arg(long, value_name = "PATH")]
    pub(crate) db: Option<String>,
    /// The branch [default: db]
    #[arg(long, value_name = "NAME", requires = "db")]
    pub(crate) branch: Option<String>,
    /// What $1, $2, … stand for, in order, as EDN
    #[arg(long = "param", short, value_name = "EDN")]
    pub(crate) parameters: Vec<String>,
    /// Write the rows to a file (.parquet, .csv, .jsonl, .arrow, .arrows) or a socket (unix:PATH, tcp:HOST:PORT)
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<String>,
    /// Most time of a statement, in milliseconds [default: any]
    #[arg(long, value_name = "MS")]
    pub(crate) timeout: Option<u64>,
    /// Most memory of sorts, joins and groups, in MiB; beyond they go through files [default: 4096]
    #[arg(long, value_name = "MIB")]
    pub(crate) memory: Option<usize>,
    #[command(flatten)]
    pub(crate) printing: Printing,
}

/// `verify`
#[derive(Args)]
#[command(after_help = "\
Fails with exit code 1 if a file is damaged or missing, or if rows do not fit together, and names the
files. The database need not be fit to be opened, and may be written to meanwhile.

Examples:
  datalith verify notes.db
  datalith verify notes.db --deep --format json")]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) whole: Whole,
    /// Also make each branch anew from its transactions, among the temporary files, and compare
    #[arg(long)]
    pub(crate) deep: bool,
    #[command(flatten)]
    pub(crate) printing: Printing,
}

/// `log`
#[derive(Args)]
#[command(after_help = "\
Examples:
  datalith log --db notes.db
  datalith log --db notes.db --branch draft --limit 10 --format json
  datalith log --db notes.db --from 2026-01-01 --to 2026-02-01
  datalith log --db notes.db --from 7 --to 8 --datoms")]
pub(crate) struct Log {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The first transaction (7 or 536870919) or instant (2026-01-31T12:00:00Z)
    #[arg(long, value_name = "POINT")]
    pub(crate) from: Option<String>,
    /// The transaction or instant before which to end
    #[arg(long, value_name = "POINT")]
    pub(crate) to: Option<String>,
    /// Most transactions, the newest
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    pub(crate) limit: usize,
    /// Show every datom
    #[arg(long)]
    pub(crate) datoms: bool,
    #[command(flatten)]
    pub(crate) printing: Printing,
}

/// `diff`
#[derive(Args)]
#[command(after_help = "\
A state is a branch (draft or :draft), the id of a commit, a transaction of --branch (7 or
536870919) or an instant (2026-01-31). - marks what only the first has, + what only the second has.

Examples:
  datalith diff --db notes.db db draft
  datalith diff --db notes.db 7 db
  datalith diff --db notes.db 2026-01-01 2026-02-01 --format json")]
pub(crate) struct Diff {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The first state
    pub(crate) a: String,
    /// The second state
    pub(crate) b: String,
    /// Show what is said of transactions too
    #[arg(long)]
    pub(crate) transactions: bool,
    #[command(flatten)]
    pub(crate) printing: Printing,
}
