//! Database values: views of the past, entities, indexes, near vectors.

use datalith_engine::datom::{Datom, TX0, TxId};
use datalith_engine::db::TimePoint;
use datalith_engine::nearest::{self, Reach};
use datalith_engine::{
    Db, Index, Value, datoms, edn, entity, metrics, pull, pull_many, schema_map, schema_rows,
};
use rhai::{Array, Dynamic, Engine, INT, Map};

use crate::fault::{Done, done, refused, thrown};
use crate::meter::Meter;
use crate::table::Table;
use crate::value::{Edn, key_of, to_dynamic, to_value};

/// A database value.
#[derive(Clone)]
pub struct ScriptDb(pub Db);

impl std::fmt::Display for ScriptDb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let t = self.0.max_tx().0 - TX0;
        write!(
            f,
            "database at t {t}, {} attributes",
            attributes(&self.0).len()
        )
    }
}

/// The attributes that users declared, or gave values to.
pub(crate) fn attributes(db: &Db) -> Vec<(String, Value)> {
    let schema = schema_map(db);
    let entries = schema.as_map().into_iter().flatten();
    let named =
        entries.filter_map(|(ident, entry)| Some((ident.as_keyword()?.to_string(), entry.clone())));
    named.collect()
}

/// A moment as scripts write it: a transaction by its number or its entity, or an instant.
pub(crate) fn time_point(given: &Dynamic) -> Done<TimePoint> {
    if let Ok(n) = given.as_int() {
        return Ok(TimePoint::Tx(TxId(if n < TX0 { TX0 + n } else { n })));
    }
    if let Ok(text) = given.as_immutable_string_ref() {
        let bad = |_| {
            refused(format!(
                "{}: expected a transaction (7) or an instant (2026-01-31T12:00:00Z)",
                text.as_str()
            ))
        };
        return edn::parse_instant(&text)
            .map(TimePoint::Instant)
            .map_err(bad);
    }
    TimePoint::from_value(&to_value(given)?).map_err(thrown)
}

/// An entity, an attribute or an ident as scripts write it: `:airport/code` is a keyword wherever a
/// name is meant, alone or as the first of a lookup ref.
pub(super) fn name_of(given: &Dynamic) -> Done<Value> {
    let value = to_value(given)?;
    Ok(match &value {
        Value::Str(text) => key_of(text),
        Value::Vector(items) => match &**items {
            [Value::Str(attribute), rest] => Value::vector([key_of(attribute), rest.clone()]),
            _ => value,
        },
        _ => value,
    })
}

/// A pull pattern: EDN as text, or an array of names and maps.
fn pattern_of(given: &Dynamic) -> Done<Value> {
    if let Ok(text) = given.as_immutable_string_ref() {
        return edn::read(&text).map_err(thrown);
    }
    fn named(value: Value) -> Value {
        match value {
            Value::Str(text) if &*text == "*" => Value::symbol("*"),
            Value::Str(text) => key_of(text),
            Value::Vector(items) => Value::vector(items.iter().cloned().map(named)),
            Value::Map(map) => Value::map(
                map.iter()
                    .map(|(key, value)| (key.clone(), named(value.clone()))),
            ),
            other => other,
        }
    }
    Ok(named(to_value(given)?))
}

pub(super) fn register(engine: &mut Engine, meter: &Meter) {
    engine
        .register_type_with_name::<ScriptDb>("Db")
        .register_fn("to_string", |db: &mut ScriptDb| db.to_string())
        .register_fn("to_debug", |db: &mut ScriptDb| db.to_string())
        .register_get("t", |db: &mut ScriptDb| db.0.max_tx().0 - TX0)
        .register_fn("as_of", |db: &mut ScriptDb, point: Dynamic| {
            db.0.as_of(time_point(&point)?)
                .map(ScriptDb)
                .map_err(thrown)
        })
        .register_fn("since", |db: &mut ScriptDb, point: Dynamic| {
            db.0.since(time_point(&point)?)
                .map(ScriptDb)
                .map_err(thrown)
        })
        .register_fn("history", |db: &mut ScriptDb| {
            db.0.history().map(ScriptDb).map_err(thrown)
        })
        .register_fn("schema", |db: &mut ScriptDb| schema(&db.0))
        .register_fn("stats", |db: &mut ScriptDb| stats(&db.0));
    entities(engine);
    indexes(engine, meter);
    vectors(engine);
}

fn entities(engine: &mut Engine) {
    engine
        .register_fn("pull", |db: &mut ScriptDb, pattern: Dynamic, e: Dynamic| {
            let pulled = pull(&db.0, &pattern_of(&pattern)?, &name_of(&e)?).map_err(thrown)?;
            done(pulled.as_ref().map_or(Dynamic::UNIT, to_dynamic))
        })
        .register_fn(
            "pull_many",
            |db: &mut ScriptDb, pattern: Dynamic, entities: Dynamic| {
                let names: Vec<Value> = match entities.read_lock::<Array>() {
                    Some(items) => items.iter().map(name_of).collect::<Done<_>>()?,
                    None => to_value(&entities)?
                        .as_sequential()
                        .unwrap_or_default()
                        .to_vec(),
                };
                let pulled = pull_many(&db.0, &pattern_of(&pattern)?, &names).map_err(thrown)?;
                done(pulled.iter().map(to_dynamic).collect::<Array>())
            },
        )
        .register_fn("entity", |db: &mut ScriptDb, e: Dynamic| {
            let found = entity(&db.0, &name_of(&e)?).map_err(thrown)?;
            done(found.as_ref().map_or(Dynamic::UNIT, to_dynamic))
        })
        .register_fn("entid", |db: &mut ScriptDb, e: Dynamic| {
            let found = db.0.entid(&name_of(&e)?).map_err(thrown)?;
            done(found.map_or(Dynamic::UNIT, |e| Dynamic::from(e.0)))
        });
}

