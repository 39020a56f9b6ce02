//! The table of a namespace: a row for each entity, a column for each attribute.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use datafusion::arrow::array::{
    Array, ArrayRef, Int64Array, ListArray, RecordBatch, RecordBatchOptions,
};
use datafusion::arrow::buffer::ScalarBuffer;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datalith_engine::datom::AttrId;
use datalith_engine::index::{Cell, Dictionary, Kind, Run, SortOrder};
use datalith_engine::schema::ValueType;
use datalith_engine::{Code, Db, Error, Keyword, Result, Value};

use super::base::{Base, Member};
use super::filter::{Condition, Longs, Wanted, condition, text};
use super::kept::Kept;
use super::rows::{BATCH_ROWS, Piece, Rows, Selection, listed, parts};
use super::take;
use crate::catalog::{ENTITY, columns, ident_text};
use crate::column::{ColumnKind, Interned, array};

/// Key of a column's metadata that holds the ident of its attribute.
pub(crate) const IDENT: &str = "datalith.ident";
/// The share of rows, one in so many, up to which those with a value are looked up by it: a row that is
/// looked up costs as much as some hundred that are passed by.
const LOOKUP_SHARE: usize = 256;
/// Rows that are looked up whatever their share.
const LOOKUP_ROWS: usize = 32;

/// The rows of a namespace's table.
#[derive(Clone)]
pub(crate) struct Wide {
    db: Db,
    dictionary: Dictionary,
    schema: SchemaRef,
    columns: Vec<WideColumn>,
    base: OnceLock<Base>,
}

/// A column beside the entity.
#[derive(Clone)]
struct WideColumn {
    member: Member,
    kind: ColumnKind,
    value_type: Option<ValueType>,
}

impl fmt::Debug for Wide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wide")
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

impl Wide {
    /// The table of some attributes.
    pub(crate) fn new(db: &Db, attributes: &[AttrId]) -> Wide {
        let column = |a: &AttrId| {
            let declared = db.attribute(*a);
            let run = db.run(*a, SortOrder::ByEntity);
            WideColumn {
                kind: ColumnKind::of(db, declared.map(|a| &**a), run.as_ref()),
                value_type: declared.and_then(|attribute| attribute.value_type),
                member: Member {
                    attribute: *a,
                    is_many: declared.is_some_and(|attribute| attribute.is_many()),
                    run,
                },
            }
        };
        let members: Vec<WideColumn> = attributes.iter().map(column).collect();
        let mut fields = vec![Field::new(ENTITY, DataType::Int64, false)];
        let names = columns(attributes.iter().map(|a| db.ident(*a)));
        for ((a, column), name) in attributes.iter().zip(&members).zip(names) {
            let field = Field::new(name, column.data_type(), true);
            let ident = (IDENT.to_owned(), ident_text(db.ident(*a)));
            fields.push(field.with_metadata(HashMap::from([ident])));
        }
        Wide {
            db: db.clone(),
            dictionary: db.dictionary().clone(),
            schema: Arc::new(Schema::new(fields)),
            columns: members,
            base: OnceLock::new(),
        }
    }

    fn base(&self) -> &Base {
        self.base.get_or_init(|| {
            let members: Vec<Member> = self.columns.iter().map(|c| c.member.clone()).collect();
            Base::of(&members)
        })
    }

    fn column_named(&self, name: &str) -> Option<&WideColumn> {
        let at = self.schema.index_of(name).ok()?;
        self.columns.get(at.checked_sub(1)?)
    }

    /// The entities whose value some conditions on a column ask for, ascending, if an index by value has
    /// few of them.
    fn look_up(&self, name: &str, conditions: &[&Wanted]) -> Option<Vec<i64>> {
        let column = self.column_named(name)?;
        let a = column.member.attribute;
        let by_value = self.db.run(a, SortOrder::ByValue)?;
        let ranges = ranges(&self.db, column, conditions, &by_value)?;
        let found: usize = ranges.iter().map(ExactSizeIterator::len).sum();
        if found > (by_value.len() / LOOKUP_SHARE).max(LOOKUP_ROWS) {
            return None;
        }
        let mut entities: Vec<i64> = Vec::with_capacity(found);
        for range in ranges {
            by_value
                .pieces(range)
                .for_each(|piece| entities.extend_from_slice(&piece.e));
        }
        entities.sort_unstable();
        entities.dedup();
        Some(entities)
    }

