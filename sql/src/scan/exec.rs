//! The operator that reads a table.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::{BatchCoalescer, SortOptions};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics};
use datafusion::config::ConfigOptions;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    EquivalenceProperties, LexOrdering, PhysicalExpr, PhysicalSortExpr,
};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation, PushedDown,
};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use datalith_engine::fault;
use futures::stream;

use super::passing::{PASSING_ROWS, Passing};
use super::predicate::{Origin, Predicate, Runtime, filtered};
use super::rows::{BATCH_ROWS, Piece, Rows, Selection};
use crate::fault::outward;

/// Reads the pieces of a selection, each part by itself.
#[derive(Clone, Debug)]
pub(super) struct Scan {
    table: String,
    rows: Arc<dyn Rows>,
    selection: Arc<Selection>,
    projection: Vec<usize>,
    predicates: Arc<[Predicate]>,
    fetch: Option<usize>,
    /// Whether what is read is given back as the rows go.
    is_passing: bool,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl Scan {
    pub(super) fn new(
        table: &str,
        rows: &Arc<dyn Rows>,
        selection: Selection,
        projection: Vec<usize>,
        fetch: Option<usize>,
    ) -> Result<Scan> {
        let properties = properties(rows.schema(), &selection, &projection)?;
        Ok(Scan {
            table: table.to_owned(),
            rows: Arc::clone(rows),
            selection: Arc::new(selection),
            projection,
            predicates: Arc::default(),
            fetch,
            is_passing: false,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    /// The same scan, keeping nothing of what it reads; none where that is worth keeping.
    pub(super) fn passing(&self) -> Option<Scan> {
        let rows = self.selection.parts.iter().flatten().map(Piece::len);
        let is_all = self.fetch.is_none() && self.predicates.is_empty();
        (is_all && rows.sum::<usize>() >= PASSING_ROWS).then(|| Scan {
            is_passing: true,
            ..self.clone()
        })
    }
}

/// What the planner may rely on.
fn properties(
    table: &SchemaRef,
    selection: &Selection,
    projection: &[usize],
) -> Result<PlanProperties> {
    let schema: SchemaRef = Arc::new(table.project(projection)?);
    let sorted_by = selection.sorted_by;
    let sorted_by = sorted_by.and_then(|column| projection.iter().position(|at| *at == column));
    let ascending = sorted_by.and_then(|at| {
        let column = Arc::new(Column::new(schema.field(at).name(), at));
        let options = SortOptions {
            descending: false,
            nulls_first: false,
        };
        LexOrdering::new([PhysicalSortExpr::new(column, options)])
    });
    Ok(PlanProperties::new(
        EquivalenceProperties::new_with_orderings(schema, ascending),
        Partitioning::UnknownPartitioning(selection.parts.len()),
        EmissionType::Incremental,
        Boundedness::Bounded,
    ))
}

impl DisplayAs for Scan {
    fn fmt_as(&self, t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self
            .schema()
            .fields()
            .iter()
            .map(|f| f.name().clone())
            .collect();
        let (shown, table) = (&self.selection.shown, &self.table);
        if t == DisplayFormatType::TreeRender {
            return write!(f, "{table}\n{shown}");
        }
        write!(f, "Scan: {table}, {shown}, columns=[{}]", names.join(", "))?;
        if !self.predicates.is_empty() {
            let predicates: Vec<String> =
                self.predicates.iter().map(Predicate::to_string).collect();
            write!(f, ", where={}", predicates.join(" AND "))?;
        }
        match self.fetch {
            Some(rows) => write!(f, ", limit={rows}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for Scan {
    fn name(&self) -> &str {
        "Scan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn with_new_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        let mut recursion = TreeNodeRecursion::Continue;
        for predicate in self.predicates.iter() {
            recursion = recursion.visit_sibling(|| f(predicate.expr()))?;
        }
        Ok(recursion)
    }

    /// Filters that are worked out at run time are of the run before: without them nothing is missing.
    fn reset_state(self: Arc<Self>) -> Result<Arc<dyn ExecutionPlan>> {
        let stay = |predicate: &&Predicate| predicate.origin != Origin::Runtime;
        let predicates = self.predicates.iter().filter(stay).cloned().collect();
        Ok(Arc::new(Scan {
            predicates,
            ..Arc::unwrap_or_clone(self)
        }))
    }

    /// Takes all filters.
    fn handle_child_pushdown_result(
        &self,
        phase: FilterPushdownPhase,
        asked: ChildPushdownResult,
        _config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        let runtime = match phase {
            FilterPushdownPhase::Pre => Runtime::No,
            FilterPushdownPhase::Post => Runtime::Yes,
        };
        let count = asked.parent_filters.len();
        let mut predicates = self.predicates.to_vec();
        for asked in asked.parent_filters {
            predicates.push(Predicate::new(&asked.filter, self.rows.schema(), runtime)?);
        }
        predicates.sort_by_key(|predicate| predicate.origin);
        let taken =
            FilterPushdownPropagation::with_parent_pushdown_result(vec![PushedDown::Yes; count]);
        Ok(match count {
            0 => taken,
            _ => taken.with_updated_node(Arc::new(Scan {
                predicates: predicates.into(),
                ..self.clone()
            })),
        })
    }

    /// Leaves out columns that nothing above asks for.
    fn try_swapping_with_projection(
        &self,
        projection: &ProjectionExec,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let column = |projected: &ProjectionExpr| {
            let column = projected.expr.downcast_ref::<Column>()?;
            (column.name() == projected.alias).then(|| self.projection[column.index()])
        };
        let columns: Option<Vec<usize>> = projection.expr().iter().map(column).collect();
        let Some(columns) = columns else {
            return Ok(None);
        };
        let properties = properties(self.rows.schema(), &self.selection, &columns)?;
        Ok(Some(Arc::new(Scan {
            projection: columns,
            properties: Arc::new(properties),
            ..self.clone()
        })))
    }

    fn execute(
        &self,
        partition: usize,
        _context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let schema = self.schema();
        let reader = Reader {
            rows: Arc::clone(&self.rows),
            selection: Arc::clone(&self.selection),
            projection: self.projection.clone(),
            predicates: Arc::clone(&self.predicates),
            copy: self.is_passing.then(Passing::default),
            gathered: BatchCoalescer::new(Arc::clone(&schema), BATCH_ROWS)
                .with_biggest_coalesce_batch_size(Some(BATCH_ROWS / 2)),
            partition,
            at: 0,
            left: self.fetch.unwrap_or(usize::MAX),
            metrics: BaselineMetrics::new(&self.metrics, partition),
        };
        let batches = stream::try_unfold(reader, |mut reader| async move {
            let batch = reader.next().await?;
            Ok(batch.map(|batch| (batch, reader)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(
        &self,
        _inputs: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let whole = self.selection.statistics.clone();
        let mut whole = whole.project(Some(&self.projection));
        if !self.predicates.is_empty() {
            whole = whole.to_inexact();
        }
        let Some(partition) = args.partition() else {
            return Ok(Arc::new(whole.with_fetch(self.fetch, 0, 1)?));
        };
        let mut part = whole.to_inexact();
        let rows: usize = self.selection.parts[partition].iter().map(Piece::len).sum();
        part.num_rows = Precision::Inexact(rows);
        Ok(Arc::new(part))
    }

    fn supports_limit_pushdown(&self) -> bool {
        false
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        Some(Arc::new(Scan {
            fetch: limit,
            ..self.clone()
        }))
    }

    fn fetch(&self) -> Option<usize> {
        self.fetch
    }
}

/// What one thread reads.
struct Reader {
    rows: Arc<dyn Rows>,
    selection: Arc<Selection>,
    projection: Vec<usize>,
    predicates: Arc<[Predicate]>,
    /// What a pass reads in place of the table.
    copy: Option<Passing>,
    /// Rows that are left of several pieces, until there are enough of them.
    gathered: BatchCoalescer,
    partition: usize,
    at: usize,
    left: usize,
    metrics: BaselineMetrics,
}

impl Reader {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        while self.left > 0 {
            if let Some(batch) = self.gathered.next_completed_batch() {
                return Ok(Some(self.counted(&batch)));
            }
            let Some(piece) = self.selection.parts[self.partition].get(self.at) else {
                self.gathered.finish_buffered_batch()?;
                let last = self.gathered.next_completed_batch();
                return Ok(last.map(|last| self.counted(&last)));
            };
            self.at += 1;
            let timer = self.metrics.elapsed_compute().timer();
            // What cannot be read unwinds to here.
            let read = fault::catch(|| {
                let rows = match &mut self.copy {
                    Some(copy) => copy.at(&self.rows, piece),
                    None => Arc::clone(&self.rows),
                };
                Ok(filtered(&*rows, piece, &self.predicates, &self.projection))
            });
            let batch = read.map_err(outward).flatten()?;
            timer.done();
            if let Some(batch) = batch {
                if self.predicates.is_empty() {
                    return Ok(Some(self.counted(&batch)));
                }
                self.gathered.push_batch(batch)?;
            }
            // Reading does not wait for anything: others get their turn between pieces.
            tokio::task::consume_budget().await;
        }
        Ok(None)
    }

    /// As much of a batch as is wanted.
    fn counted(&mut self, batch: &RecordBatch) -> RecordBatch {
        let rows = batch.num_rows().min(self.left);
        self.left -= rows;
        self.metrics.output_rows().add(rows);
        batch.slice(0, rows)
    }
}