fn indexes(engine: &mut Engine, meter: &Meter) {
    let spent = meter.clone();
    let listed = move |db: &ScriptDb, index: &str, components: &[Dynamic]| -> Done<Table> {
        let index = Index::from_value(&key_of(index)).map_err(thrown)?;
        let components: Vec<Value> = components.iter().map(name_or_value).collect::<Done<_>>()?;
        spent.check(0).map_err(crate::fault::ended)?;
        let found = datoms(&db.0, index, &components).map_err(thrown)?;
        Ok(datom_table(&found))
    };
    let (none, one, two) = (listed.clone(), listed.clone(), listed);
    engine
        .register_fn("datoms", move |db: &mut ScriptDb, index: &str| {
            none(db, index, &[])
        })
        .register_fn(
            "datoms",
            move |db: &mut ScriptDb, index: &str, a: Dynamic| one(db, index, &[a]),
        )
        .register_fn(
            "datoms",
            move |db: &mut ScriptDb, index: &str, a: Dynamic, b: Dynamic| two(db, index, &[a, b]),
        );
}

/// A component of an index: text that begins with a colon is a name.
fn name_or_value(given: &Dynamic) -> Done<Value> {
    let value = to_value(given)?;
    Ok(match &value {
        Value::Str(text) if text.starts_with(':') => key_of(text),
        _ => value,
    })
}

/// Datoms as a table.
pub(super) fn datom_table(found: &[Datom]) -> Table {
    let row = |datom: &Datom| match datom.to_value().as_sequential() {
        Some(parts) => parts.to_vec(),
        None => Vec::new(),
    };
    let names = ["e", "a", "v", "tx", "added"].map(str::to_owned).to_vec();
    Table::from_rows(names, found.iter().map(row).collect())
}

fn vectors(engine: &mut Engine) {
    fn near(
        db: &ScriptDb,
        index: &Dynamic,
        vector: Value,
        reach: Reach,
        options: Map,
    ) -> Done<Table> {
        let options = to_value(&Dynamic::from_map(options))?;
        let hits =
            nearest::search(&db.0, &name_of(index)?, &vector, reach, &options).map_err(thrown)?;
        let row = |hit: &nearest::Hit| {
            vec![
                Value::Long(hit.entity.0),
                Value::Double(f64::from(hit.distance)),
            ]
        };
        Ok(Table::from_rows(
            vec!["e".to_owned(), "distance".to_owned()],
            hits.iter().map(row).collect(),
        ))
    }
    fn count(k: INT) -> Done<Reach> {
        usize::try_from(k)
            .map(Reach::Count)
            .map_err(|_| refused("knn: the count is negative"))
    }
    engine
        .register_fn(
            "knn",
            |db: &mut ScriptDb, index: Dynamic, vector: Dynamic, k: INT| {
                near(db, &index, to_value(&vector)?, count(k)?, Map::new())
            },
        )
        .register_fn(
            "knn",
            |db: &mut ScriptDb, index: Dynamic, vector: Dynamic, k: INT, options: Map| {
                near(db, &index, to_value(&vector)?, count(k)?, options)
            },
        )
        .register_fn(
            "knn_within",
            |db: &mut ScriptDb, index: Dynamic, vector: Dynamic, radius: f64| {
                near(
                    db,
                    &index,
                    to_value(&vector)?,
                    Reach::Radius(radius as f32),
                    Map::new(),
                )
            },
        )
        .register_fn(
            "semantic",
            |db: &mut ScriptDb, attribute: Dynamic, text: &str, k: INT| {
                near(db, &attribute, Value::str(text), count(k)?, Map::new())
            },
        );
}

/// A row for each attribute.
fn schema(db: &Db) -> Table {
    let (names, rows) = schema_rows(&schema_map(db));
    Table::from_rows(names.into_iter().map(str::to_owned).collect(), rows)
}

/// A row for each attribute with the count of its datoms.
fn stats(db: &Db) -> Table {
    let metrics = metrics(db);
    let counts = metrics.get("per-attr-counts").and_then(Value::as_map);
    let rows = counts
        .into_iter()
        .flatten()
        .map(|(ident, count)| vec![ident.clone(), count.clone()]);
    Table::from_rows(
        vec!["attribute".to_owned(), "datoms".to_owned()],
        rows.collect(),
    )
}

/// A keyword by its name or as it is.
pub(super) fn keyword_of(given: &Dynamic) -> Done<datalith_engine::Keyword> {
    let value = match given.read_lock::<Edn>() {
        Some(edn) => edn.0.clone(),
        None => name_of(given)?,
    };
    value
        .as_keyword()
        .cloned()
        .ok_or_else(|| refused(format!("{value} is no name")))
}
