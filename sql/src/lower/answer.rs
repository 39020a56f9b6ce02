//! A lowered query: its plan, and how it is run.

use std::fmt;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::{Float64Type, Int64Type, TimestampMillisecondType};
use datafusion::error::DataFusionError;
use datafusion::execution::context::SessionContext;
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::LogicalPlan;
use datalith_engine::query::ast::{Find, FindElement, Query};
use datalith_engine::script::Allowance;
use datalith_engine::{Code, Error, Keyword, Result, Symbol, Value};

use super::kind::{Kind, Type};
use super::relation::unsupported;
use crate::executor::Executor;
use crate::fault::inward;

/// As many sorts at once can merge within the memory of an executor.
const SORTS: usize = 64;

/// Rows of a batch where memory is short: each sort holds some, however little it may have.
const SORTED_BATCH_ROWS: usize = 1_024;

/// How relations are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joins {
    /// By hash tables, which must fit in the executor's memory.
    Hashed,
    /// By sorting both sides, which goes through files where memory does not suffice.
    Sorted,
}

/// Threads and memory that plans are run with.
#[derive(Clone, Copy)]
pub struct Runner<'a> {
    /// The threads and the memory.
    pub executor: &'a Executor,
    /// How relations are joined.
    pub joins: Joins,
    /// Until when.
    pub allowance: &'a Allowance,
}

/// A query as a plan of DataFusion's own operators over tables.
///
/// Its `Display` is the plan as an indented tree.
#[derive(Debug)]
pub struct Lowered {
    plan: LogicalPlan,
    names: Vec<String>,
    columns: Vec<Type>,
    find: Find,
    /// Whether each row is a tuple of a set.
    is_set: bool,
    keys: Option<Vec<Value>>,
}

impl fmt::Display for Lowered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.plan.display_indent())
    }
}

impl Lowered {
    pub(super) fn new(query: &Query, plan: LogicalPlan, columns: Vec<Type>) -> Lowered {
        let elements = query.find.elements();
        let name = |element: &FindElement| match element {
            FindElement::Var(var) | FindElement::Pull { var, .. } => {
                var.0.as_str().trim_start_matches('?').to_owned()
            }
            FindElement::Aggregate { form, .. } => form.to_string(),
        };
        let is_plain = elements.iter().all(|e| matches!(e, FindElement::Var(_)));
        Lowered {
            plan,
            columns,
            names: elements.iter().map(name).collect(),
            is_set: is_plain
                && query.with.is_empty()
                && query.order_by.is_empty()
                && query.return_map.is_none(),
            find: query.find.clone(),
            keys: query.return_map.as_ref().map(|map| map.keys.clone()),
        }
    }

    /// The plan, not optimised: stock operators and expressions over tables.
    pub fn plan(&self) -> &LogicalPlan {
        &self.plan
    }

    /// What the columns of a row are called.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Runs the plan and shapes its rows as the find asks, like an
    /// [`Answer::to_value`](datalith_engine::exec::Answer::to_value).
    ///
    /// Where a query leaves a choice (one tuple of several, a limit among equals) any of what it allows.
    ///
    /// Errors: [`Code::QueryMemory`] where a hash table or a sort outgrows the executor,
    /// [`Code::Unsupported`] for values whose order DataFusion has otherwise, [`Code::SqlFailed`] for a
    /// number that does not fit, a timeout and a cancel as queries have them.
    pub fn answer(&self, runner: Runner<'_>) -> Result<Value> {
        let rows = self.rows(runner)?;
        let named = |row: Vec<Value>| match &self.keys {
            Some(keys) => Value::map(keys.iter().cloned().zip(row)),
            None => Value::vector(row),
        };
        let first = |row: Vec<Value>| row.into_iter().next().unwrap_or_default();
        let mut rows = rows.into_iter();
        Ok(match &self.find {
            Find::Relation(_) if self.is_set => Value::set(rows.map(named)),
            Find::Relation(_) => Value::vector(rows.map(named)),
            Find::Collection(_) => Value::vector(rows.map(first)),
            Find::Tuple(_) => rows.next().map_or(Value::Nil, named),
            Find::Scalar(_) => rows.next().map_or(Value::Nil, first),
        })
    }

    /// Runs the plan; its rows as they come.
    fn rows(&self, runner: Runner<'_>) -> Result<Vec<Vec<Value>>> {
        let mut rows = Vec::new();
        for batch in runner.collect(self.plan.clone())? {
            let mut arrays = batch.columns().iter();
            let mut columns = Vec::with_capacity(self.columns.len());
            for of in &self.columns {
                let own = arrays.by_ref().take(of.columns().len());
                columns.push(values(*of, &own.cloned().collect::<Vec<_>>())?);
            }
            let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
            for _ in 0..batch.num_rows() {
                let row = columns.iter_mut().map(|column| column.next());
                rows.push(row.map(Option::unwrap_or_default).collect());
            }
        }
        Ok(rows)
    }
}

