//! The table of one attribute: a row for each datom.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch};
use datafusion::arrow::buffer::ScalarBuffer;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::stats::Precision;
use datafusion::common::{ScalarValue, Statistics};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datalith_engine::datom::AttrId;
use datalith_engine::index::{Chunk, Column, Dictionary, Run, SortOrder};
use datalith_engine::{Db, Result};

use super::base::Base;
use super::filter::{Condition, Longs, condition};
use super::kept::Kept;
use super::rows::{BATCH_ROWS, Piece, Rows, Selection, parts};
use super::wide::{batch, entity_pushdown};
use crate::catalog::ENTITY;
use crate::column::{ColumnKind, Interned, array};

/// The rows of an attribute's table.
#[derive(Clone)]
pub(crate) struct Narrow {
    dictionary: Dictionary,
    schema: SchemaRef,
    /// What each column shows.
    shown: Vec<Part>,
    kind: ColumnKind,
    run: Option<Run>,
}

/// A part of a datom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Entity,
    Value,
    Transaction,
    Added,
}

impl fmt::Debug for Narrow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Narrow")
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

impl Narrow {
    /// `(db_id, value, tx)`, in a history with `added`.
    pub(crate) fn of_attribute(db: &Db, a: AttrId) -> Narrow {
        let names = [
            (ENTITY, Part::Entity),
            ("value", Part::Value),
            ("tx", Part::Transaction),
            ("added", Part::Added),
        ];
        let shown = if db.view().history { 4 } else { 3 };
        Narrow::new(db, Some(a), &names[..shown])
    }

    /// `(tx, instant)`.
    pub(crate) fn of_transactions(db: &Db) -> Narrow {
        let instants = db.attribute_named("db/txInstant");
        Narrow::new(
            db,
            instants,
            &[("tx", Part::Entity), ("instant", Part::Value)],
        )
    }

    fn new(db: &Db, a: Option<AttrId>, columns: &[(&str, Part)]) -> Narrow {
        let run = a.and_then(|a| db.run(a, SortOrder::ByEntity));
        let declared = a.and_then(|a| db.attribute(a));
        let kind = match columns {
            [_, ("instant", _)] => ColumnKind::Instant,
            _ => ColumnKind::of(db, declared.map(|a| &**a), run.as_ref()),
        };
        let field = |(name, part): &(&str, Part)| {
            let data_type = match part {
                Part::Entity | Part::Transaction => DataType::Int64,
                Part::Value => kind.data_type(),
                Part::Added => DataType::Boolean,
            };
            Field::new(*name, data_type, false)
        };
        Narrow {
            dictionary: db.dictionary().clone(),
            schema: Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>())),
            shown: columns.iter().map(|(_, part)| *part).collect(),
            kind,
            run,
        }
    }

    fn is_entity(&self, condition: &Condition) -> bool {
        condition.column == *self.schema.field(0).name()
    }

    fn statistics(&self) -> Statistics {
        let mut statistics = Statistics::new_unknown(&self.schema);
        let rows = self.run.as_ref().map_or(0, Run::len);
        statistics.num_rows = Precision::Exact(rows);
        for column in &mut statistics.column_statistics {
            column.null_count = Precision::Exact(0);
        }
        let ends = self
            .run
            .as_ref()
            .and_then(|run| Some((run.first()?.e, run.last()?.e)));
        if let Some((first, last)) = ends {
            let entity = &mut statistics.column_statistics[0];
            entity.min_value = Precision::Exact(ScalarValue::Int64(Some(first)));
            entity.max_value = Precision::Exact(ScalarValue::Int64(Some(last)));
        }
        statistics
    }
}

impl Rows for Narrow {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn pushdown(&self, expr: &Expr) -> TableProviderFilterPushDown {
        match condition(expr) {
            Some(condition) if self.is_entity(&condition) => match &condition.values {
                super::filter::Wanted::Among(values) if values.len() > 1 => {
                    TableProviderFilterPushDown::Inexact
                }
                _ => entity_pushdown(expr, &condition),
            },
            _ => TableProviderFilterPushDown::Unsupported,
        }
    }

