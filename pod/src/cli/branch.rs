//! Branches: `branch list`, `create`, `delete` and `merge`.

use std::time::Instant;

use datalith_engine::Value;
use datalith_engine::conn::{BranchPoint, MergeReport};
use datalith_engine::datom::TX0;
use datalith_engine::diff::{Conflict, Strategy};

use crate::ops::plan_value;

use super::arguments::{BranchAction, CreateBranch, DeleteBranch, Look, MergeBranch, Side};
use super::database;
use super::difference::State;
use super::fault::Fault;
use super::listing::Listing;
use super::output::{self, Format};

/// Lists, makes, deletes or merges branches.
pub(crate) fn run(action: &BranchAction) -> Result<(), Fault> {
    match action {
        BranchAction::List(arguments) => list(arguments),
        BranchAction::Create(arguments) => create(arguments),
        BranchAction::Delete(arguments) => delete(arguments),
        BranchAction::Merge(arguments) => merge(arguments),
    }
}

fn list(arguments: &Look) -> Result<(), Fault> {
    let started = Instant::now();
    let conn = database::connect(&arguments.place)?;
    let mut rows = Vec::new();
    for branch in conn.branches()? {
        // One that was deleted meanwhile is left out.
        if let Some(db) = conn.branch_as_db(&branch)? {
            rows.push(vec![
                Value::Keyword(branch),
                Value::Long(db.max_tx().0 - TX0),
                db.commit_id().map(Value::Uuid).unwrap_or_default(),
            ]);
        }
    }
    let listing = Listing::of_maps(&["branch", "t", "commit"], rows);
    let format = Format::chosen(arguments.printing.format);
    output::show(&listing, format, started.elapsed())
}

fn create(arguments: &CreateBranch) -> Result<(), Fault> {
    let conn = database::connect(&arguments.place)?;
    let from = match &arguments.from {
        Some(state) => State::parse(state).point(&conn)?,
        None => BranchPoint::Branch(conn.config().branch().clone()),
    };
    conn.create_branch(&from, &database::branch_name(&arguments.name)?)?;
    conn.release();
    Ok(())
}

fn delete(arguments: &DeleteBranch) -> Result<(), Fault> {
    let conn = database::connect(&arguments.place)?;
    conn.delete_branch(&database::branch_name(&arguments.name)?)?;
    conn.release();
    Ok(())
}

fn merge(arguments: &MergeBranch) -> Result<(), Fault> {
    let strategy = match arguments.strategy {
        Side::Fail => Strategy::Fail,
        Side::Ours => Strategy::Ours,
        Side::Theirs => Strategy::Theirs,
    };
    let from = match State::parse(&arguments.from) {
        State::Branch(branch) => BranchPoint::Branch(branch),
        State::Commit(commit) => BranchPoint::Commit(commit),
        State::Point(_) => {
            let given = &arguments.from;
            let message = format!("{given}: expected a branch or the id of a commit");
            return Err(Fault::Usage(message));
        }
    };
    let conn = database::connect(&arguments.place)?;
    let shown = if arguments.dry_run {
        let plan = conn.plan_merge(&from, strategy)?;
        plan.as_ref().map(plan_value).unwrap_or_default()
    } else {
        summary(&conn.merge_branch(&from, strategy, None)?)
    };
    conn.release();
    output::show_value(&shown, Format::chosen(arguments.printing.format))
}

/// What a person wants to know of a merge; no `tx` where there was nothing to merge.
fn summary(merged: &MergeReport) -> Value {
    let keyed = |key: &str, value: Value| (Value::keyword(key), value);
    let report = merged.report.as_ref();
    let tx = report.map(|report| Value::Long(report.db_after.max_tx().0));
    let commit = report.and_then(|report| report.db_after.commit_id());
    let datoms = report.map_or(0, |report| report.tx_data.len());
    let renumbered = merged.renumbered.iter();
    let renumbered = renumbered.map(|(there, here)| (Value::Long(there.0), Value::Long(here.0)));
    Value::map([
        keyed("tx", tx.unwrap_or_default()),
        keyed("commit", commit.map(Value::Uuid).unwrap_or_default()),
        keyed("base", merged.base.map(Value::Uuid).unwrap_or_default()),
        keyed("datoms", Value::from(datoms)),
        keyed(
            "conflicts",
            Value::vector(merged.conflicts.iter().map(Conflict::to_value)),
        ),
        keyed("renumbered", Value::map(renumbered)),
    ])
}