impl Runner<'_> {
    /// Runs a plan to its end.
    pub(super) fn collect(&self, plan: LogicalPlan) -> Result<Vec<RecordBatch>> {
        let state = self.executor.state();
        let mut config = state.config().clone();
        if self.joins == Joins::Sorted {
            config = config.with_batch_size(SORTED_BATCH_ROWS);
        }
        let options = config.options_mut();
        if self.joins == Joins::Sorted {
            options.optimizer.prefer_hash_join = false;
            // With one partition DataFusion joins by hash whatever is preferred.
            options.execution.target_partitions = options.execution.target_partitions.max(2);
        }
        if let MemoryLimit::Finite(bytes) = state.runtime_env().memory_pool.memory_limit() {
            // What each sort sets aside to merge what it wrote; by itself it is 10 MiB.
            let share = bytes / SORTS;
            let reserved = &mut options.execution.sort_spill_reservation_bytes;
            *reserved = (*reserved).min(share);
        }
        let state = SessionStateBuilder::new_from_existing(state)
            .with_config(config)
            .build();
        let context = SessionContext::new_with_state(state);
        self.executor.wait(self.allowance, async {
            let frame = context.execute_logical_plan(plan).await;
            let frame = frame.map_err(|error| said(&error))?;
            frame.collect().await.map_err(|error| said(&error))
        })
    }
}

/// An error of DataFusion in our words.
fn said(error: &DataFusionError) -> Error {
    if error.to_string().contains("Divide by zero") {
        return unsupported(
            "A text beyond the basic plane, or NaN, would be ordered otherwise than Clojure orders it",
        );
    }
    inward(error)
}

/// The values of the columns of a variable.
fn values(of: Type, arrays: &[ArrayRef]) -> Result<Vec<Value>> {
    let wanted = of.columns().into_iter().zip(arrays);
    let cast = wanted.map(|((_, of), array)| compute::cast(array, &of));
    let arrays = cast.collect::<std::result::Result<Vec<ArrayRef>, _>>();
    let arrays = arrays.map_err(|error| inward(&error.into()))?;
    if let Some(array) = arrays.iter().find(|array| array.null_count() > 0) {
        let message = format!("A null among {}", array.data_type());
        return Err(Error::new(Code::Internal, message));
    }
    let rows = arrays.first().map_or(0, |array| array.len());
    match (of, arrays.as_slice()) {
        (Type::Of(kind), [array]) => Ok((0..rows).map(|row| value(kind, array, row)).collect()),
        (_, [kinds, longs, doubles, texts]) => {
            let kinds = kinds.as_primitive::<Int64Type>();
            let value = |row| {
                let kind = Kind::numbered(kinds.value(row));
                let long = || longs.as_primitive::<Int64Type>().value(row);
                Ok(match kind {
                    Some(Kind::Long) => Value::Long(long()),
                    Some(Kind::Bool) => Value::Bool(long() != 0),
                    Some(Kind::Instant) => Value::Instant(long()),
                    Some(Kind::Double) => value(Kind::Double, doubles, row),
                    Some(kind) => value(kind, texts, row),
                    None => {
                        let message = format!("{} is no kind", kinds.value(row));
                        return Err(Error::new(Code::Internal, message));
                    }
                })
            };
            (0..rows).map(value).collect()
        }
        _ => Err(Error::new(
            Code::Internal,
            "columns of a variable are missing",
        )),
    }
}

fn value(kind: Kind, array: &ArrayRef, row: usize) -> Value {
    let text = || array.as_string_view().value(row);
    match kind {
        Kind::Bool => Value::Bool(array.as_boolean().value(row)),
        Kind::Long => Value::Long(array.as_primitive::<Int64Type>().value(row)),
        Kind::Double => Value::Double(array.as_primitive::<Float64Type>().value(row)),
        Kind::Instant => {
            Value::Instant(array.as_primitive::<TimestampMillisecondType>().value(row))
        }
        Kind::Str => Value::str(text()),
        Kind::Keyword => Value::Keyword(Keyword::new(text())),
        Kind::Symbol => Value::Symbol(Symbol::new(text())),
        Kind::Uuid => text().parse().map_or(Value::Nil, Value::Uuid),
    }
}
