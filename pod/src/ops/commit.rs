//! What is known of commits and transactions: ids, parents, the log, differences, proof.

use datalith_engine::conn::{Commit, GcOptions, TxEntry};
use datalith_engine::datom::{Datom, TX0, TxId};
use datalith_engine::db::TimePoint;
use datalith_engine::{Code, Error, Result, Value, diff};
use uuid::Uuid;

use crate::ops::call::Call;
use crate::ops::read::datom_list;

/// `commit-id`: nil of a value that is no commit's.
pub(crate) fn commit_id(call: &Call<'_>) -> Result<Value> {
    let db = call.session.handles.database(call.arg(0))?;
    Ok(db.commit_id().map(Value::Uuid).unwrap_or_default())
}

/// `parent-commit-ids`: nil of a value that is no commit's.
pub(crate) fn parent_commit_ids(call: &Call<'_>) -> Result<Value> {
    let handles = &call.session.handles;
    let db = handles.database(call.arg(0))?;
    let conn = handles.connection_behind(call.arg(0))?;
    let parents = conn.parent_commit_ids(&db)?;
    Ok(parents.map(|parents| ids(&parents)).unwrap_or_default())
}

/// `branch-history`
pub(crate) fn branch_history(call: &Call<'_>) -> Result<Value> {
    let conn = call.session.handles.connection(call.arg(0))?;
    Ok(Value::list(conn.branch_history()?.iter().map(commit)))
}

/// `tx-range`: `[conn]`, `[conn {:start … :end … :limit …}]` or `[conn start end]`.
pub(crate) fn tx_range(call: &Call<'_>) -> Result<Value> {
    let conn = call.session.handles.connection(call.arg(0))?;
    let (start, end, limit) = match call.args_from(1) {
        [] => Default::default(),
        [options @ Value::Map(_)] => {
            let option = |key: &str| options.get(key).cloned().unwrap_or_default();
            (option("start"), option("end"), option("limit"))
        }
        [start, end] => (start.clone(), end.clone(), Value::Nil),
        [other, ..] => {
            return Err(call.bad_argument("a map with :start, :end and :limit", other));
        }
    };
    let limit = match limit {
        Value::Nil => None,
        Value::Long(most) => usize::try_from(most).ok(),
        other => return Err(call.bad_argument(":limit to be a number", &other)),
    };
    let entries = conn.tx_range(time_point(&start)?, time_point(&end)?, limit)?;
    Ok(Value::list(entries.iter().map(entry)))
}

/// `diff`
pub(crate) fn diff(call: &Call<'_>) -> Result<Value> {
    let database = |at| call.session.handles.database(call.arg(at));
    let diff = diff::diff(&database(0)?, &database(1)?)?;
    let lists = |datoms: &mut dyn Iterator<Item = Datom>| {
        Value::list(datoms.map(|datom| datom_list(&datom)))
    };
    Ok(Value::map([
        (Value::keyword("only-a"), lists(&mut diff.only_a())),
        (Value::keyword("only-b"), lists(&mut diff.only_b())),
    ]))
}

/// `verify-chain`
pub(crate) fn verify_chain(call: &Call<'_>) -> Result<Value> {
    let conn = call.session.handles.connection(call.arg(0))?;
    Ok(conn.verify_chain()?.to_value())
}

/// `gc-storage`
pub(crate) fn gc_storage(call: &Call<'_>) -> Result<Value> {
    let conn = call.session.handles.connection(call.arg(0))?;
    let min_age_ms = match call.arg(2).get("min-age-ms") {
        None | Some(Value::Nil) => None,
        Some(Value::Long(ms)) if *ms >= 0 => Some(*ms as u64),
        Some(other) => {
            let message = format!("{other} is no age: :min-age-ms is milliseconds");
            return Err(Error::new(Code::PodArguments, message));
        }
    };
    let report = conn.gc_storage(GcOptions { min_age_ms })?;
    Ok(Value::set(report.removed.into_iter().map(Value::from)))
}

fn ids(commits: &[Uuid]) -> Value {
    Value::set(commits.iter().copied().map(Value::Uuid))
}

fn commit(commit: &Commit) -> Value {
    Value::map([
        (Value::keyword("commit-id"), Value::Uuid(commit.id)),
        (Value::keyword("t"), Value::Long(commit.t as i64)),
        (Value::keyword("tx"), Value::Long(commit.tx.0)),
        (Value::keyword("instant"), Value::Instant(commit.instant_ms)),
        (Value::keyword("parents"), ids(&commit.parents)),
    ])
}

fn entry(entry: &TxEntry) -> Value {
    Value::map([
        (Value::keyword("t"), Value::Long(entry.t as i64)),
        (Value::keyword("tx"), Value::Long(entry.tx.0)),
        (Value::keyword("instant"), Value::Instant(entry.instant_ms)),
        (Value::keyword("commit-id"), Value::Uuid(entry.commit)),
        (
            Value::keyword("data"),
            Value::list(entry.datoms.iter().map(datom_list)),
        ),
    ])
}

/// A transaction by its entity or its t, or an instant; nil is no bound.
fn time_point(value: &Value) -> Result<Option<TimePoint>> {
    match value {
        Value::Nil => Ok(None),
        Value::Long(t) if (0..TX0).contains(t) => Ok(Some(TimePoint::Tx(TxId(TX0 + t)))),
        value => TimePoint::from_value(value).map(Some),
    }
}
