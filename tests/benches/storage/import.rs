//! From a CSV file to durable segments that answer, by the command line.

use datalith_engine::conn::{Conn, TxData};
use datalith_engine::exec::{Input, QueryOptions, q};
use datalith_engine::{Result, Value, edn};

use crate::command::datalith;
use crate::crowd;
use crate::peer::{self, shown};
use crate::place::{Place, bytes_of, config, finish, made, people_of};
use crate::size::write_crowd;

/// People that are looked at afterwards.
const CHECKED: i64 = 1_000;

/// Imports so many millions of datoms.
pub(crate) fn run(place: &Place, millions: i64) -> Result<()> {
    println!(
        "\nimport: `datalith import` of CSV, start to exit, two unique attributes and a reference"
    );
    println!(
        "{:<14}{:>12}{:>10}{:>10}{:>14}{:>16}{:>12}{:>14}",
        "datoms",
        "CSV MB",
        "wall s",
        "CPU s",
        "datoms/s",
        "datoms/CPU s",
        "peak MiB",
        "DuckDB CPU s"
    );
    let people = people_of(millions);
    let csv = place.path("import.csv");
    write_crowd(&csv, people);
    let path = place.fresh("import");
    let conn = made(&path)?;
    conn.transact(&TxData::new(crowd::schema()))?;
    conn.release_all();
    let (db, file) = (path.to_string_lossy(), csv.to_string_lossy());
    let outcome = datalith(&[
        "import",
        "--db",
        &db,
        "--namespace",
        "person",
        "--ref",
        "friend=:person/id",
        &file,
    ]);
    let datoms = people * crowd::ATTRIBUTES - 1;
    let before = bytes_of(&path);
    check(&path, people)?;
    let wide = peer::wide(&csv, &place.path("wide"), &crowd::COLUMNS, people);
    println!(
        "{:<14}{:>12.0}{:>10.1}{:>10.1}{:>14.0}{:>16.0}{:>12}{:>14}",
        format!("{millions} M"),
        bytes_of_file(&csv) / 1e6,
        outcome.wall.as_secs_f64(),
        outcome.cpu.as_secs_f64(),
        datoms as f64 / outcome.wall.as_secs_f64(),
        datoms as f64 / outcome.cpu.as_secs_f64(),
        outcome.peak_kib / 1024,
        shown(wide.map(|wide| wide.duckdb_cpu_s), 1),
    );
    println!(
        "{:<14}{:.1} MB in the directory, {:.1} MB once garbage is collected",
        "",
        before as f64 / 1e6,
        bytes_of(&path) as f64 / 1e6
    );
    Ok(())
}

fn bytes_of_file(path: &std::path::Path) -> f64 {
    std::fs::metadata(path).map_or(0.0, |metadata| metadata.len() as f64)
}

/// Counts everything, and looks at people here and there.
fn check(path: &std::path::Path, people: i64) -> Result<()> {
    let conn = Conn::connect(&config(path)?)?;
    let db = conn.db()?;
    let count = |text: &str| -> Result<Value> {
        let answer = q(
            &edn::read(text)?,
            &[Input::Db(db.clone())],
            &QueryOptions::default(),
        )?;
        Ok(answer.to_value())
    };
    assert_eq!(
        count("[:find (count ?e) . :where [?e :person/email]]")?,
        Value::Long(people)
    );
    assert_eq!(
        count("[:find (count ?e) . :where [?e :person/friend]]")?,
        Value::Long(people - 1)
    );
    for id in (1..=people).step_by((people / CHECKED).max(1) as usize) {
        let person = crowd::person(id);
        let lookup = |id: i64| Value::vector([Value::keyword("person/id"), Value::Long(id)]);
        let pulled = datalith_engine::pull(
            &db,
            &edn::read("[* {:person/friend [:person/id]}]")?,
            &lookup(id),
        )?;
        for (name, value) in person.values() {
            let name = name.as_keyword().expect("names are keywords").as_str();
            let found = pulled
                .as_ref()
                .and_then(|pulled| pulled.get(name))
                .cloned()
                .unwrap_or_default();
            let found = found.get("person/id").cloned().unwrap_or(found);
            assert_eq!(found, value, "{name} of person {id}");
        }
    }
    finish(&conn)
}
