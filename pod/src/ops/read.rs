//! Reading without a query: pull, entities, indexes, schema, counts.

use datalith_engine::datom::Datom;
use datalith_engine::db::{self, DatomIter};
use datalith_engine::nearest::{self, Reach};
use datalith_engine::{self as engine, Db, Index, Result, Value};

use crate::ops::call::Call;

/// `pull`
pub(crate) fn pull(call: &Call<'_>) -> Result<Value> {
    let [selector, eid] = call.options(1, ["selector", "eid"])?;
    Ok(engine::pull(&source(call)?, &selector, &eid)?.unwrap_or_default())
}

/// `pull-many`
pub(crate) fn pull_many(call: &Call<'_>) -> Result<Value> {
    let [selector, eids] = call.options(1, ["selector", "eids"])?;
    let eids = eids
        .as_sequential()
        .ok_or_else(|| call.bad_argument("a list of entities", &eids))?;
    Ok(engine::pull_many(&source(call)?, &selector, eids)?.into())
}

/// `entity`
pub(crate) fn entity(call: &Call<'_>) -> Result<Value> {
    Ok(engine::entity(&source(call)?, call.arg(1))?.unwrap_or_default())
}

/// `datoms`
pub(crate) fn datoms(call: &Call<'_>) -> Result<Value> {
    indexed(call, db::datoms_iter)
}

/// `seek-datoms`
pub(crate) fn seek_datoms(call: &Call<'_>) -> Result<Value> {
    indexed(call, db::seek_datoms_iter)
}

/// `rseek-datoms`
pub(crate) fn rseek_datoms(call: &Call<'_>) -> Result<Value> {
    indexed(call, db::rseek_datoms_iter)
}

/// `index-range`
pub(crate) fn index_range(call: &Call<'_>) -> Result<Value> {
    let options = call.arg(1);
    if options.as_map().is_none() {
        return Err(call.bad_argument("a map with :attrid, :start and :end", options));
    }
    let [attribute, start, end] =
        ["attrid", "start", "end"].map(|key| options.get(key).cloned().unwrap_or_default());
    Ok(datom_lists(&engine::index_range(
        &source(call)?,
        &attribute,
        &start,
        &end,
    )?))
}

/// `search`
pub(crate) fn search(call: &Call<'_>) -> Result<Value> {
    let count = call.arg(3).as_long();
    let count = count.and_then(|count| usize::try_from(count).ok());
    let count = count.ok_or_else(|| call.bad_argument("a number of neighbours", call.arg(3)))?;
    let (db, nil) = (source(call)?, Value::Nil);
    let options = call.args_from(4).first().unwrap_or(&nil);
    let reach = Reach::Count(count);
    let hits = nearest::search(&db, call.arg(1), call.arg(2), reach, options)?;
    Ok(Value::vector(hits.iter().map(|hit| {
        Value::map([
            (Value::keyword("entity-id"), Value::Long(hit.entity.0)),
            (
                Value::keyword("distance"),
                Value::Double(f64::from(hit.distance)),
            ),
            (Value::keyword("attribute"), db.ident(hit.attribute).clone()),
        ])
    })))
}

/// `schema`
pub(crate) fn schema(call: &Call<'_>) -> Result<Value> {
    Ok(engine::schema_map(&source(call)?))
}

/// `reverse-schema`
pub(crate) fn reverse_schema(call: &Call<'_>) -> Result<Value> {
    Ok(engine::reverse_schema(&source(call)?))
}

/// `metrics`
pub(crate) fn metrics(call: &Call<'_>) -> Result<Value> {
    Ok(engine::metrics(&source(call)?))
}

/// A datom as clients see it: the list `(e a v tx added)`.
pub(crate) fn datom_list(datom: &Datom) -> Value {
    match datom.to_value() {
        Value::Vector(items) => Value::List(items),
        other => other,
    }
}

/// Reads an index: both `[db {:index … :components …}]` and `[db index & components]`. The map may
/// carry a `:limit`; a negative one is none.
fn indexed(call: &Call<'_>, scan: fn(&Db, Index, &[Value]) -> Result<DatomIter>) -> Result<Value> {
    let mut limit = usize::MAX;
    let (index, components) = match call.args_from(1) {
        [options @ Value::Map(_)] => {
            let components = match options.get("components") {
                None | Some(Value::Nil) => &[][..],
                Some(components) => components
                    .as_sequential()
                    .ok_or_else(|| call.bad_argument(":components to be a list", components))?,
            };
            let most = options.get("limit").and_then(Value::as_long);
            limit = most
                .and_then(|most| usize::try_from(most).ok())
                .unwrap_or(limit);
            (
                options.get("index").cloned().unwrap_or_default(),
                components,
            )
        }
        _ => (call.arg(1).clone(), call.args_from(2)),
    };
    let datoms = scan(&source(call)?, Index::from_value(&index)?, components)?;
    Ok(Value::list(
        datoms.take(limit).map(|datom| datom_list(&datom)),
    ))
}

fn datom_lists(datoms: &[Datom]) -> Value {
    Value::list(datoms.iter().map(datom_list))
}

fn source(call: &Call<'_>) -> Result<Db> {
    call.session.handles.database(call.arg(0))
}
