//! The tables as files: of a database, loaded by transactions, and of Parquet.

use std::error::Error;
use std::fs::{self, File};
use std::path::Path;
use std::sync::mpsc;
use std::thread;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::Compression;
use datafusion::parquet::file::properties::WriterProperties;
use datalith_engine::conn::{Config, Conn, TxData, create_database};
use datalith_engine::transact::Rows;
use datalith_engine::{Value, edn};
use datalith_sql::value;

use crate::data::{TABLES, Table};

/// Batches that are made into transaction data while others are transacted.
const BATCHES_AHEAD: usize = 2;
/// Rows of a row group: enough of them that two threads share a table.
const GROUP_ROWS: usize = 122_880;

/// Where the database is kept, which is made if there is none.
pub(crate) fn config(folder: &Path) -> Result<Config, Box<dyn Error>> {
    let path = Value::from(folder.join("db").display().to_string());
    let config = format!(
        "{{:store {{:backend :file :id #uuid \"7bc40000-0000-4000-8000-000000000001\" :path {path}}}}}"
    );
    Ok(Config::from_value(&edn::read(&config)?)?)
}

/// Loads all tables, a transaction for each batch; datoms loaded.
///
/// What is read afterwards comes from segments: a checkpoint ends it, and the connection is given back.
pub(crate) fn database(config: &Config, scale: f64) -> Result<usize, Box<dyn Error>> {
    create_database(config)?;
    let conn = Conn::connect(config)?;
    let mut datoms = 0;
    for table in &TABLES {
        datoms += load(&conn, table, scale)?;
    }
    conn.checkpoint()?;
    conn.release();
    Ok(datoms)
}

fn load(conn: &Conn, table: &'static Table, scale: f64) -> Result<usize, Box<dyn Error>> {
    let (sender, batches) = mpsc::sync_channel(BATCHES_AHEAD);
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut is_first = true;
            for batch in table.batches(scale) {
                let data = batch.map(|batch| {
                    let schema = is_first.then(|| attributes(table, &batch.schema()));
                    is_first = false;
                    (schema, entities(table, &batch))
                });
                if sender.send(data).is_err() {
                    return;
                }
            }
        });
        let mut datoms = 0;
        for data in batches {
            let (schema, entities) = data?;
            if let Some(schema) = schema {
                conn.transact(&TxData::new(schema))?;
            }
            datoms += conn.transact(&TxData::of_rows(entities))?.tx_data.len();
        }
        Ok(datoms)
    })
}

/// An attribute for each column.
fn attributes(table: &Table, schema: &SchemaRef) -> Value {
    let key = Value::keyword;
    Value::vector(schema.fields().iter().map(|field| {
        let value_type = match field.data_type() {
            DataType::Int64 => "db.type/long",
            DataType::Float64 => "db.type/double",
            DataType::Timestamp(..) => "db.type/instant",
            _ => "db.type/string",
        };
        let is_indexed = table.indexed.contains(&field.name().as_str());
        Value::map([
            (key("db/ident"), ident(table, field.name())),
            (key("db/valueType"), key(value_type)),
            (key("db/cardinality"), key("db.cardinality/one")),
            (key("db/index"), Value::Bool(is_indexed)),
        ])
    }))
}

/// An entity for each row.
fn entities(table: &Table, batch: &RecordBatch) -> Rows {
    let schema = batch.schema();
    let idents = schema
        .fields()
        .iter()
        .map(|field| ident(table, field.name()));
    let columns = batch.columns();
    let rows = 0..batch.num_rows();
    let values = rows.flat_map(|row| columns.iter().map(move |column| value(column, row)));
    Rows::new(idents.collect(), values.collect())
}

fn ident(table: &Table, column: &str) -> Value {
    Value::keyword(&format!("{}/{column}", table.name))
}

/// Writes each table as a file, as DataFusion's users would.
pub(crate) fn parquet(folder: &Path, scale: f64) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    for table in &TABLES {
        let mut writer: Option<ArrowWriter<File>> = None;
        for batch in table.batches(scale) {
            let batch = batch?;
            let writer = match &mut writer {
                Some(writer) => writer,
                none => {
                    let file = File::create(folder.join(format!("{}.parquet", table.name)))?;
                    let properties = WriterProperties::builder()
                        .set_compression(Compression::SNAPPY)
                        .set_max_row_group_row_count(Some(GROUP_ROWS))
                        .build();
                    none.insert(ArrowWriter::try_new(
                        file,
                        batch.schema(),
                        Some(properties),
                    )?)
                }
            };
            writer.write(&batch)?;
        }
        if let Some(writer) = writer {
            writer.close()?;
        }
    }
    Ok(())
}
