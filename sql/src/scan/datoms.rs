//! The table of all datoms: attribute after attribute, each by entity.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::builder::StringViewBuilder;
use datafusion::arrow::array::{ArrayRef, RecordBatch, TimestampMillisecondArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::common::Statistics;
use datafusion::common::stats::Precision;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datalith_engine::index::{Chunk, Column, Dictionary, Run, SortOrder};
use datalith_engine::{Db, Result};

use super::filter::{Condition, Longs, Wanted, condition, text};
use super::kept::Kept;
use super::narrow::{added, longs};
use super::rows::{BATCH_ROWS, Piece, Rows, Selection};
use super::wide::{batch, entity_pushdown};
use crate::catalog::ident_text;
use crate::column::{ColumnKind, Interned, ZONE, array};

/// Every datom that a database value shows.
#[derive(Clone)]
pub(crate) struct Datoms {
    dictionary: Dictionary,
    schema: SchemaRef,
    attributes: Vec<Attribute>,
    /// The instants of transactions.
    instants: Option<Run>,
}

#[derive(Clone)]
struct Attribute {
    ident: String,
    run: Run,
    /// The number of its first row.
    start: usize,
}

impl fmt::Debug for Datoms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Datoms")
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

impl Datoms {
    /// `(e, a, v, tx, instant, added)`.
    pub(crate) fn new(db: &Db) -> Datoms {
        let instant = DataType::Timestamp(TimeUnit::Millisecond, Some(ZONE.into()));
        let fields = [
            ("e", DataType::Int64),
            ("a", DataType::Utf8View),
            ("v", DataType::Utf8View),
            ("tx", DataType::Int64),
            ("instant", instant),
            ("added", DataType::Boolean),
        ];
        let fields = fields.map(|(name, data_type)| {
            let may_be_null = name == "instant";
            Field::new(name, data_type, may_be_null)
        });
        let mut ids: Vec<_> = db.attribute_ids().collect();
        db.sort_attributes(&mut ids);
        let mut start = 0;
        let attributes = ids.into_iter().filter_map(|a| {
            let run = db.run(a, SortOrder::ByEntity)?;
            let attribute = Attribute {
                ident: ident_text(db.ident(a)),
                start,
                run,
            };
            start += attribute.run.len();
            Some(attribute)
        });
        Datoms {
            attributes: attributes.collect(),
            instants: db
                .attribute_named("db/txInstant")
                .and_then(|a| db.origin().run(a, SortOrder::ByEntity)),
            schema: Arc::new(Schema::new(fields.to_vec())),
            dictionary: db.dictionary().clone(),
        }
    }

    fn len(&self) -> usize {
        self.attributes
            .last()
            .map_or(0, |last| last.start + last.run.len())
    }

    /// Whether a name is among those that conditions ask for.
    fn is_wanted(conditions: &[Condition], ident: &str) -> bool {
        conditions.iter().all(|condition| match &condition.values {
            Wanted::Among(names) if condition.column == "a" => {
                names.iter().any(|name| text(name) == Some(ident))
            }
            _ => true,
        })
    }

    fn instants_of(&self, txs: &[Chunk]) -> ArrayRef {
        let mut last: Option<(i64, Option<i64>)> = None;
        let txs = txs.iter().flat_map(|chunk| chunk.tx.iter().copied());
        let instants = txs.map(|tx| match last {
            Some((known, instant)) if known == tx => instant,
            _ => {
                let run = self.instants.as_ref();
                let row = run.and_then(|run| run.rows_in(run.entity_range(tx)).next());
                let instant = row.map(|row| row.v.bits as i64);
                last = Some((tx, instant));
                instant
            }
        });
        Arc::new(
            instants
                .collect::<TimestampMillisecondArray>()
                .with_timezone(ZONE),
        )
    }
}

impl Rows for Datoms {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn pushdown(&self, expr: &Expr) -> TableProviderFilterPushDown {
        let Some(condition) = condition(expr) else {
            return TableProviderFilterPushDown::Unsupported;
        };
        match (&condition.column[..], &condition.values) {
            ("a", Wanted::Among(_)) => TableProviderFilterPushDown::Exact,
            ("e", Wanted::Among(values)) if values.len() > 1 => {
                TableProviderFilterPushDown::Inexact
            }
            ("e", _) => entity_pushdown(expr, &condition),
            _ => TableProviderFilterPushDown::Unsupported,
        }
    }

    fn select(&self, conditions: &[Expr], threads: usize) -> Result<Selection> {
        let known: Vec<Condition> = conditions.iter().filter_map(condition).collect();
        let of_entity = known.iter().filter(|condition| condition.column == "e");
        let longs = Longs::of(of_entity.map(|condition| &condition.values)).unwrap_or_default();
        let (mut first, mut last) = longs.between;
        if let Some(among) = &longs.among {
            first = among.first().map_or(i64::MAX, |e| first.max(*e));
            last = among.last().map_or(i64::MIN, |e| last.min(*e));
        }
        let is_all = known.is_empty();
        let mut pieces = Vec::new();
        let mut rows = 0;
        for attribute in &self.attributes {
            if !Datoms::is_wanted(&known, &attribute.ident) || first > last {
                continue;
            }
            let run = &attribute.run;
            let start = run.offset(run.entity_position(first));
            let end = match last.checked_add(1) {
                Some(after) => run.offset(run.entity_position(after)),
                None => run.len(),
            };
            for from in (start..end).step_by(BATCH_ROWS) {
                let to = (from + BATCH_ROWS).min(end);
                pieces.push(Piece::Rows(attribute.start + from..attribute.start + to));
                rows += to - from;
            }
        }
        let mut statistics = Statistics::new_unknown(&self.schema);
        statistics.num_rows = match is_all {
            true => Precision::Exact(rows),
            false => Precision::Inexact(rows),
        };
        let share = pieces.len().div_ceil(threads.max(1)).max(1);
        let mut parts: Vec<Vec<Piece>> = pieces.chunks(share).map(<[Piece]>::to_vec).collect();
        if parts.is_empty() {
            parts.push(Vec::new());
        }
        Ok(Selection {
            parts,
            statistics,
            sorted_by: None,
            shown: format!("{rows} of {} datoms", self.len()),
        })
    }

    fn batch(&self, piece: &Piece, projection: &[usize], kept: &Kept) -> Result<RecordBatch> {
        let Piece::Rows(rows) = piece else {
            return batch(&self.schema, projection, Vec::new(), 0);
        };
        let at = self
            .attributes
            .partition_point(|attribute| attribute.start <= rows.start)
            - 1;
        let attribute = &self.attributes[at];
        let range = rows.start - attribute.start..rows.end - attribute.start;
        let pieces: Vec<Chunk> = attribute.run.pieces(range).collect();
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(projection.len());
        for &column in projection {
            let array = match column {
                0 => longs(&pieces, |chunk| &chunk.e),
                1 => {
                    let mut idents = StringViewBuilder::with_capacity(rows.len());
                    let count = kept.count(rows.len());
                    (0..count).for_each(|_| idents.append_value(&attribute.ident));
                    arrays.push(Arc::new(idents.finish()));
                    continue;
                }
                2 => {
                    let cells: Vec<Column> = pieces.iter().map(|chunk| chunk.v.clone()).collect();
                    let interned = Interned::Dictionary(&self.dictionary);
                    let cells = kept.of_cells(Column::concat(&cells))?;
                    arrays.push(array(ColumnKind::Edn, &cells, None, interned)?);
                    continue;
                }
                3 => longs(&pieces, |chunk| &chunk.tx),
                4 => self.instants_of(&pieces),
                _ => added(&pieces),
            };
            arrays.push(kept.of_array(array)?);
        }
        batch(&self.schema, projection, arrays, kept.count(rows.len()))
    }

    fn dictionary(&self) -> &Dictionary {
        &self.dictionary
    }

    fn apart(&self, rows: Range<usize>, dictionary: Dictionary) -> Arc<dyn Rows> {
        let mut copy = Datoms {
            dictionary,
            ..self.clone()
        };
        for attribute in &mut copy.attributes {
            let from = rows.start.saturating_sub(attribute.start);
            let to = rows.end.saturating_sub(attribute.start);
            let own = from..to.min(attribute.run.len());
            if !own.is_empty() {
                attribute.run = attribute.run.apart(attribute.run.entities_around(own));
            }
        }
        Arc::new(copy)
    }
}
