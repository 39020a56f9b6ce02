//! Bytes per datom, beside the same data as one wide table.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use datalith_engine::{Result, Value};

use crate::crowd;
use crate::data::{self, Suite};
use crate::peer::{self, Wide, shown};
use crate::place::{Place, bytes_of, people_of};

/// Bytes that Datahike 0.8 and Datalevin 1.2.8 need for the package index, by their own files.
const DEBIAN_PEERS: &str = "Datahike 76 MB, Datalevin 62 MB";

/// Measures all data sets.
pub(crate) fn run(place: &Place, millions: &[i64]) -> Result<()> {
    println!(
        "\nsize: the whole directory after checkpoint and collection; peers as one wide table"
    );
    println!(
        "{:<14}{:>12}{:>14}{:>10}{:>14}{:>14}{:>14}",
        "data", "datoms", "bytes", "B/datom", "Parquet", "DuckDB", "x DuckDB"
    );
    let (mut people, ages) = data::people();
    people.transactions.push(ages);
    suite(place, "people", &people)?;
    match data::debian() {
        Some(debian) => {
            suite(place, "debian", &debian)?;
            println!("{:<14}{DEBIAN_PEERS}", "");
        }
        None => println!("debian: there is no package index (name one with DEBIAN_PACKAGES)"),
    }
    for &millions in millions {
        let path = place.crowd(millions)?;
        let csv = place.path(&format!("crowd-{millions}.csv"));
        let people = people_of(millions);
        write_crowd(&csv, people);
        let wide = peer::wide(&csv, &place.path("wide"), &crowd::COLUMNS, people);
        let name = format!("crowd {millions} M");
        print(&name, people * crowd::ATTRIBUTES - 1, &path, wide.as_ref());
    }
    Ok(())
}

/// The first people of the crowd as a file.
pub(crate) fn write_crowd(csv: &Path, people: i64) {
    let mut out = BufWriter::new(File::create(csv).expect("a file can be made"));
    crowd::write_csv(&mut out, people).expect("the file can be written");
    out.flush().expect("the file can be written");
}

fn suite(place: &Place, name: &str, suite: &Suite) -> Result<()> {
    let (path, datoms) = place.suite(name, suite)?;
    let csv = place.path(&format!("{name}.csv"));
    let table = Table::of(suite);
    table.write(&csv);
    let columns: Vec<(&str, &str)> = table
        .columns
        .iter()
        .map(|(name, kind)| (name.as_str(), kind.as_str()))
        .collect();
    let wide = peer::wide(&csv, &place.path("wide"), &columns, table.rows.len() as i64);
    print(name, datoms as i64, &path, wide.as_ref());
    Ok(())
}

fn print(name: &str, datoms: i64, path: &Path, wide: Option<&Wide>) {
    let bytes = bytes_of(path) as f64;
    let per_datom = |bytes: f64| bytes / datoms as f64;
    println!(
        "{name:<14}{datoms:>12}{bytes:>14.0}{:>10.2}{:>14}{:>14}{:>14}",
        per_datom(bytes),
        shown(wide.map(|wide| per_datom(wide.parquet_bytes)), 2),
        shown(wide.map(|wide| per_datom(wide.duckdb_bytes)), 2),
        shown(wide.map(|wide| bytes / wide.duckdb_bytes), 2),
    );
}

/// The entities of a suite, one row each: the last value of every attribute.
struct Table {
    /// Names and types, `id` first.
    columns: Vec<(String, String)>,
    rows: BTreeMap<i64, BTreeMap<String, String>>,
}

impl Table {
    fn of(suite: &Suite) -> Table {
        let id = ("id".to_owned(), "BIGINT".to_owned());
        let attributes = suite.schema.iter().map(|attribute| {
            let name = |key| {
                attribute
                    .get(key)
                    .and_then(Value::as_keyword)
                    .expect("declared")
            };
            let kind = match name("db/valueType").as_str() {
                "db.type/long" | "db.type/ref" => "BIGINT",
                _ => "VARCHAR",
            };
            let is_many = name("db/cardinality").as_str() == "db.cardinality/many";
            let many = if is_many { "[]" } else { "" };
            (
                name("db/ident").as_str().to_owned(),
                format!("{kind}{many}"),
            )
        });
        let columns = std::iter::once(id).chain(attributes).collect();
        let mut rows: BTreeMap<i64, BTreeMap<String, String>> = BTreeMap::new();
        for form in suite.transactions.iter().flatten() {
            let map = form.as_map().expect("entities are maps");
            let id = form
                .get("db/id")
                .and_then(Value::as_long)
                .expect("entities are numbered");
            let row = rows.entry(id).or_default();
            for (name, value) in map {
                let name = name.as_keyword().expect("names are keywords").as_str();
                row.insert(name.to_owned(), cell(value));
            }
        }
        Table { columns, rows }
    }

    fn write(&self, csv: &Path) {
        let mut out = BufWriter::new(File::create(csv).expect("a file can be made"));
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| name.as_str()).collect();
        let mut write = |line: String| writeln!(out, "{line}").expect("the file can be written");
        write(names.join(","));
        for (id, row) in &self.rows {
            let cells = self.columns[1..].iter().map(|(name, _)| {
                let text = row.get(name).map_or("", String::as_str);
                // An empty text is a value; nothing is none.
                match row.contains_key(name) {
                    true => format!("\"{}\"", text.replace('"', "\"\"")),
                    false => String::new(),
                }
            });
            write(format!("{id},{}", cells.collect::<Vec<_>>().join(",")));
        }
        out.flush().expect("the file can be written");
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Str(text) => text.to_string(),
        Value::Keyword(name) => name.as_str().to_owned(),
        Value::Vector(items) => items.iter().map(cell).collect::<Vec<_>>().join(";"),
        other => other.to_string(),
    }
}
