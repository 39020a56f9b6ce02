//! A suite's tables as transactions of a database in memory.

use std::fs::File;
use std::io::{BufRead, BufReader};

use datalith_engine::Value;
use datalith_engine::conn::{Config, Conn, create_database};
use datalith_engine::datom::TxId;
use datalith_engine::transact::TxData;
use serde_json::Value as Json;

use crate::{Said, said, text};

/// Entities of one transaction.
const BATCH: usize = 200_000;
/// The first id of the attributes, out of the way of the data's.
const SCHEMA_IDS: i64 = 400_000_000;

/// A connection to the suite, and the transaction before the first table marked `later`.
pub(crate) fn suite(folder: &str, threads: i64) -> Said<(Conn, TxId)> {
    let about = std::fs::read_to_string(format!("{folder}/suite.json"))
        .map_err(|error| format!("{folder}/suite.json: {error}"))?;
    let about: Json = serde_json::from_str(&about).map_err(|error| error.to_string())?;
    let tables: Vec<&Json> = about["tables"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|table| table["only"].is_null())
        .collect();
    let conn = open(threads).map_err(said)?;
    let mut before = transact(&conn, schema(&tables))?;
    for table in tables {
        let last = load(&conn, folder, table)?;
        if table["later"].is_null() {
            before = last;
        }
    }
    Ok((conn, before))
}

fn open(threads: i64) -> datalith_engine::Result<Conn> {
    let id = Value::Uuid(uuid::Uuid::new_v4());
    let store = Value::map([
        (Value::keyword("backend"), Value::keyword("memory")),
        (Value::keyword("id"), id),
    ]);
    let config = Config::from_value(&Value::map([
        (Value::keyword("store"), store),
        (Value::keyword("threads"), Value::Long(threads)),
    ]))?;
    create_database(&config)?;
    Conn::connect(&config)
}

fn columns(table: &Json) -> impl Iterator<Item = &Json> {
    table["columns"].as_array().into_iter().flatten()
}

fn schema(tables: &[&Json]) -> Vec<Value> {
    let mut attributes: Vec<&Json> = Vec::new();
    for column in tables.iter().flat_map(|table| columns(table)) {
        let is_known = |known: &&Json| known["attribute"] == column["attribute"];
        if !column["attribute"].is_null() && !attributes.iter().any(is_known) {
            attributes.push(column);
        }
    }
    let attribute = |(id, column): (i64, &Json)| {
        let value_type = match column["type"].as_str().unwrap_or_default() {
            "str" => "string",
            "key" => "keyword",
            "int" => "long",
            other => other,
        };
        let cardinality = if column["many"] == true {
            "many"
        } else {
            "one"
        };
        let key = |text: &str| Value::keyword(text);
        let mut entries = vec![
            (key("db/id"), Value::Long(SCHEMA_IDS + id)),
            (
                key("db/ident"),
                key(column["attribute"].as_str().unwrap_or_default()),
            ),
            (key("db/valueType"), key(&format!("db.type/{value_type}"))),
            (
                key("db/cardinality"),
                key(&format!("db.cardinality/{cardinality}")),
            ),
        ];
        if column["index"] == true {
            entries.push((key("db/index"), Value::Bool(true)));
        }
        if column["unique"] == true {
            entries.push((key("db/unique"), key("db.unique/identity")));
        }
        Value::map(entries)
    };
    (0..).zip(attributes).map(attribute).collect()
}

/// Transacts the rows of a table; answers the last transaction.
fn load(conn: &Conn, folder: &str, table: &Json) -> Said<TxId> {
    let path = format!("{folder}/{}.tsv", text(table, "name")?);
    let file = File::open(&path).map_err(|error| format!("{path}: {error}"))?;
    let fields: Vec<(Value, &str)> = columns(table)
        .map(|column| {
            let attribute = column["attribute"].as_str().unwrap_or("db/id");
            let kind = column["type"].as_str().unwrap_or_default();
            (Value::keyword(attribute), kind)
        })
        .collect();
    let (mut batch, mut last) = (Vec::new(), conn.db().map_err(said)?.max_tx());
    for line in BufReader::new(file).lines() {
        let line = line.map_err(|error| format!("{path}: {error}"))?;
        batch.push(entity(&line, &fields)?);
        if batch.len() == BATCH {
            last = transact(conn, std::mem::take(&mut batch))?;
        }
    }
    if !batch.is_empty() {
        last = transact(conn, batch)?;
    }
    Ok(last)
}

fn entity(line: &str, fields: &[(Value, &str)]) -> Said<Value> {
    let mut entries = Vec::with_capacity(fields.len());
    for ((attribute, kind), text) in fields.iter().zip(line.split('\t')) {
        let value = match *kind {
            _ if text == "\\N" => continue,
            "str" => Value::str(text),
            "key" => Value::keyword(text),
            _ => Value::Long(text.parse().map_err(|_| format!("{text} is no number"))?),
        };
        entries.push((attribute.clone(), value));
    }
    Ok(Value::map(entries))
}

fn transact(conn: &Conn, data: Vec<Value>) -> Said<TxId> {
    conn.transact(&TxData::new(Value::vector(data)))
        .map_err(said)?;
    Ok(conn.db().map_err(said)?.max_tx())
}
