//! Lookup refs and idents written in a query must name something: checked before anything runs.

use crate::db::Db;
use crate::error::Result;
use crate::plan::{Among, Block, Op, Pattern, Program, Slot, VarId};
use crate::value::Value;

use super::source::Sources;

/// Resolves every constant, and every variable that one input binds to one value, where a pattern
/// of the query expects an entity. Errors: as [`Db::entid_strict`].
pub(super) fn check_lookups(
    program: &Program,
    sources: &Sources,
    scalars: &[(VarId, &Value)],
) -> Result<()> {
    check_block(&program.block, sources, scalars)
}

fn check_block(block: &Block, sources: &Sources, scalars: &[(VarId, &Value)]) -> Result<()> {
    for step in &block.steps {
        match &step.op {
            Op::Scan(pattern) => {
                if let Some(db) = sources.db_at(pattern.source) {
                    check_pattern(db, pattern, scalars).map_err(|error| error.at(step.span))?;
                }
            }
            Op::Union { branches, .. } => {
                branches
                    .iter()
                    .try_for_each(|block| check_block(block, sources, scalars))?;
            }
            Op::Intersect { block, .. } | Op::AntiJoin { block, .. } => {
                check_block(block, sources, scalars)?;
            }
            Op::Nearest {
                among: Among::Passing { block, .. },
                ..
            } => check_block(block, sources, scalars)?,
            Op::Filter(_) | Op::Compute(..) | Op::Rule { .. } | Op::Nearest { .. } => {}
        }
    }
    Ok(())
}

fn check_pattern(db: &Db, pattern: &Pattern, scalars: &[(VarId, &Value)]) -> Result<()> {
    let value = |at: usize| match pattern.slots.get(at) {
        Some(Slot::Const(value)) => Some(value),
        Some(Slot::Var(var)) => scalars
            .iter()
            .find(|(other, _)| other == var)
            .map(|(_, value)| *value),
        _ => None,
    };
    let is_name = |value: &Value| {
        matches!(value, Value::Keyword(_)) || value.as_sequential().is_some_and(|x| x.len() == 2)
    };
    if let Some(e) = value(0).filter(|e| is_name(e)) {
        db.entid_strict(e)?;
    }
    let is_ref = value(1)
        .and_then(|a| db.attr_of(a))
        .and_then(|a| db.attribute(a))
        .is_some_and(|attribute| attribute.is_ref());
    match value(2).filter(|v| is_ref && is_name(v)) {
        Some(v) => db.entid_strict(v).map(|_| ()),
        None => Ok(()),
    }
}
