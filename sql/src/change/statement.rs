//! `INSERT`, `UPDATE` and `DELETE`.

use std::sync::Arc;

use datafusion::arrow::array::{Array, Int64Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::dml::{DmlStatement, InsertOp};
use datafusion::logical_expr::{Expr, LogicalPlan, WriteOp};
use datalith_engine::conn::{Conn, TxData};
use datalith_engine::script::Allowance;
use datalith_engine::{Code, Db, Error, Result, Value, fault};

use super::row;
use super::target::{Target, refused};
use crate::column::value;
use crate::limits;
use crate::session::{Answer, Session};

/// Runs a change: one transaction, and how many rows it was about as the answer.
///
/// Errors: [`Code::SqlStatement`] for what has no meaning as a transaction, [`Code::Limit`] for more than
/// [`CHANGED_ROWS`](limits::CHANGED_ROWS) rows, those of the transaction.
pub(crate) fn run(
    session: &Session,
    db: &Db,
    conn: Option<&Conn>,
    context: &SessionContext,
    change: DmlStatement,
    allowance: &Allowance,
) -> Result<Answer> {
    let Some(conn) = conn else {
        let message = "a database value does not change: ask a connection".to_owned();
        return Err(refused(message));
    };
    if !matches!(
        change.op,
        WriteOp::Insert(InsertOp::Append) | WriteOp::Update | WriteOp::Delete
    ) {
        return Err(refused(format!(
            "{} has no meaning as a transaction",
            change.op
        )));
    }
    let target = Target::of(&change.table_name, &change.target, db)?;
    let assigned = assigned(&change);
    let input = Arc::unwrap_or_clone(change.input);
    let mut facts = Vec::new();
    let mut rows = 0;
    for batch in session.stream(context, input, allowance)? {
        let batch = batch?;
        rows += batch.num_rows();
        if rows > limits::CHANGED_ROWS {
            let most = limits::CHANGED_ROWS;
            let message = format!("a statement changes at most {most} rows");
            return Err(Error::new(Code::Limit, message).with("limit", most));
        }
        for row in 0..batch.num_rows() {
            let cells = batch.columns().iter().map(|column| value(column, row));
            let cells: Vec<Value> = cells.collect();
            fault::catch(|| add(db, &target, &change.op, &assigned, cells, &mut facts))?;
        }
    }
    if !facts.is_empty() {
        conn.transact(&TxData::new(Value::from(facts)))?;
    }
    let field = Field::new("count", DataType::Int64, false);
    let count: Arc<dyn Array> = Arc::new(Int64Array::from(vec![rows as i64]));
    let batch = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![count]);
    let batch = batch.map_err(|cause| Error::new(Code::Internal, cause.to_string()))?;
    Ok(Answer::known(batch, session.executor()))
}

/// The transaction data of a row.
fn add(
    db: &Db,
    target: &Target,
    op: &WriteOp,
    assigned: &[usize],
    mut cells: Vec<Value>,
    facts: &mut Vec<Value>,
) -> Result<()> {
    match (op, target) {
        (WriteOp::Insert(InsertOp::Append), Target::Wide(columns)) => {
            facts.push(row::inserted(columns, cells)?);
        }
        (WriteOp::Insert(InsertOp::Append), Target::Narrow(column)) => {
            for value in column.values(cells.swap_remove(1))? {
                facts.push(row::fact("db/add", &cells[0], column, value));
            }
        }
        (WriteOp::Update, Target::Wide(columns)) => {
            if assigned.contains(&0) {
                return Err(refused("the id of an entity does not change".to_owned()));
            }
            for &at in assigned {
                let cell = std::mem::take(&mut cells[at]);
                row::updated(db, &cells[0], &columns[at - 1], cell, facts)?;
            }
        }
        (WriteOp::Update, Target::Narrow(column)) if assigned == [1] && !column.is_many => {
            let cell = std::mem::take(&mut cells[1]);
            row::updated(db, &cells[0], column, cell, facts)?;
        }
        (WriteOp::Delete, Target::Wide(columns)) => {
            let entity = &cells[0];
            columns
                .iter()
                .for_each(|column| row::deleted(db, entity, column, facts));
        }
        (WriteOp::Delete, Target::Narrow(column)) => {
            for value in column.values(cells.swap_remove(1))? {
                facts.push(row::fact("db/retract", &cells[0], column, value));
            }
        }
        (WriteOp::Update, Target::Narrow(_)) => {
            let message = "of these rows only the value can be set, and only where an entity has one: \
                           delete rows and insert others";
            return Err(refused(message.to_owned()));
        }
        (op, _) => return Err(refused(format!("{op} has no meaning as a transaction"))),
    }
    Ok(())
}

/// The places of the columns that an `UPDATE` sets.
fn assigned(change: &DmlStatement) -> Vec<usize> {
    let LogicalPlan::Projection(projection) = &*change.input else {
        return Vec::new();
    };
    let is_set = |(at, expr): (usize, &Expr)| {
        let inner = match expr {
            Expr::Alias(alias) => &alias.expr,
            expr => expr,
        };
        let name = change.target.schema().field(at).name().clone();
        let is_same = matches!(inner, Expr::Column(column) if column.name == name);
        (!is_same).then_some(at)
    };
    projection
        .expr
        .iter()
        .enumerate()
        .filter_map(is_set)
        .collect()
}
