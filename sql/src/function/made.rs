//! Tables made of values.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::common::DataFusionError;
use datalith_engine::{Code, Error, Result};

/// A table of columns of equal length.
pub(super) fn table(columns: Vec<(String, ArrayRef)>) -> Result<Arc<dyn TableProvider>> {
    let field =
        |(name, array): &(String, ArrayRef)| Field::new(name, array.data_type().clone(), true);
    let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).map_err(DataFusionError::from);
    let table = batch.and_then(|batch| MemTable::try_new(schema, vec![vec![batch]]));
    match table {
        Ok(table) => Ok(Arc::new(table)),
        Err(cause) => Err(Error::new(
            Code::Internal,
            format!("A table does not fit: {cause}"),
        )),
    }
}
