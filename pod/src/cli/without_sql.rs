//! `sql` in a binary without it.

use super::arguments::Sql;
use super::fault::Fault;

/// Says how to get it.
pub(crate) fn run(_: &Sql) -> Result<(), Fault> {
    Err(Fault::Failed(
        "this binary was built without SQL: cargo install --path pod --features sql, or a released binary".to_owned(),
    ))
}
