//! Reading without a query: pull, entities, indexes, schema, counts.

use datalith_engine::datom::Datom;
use datalith_engine::db::Db;
use datalith_engine::{Result, Value};

use crate::ops::call::Call;
use crate::ops::doors::lookup::Index;
use crate::ops::doors::{lookup, pull as pulling};

/// `pull`
pub(crate) fn pull(call: &Call<'_>) -> Result<Value> {
    let [selector, eid] = call.options(1, ["selector", "eid"])?;
    Ok(pulling::pull(&source(call)?, &selector, &eid)?.unwrap_or_default())
}

/// `pull-many`
pub(crate) fn pull_many(call: &Call<'_>) -> Result<Value> {
    let [selector, eids] = call.options(1, ["selector", "eids"])?;
    pulling::pull_many(&source(call)?, &selector, &eids)
}

/// `entity`
pub(crate) fn entity(call: &Call<'_>) -> Result<Value> {
    Ok(pulling::entity(&source(call)?, call.arg(1))?.unwrap_or_default())
}

/// `datoms`
pub(crate) fn datoms(call: &Call<'_>) -> Result<Value> {
    indexed(call, lookup::datoms)
}

/// `seek-datoms`
pub(crate) fn seek_datoms(call: &Call<'_>) -> Result<Value> {
    indexed(call, lookup::seek_datoms)
}

/// `rseek-datoms`
pub(crate) fn rseek_datoms(call: &Call<'_>) -> Result<Value> {
    indexed(call, lookup::rseek_datoms)
}

/// `index-range`
pub(crate) fn index_range(call: &Call<'_>) -> Result<Value> {
    let options = call.arg(1);
    if options.as_map().is_none() {
        return Err(call.bad_argument("a map with :attrid, :start and :end", options));
    }
    let [attribute, start, end] =
        ["attrid", "start", "end"].map(|key| options.get(key).cloned().unwrap_or_default());
    Ok(datom_lists(&lookup::index_range(
        &source(call)?,
        &attribute,
        &start,
        &end,
    )?))
}

/// `schema`
pub(crate) fn schema(call: &Call<'_>) -> Result<Value> {
    lookup::schema_map(&source(call)?)
}

/// `reverse-schema`
pub(crate) fn reverse_schema(call: &Call<'_>) -> Result<Value> {
    lookup::reverse_schema(&source(call)?)
}

/// `metrics`
pub(crate) fn metrics(call: &Call<'_>) -> Result<Value> {
    lookup::metrics(&source(call)?)
}

/// A datom as clients see it: the list `(e a v tx added)`.
pub(crate) fn datom_list(datom: &Datom) -> Value {
    match datom.to_value() {
        Value::Vector(items) => Value::List(items),
        other => other,
    }
}

/// Reads an index: both `[db {:index … :components …}]` and `[db index & components]`.
fn indexed(call: &Call<'_>, read: fn(&Db, Index, &[Value]) -> Result<Vec<Datom>>) -> Result<Value> {
    let (index, components) = match call.args_from(1) {
        [options @ Value::Map(_)] => {
            let components = match options.get("components") {
                None | Some(Value::Nil) => &[][..],
                Some(components) => components
                    .as_sequential()
                    .ok_or_else(|| call.bad_argument(":components to be a list", components))?,
            };
            (
                options.get("index").cloned().unwrap_or_default(),
                components,
            )
        }
        _ => (call.arg(1).clone(), call.args_from(2)),
    };
    Ok(datom_lists(&read(
        &source(call)?,
        Index::from_value(&index)?,
        components,
    )?))
}

fn datom_lists(datoms: &[Datom]) -> Value {
    Value::list(datoms.iter().map(datom_list))
}

fn source(call: &Call<'_>) -> Result<Db> {
    call.session.handles.database(call.arg(0))
}
