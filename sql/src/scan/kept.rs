//! The rows of a piece that are wanted.

use std::sync::Arc;

use datafusion::arrow::array::cast::AsArray;
use datafusion::arrow::array::types::{Int64Type, UInt64Type};
use datafusion::arrow::array::{ArrayRef, BooleanArray, Int64Array, UInt64Array};
use datafusion::arrow::buffer::{BooleanBuffer, ScalarBuffer};
use datafusion::arrow::compute::{FilterBuilder, FilterPredicate};
use datafusion::arrow::error::ArrowError;
use datalith_engine::index::Column;
use datalith_engine::{Code, Error, Result};

/// Which rows of a piece are wanted.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    some: Option<Subset>,
}

/// Not all of them.
#[derive(Debug)]
struct Subset {
    rows: BooleanBuffer,
    filter: FilterPredicate,
}

impl Kept {
    /// All rows.
    pub(crate) fn all() -> Kept {
        Kept::default()
    }

    /// These.
    pub(crate) fn these(rows: &BooleanBuffer) -> Kept {
        let filter = FilterBuilder::new(&BooleanArray::new(rows.clone(), None));
        Kept {
            some: Some(Subset {
                rows: rows.clone(),
                filter: filter.optimize().build(),
            }),
        }
    }

    /// How many, of so many.
    pub(crate) fn count(&self, all: usize) -> usize {
        self.some.as_ref().map_or(all, |some| some.filter.count())
    }

    /// Those of an array.
    pub(crate) fn of_array(&self, array: ArrayRef) -> Result<ArrayRef> {
        match &self.some {
            None => Ok(array),
            Some(some) => some.filter.filter(&array).map_err(|cause| unequal(&cause)),
        }
    }

    /// Those of whole numbers.
    pub(crate) fn of_longs(&self, longs: ScalarBuffer<i64>) -> Result<ScalarBuffer<i64>> {
        if self.some.is_none() {
            return Ok(longs);
        }
        let kept = self.of_array(Arc::new(Int64Array::new(longs, None)))?;
        Ok(kept.as_primitive::<Int64Type>().values().clone())
    }

    /// Those of cells.
    pub(crate) fn of_cells(&self, cells: Column) -> Result<Column> {
        let Some(some) = &self.some else {
            return Ok(cells);
        };
        let Some(kind) = cells.kind() else {
            let rows = some.rows.set_indices().map(|row| row as u32);
            return Ok(cells.gather(&rows.collect::<Vec<u32>>()));
        };
        let bits: ArrayRef = Arc::new(UInt64Array::new(cells.buffer().clone(), None));
        let kept = self.of_array(bits)?;
        let bits = kept.as_primitive::<UInt64Type>().values().clone();
        Ok(Column::uniform(kind, bits))
    }
}

fn unequal(cause: &ArrowError) -> Error {
    Error::new(Code::Internal, format!("Rows of a table: {cause}"))
}
