//! What scripts may do with a table.

use arrow_array::BooleanArray;
use datalith_engine::Value;
use rhai::{Array, Dynamic, Engine, FnPtr, INT, ImmutableString, Map, NativeCallContext};

use super::arithmetic::mask;
use super::column::Column;
use super::group::{self, Measured};
use super::join::{self, How, Keys};
use super::measure::Measure;
use super::rows::{Table, unique};
use super::summary::{self, Pivot};
use super::{order, room};
use crate::fault::{Done, refused};
use crate::meter::Meter;
use crate::value::to_value;

/// Bytes that an entry of an object map takes, about.
const ENTRY_BYTES: usize = 48;

/// Gives scripts the verbs of tables that touch no file.
pub(super) fn register(engine: &mut Engine, meter: &Meter) {
    engine
        .register_type_with_name::<Table>("Table")
        .register_iterator::<Table>()
        .register_get("columns", |table: &mut Table| columns(table))
        .register_get("len", |table: &mut Table| table.len() as INT)
        .register_fn("len", |table: &mut Table| table.len() as INT)
        .register_fn("is_empty", |table: &mut Table| table.is_empty())
        .register_fn("to_string", |table: &mut Table| table.to_string())
        .register_fn("to_debug", |table: &mut Table| table.to_string())
        .register_indexer_get(|table: &mut Table, at: INT| row(table, at))
        .register_indexer_get(|table: &mut Table, name: ImmutableString| {
            table.column(&name).cloned()
        })
        .register_fn("col", |table: &mut Table, name: ImmutableString| {
            table.column(&name).cloned()
        });
    let spent = meter.clone();
    engine.register_fn("to_array", move |table: &mut Table| -> Done<Array> {
        room(
            &spent,
            table.len() * (table.columns().len() + 1) * ENTRY_BYTES,
        )?;
        Ok(table.clone().into_iter().collect())
    });
    register_rows(engine, meter);
    register_columns(engine, meter);
    register_groups(engine, meter);
    register_constructors(engine);
}

fn register_groups(engine: &mut Engine, meter: &Meter) {
    let spent = meter.clone();
    engine.register_fn("sort", move |table: &mut Table, names: Dynamic| {
        room(&spent, 2 * table.bytes())?;
        order::sorted(table, &texts(&names, "sort")?)
    });
    let spent = meter.clone();
    engine.register_fn("distinct", move |table: &mut Table| {
        room(&spent, 3 * table.bytes())?;
        group::distinct(table)
    });
    let spent = meter.clone();
    engine.register_fn(
        "group_by",
        move |table: &mut Table, names: Dynamic, measured: Map| {
            room(&spent, 2 * table.bytes())?;
            let names = texts(&names, "group_by")?;
            group::grouped(table, &names, &measures(&measured)?)
        },
    );
    let spent = meter.clone();
    engine.register_fn(
        "join",
        move |table: &mut Table, other: Table, on: Dynamic| {
            room(&spent, 2 * (table.bytes() + other.bytes()))?;
            let (keys, how) = join_of(&on)?;
            join::joined((table, &other), &keys, how, &spent)
        },
    );
    let spent = meter.clone();
    engine.register_fn("describe", move |table: &mut Table| {
        room(&spent, 2 * table.bytes())?;
        summary::described(table)
    });
    let spent = meter.clone();
    engine.register_fn("pivot", move |table: &mut Table, options: Map| {
        room(&spent, 2 * table.bytes())?;
        summary::pivoted(table, &pivot_of(&options)?)
    });
}

/// What `group_by` is to measure: names, and for each a measure or a measure and a column.
fn measures(given: &Map) -> Done<Vec<Measured>> {
    let measured = |(name, what): (&str, &Dynamic)| {
        let words = texts(what, "group_by")?;
        let (measure, of) = match &words[..] {
            [measure] if measure == "count" => (Measure::Count, None),
            [measure, of] => (Measure::named(measure)?, Some(of.clone())),
            [measure] => {
                Measure::named(measure)?;
                return Err(refused(format!(
                    "{name}: {measure} needs a column, as in [\"{measure}\", \"miles\"]"
                )));
            }
            _ => return Err(refused(format!("{name} takes a measure and a column"))),
        };
        Ok(Measured {
            name: name.to_owned(),
            measure,
            of,
        })
    };
    given
        .iter()
        .map(|(name, what)| measured((name, what)))
        .collect()
}

