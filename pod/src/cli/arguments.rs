//! What the command line takes, as clap reads it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::output::Format;

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
    /// Answer a query
    Q(Q),
    /// Make transactions
    Transact(Transact),
    /// Show entities as nested maps
    Pull(Pull),
    /// Load CSV, JSON lines or EDN
    Import(Import),
    /// Show the attributes
    Schema(Look),
    /// Count the datoms
    Stats(Look),
    /// Show how a query is answered
    Explain(Explain),
}

/// Which database.
#[derive(Args)]
pub(crate) struct Place {
    /// Directory of the database, or its configuration as an EDN map
    #[arg(long, value_name = "PATH")]
    pub(crate) db: String,
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
#[derive(Args)]
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
  datalith explain --run --db routes.db @query.edn")]
pub(crate) struct Explain {
    #[command(flatten)]
    pub(crate) question: Question,
    /// Run it too, and show the rows and the time of each step
    #[arg(long)]
    pub(crate) run: bool,
    #[command(flatten)]
    pub(crate) printing: Printing,
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

/// `schema` and `stats`
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

/// `import`
#[derive(Args)]
#[command(after_help = "\
The header row of a CSV file, or the keys of JSON objects, become attributes: `code` of
airports.csv becomes :airports/code. Types come from the database's schema, else from --type,
else from the first rows. Columns may be named by header or by attribute. EDN is transacted as
it is: maps, [:db/add …] forms, or one vector of them.

Examples:
  datalith import --db routes.db --create --namespace country --unique code countries.csv
  datalith import --db routes.db --namespace airport --unique code \\
      --ref country=:country/code --type icao=string airports.csv
  datalith import --db routes.db --create --many tags=';' --rename id=:post/id posts.csv
  cat people.jsonl | datalith import --db people.db --create --kind jsonl --namespace person -
  datalith import --db people.db --create --schema-on-read people.edn")]
pub(crate) struct Import {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) creation: Creation,
    /// Files to load, in order; - for standard input
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// What the files hold [default: by the ending of each name]
    #[arg(long, value_enum)]
    pub(crate) kind: Option<super::import::Kind>,
    /// Namespace of attributes made from headers [default: the file's name without its ending]
    #[arg(long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// Another attribute for a column
    #[arg(long, value_name = "COLUMN=ATTRIBUTE")]
    pub(crate) rename: Vec<String>,
    /// The type of a column: string long double boolean instant keyword symbol uuid bigint bigdec
    #[arg(long = "type", value_name = "COLUMN=TYPE")]
    pub(crate) types: Vec<String>,
    /// A column that names its entity: rows with a known value add to that entity
    #[arg(long, value_name = "COLUMN")]
    pub(crate) unique: Vec<String>,
    /// A column that refers to the entity with this value of a unique attribute
    #[arg(long = "ref", value_name = "COLUMN=ATTRIBUTE")]
    pub(crate) refs: Vec<String>,
    /// A column with many values, and what stands between them
    #[arg(long, value_name = "COLUMN=SEPARATOR")]
    pub(crate) many: Vec<String>,
    /// A column to index by value
    #[arg(long, value_name = "COLUMN")]
    pub(crate) index: Vec<String>,
    /// A column to leave out
    #[arg(long, value_name = "COLUMN")]
    pub(crate) skip: Vec<String>,
    /// What stands between the columns of a CSV file
    #[arg(long, value_name = "CHARACTER", default_value = ",")]
    pub(crate) delimiter: char,
    /// Leave out rows that cannot be read, instead of stopping at the first
    #[arg(long)]
    pub(crate) keep_going: bool,
    /// Rows of one transaction
    #[arg(long, value_name = "ROWS", default_value_t = 20_000,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) batch: u32,
}
