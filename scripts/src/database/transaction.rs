//! Transactions: what scripts pass, and what they learn.

use datalith_engine::conn::{Conn, TxReport};
use datalith_engine::datom::TX0;
use datalith_engine::transact::TxData;
use datalith_engine::{Value, edn};
use rhai::{Array, Dynamic, Engine, Map};

use super::connection::ScriptConn;
use super::value::{ScriptDb, datom_table};
use crate::fault::{Done, refused, thrown};
use crate::table::{Column, Kind, Table};
use crate::value::{Edn, key_of, to_dynamic, to_value};

/// Rows of a table that are transacted together.
const IMPORT_ROWS: usize = 10_000;

/// What a script transacts: EDN as text; or arrays and maps, in which texts that stand for an operation
/// or an attribute are names.
fn data_of(given: &Dynamic) -> Done<TxData> {
    if let Ok(text) = given.as_immutable_string_ref() {
        let forms = edn::read(&text).map_err(thrown)?;
        return TxData::from_value(&forms).map_err(thrown);
    }
    let value = match given.read_lock::<Map>() {
        // One entity instead of an array of one.
        Some(map) if !map.contains_key("tx-data") => Value::vector([to_value(given)?]),
        _ => to_value(given)?,
    };
    TxData::from_value(&named(&value)).map_err(thrown)
}

/// Forms with the names in them as keywords.
pub(crate) fn named(forms: &Value) -> Value {
    match forms {
        Value::Vector(forms) => Value::vector(forms.iter().map(named_form)),
        other => other.clone(),
    }
}

/// A form with the names in it as keywords.
fn named_form(form: &Value) -> Value {
    let named = |at: usize, part: &Value| match part {
        Value::Str(text) if at == 0 || (at == 2 && text.starts_with(':')) => key_of(text),
        Value::Vector(items) => match &**items {
            // A lookup ref.
            [Value::Str(attribute), value] if attribute.starts_with(':') => {
                Value::vector([key_of(attribute), value.clone()])
            }
            _ => part.clone(),
        },
        other => other.clone(),
    };
    match form {
        Value::Vector(parts) => {
            Value::vector(parts.iter().enumerate().map(|(at, part)| named(at, part)))
        }
        Value::Map(map) => Value::map(
            map.iter()
                .map(|(key, value)| (key.clone(), named(1, value))),
        ),
        other => other.clone(),
    }
}

/// Makes one transaction.
pub(super) fn transact(conn: &Conn, given: &Dynamic) -> Done<Map> {
    let report = conn.transact(&data_of(given)?).map_err(thrown)?;
    Ok(summary(&report))
}

/// What a script learns of a transaction.
pub(super) fn summary(report: &TxReport) -> Map {
    let tx = report.db_after.max_tx().0;
    let instant = report.tx_meta.get(&Value::keyword("db/txInstant")).cloned();
    let mut tempids = Map::new();
    for (name, e) in &report.tempids {
        tempids.insert(
            edn::display_str(name).trim_start_matches(':').into(),
            to_dynamic(e),
        );
    }
    let entries = [
        ("t", Dynamic::from(tx - TX0)),
        ("tx", Dynamic::from(tx)),
        ("instant", to_dynamic(&instant.unwrap_or_default())),
        ("tempids", Dynamic::from_map(tempids)),
        ("datoms", Dynamic::from(datom_table(&report.tx_data))),
        (
            "db_before",
            Dynamic::from(ScriptDb(report.db_before.clone())),
        ),
        ("db_after", Dynamic::from(ScriptDb(report.db_after.clone()))),
    ];
    entries
        .into_iter()
        .map(|(name, value)| (name.into(), value))
        .collect()
}