    /// - `entities`: those that are kept.
    fn column(&self, at: usize, piece: &Piece, entities: &[i64], kept: &Kept) -> Result<ArrayRef> {
        let column = &self.columns[at];
        let interned = Interned::Dictionary(&self.dictionary);
        let member = &column.member;
        if let (Piece::Rows(rows), Some(run)) = (piece, &member.run)
            && self.base().is_whole(member.attribute)
        {
            let cells = kept.of_cells(run.values(rows.clone()))?;
            return array(column.kind, &cells, None, interned);
        }
        if !member.is_many {
            let taken = take::single(member.run.as_ref(), entities);
            return array(column.kind, &taken.cells, taken.nulls, interned);
        }
        let taken = take::several(member.run.as_ref(), entities);
        let items = array(column.kind, &taken.cells, None, interned)?;
        let field = Arc::new(Field::new("item", column.kind.data_type(), true));
        let lists = ListArray::try_new(field, taken.offsets, items, Some(taken.nulls));
        Ok(Arc::new(lists.map_err(|cause| inner("list", &cause))?))
    }

    fn statistics(&self) -> Statistics {
        let base = self.base();
        let mut statistics = Statistics::new_unknown(&self.schema);
        statistics.num_rows = Precision::Exact(base.len());
        if let Some((first, last)) = base.ends() {
            let entity = &mut statistics.column_statistics[0];
            *entity = ColumnStatistics::new_unknown()
                .with_null_count(Precision::Exact(0))
                .with_distinct_count(Precision::Exact(base.len()))
                .with_min_value(Precision::Exact(ScalarValue::Int64(Some(first))))
                .with_max_value(Precision::Exact(ScalarValue::Int64(Some(last))));
        }
        for (column, statistics) in self
            .columns
            .iter()
            .zip(&mut statistics.column_statistics[1..])
        {
            if !column.member.is_many {
                *statistics = column.statistics(&self.db, base.len());
            }
        }
        statistics
    }
}

impl WideColumn {
    fn data_type(&self) -> DataType {
        let single = self.kind.data_type();
        match self.member.is_many {
            true => DataType::List(Arc::new(Field::new("item", single, true))),
            false => single,
        }
    }

    /// What is known of a column with one value for each entity, of which there are so many.
    fn statistics(&self, db: &Db, rows: usize) -> ColumnStatistics {
        let known = self.member.run.as_ref().map_or(0, Run::len);
        let mut statistics = ColumnStatistics::new_unknown()
            .with_null_count(Precision::Exact(rows.saturating_sub(known)));
        let attribute = db.attribute(self.member.attribute);
        if attribute.is_some_and(|attribute| attribute.unique.is_some()) {
            statistics = statistics.with_distinct_count(Precision::Exact(known));
        }
        let by_value = db.run(self.member.attribute, SortOrder::ByValue);
        let ends = by_value.and_then(|run| Some((run.first()?.v, run.last()?.v)));
        if let Some((first, last)) = ends
            && let (Some(least), Some(most)) = (self.scalar(first), self.scalar(last))
        {
            statistics = statistics
                .with_min_value(Precision::Exact(least))
                .with_max_value(Precision::Exact(most));
        }
        statistics
    }

    /// A cell as a constant, for columns in whose order SQL and the indexes agree.
    fn scalar(&self, cell: Cell) -> Option<ScalarValue> {
        match (self.kind, cell.kind) {
            (ColumnKind::Long, Kind::Long) => Some(ScalarValue::Int64(Some(cell.bits as i64))),
            (ColumnKind::Instant, Kind::Instant) => Some(ScalarValue::TimestampMillisecond(
                Some(cell.bits as i64),
                Some(crate::column::ZONE.into()),
            )),
            _ => None,
        }
    }
}

