//! The operator that reads a table.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, Statistics};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    EquivalenceProperties, LexOrdering, PhysicalExpr, PhysicalSortExpr,
};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use datalith_engine::fault;
use futures::stream;

use super::rows::{Piece, Rows, Selection};
use crate::fault::outward;

/// Reads the pieces of a selection, each part by itself.
#[derive(Clone, Debug)]
pub(super) struct Scan {
    table: String,
    rows: Arc<dyn Rows>,
    selection: Arc<Selection>,
    projection: Vec<usize>,
    fetch: Option<usize>,
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
        let schema: SchemaRef = Arc::new(rows.schema().project(&projection)?);
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
        let equivalences = EquivalenceProperties::new_with_orderings(schema, ascending);
        let properties = PlanProperties::new(
            equivalences,
            Partitioning::UnknownPartitioning(selection.parts.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Scan {
            table: table.to_owned(),
            rows: Arc::clone(rows),
            selection: Arc::new(selection),
            projection,
            fetch,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }
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
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(
        &self,
        partition: usize,
        _context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let reader = Reader {
            rows: Arc::clone(&self.rows),
            selection: Arc::clone(&self.selection),
            projection: self.projection.clone(),
            partition,
            at: 0,
            left: self.fetch.unwrap_or(usize::MAX),
            metrics: BaselineMetrics::new(&self.metrics, partition),
        };
        let batches = stream::unfold(reader, |mut reader| async move {
            let batch = reader.next()?;
            // Reading does not wait for anything: others get their turn between batches.
            tokio::task::consume_budget().await;
            Some((batch, reader))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            self.schema(),
            batches,
        )))
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
        let whole = whole.project(Some(&self.projection));
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
    partition: usize,
    at: usize,
    left: usize,
    metrics: BaselineMetrics,
}

impl Reader {
    fn next(&mut self) -> Option<Result<RecordBatch, DataFusionError>> {
        if self.left == 0 {
            return None;
        }
        let piece = self.selection.parts[self.partition].get(self.at)?;
        self.at += 1;
        let timer = self.metrics.elapsed_compute().timer();
        let batch = fault::catch(|| self.rows.batch(piece, &self.projection));
        timer.done();
        Some(match batch {
            Ok(batch) => {
                let rows = batch.num_rows().min(self.left);
                self.left -= rows;
                self.metrics.output_rows().add(rows);
                Ok(batch.slice(0, rows))
            }
            Err(error) => {
                self.left = 0;
                Err(outward(error))
            }
        })
    }
}
