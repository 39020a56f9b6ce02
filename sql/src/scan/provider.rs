//! Tables as the planner sees them.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datalith_engine::fault;

use super::exec::Scan;
use super::rows::Rows;
use crate::catalog::TableName;
use crate::fault::outward;

/// A table of a database value.
pub(crate) struct Provider {
    name: String,
    table: TableName,
    rows: Arc<dyn Rows>,
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Provider {
    /// A table under a name, for plans.
    pub(crate) fn new(name: &str, table: TableName, rows: impl Rows) -> Provider {
        Provider {
            name: name.to_owned(),
            table,
            rows: Arc::new(rows),
        }
    }

    /// What it is about.
    pub(crate) fn table(&self) -> &TableName {
        &self.table
    }
}

#[async_trait]
impl TableProvider for Provider {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.rows.schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let threads = state.config().target_partitions();
        let selection = fault::catch(|| self.rows.select(filters, threads)).map_err(outward)?;
        let all = || (0..self.rows.schema().fields().len()).collect();
        let projection = projection.cloned().unwrap_or_else(all);
        let scan = Scan::new(&self.name, &self.rows, selection, projection, limit)?;
        Ok(Arc::new(scan))
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(filters
            .iter()
            .map(|filter| self.rows.pushdown(filter))
            .collect())
    }
}
