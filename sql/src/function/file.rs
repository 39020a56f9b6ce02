//! `read_parquet('trips/*.parquet')`: files as tables.

use std::path::Path;
use std::sync::Arc;
use std::thread;

use datafusion::arrow::datatypes::DataType;
use datafusion::catalog::{Session, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::DataFusionError;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::arrow::ArrowFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::json::JsonFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl,
};
use datalith_engine::{Code, Error};
use tokio::runtime::Handle;

use super::argument::Arguments;
use crate::access::{Access, Purpose};
use crate::fault::outward;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    Parquet,
    Csv,
    Json,
    Arrow,
}

impl FileKind {
    pub(super) const ALL: [FileKind; 4] = [
        FileKind::Parquet,
        FileKind::Csv,
        FileKind::Json,
        FileKind::Arrow,
    ];

    /// The function that reads it.
    pub(super) fn function(self) -> &'static str {
        match self {
            FileKind::Parquet => "read_parquet",
            FileKind::Csv => "read_csv",
            FileKind::Json => "read_json",
            FileKind::Arrow => "read_arrow",
        }
    }

    fn format(self, delimiter: Option<u8>) -> Arc<dyn FileFormat> {
        match self {
            FileKind::Parquet => Arc::new(ParquetFormat::default()),
            FileKind::Csv => {
                let csv = CsvFormat::default().with_has_header(true);
                Arc::new(csv.with_delimiter(delimiter.unwrap_or(b',')))
            }
            FileKind::Json => Arc::new(JsonFormat::default()),
            FileKind::Arrow => Arc::new(ArrowFormat),
        }
    }
}

/// The function: a path, a pattern with `*`, or a folder (whose folders `year=2026` become columns); for
/// CSV perhaps what separates its fields.
#[derive(Debug)]
pub(super) struct ReadFile {
    pub(super) kind: FileKind,
    pub(super) files: Access,
}

impl TableFunctionImpl for ReadFile {
    fn call_with_args(
        &self,
        args: TableFunctionArgs<'_, '_>,
    ) -> datafusion::common::Result<Arc<dyn TableProvider>> {
        let arguments = Arguments::of(self.kind.function(), &args).map_err(outward)?;
        let path = arguments.text(0, "a path").map_err(outward)?;
        let delimiter = match arguments.values().get(1) {
            None => None,
            Some(_) => match arguments.text(1, "one character").map(str::as_bytes) {
                Ok([delimiter]) => Some(*delimiter),
                _ => {
                    return Err(outward(
                        arguments.refused("expects one character between fields"),
                    ));
                }
            },
        };
        let folder = path.split(['*', '?', '[']).next().unwrap_or(path);
        self.files
            .check(Path::new(folder), Purpose::Read)
            .map_err(outward)?;
        let opened = open(self.kind.format(delimiter), path, args.session());
        // The planner does not wait: another thread does, in its place.
        let runtime = Handle::current();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| runtime.block_on(opened));
            waiting.join().unwrap_or_else(|_| {
                Err(outward(Error::new(
                    Code::Internal,
                    "Looking at a file panicked",
                )))
            })
        })
    }
}

async fn open(
    format: Arc<dyn FileFormat>,
    path: &str,
    session: &dyn Session,
) -> Result<Arc<dyn TableProvider>, DataFusionError> {
    let is_one = !path.contains(['*', '?', '[']) && !path.contains("://");
    if is_one && !Path::new(path).exists() {
        let message = format!("{path}: there is no such file");
        return Err(outward(Error::new(Code::SqlStatement, message)));
    }
    let url = ListingTableUrl::parse(path)?;
    let is_folder = Path::new(path).is_dir();
    let mut options = ListingOptions::new(format);
    if !is_folder {
        options = options.with_file_extension("");
    }
    let partitions = options.infer_partitions(session, &url).await?;
    let partition = |name: String| (name, DataType::Utf8View);
    let options =
        options.with_table_partition_cols(partitions.into_iter().map(partition).collect());
    let schema = options.infer_schema(session, &url).await?;
    if schema.fields().is_empty() {
        let message = format!("{path}: there are no such files, or nothing in them");
        return Err(outward(Error::new(Code::SqlStatement, message)));
    }
    let config = ListingTableConfig::new(url)
        .with_listing_options(options)
        .with_schema(schema);
    Ok(Arc::new(ListingTable::try_new(config)?))
}
