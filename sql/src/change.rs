//! Statements that change something, as transactions.

use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::dml::DmlStatement;
use datalith_engine::conn::Conn;
use datalith_engine::script::Allowance;
use datalith_engine::{Code, Db, Error, Result};

use crate::session::{Answer, Session};

/// Runs an `INSERT`, `UPDATE` or `DELETE`.
pub(crate) fn run(
    _session: &Session,
    _db: &Db,
    _conn: Option<&Conn>,
    _context: &SessionContext,
    _change: DmlStatement,
    _allowance: &Allowance,
) -> Result<Answer> {
    Err(Error::new(Code::Unsupported, "not yet"))
}
