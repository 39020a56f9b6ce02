//! Reading without a query: `pull`, `schema` and `stats`.

use std::time::Instant;

use datalith_engine::{Value, metrics, pull_many, schema_map, schema_rows};

use super::arguments::{Look, Pull};
use super::database;
use super::fault::Fault;
use super::input::Text;
use super::listing::Listing;
use super::output::{self, Format};

/// Shows entities as nested maps.
pub(crate) fn pull(arguments: &Pull) -> Result<(), Fault> {
    let text = Text::of(&arguments.pattern, "pattern")?;
    let pattern = text.form()?;
    let entity = |text: &String| Text::of(text, "entity")?.form();
    let entities: Vec<Value> = arguments
        .entities
        .iter()
        .map(entity)
        .collect::<Result<_, _>>()?;
    let conn = database::connect(&arguments.place)?;
    let db = database::at(&conn, &arguments.moment)?;
    let pulled = pull_many(&db, &pattern, &entities);
    let format = Format::chosen(arguments.printing.format);
    for value in pulled.map_err(|error| Fault::refused_in(error, &text))? {
        output::show_value(&value, format)?;
    }
    Ok(())
}

/// Shows the attributes: a row each for people and CSV, the whole map as data.
pub(crate) fn schema(arguments: &Look) -> Result<(), Fault> {
    let started = Instant::now();
    let conn = database::connect(&arguments.place)?;
    let schema = schema_map(&conn.db()?);
    let format = Format::chosen(arguments.printing.format);
    if !matches!(format, Format::Table | Format::Csv) {
        return output::show_value(&schema, format);
    }
    let (headings, rows) = schema_rows(&schema);
    output::show(
        &Listing::of_rows(&headings, rows),
        format,
        started.elapsed(),
    )
}

/// Counts the datoms: by attribute for people and CSV, with the totals as data.
pub(crate) fn stats(arguments: &Look) -> Result<(), Fault> {
    let started = Instant::now();
    let conn = database::connect(&arguments.place)?;
    let db = conn.db()?;
    let metrics = metrics(&db);
    let format = Format::chosen(arguments.printing.format);
    if matches!(format, Format::Table | Format::Csv) {
        let counts = metrics.get("per-attr-counts").and_then(Value::as_map);
        let mut rows: Vec<Vec<Value>> = counts.map_or_else(Vec::new, |counts| {
            counts
                .iter()
                .map(|(ident, count)| vec![ident.clone(), count.clone()])
                .collect()
        });
        for key in ["count", "temporal-count"] {
            let total = metrics.get(key).cloned();
            rows.extend(total.map(|total| vec![Value::str(&format!("all, {key}")), total]));
        }
        let listing = Listing::of_rows(&["attribute", "datoms"], rows);
        return output::show(&listing, format, started.elapsed());
    }
    let mut entries = metrics.as_map().cloned().unwrap_or_default();
    let entities = entries.shift_remove(&Value::keyword("per-entity-counts"));
    let entities = entities
        .as_ref()
        .and_then(Value::as_map)
        .map_or(0, |map| map.len());
    entries.insert(Value::keyword("entities"), Value::from(entities));
    entries.insert(Value::keyword("max-tx"), Value::Long(db.max_tx().0));
    entries.insert(Value::keyword("max-eid"), Value::Long(db.max_eid()));
    output::show_value(&Value::from(entries), format)
}