/// What `join` is to do: keys of one name, or a map of options.
fn join_of(given: &Dynamic) -> Done<(Keys, How)> {
    let Some(options) = given.read_lock::<Map>() else {
        let names = texts(given, "join")?;
        let keys = Keys {
            left: names.clone(),
            right: names,
        };
        return Ok((keys, How::Inner));
    };
    let known = ["left", "right", "on", "how"];
    check_options(&options, "join", &known)?;
    let side = |name: &str| match options.get(name).or(options.get("on")) {
        Some(names) => texts(names, "join"),
        None => Err(refused("join needs on, or left and right")),
    };
    let how = options
        .get("how")
        .map(|how| How::named(&text(how, "join")?));
    let keys = Keys {
        left: side("left")?,
        right: side("right")?,
    };
    if keys.left.len() != keys.right.len() {
        return Err(refused(
            "join takes as many columns on the left as on the right",
        ));
    }
    Ok((keys, how.unwrap_or(Ok(How::Inner))?))
}

fn pivot_of(options: &Map) -> Done<Pivot> {
    check_options(options, "pivot", &["rows", "columns", "values", "measure"])?;
    let option = |name: &str| {
        let missing = || refused(format!("pivot needs {name}"));
        options.get(name).ok_or_else(missing)
    };
    let measure = options.get("measure").map(|name| text(name, "pivot"));
    Ok(Pivot {
        rows: texts(option("rows")?, "pivot")?,
        columns: text(option("columns")?, "pivot")?,
        values: text(option("values")?, "pivot")?,
        measure: measure.map_or(Ok(Measure::Sum), |name| Measure::named(&name?))?,
    })
}

/// Fails for an option that a verb does not know.
pub(crate) fn check_options(options: &Map, verb: &str, known: &[&str]) -> Done<()> {
    match options.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(refused(format!(
            "{verb} has no option {name}; there are {}",
            known.join(", ")
        ))),
        None => Ok(()),
    }
}

fn register_rows(engine: &mut Engine, meter: &Meter) {
    let spent = meter.clone();
    engine.register_fn("filter", move |table: &mut Table, by: Column| {
        let mask = mask(&by)?;
        room(&spent, table.bytes())?;
        table.filter(&mask)
    });
    let spent = meter.clone();
    engine.register_fn(
        "filter",
        move |context: NativeCallContext, table: &mut Table, test: FnPtr| {
            let mask = kept(&context, table, &test)?;
            room(&spent, table.bytes())?;
            table.filter(&mask)
        },
    );
    engine
        .register_fn(
            "map",
            |context: NativeCallContext, table: &mut Table, change: FnPtr| -> Done<Array> {
                let row = |row| change.call_within_context(&context, (table.row(row),));
                (0..table.len()).map(row).collect()
            },
        )
        .register_fn("head", |table: &mut Table| table.slice(0, 5))
        .register_fn("head", |table: &mut Table, rows: INT| {
            table.slice(0, count(rows))
        })
        .register_fn("tail", |table: &mut Table| tail(table, 5))
        .register_fn("tail", |table: &mut Table, rows: INT| {
            tail(table, count(rows))
        })
        .register_fn("slice", |table: &mut Table, start: INT, len: INT| {
            table.slice(count(start), count(len))
        });
    let spent = meter.clone();
    engine.register_fn("concat", move |table: &mut Table, other: Table| {
        room(&spent, table.bytes() + other.bytes())?;
        table.concat(&other)
    });
}

fn register_columns(engine: &mut Engine, meter: &Meter) {
    engine
        .register_fn("select", |table: &mut Table, names: Dynamic| {
            table.select(&texts(&names, "select")?)
        })
        .register_fn("drop", |table: &mut Table, names: Dynamic| {
            table.without(&texts(&names, "drop")?)
        })
        .register_fn("rename", |table: &mut Table, names: Map| {
            let pair = |(old, new): (_, &Dynamic)| Ok((String::from(old), text(new, "rename")?));
            let pairs = names.iter().map(|(old, new)| pair((old.as_str(), new)));
            table.renamed(&pairs.collect::<Done<Vec<_>>>()?)
        });
    let spent = meter.clone();
    engine.register_fn(
        "with_column",
        move |table: &mut Table, name: ImmutableString, cells: Dynamic| {
            if let Some(column) = cells.read_lock::<Column>() {
                return table.with(&name, column.clone());
            }
            if let Some(cells) = cells.read_lock::<Array>() {
                return table.with(&name, written(&cells)?);
            }
            room(&spent, table.len() * size_of::<Value>())?;
            table.with(&name, Column::repeated(&to_value(&cells)?, table.len())?)
        },
    );
}