/// Where the values that are wanted lie in an index by value; none if that cannot be told.
fn ranges(
    db: &Db,
    column: &WideColumn,
    wanted: &[&Wanted],
    by_value: &Run,
) -> Option<Vec<Range<usize>>> {
    let dictionary = db.dictionary();
    let kind = match column.kind {
        ColumnKind::Long => Kind::Long,
        ColumnKind::Instant => Kind::Instant,
        ColumnKind::Text => {
            let among = wanted.iter().find_map(|wanted| match wanted {
                Wanted::Among(texts) => Some(texts),
                Wanted::Between(..) => None,
            });
            let texts = among?;
            let mut found = Vec::with_capacity(texts.len());
            for value in texts.iter().filter(|value| !value.is_null()) {
                let value = value_of_text(column.value_type, text(value)?)?;
                let cell = value.and_then(|value| dictionary.cell(&value));
                found.extend(cell.map(|cell| by_value.value_range(cell, dictionary)));
            }
            return Some(found);
        }
        _ => return None,
    };
    let longs = Longs::of(wanted.iter().copied())?;
    let cell = |n: i64| Cell {
        kind,
        bits: n as u64,
    };
    if let Some(among) = longs.among {
        let range = |n: i64| by_value.value_range(cell(n), dictionary);
        return Some(among.into_iter().map(range).collect());
    }
    let (least, most) = longs.between;
    let before = |end: i64, wanted_order: std::cmp::Ordering| {
        let at = by_value.partition_point(|_, v| v.compare(cell(end), dictionary) < wanted_order);
        by_value.offset(at)
    };
    let start = before(least, std::cmp::Ordering::Equal);
    let end = before(most, std::cmp::Ordering::Greater);
    Some(std::iter::once(start..end.max(start)).collect())
}

/// The value that a column of texts shows as one; nothing within if no value is shown so, none if the
/// attribute does not say what its values are.
fn value_of_text(value_type: Option<ValueType>, text: &str) -> Option<Option<Value>> {
    Some(match value_type? {
        ValueType::String => Some(Value::str(text)),
        ValueType::Keyword => Some(Value::Keyword(Keyword::new(text))),
        ValueType::Symbol => Some(Value::symbol(text)),
        // Capitals are no part of a UUID, but of its text.
        ValueType::Uuid => {
            let uuid = text.parse().ok().map(Value::Uuid);
            uuid.filter(|_| text.len() == 36 && text.to_lowercase() == text)
        }
        _ => return None,
    })
}

impl Rows for Wide {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn pushdown(&self, expr: &Expr) -> TableProviderFilterPushDown {
        let Some(condition) = condition(expr) else {
            return TableProviderFilterPushDown::Unsupported;
        };
        if condition.column == ENTITY {
            return entity_pushdown(expr, &condition);
        }
        let column = self.column_named(&condition.column);
        match column.filter(|column| !column.member.is_many) {
            Some(column)
                if self
                    .db
                    .run(column.member.attribute, SortOrder::ByValue)
                    .is_some() =>
            {
                TableProviderFilterPushDown::Inexact
            }
            _ => TableProviderFilterPushDown::Unsupported,
        }
    }

    fn select(&self, conditions: &[Expr], threads: usize) -> Result<Selection> {
        let base = self.base();
        let known: Vec<Condition> = conditions.iter().filter_map(condition).collect();
        let (of_entity, of_values): (Vec<_>, Vec<_>) = known
            .into_iter()
            .partition(|condition| condition.column == ENTITY);
        let longs = Longs::of(of_entity.iter().map(|condition| &condition.values));
        let longs = longs.unwrap_or_default();
        let mut shown = String::new();
        let mut among = longs.among.clone();
        let mut by_column: BTreeMap<&str, Vec<&Wanted>> = BTreeMap::new();
        for condition in &of_values {
            by_column
                .entry(&condition.column)
                .or_default()
                .push(&condition.values);
        }
        for (name, conditions) in by_column {
            if let Some(found) = self.look_up(name, &conditions) {
                shown = format!("by {name}");
                among = Some(match among {
                    None => found,
                    Some(mut among) => {
                        among.retain(|e| found.binary_search(e).is_ok());
                        among
                    }
                });
            }
        }
        let mut statistics = self.statistics();
        if let Some(mut among) = among {
            let (first, last) = longs.between;
            // What an index by value gives is in the table.
            let is_row = |e: i64| !shown.is_empty() || !base.rows_between((e, e)).is_empty();
            among.retain(|e| (first..=last).contains(e) && is_row(*e));
            statistics = statistics.to_inexact();
            statistics.num_rows = Precision::Inexact(among.len());
            if shown.is_empty() {
                shown = "by entity".to_owned();
            }
            return Ok(Selection {
                parts: listed(&among),
                statistics,
                sorted_by: Some(0),
                shown: format!("{} rows {shown}", among.len()),
            });
        }
        let rows = base.rows_between(longs.between);
        if !longs.is_all() {
            statistics = statistics.to_inexact();
            statistics.num_rows = Precision::Exact(rows.len());
        }
        Ok(Selection {
            shown: format!("{} of {} rows", rows.len(), base.len()),
            parts: parts(rows, threads, |part| base.cuts(part, BATCH_ROWS)),
            statistics,
            sorted_by: Some(0),
        })
    }

