//! What the commands that move data in and out take: `import`, `export`, `import-dump`, `backup`.

use std::path::PathBuf;

use clap::Args;

use super::arguments::{Creation, Moment, Place, Printing, Whole};

/// `import`
#[derive(Args)]
#[command(after_help = "\
The header row of a CSV file, the columns of Parquet or Arrow, or the keys of JSON objects become
attributes: `code` of airports.csv becomes :airports/code. Types come from the database's schema,
else from --type, else from the file's schema or the first rows. Columns may be named by header or
by attribute. Folders such as year=2024 are columns too. EDN is transacted as it is: maps,
[:db/add …] forms, or one vector of them.

Examples:
  datalith import --db routes.db --create --namespace country --unique code countries.csv
  datalith import --db routes.db --namespace airport --unique code \\
      --ref country=:country/code --type icao=string airports.csv
  datalith import --db routes.db --create --many tags=';' --rename id=:post/id posts.csv
  cat people.jsonl | datalith import --db people.db --create --kind jsonl --namespace person -
  datalith import --db people.db --create --schema-on-read people.edn
  datalith import --db trips.db --create --unique id 'trips/year=*/*.parquet'
  datalith import --db trips.db --create --unique id --rejects bad.csv trips.csv")]
pub(crate) struct Import {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) creation: Creation,
    /// Files to load, in order: files, patterns in quotes, folders; - for standard input
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// What the files hold [default: by the ending of each name]
    #[arg(long, value_enum)]
    pub(crate) kind: Option<super::import::Kind>,
    /// Namespace of attributes made from headers [default: the name of the file without its
    /// ending, of the folder, or of the folder that a pattern begins in]
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
    /// What stands between the columns of a CSV file [default: a comma, a tab in .tsv]
    #[arg(long, value_name = "CHARACTER")]
    pub(crate) delimiter: Option<char>,
    /// Leave out rows that cannot be loaded, instead of stopping at the first
    #[arg(long)]
    pub(crate) keep_going: bool,
    /// Leave out such rows, and set them aside in this file: their text, or JSON lines where the
    /// file has columns; FILE.reasons says why
    #[arg(long, value_name = "FILE")]
    pub(crate) rejects: Option<PathBuf>,
    /// Rows of one transaction, fewer where they are wide
    #[arg(long, value_name = "ROWS", default_value_t = 50_000,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) batch: u32,
}

/// `export`
#[derive(Args)]
#[command(after_help = "\
A dump holds every transaction of every branch with its commit id, its entities and its instant, each
part checked by a digest. The same database gives the same bytes; import-dump reads it.

With --table or --query the file holds rows instead, for other programs and for import: csv, tsv,
jsonl, parquet, arrow or arrows, by its ending or --kind. A table has a row for each entity with an
attribute of the namespace, a column db_id, and a column for each attribute; several values of one
are a list, in CSV with ; between them.

Examples:
  datalith export notes.db notes.dump
  datalith export routes.db airport.parquet --table airport --compression zstd
  datalith export routes.db airports --table airport --kind csv --partition-by country
  datalith export routes.db long.csv --query '[:find ?code ?miles :in $ ?min
                     :where [?r :route/miles ?miles] [(< ?min ?miles)]
                            [?r :route/from ?a] [?a :airport/code ?code]]' 8000
  datalith export routes.db then.arrow --table airport --as-of 2026-01-31")]
pub(crate) struct Export {
    #[command(flatten)]
    pub(crate) whole: Whole,
    /// The file; with --partition-by a folder
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Inputs of the query, in order: EDN, @FILE, or - for standard input
    #[arg(allow_negative_numbers = true)]
    pub(crate) inputs: Vec<String>,
    /// Write the entities with attributes of this namespace
    #[arg(long, value_name = "NAMESPACE", conflicts_with = "query")]
    pub(crate) table: Option<String>,
    /// Write the answer of this query: EDN, @FILE, or - for standard input
    #[arg(long, value_name = "QUERY")]
    pub(crate) query: Option<String>,
    /// What the file is to hold [default: by its ending]
    #[arg(long, value_enum)]
    pub(crate) kind: Option<super::export::Form>,
    /// A column to part by: a folder for each of its values, such as year=2024
    #[arg(long, value_name = "COLUMN")]
    pub(crate) partition_by: Vec<String>,
    /// How Parquet is packed
    #[arg(long, value_enum, default_value = "snappy")]
    pub(crate) compression: super::export::Packing,
    /// The branch of the rows [default: db]
    #[arg(long, value_name = "NAME")]
    pub(crate) branch: Option<String>,
    #[command(flatten)]
    pub(crate) moment: Moment,
    #[command(flatten)]
    pub(crate) printing: Printing,
}

/// `import-dump`
#[derive(Args)]
#[command(after_help = "\
An import that was cut short goes on when it is called again; a dump that is damaged or cut short is
refused before anything is written.

Examples:
  datalith export notes.db notes.dump
  datalith import-dump copy.db notes.dump")]
pub(crate) struct DumpFile {
    #[command(flatten)]
    pub(crate) whole: Whole,
    /// The dump
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) printing: Printing,
}

/// `backup`
#[derive(Args)]
#[command(after_help = "\
The folder is a database itself when the command is done. The database may be written to meanwhile.

Examples:
  datalith backup notes.db /mnt/disk/notes.db
  datalith verify /mnt/disk/notes.db")]
pub(crate) struct Backup {
    #[command(flatten)]
    pub(crate) whole: Whole,
    /// Directory of the copy
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    #[command(flatten)]
    pub(crate) printing: Printing,
}
