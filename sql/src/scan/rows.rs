//! What a table is to a scan.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Statistics;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datalith_engine::Result;
use datalith_engine::index::Dictionary;

use super::kept::Kept;

/// Most rows of a batch; chunks of segments have as many, and are not copied.
pub(crate) const BATCH_ROWS: usize = 8_192;
/// Fewest rows for which another thread is worth its while.
const PART_ROWS: usize = 4 * BATCH_ROWS;

/// The rows of a table, by number.
pub(crate) trait Rows: Debug + Send + Sync + 'static {
    /// Its columns.
    fn schema(&self) -> &SchemaRef;

    /// Whether a condition narrows the rows that are read.
    fn pushdown(&self, condition: &Expr) -> TableProviderFilterPushDown;

    /// The rows that may satisfy all conditions: all that do, perhaps others where only
    /// [`TableProviderFilterPushDown::Inexact`] was promised.
    fn select(&self, conditions: &[Expr], parts: usize) -> Result<Selection>;

    /// Rows as columns, those of the projection in its order.
    ///
    /// - `kept`: which rows of the piece.
    fn batch(&self, piece: &Piece, projection: &[usize], kept: &Kept) -> Result<RecordBatch>;

    /// Where interned values are found.
    fn dictionary(&self) -> &Dictionary;

    /// The same table in a copy that keeps to itself what it reads of some rows.
    fn apart(&self, rows: Range<usize>, dictionary: Dictionary) -> Arc<dyn Rows>;
}

/// Rows that make a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// By their numbers.
    Rows(Range<usize>),
    /// Those of some entities, ascending.
    Entities(Arc<[i64]>),
}

/// What a scan reads.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    /// Pieces by the thread that reads them.
    pub(crate) parts: Vec<Vec<Piece>>,
    /// What is known of all columns.
    pub(crate) statistics: Statistics,
    /// The column by which the rows of each part ascend.
    pub(crate) sorted_by: Option<usize>,
    /// How the rows are found, for a person who reads a plan.
    pub(crate) shown: String,
}

impl Piece {
    /// Rows at most.
    pub(crate) fn len(&self) -> usize {
        match self {
            Piece::Rows(rows) => rows.len(),
            Piece::Entities(entities) => entities.len(),
        }
    }
}

/// Rows cut into parts of about equal size, each cut into pieces.
pub(crate) fn parts(
    rows: Range<usize>,
    parts: usize,
    cut: impl Fn(Range<usize>) -> Vec<Range<usize>>,
) -> Vec<Vec<Piece>> {
    let count = rows.len().div_ceil(PART_ROWS).clamp(1, parts.max(1));
    let size = rows.len().div_ceil(count).next_multiple_of(BATCH_ROWS);
    let starts = (0..count).map(|at| (rows.start + at * size).min(rows.end));
    let part = |start: usize| {
        let end = (start + size).min(rows.end);
        cut(start..end).into_iter().map(Piece::Rows).collect()
    };
    starts.map(part).collect()
}

/// Entities cut into pieces, all in one part.
pub(crate) fn listed(entities: &[i64]) -> Vec<Vec<Piece>> {
    let pieces = entities.chunks(BATCH_ROWS);
    vec![pieces.map(|piece| Piece::Entities(piece.into())).collect()]
}