    fn batch(&self, piece: &Piece, projection: &[usize], kept: &Kept) -> Result<RecordBatch> {
        let entities: ScalarBuffer<i64> = match (piece, self.base()) {
            (Piece::Entities(entities), _) => entities.to_vec().into(),
            (Piece::Rows(rows), Base::List(all)) => all[rows.clone()].to_vec().into(),
            (Piece::Rows(rows), Base::Run { run, .. }) => entities_of(run, rows.clone()),
        };
        let entities = kept.of_longs(entities)?;
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(projection.len());
        for &at in projection {
            arrays.push(match at.checked_sub(1) {
                None => Arc::new(Int64Array::new(entities.clone(), None)),
                Some(at) => self.column(at, piece, &entities, kept)?,
            });
        }
        batch(&self.schema, projection, arrays, entities.len())
    }

    fn dictionary(&self) -> &Dictionary {
        &self.dictionary
    }

    fn apart(&self, rows: Range<usize>, dictionary: Dictionary) -> Arc<dyn Rows> {
        let base = self.base();
        let entities = match base {
            Base::Run { run, .. } => run.entities_around(rows),
            Base::List(all) => all[rows.start]..=all[rows.end.min(all.len()) - 1],
        };
        let mut copy = Wide {
            dictionary,
            base: OnceLock::from(base.apart(entities.clone())),
            ..self.clone()
        };
        for column in &mut copy.columns {
            let run = column.member.run.as_ref();
            column.member.run = run.map(|run| run.apart(entities.clone()));
        }
        Arc::new(copy)
    }
}

/// What a condition on entity ids is worth: those that leave out an end are narrowed to it only.
pub(super) fn entity_pushdown(expr: &Expr, condition: &Condition) -> TableProviderFilterPushDown {
    use datafusion::logical_expr::{BinaryExpr, Operator};
    let leaves_out_end = matches!(
        expr,
        Expr::BinaryExpr(BinaryExpr {
            op: Operator::Gt | Operator::Lt,
            ..
        })
    );
    match Longs::of([&condition.values]) {
        None => TableProviderFilterPushDown::Unsupported,
        Some(_) if leaves_out_end => TableProviderFilterPushDown::Inexact,
        Some(_) => TableProviderFilterPushDown::Exact,
    }
}

/// The entities of some rows; shared where one chunk holds them all.
pub(super) fn entities_of(run: &Run, rows: Range<usize>) -> ScalarBuffer<i64> {
    let mut pieces: Vec<ScalarBuffer<i64>> = run.pieces(rows).map(|piece| piece.e).collect();
    match pieces.len() {
        1 => pieces.swap_remove(0),
        _ => pieces
            .iter()
            .flat_map(|piece| piece.iter().copied())
            .collect(),
    }
}

/// Arrays as a batch of the columns of a projection.
pub(super) fn batch(
    schema: &SchemaRef,
    projection: &[usize],
    arrays: Vec<ArrayRef>,
    rows: usize,
) -> Result<RecordBatch> {
    let projected = schema
        .project(projection)
        .map_err(|cause| inner("projection", &cause))?;
    debug_assert!(arrays.iter().all(|array| array.len() == rows));
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(projected), arrays, &options)
        .map_err(|cause| inner("batch", &cause))
}

/// An error of Arrow that only a mistake of ours can cause.
fn inner(what: &str, cause: &datafusion::arrow::error::ArrowError) -> Error {
    Error::new(
        Code::Internal,
        format!("A {what} of a table does not fit: {cause}"),
    )
}