/// `conn.import_table(table, #{namespace: "airport", unique: "code", schema: true})`: a row becomes an entity.
fn import(conn: &Conn, table: &Table, options: &Map) -> Done<i64> {
    const OPTIONS: [&str; 3] = ["namespace", "unique", "schema"];
    if let Some(unknown) = options.keys().find(|key| !OPTIONS.contains(&key.as_str())) {
        return Err(refused(format!(
            "import_table has no option {unknown}; it has {}",
            OPTIONS.join(", ")
        )));
    }
    let text = |key: &str| options.get(key)?.clone().into_string().ok();
    let (namespace, unique) = (text("namespace"), text("unique"));
    let attribute = |name: &String| match &namespace {
        Some(namespace) if !name.contains('/') => key_of(format!("{namespace}/{name}")),
        _ => key_of(name),
    };
    let names = table.names();
    if let Some(unique) = unique.as_ref().filter(|unique| !names.contains(unique)) {
        return Err(refused(format!(
            "no column {unique}; there are {}",
            names.join(", ")
        )));
    }
    let attributes: Vec<Value> = names.iter().map(attribute).collect();
    let declares = options
        .get("schema")
        .is_none_or(|value| value.as_bool().unwrap_or(true));
    if declares {
        let unique = unique.and_then(|unique| names.iter().position(|name| *name == unique));
        declare(conn, table, &attributes, unique)?;
    }
    for from in (0..table.len()).step_by(IMPORT_ROWS) {
        let entity = |row: usize| {
            let cells = attributes.iter().enumerate();
            let cells = cells.map(|(column, name)| (name.clone(), table.value(row, column)));
            Value::map(cells.filter(|(_, value)| !value.is_nil()))
        };
        let rows = from..table.len().min(from + IMPORT_ROWS);
        let data = TxData::new(Value::vector(rows.map(entity)));
        conn.transact(&data).map_err(thrown)?;
    }
    Ok(i64::try_from(table.len()).unwrap_or(i64::MAX))
}

/// Declares the attributes of a table that the database lacks, by the kinds of its columns.
fn declare(conn: &Conn, table: &Table, attributes: &[Value], unique: Option<usize>) -> Done<()> {
    let db = conn.db().map_err(thrown)?;
    let missing = (0..attributes.len()).filter(|&at| db.attribute_id(&attributes[at]).is_none());
    let keyed = |key: &str, value: &str| (Value::keyword(key), Value::keyword(value));
    let declared: Vec<Value> = missing
        .map(|at| {
            let entries = [
                (Value::keyword("db/ident"), attributes[at].clone()),
                keyed(
                    "db/valueType",
                    value_type(&table.names()[at], &table.columns()[at])?,
                ),
                keyed("db/cardinality", "db.cardinality/one"),
            ];
            let identity = keyed("db/unique", "db.unique/identity");
            let identity = (unique == Some(at)).then_some(identity);
            Ok(Value::map(entries.into_iter().chain(identity)))
        })
        .collect::<Done<_>>()?;
    if !declared.is_empty() {
        conn.transact(&TxData::new(Value::from(declared)))
            .map_err(thrown)?;
    }
    Ok(())
}

/// What attribute holds the values of a column.
fn value_type(name: &str, column: &Column) -> Done<&'static str> {
    let first = (0..column.len()).find(|&row| !column.is_null(row));
    Ok(match (column.kind(), first.map(|row| column.value(row))) {
        (Kind::Long, _) => "db.type/long",
        (Kind::Double, _) => "db.type/double",
        (Kind::Bool, _) => "db.type/boolean",
        (Kind::Str, _) => "db.type/string",
        (Kind::Keyword, _) => "db.type/keyword",
        (Kind::Instant, _) => "db.type/instant",
        (Kind::Any, Some(Value::Uuid(_))) => "db.type/uuid",
        (Kind::Any, Some(Value::FloatArray(_))) => "db.type/float-array",
        (Kind::Any, Some(Value::BigDec(_))) => "db.type/bigdec",
        (Kind::Any, Some(Value::BigInt(_))) => "db.type/bigint",
        (Kind::Any, None) => "db.type/string",
        (Kind::Any, Some(_)) => {
            let message =
                format!("the kind of column {name} is not clear: declare its attribute first");
            return Err(refused(message));
        }
    })
}

pub(super) fn register(engine: &mut Engine) {
    engine
        .register_fn("transact", |conn: &mut ScriptConn, data: Dynamic| {
            transact(&conn.0, &data)
        })
        .register_fn(
            "import_table",
            |conn: &mut ScriptConn, table: Table, options: Map| import(&conn.0, &table, &options),
        )
        .register_fn("retract", |conn: &mut ScriptConn, entities: Array| {
            let retract = |e: &Dynamic| {
                let entity = super::value::name_of(e)?;
                Ok(Dynamic::from(Edn(Value::vector([
                    Value::keyword("db/retractEntity"),
                    entity,
                ]))))
            };
            let forms: Array = entities.iter().map(retract).collect::<Done<_>>()?;
            transact(&conn.0, &Dynamic::from_array(forms))
        });
}
