//! Branches: made, dropped, put elsewhere, merged; and the database values of their commits.

use datalith_engine::conn::{BranchPoint, MergeReport};
use datalith_engine::diff::{Conflict, MergePlan, Strategy};
use datalith_engine::{Code, Db, Error, Keyword, Result, Value};
use uuid::Uuid;

use crate::ops::call::Call;
use crate::ops::change;

/// `branches`
pub(crate) fn branches(call: &Call<'_>) -> Result<Value> {
    let conn = call.session.handles.connection(call.arg(0))?;
    Ok(Value::set(conn.branches()?.into_iter().map(Value::Keyword)))
}

/// `branch!`
pub(crate) fn create(call: &Call<'_>) -> Result<Value> {
    let conn = call.session.handles.connection(call.arg(0))?;
    let from = BranchPoint::from_value(call.arg(1))?;
    conn.create_branch(&from, &branch(call.arg(2))?)?;
    Ok(Value::Nil)
}

/// `delete-branch!`
pub(crate) fn delete(call: &Call<'_>) -> Result<Value> {
    let conn = call.session.handles.connection(call.arg(0))?;
    conn.delete_branch(&branch(call.arg(1))?)?;
    Ok(Value::Nil)
}

/// `force-branch!`
pub(crate) fn force(call: &Call<'_>) -> Result<Value> {
    let db = call.session.handles.database(call.arg(0));
    let db = db.map_err(|missing| {
        let data = missing.data().iter().cloned();
        let error = Error::new(Code::DbValueRequired, "You must provide a DB value.");
        data.fold(error, |error, (key, value)| error.with(key, value))
    })?;
    let conn = call.session.handles.connection_behind(call.arg(0))?;
    conn.force_branch(&db, &branch(call.arg(1))?, &parents(call, call.arg(2))?)?;
    Ok(Value::Nil)
}

/// `merge-db`: the caller says what the merge is.
pub(crate) fn merge_db(call: &Call<'_>) -> Result<Value> {
    let conn = call.session.handles.connection(call.arg(0))?;
    let parents = parents(call, call.arg(1))?;
    let mut data = change::tx_data(call.arg(2))?;
    if !call.arg(3).is_nil() {
        data.meta = Some(call.arg(3).clone());
    }
    Ok(change::summary(&conn.merge(&parents, &data)?))
}

/// `merge!`: three ways.
pub(crate) fn merge(call: &Call<'_>) -> Result<Value> {
    let conn = call.session.handles.connection(call.arg(0))?;
    let (from, strategy) = (point(call.arg(1))?, strategy(call)?);
    let meta = call.arg(2).get("tx-meta").filter(|meta| !meta.is_nil());
    let merged = conn.merge_branch(&from, strategy, meta.cloned())?;
    Ok(merge_value(&merged))
}

/// `merge-plan`: nil if there is nothing to merge.
pub(crate) fn merge_plan(call: &Call<'_>) -> Result<Value> {
    let conn = call.session.handles.connection(call.arg(0))?;
    let plan = conn.plan_merge(&point(call.arg(1))?, strategy(call)?)?;
    Ok(plan.as_ref().map(plan_value).unwrap_or_default())
}

/// The `:strategy` of the options.
fn strategy(call: &Call<'_>) -> Result<Strategy> {
    let options = call.arg(2);
    if !options.is_nil() && options.as_map().is_none() {
        return Err(call.bad_argument("a map of options, such as {:strategy :ours}", options));
    }
    Strategy::from_value(options.get("strategy").unwrap_or(&Value::Nil))
}

/// What a merge would do.
pub(crate) fn plan_value(plan: &MergePlan) -> Value {
    let renamed = plan.renamed.iter();
    let renamed = renamed.map(|(e, name)| (Value::Long(e.0), name.clone()));
    Value::map([
        (Value::keyword("tx-data"), plan.tx_data.clone()),
        (
            Value::keyword("conflicts"),
            Value::vector(plan.conflicts.iter().map(Conflict::to_value)),
        ),
        (Value::keyword("renamed"), Value::map(renamed)),
    ])
}

/// What became of a merge: `nil` under `:report` if there was nothing to merge.
fn merge_value(merged: &MergeReport) -> Value {
    let keyed = |key: &str, value| (Value::keyword(key), value);
    let renumbered = merged.renumbered.iter();
    Value::map([
        keyed("base", merged.base.map(Value::Uuid).unwrap_or_default()),
        keyed(
            "report",
            merged
                .report
                .as_ref()
                .map(change::summary)
                .unwrap_or_default(),
        ),
        keyed(
            "conflicts",
            Value::vector(merged.conflicts.iter().map(Conflict::to_value)),
        ),
        keyed(
            "renumbered",
            Value::map(renumbered.map(|(there, here)| (Value::Long(there.0), Value::Long(here.0)))),
        ),
    ])
}

/// `commit-as-db`: nil if there is no such commit.
pub(crate) fn commit_as_db(call: &Call<'_>) -> Result<Value> {
    let conn = call.session.handles.connection_behind(call.arg(0))?;
    found(call, conn.commit_as_db(commit(call.arg(1))?)?)
}

/// `branch-as-db`: nil if there is no such branch.
pub(crate) fn branch_as_db(call: &Call<'_>) -> Result<Value> {
    let conn = call.session.handles.connection_behind(call.arg(0))?;
    found(call, conn.branch_as_db(&branch(call.arg(1))?)?)
}

fn found(call: &Call<'_>, db: Option<Db>) -> Result<Value> {
    match db {
        None => Ok(Value::Nil),
        Some(db) => call
            .session
            .handles
            .add_database(db, call.arg(0), call.face),
    }
}

/// The name of a branch.
fn branch(value: &Value) -> Result<Keyword> {
    value.as_keyword().cloned().ok_or_else(|| {
        Error::new(Code::BranchMustBeKeyword, "Branch must be a keyword.")
            .with("branch", value.clone())
    })
}

/// The id of a commit.
fn commit(value: &Value) -> Result<Uuid> {
    match value {
        Value::Uuid(commit) => Ok(*commit),
        other => Err(
            Error::new(Code::CommitIdMustBeUuid, "Commit-id must be a uuid.")
                .with("commit-id", other.clone()),
        ),
    }
}

/// A branch or commit that another one is to follow.
fn point(value: &Value) -> Result<BranchPoint> {
    if value.is_nil() {
        return Err(Error::new(Code::ParentCannotBeNil, "Parent cannot be nil."));
    }
    BranchPoint::from_value(value).map_err(|_| {
        Error::new(Code::ParentDoesNotExist, "Parent does not exist in store.")
            .with("parent", value.clone())
    })
}

/// A set or sequence of branches and commits.
fn parents(call: &Call<'_>, value: &Value) -> Result<Vec<BranchPoint>> {
    match value {
        Value::Nil => Ok(Vec::new()),
        Value::Set(set) => set.iter().map(point).collect(),
        Value::Vector(items) | Value::List(items) => items.iter().map(point).collect(),
        other => Err(call.bad_argument("a set of branches and commits", other)),
    }
}