fn register_constructors(engine: &mut Engine) {
    engine
        .register_fn("table", |rows: Array| of_maps(&rows))
        .register_fn("table", |columns: Map| of_arrays(&columns))
        .register_fn("column", |cells: Array| written(&cells));
}

fn columns(table: &Table) -> Array {
    let names = table.names().iter();
    names.map(|name| Dynamic::from(name.clone())).collect()
}

/// A row by its number, from the end if that is negative.
fn row(table: &Table, at: INT) -> Done<Map> {
    Ok(table.row(place(at, table.len(), "rows")?))
}

/// A place counted from the end if it is negative.
pub(super) fn place(at: INT, len: usize, what: &str) -> Done<usize> {
    let place = if at < 0 { at + len as INT } else { at };
    match usize::try_from(place) {
        Ok(place) if place < len => Ok(place),
        _ => Err(refused(format!("no number {at} among {len} {what}"))),
    }
}

/// A number of rows; none for a negative one.
fn count(rows: INT) -> usize {
    usize::try_from(rows).unwrap_or(0)
}

fn tail(table: &Table, rows: usize) -> Table {
    table.slice(table.len().saturating_sub(rows), rows)
}

/// For which rows a function says true.
fn kept(context: &NativeCallContext, table: &Table, test: &FnPtr) -> Done<BooleanArray> {
    let keep = |row| test.call_within_context::<bool>(context, (table.row(row),));
    let keep: Vec<bool> = (0..table.len()).map(keep).collect::<Done<_>>()?;
    Ok(keep.into())
}

/// One text, or an array of texts.
pub(crate) fn texts(given: &Dynamic, verb: &str) -> Done<Vec<String>> {
    match given.read_lock::<Array>() {
        Some(items) => items.iter().map(|item| text(item, verb)).collect(),
        None => Ok(vec![text(given, verb)?]),
    }
}

/// A text that a verb was given.
pub(crate) fn text(given: &Dynamic, verb: &str) -> Done<String> {
    let found = given.as_immutable_string_ref().map(|text| text.to_string());
    found.map_err(|kind| refused(format!("{verb} takes names as strings, not {kind}")))
}

/// A column of what somebody wrote in an array.
pub(super) fn written(cells: &[Dynamic]) -> Done<Column> {
    let values = cells.iter().map(to_value).collect::<Done<_>>()?;
    Ok(Column::from_written(values))
}

/// A table of maps, one a row; what a map lacks is null.
///
/// The columns are in the order of the first map's names, then of what later ones add.
fn of_maps(rows: &[Dynamic]) -> Done<Table> {
    let mut names: Vec<String> = Vec::new();
    let mut columns: Vec<Vec<Value>> = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let Some(map) = row.read_lock::<Map>() else {
            let kind = row.type_name();
            return Err(refused(format!(
                "a table takes maps, number {at} is of type {kind}"
            )));
        };
        for (name, cell) in map.iter() {
            let column = names.iter().position(|other| other == name.as_str());
            let column = column.unwrap_or_else(|| {
                names.push(name.to_string());
                columns.push(Vec::new());
                names.len() - 1
            });
            columns[column].resize(at, Value::Nil);
            columns[column].push(to_value(cell)?);
        }
    }
    let column = |mut values: Vec<Value>| {
        values.resize(rows.len(), Value::Nil);
        Column::from_written(values)
    };
    let columns = columns.into_iter().map(column).collect();
    Ok(Table::of_columns(names, columns, rows.len()))
}

/// A table of columns by their names; each an array, a column, or one value for all rows.
fn of_arrays(given: &Map) -> Done<Table> {
    let mut columns = Vec::new();
    for cells in given.values() {
        columns.push(
            match (cells.read_lock::<Column>(), cells.read_lock::<Array>()) {
                (Some(column), _) => Some(column.clone()),
                (_, Some(cells)) => Some(written(&cells)?),
                _ => None,
            },
        );
    }
    let mut lens = columns.iter().flatten().map(Column::len);
    let rows = lens.next().unwrap_or(usize::from(!given.is_empty()));
    if let Some(other) = lens.find(|len| *len != rows) {
        return Err(refused(format!(
            "the columns of a table are of one length, not {rows} and {other}"
        )));
    }
    let column = |(column, cells): (Option<Column>, &Dynamic)| match column {
        Some(column) => Ok(column),
        None => Column::repeated(&to_value(cells)?, rows),
    };
    let columns = columns.into_iter().zip(given.values()).map(column);
    let columns = columns.collect::<Done<Vec<_>>>()?;
    let names = unique(given.keys().map(ToString::to_string));
    Ok(Table::of_columns(names, columns, rows))
}