    fn select(&self, conditions: &[Expr], threads: usize) -> Result<Selection> {
        let known = conditions.iter().filter_map(condition);
        let of_entity: Vec<Condition> = known.filter(|c| self.is_entity(c)).collect();
        let longs = Longs::of(of_entity.iter().map(|condition| &condition.values));
        let longs = longs.unwrap_or_default();
        let mut statistics = self.statistics();
        let Some(run) = &self.run else {
            return Ok(Selection {
                parts: vec![Vec::new()],
                statistics,
                sorted_by: Some(0),
                shown: "no rows".to_owned(),
            });
        };
        let (mut first, mut last) = longs.between;
        if let Some(among) = &longs.among {
            first = among.first().map_or(i64::MAX, |e| first.max(*e));
            last = among.last().map_or(i64::MIN, |e| last.min(*e));
        }
        let base = Base::Run {
            run: run.clone(),
            whole: Arc::default(),
        };
        let rows = base.rows_between((first, last));
        if !longs.is_all() {
            statistics = statistics.to_inexact();
            statistics.num_rows = Precision::Inexact(rows.len());
        }
        Ok(Selection {
            shown: format!("{} of {} rows", rows.len(), run.len()),
            parts: parts(rows, threads, |part| base.cuts(part, BATCH_ROWS)),
            statistics,
            sorted_by: Some(0),
        })
    }

    fn batch(&self, piece: &Piece, projection: &[usize], kept: &Kept) -> Result<RecordBatch> {
        let (Piece::Rows(rows), Some(run)) = (piece, &self.run) else {
            return batch(&self.schema, projection, Vec::new(), 0);
        };
        let pieces: Vec<Chunk> = run.pieces(rows.clone()).collect();
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(projection.len());
        for &at in projection {
            arrays.push(match self.shown[at] {
                Part::Entity => kept.of_array(longs(&pieces, |chunk| &chunk.e))?,
                Part::Transaction => kept.of_array(longs(&pieces, |chunk| &chunk.tx))?,
                Part::Added => kept.of_array(added(&pieces))?,
                Part::Value => {
                    let cells: Vec<Column> = pieces.iter().map(|chunk| chunk.v.clone()).collect();
                    let interned = Interned::Dictionary(&self.dictionary);
                    let cells = kept.of_cells(Column::concat(&cells))?;
                    array(self.kind, &cells, None, interned)?
                }
            });
        }
        batch(&self.schema, projection, arrays, kept.count(rows.len()))
    }

    fn dictionary(&self) -> &Dictionary {
        &self.dictionary
    }

    fn apart(&self, rows: Range<usize>, dictionary: Dictionary) -> Arc<dyn Rows> {
        let run = self.run.as_ref();
        Arc::new(Narrow {
            dictionary,
            run: run.map(|run| run.apart(run.entities_around(rows))),
            ..self.clone()
        })
    }
}

/// A column of whole numbers; shared where one chunk holds it all.
pub(super) fn longs(pieces: &[Chunk], part: impl Fn(&Chunk) -> &ScalarBuffer<i64>) -> ArrayRef {
    let buffer = match pieces {
        [only] => part(only).clone(),
        pieces => pieces
            .iter()
            .flat_map(|chunk| part(chunk).iter().copied())
            .collect(),
    };
    Arc::new(Int64Array::new(buffer, None))
}

/// Which datoms were asserted: all, but for those of a history that were retracted.
pub(super) fn added(pieces: &[Chunk]) -> ArrayRef {
    let added = pieces.iter().flat_map(|chunk| {
        (0..chunk.len()).map(|at| Some(chunk.extra.as_ref().is_none_or(|extra| extra[at] != 0)))
    });
    Arc::new(added.collect::<BooleanArray>())
}
