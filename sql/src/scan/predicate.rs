//! Conditions that rows must meet while they are read.
//!
//! A plan's filters end here where they stand right above a scan, and so do the filters that joins and
//! limited sorts work out as they run. Columns that no condition asks for are made only of rows that are left.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::BooleanBufferBuilder;
use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::arrow::compute::prep_null_mask_filter;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::Result;
use datafusion::common::cast::as_boolean_array;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};

use super::kept::Kept;
use super::rows::{Piece, Rows};
use crate::fault::outward;

/// A condition on some columns of a table.
#[derive(Clone, Debug)]
pub(super) struct Predicate {
    /// The condition, about `columns` in their order.
    expr: Arc<dyn PhysicalExpr>,
    /// Columns of the table.
    columns: Vec<usize>,
    /// How it comes about.
    pub(super) origin: Origin,
}

/// How a condition comes about; those that are cheaper to look at come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// A statement asks for it, of columns of numbers.
    Numbers,
    /// Another operator works it out as it runs, and does not rely on it.
    Runtime,
    /// A statement asks for it, also of columns that cost something to make.
    Texts,
}

impl Predicate {
    /// A condition on columns that are found by their names; of a filter that is worked out while the
    /// plan runs, or not.
    pub(super) fn new(
        expr: &Arc<dyn PhysicalExpr>,
        table: &Schema,
        is_runtime: Runtime,
    ) -> Result<Predicate> {
        let mut columns: Vec<usize> = collect_columns(expr)
            .iter()
            .map(|column| table.index_of(column.name()))
            .collect::<Result<_, _>>()?;
        columns.sort_unstable();
        let read = table.project(&columns)?;
        let is_number = |field: &Arc<Field>| {
            let data_type = field.data_type();
            data_type.is_numeric() || matches!(data_type, DataType::Timestamp(..))
        };
        let origin = match is_runtime {
            Runtime::Yes => Origin::Runtime,
            Runtime::No if read.fields().iter().all(is_number) => Origin::Numbers,
            Runtime::No => Origin::Texts,
        };
        Ok(Predicate {
            expr: reassign_expr_columns(Arc::clone(expr), &read)?,
            columns,
            origin,
        })
    }

    /// The condition.
    pub(super) fn expr(&self) -> &Arc<dyn PhysicalExpr> {
        &self.expr
    }

    /// Which rows of a batch of its columns meet it.
    fn mask(&self, batch: &RecordBatch) -> Result<BooleanBuffer> {
        let met = self.expr.evaluate(batch)?.into_array(batch.num_rows())?;
        let met = as_boolean_array(&met)?;
        Ok(match met.null_count() {
            0 => met.values().clone(),
            _ => prep_null_mask_filter(met).values().clone(),
        })
    }
}

/// Whether a filter is worked out while a plan runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Runtime {
    /// It is.
    Yes,
    /// It is known before.
    No,
}

impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.expr.fmt(f)
    }
}

/// The rows of a piece that meet all conditions, as columns of a projection; none if no row does.
pub(super) fn filtered(
    rows: &dyn Rows,
    piece: &Piece,
    predicates: &[Predicate],
    projection: &[usize],
) -> Result<Option<RecordBatch>> {
    let mut kept: Option<BooleanBuffer> = None;
    for predicate in predicates {
        // A condition on numbers is faster met by rows that are out already than by a copy of the others.
        let among = kept
            .take()
            .filter(|kept| kept.count_set_bits() < kept.len());
        let is_masked = predicate.origin == Origin::Numbers;
        let asked = match &among {
            Some(among) if !is_masked => Kept::these(among),
            _ => Kept::all(),
        };
        let batch = rows.batch(piece, &predicate.columns, &asked);
        let batch = batch.map_err(outward)?;
        let met = predicate.mask(&batch)?;
        let met = match (among, is_masked) {
            (None, _) => met,
            (Some(among), true) => &among & &met,
            (Some(among), false) => spread(&among, &met),
        };
        if met.count_set_bits() == 0 {
            return Ok(None);
        }
        kept = Some(met);
    }
    let kept = kept.filter(|kept| kept.count_set_bits() < kept.len());
    let kept = kept.map_or_else(Kept::all, |kept| Kept::these(&kept));
    let batch = rows.batch(piece, projection, &kept);
    Ok(Some(batch.map_err(outward)?))
}

/// Which rows meet a condition that was asked of some of them only.
///
/// - `met`: one for each row that is among those.
fn spread(among: &BooleanBuffer, met: &BooleanBuffer) -> BooleanBuffer {
    let mut all = BooleanBufferBuilder::new(among.len());
    all.append_n(among.len(), false);
    for (row, met) in among.set_indices().zip(met) {
        all.set_bit(row, met);
    }
    all.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_met_is_told_of_all_rows() {
        let among: BooleanBuffer = [true, false, true, true].into_iter().collect();
        let met: BooleanBuffer = [false, true, true].into_iter().collect();
        let all: BooleanBuffer = [false, false, true, true].into_iter().collect();
        assert_eq!(spread(&among, &met), all);
    }
}
