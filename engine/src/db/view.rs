//! Views: what of a database's history a database value shows.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use super::{Db, ViewedRuns};
use crate::datom::{TX0, TxId};
use crate::edn;
use crate::error::{Code, Error, Result};
use crate::fault;
use crate::index::{AttributeIndex, Chunk, Dictionary, Extra, Row, Run, SortOrder};
use crate::value::Value;

/// A point in history as a caller names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimePoint {
    /// A transaction.
    Tx(TxId),
    /// An instant, in milliseconds since 1970 UTC.
    Instant(i64),
}

/// The transactions up to a point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TxSet {
    /// All up to and including this one.
    UpTo(i64),
    /// These, ascending: an instant cuts history elsewhere than a transaction where callers have
    /// set `:db/txInstant` themselves.
    These(Arc<[i64]>),
}

impl TxSet {
    /// Whether the point comes at or after this transaction.
    pub fn contains(&self, tx: i64) -> bool {
        match self {
            TxSet::UpTo(last) => tx <= *last,
            TxSet::These(txs) => txs.binary_search(&tx).is_ok(),
        }
    }
}

/// What of a database's history is seen. Views compose: each narrows the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Only what was so at this point.
    pub as_of: Option<TxSet>,
    /// Only what was asserted after this point.
    pub since: Option<TxSet>,
    /// Every assertion and retraction instead of what is so.
    pub history: bool,
}

impl View {
    /// Whether it shows just what is so now.
    pub fn is_current(&self) -> bool {
        *self == View::default()
    }

    /// Whether a row that was asserted at `tx` and ended at `end` (never, if none) is so.
    pub fn is_so(&self, tx: i64, end: Option<i64>) -> bool {
        self.is_within(tx)
            && match (&self.as_of, end) {
                (_, None) => true,
                (None, Some(_)) => false,
                (Some(point), Some(end)) => !point.contains(end),
            }
    }

    /// Whether a datom of this transaction lies between `since` and `as-of`.
    pub fn is_within(&self, tx: i64) -> bool {
        self.as_of.as_ref().is_none_or(|point| point.contains(tx))
            && self.since.as_ref().is_none_or(|point| !point.contains(tx))
    }

    /// What the view makes of a current row, if it shows it; `extra` as the view's runs have it.
    pub fn shown_current(&self, row: Row) -> Option<Row> {
        let extra = i64::from(self.history);
        self.is_within(row.tx).then_some(Row { extra, ..row })
    }

    /// What the view makes of a past row: in a history its beginning and its end.
    pub fn shown_past(&self, row: Row) -> [Option<Row>; 2] {
        if !self.history {
            let shown = self.is_so(row.tx, Some(row.extra));
            return [shown.then_some(Row { extra: 0, ..row }), None];
        }
        let end = Row {
            tx: row.extra,
            extra: 0,
            ..row
        };
        [
            self.is_within(row.tx).then_some(Row { extra: 1, ..row }),
            self.is_within(row.extra).then_some(end),
        ]
    }

    /// What the extra column of this view's runs holds.
    pub fn extra(&self) -> Extra {
        if self.history {
            Extra::Added
        } else {
            Extra::Nothing
        }
    }
}

impl TimePoint {
    /// From what a caller passes: a transaction id or an instant.
    pub fn from_value(value: &Value) -> Result<TimePoint> {
        match value {
            Value::Long(tx) if *tx >= 0 => Ok(TimePoint::Tx(TxId(*tx))),
            Value::Instant(ms) => Ok(TimePoint::Instant(*ms)),
            _ => Err(Error::new(
                Code::ViewTimePoint,
                format!("{value} is no time point: expected a transaction id from {TX0} on, or an instant"),
            )
            .with("time-point", value.clone())),
        }
    }
}

impl TimePoint {
    /// From what a person writes: a transaction by its number or by its entity, or an instant as
    /// `#inst` takes it.
    pub fn from_text(text: &str) -> Result<TimePoint> {
        let wrong = || {
            let message = format!(
                "{text} is no point in time: expected a transaction (7 or {}) or an instant (2026-01-31T12:00:00Z)",
                TX0 + 7
            );
            Error::new(Code::ViewTimePoint, message).with("time-point", text)
        };
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let number: i64 = text.parse().map_err(|_| wrong())?;
            let tx = if number < TX0 { TX0 + number } else { number };
            return Ok(TimePoint::Tx(TxId(tx)));
        }
        let bare = text.trim().trim_start_matches("#inst").trim();
        let instant = edn::parse_instant(bare.trim_matches('"'));
        instant.map(TimePoint::Instant).map_err(|_| wrong())
    }
}

impl Db {
    /// What was so at a point, inclusive.
    pub fn as_of(&self, point: TimePoint) -> Result<Db> {
        if let TimePoint::Tx(tx) = point
            && tx.0 < TX0
        {
            let message = format!("{} is no transaction: they start at {TX0}", tx.0);
            return Err(Error::new(Code::ViewTimePoint, message).with("time-point", tx.0));
        }
        let point = fault::catch(|| self.tx_set(point))?;
        let mut view = self.view.clone();
        view.as_of = Some(match view.as_of {
            Some(earlier) => intersection(earlier, point),
            None => point,
        });
        Ok(self.viewed_as(view))
    }

    /// What was asserted after a point and is so.
    pub fn since(&self, point: TimePoint) -> Result<Db> {
        let point = fault::catch(|| self.tx_set(point))?;
        let mut view = self.view.clone();
        view.since = Some(match view.since {
            Some(earlier) => union(earlier, point),
            None => point,
        });
        Ok(self.viewed_as(view))
    }

    /// Every assertion and retraction.
    pub fn history(&self) -> Result<Db> {
        self.require_history()?;
        let mut view = self.view.clone();
        view.history = true;
        Ok(self.viewed_as(view))
    }

    /// The same database value without a view.
    pub fn origin(&self) -> Db {
        self.viewed_as(View::default())
    }

    fn viewed_as(&self, view: View) -> Db {
        Db {
            state: Arc::clone(&self.state),
            view,
            viewed: Arc::new(Mutex::new(ViewedRuns::default())),
            searched: Arc::default(),
        }
    }

    fn require_history(&self) -> Result<()> {
        if self.state.options.keep_history {
            return Ok(());
        }
        Err(Error::new(
            Code::ViewHistory,
            "as-of, since and history need a database created with :keep-history? true",
        ))
    }

    fn tx_set(&self, point: TimePoint) -> Result<TxSet> {
        self.require_history()?;
        let instant = match point {
            TimePoint::Tx(tx) => return Ok(TxSet::UpTo(tx.0)),
            TimePoint::Instant(ms) => ms,
        };
        let all = self.origin();
        let rows = all
            .attribute_named("db/txInstant")
            .and_then(|a| all.run(a, SortOrder::ByEntity));
        let Some(rows) = rows else {
            return Ok(TxSet::UpTo(TX0));
        };
        let before = |row: &Row| (row.v.bits as i64) <= instant;
        let txs: Vec<i64> = rows.rows().filter(before).map(|row| row.e).collect();
        let is_prefix = rows.rows().take(txs.len()).all(|row| before(&row));
        Ok(if is_prefix {
            TxSet::UpTo(txs.last().copied().unwrap_or(TX0))
        } else {
            TxSet::These(txs.into())
        })
    }
}

fn intersection(a: TxSet, b: TxSet) -> TxSet {
    match (a, b) {
        (TxSet::UpTo(a), TxSet::UpTo(b)) => TxSet::UpTo(a.min(b)),
        (TxSet::These(txs), other) | (other, TxSet::These(txs)) => TxSet::These(
            txs.iter()
                .copied()
                .filter(|&tx| other.contains(tx))
                .collect(),
        ),
    }
}

fn union(a: TxSet, b: TxSet) -> TxSet {
    match (a, b) {
        (TxSet::UpTo(a), TxSet::UpTo(b)) => TxSet::UpTo(a.max(b)),
        (TxSet::These(txs), TxSet::UpTo(last)) | (TxSet::UpTo(last), TxSet::These(txs)) => {
            let mut all: Vec<i64> = (TX0..=last).chain(txs.iter().copied()).collect();
            all.sort_unstable();
            all.dedup();
            TxSet::These(all.into())
        }
        (TxSet::These(a), TxSet::These(b)) => {
            let mut all: Vec<i64> = a.iter().chain(b.iter()).copied().collect();
            all.sort_unstable();
            all.dedup();
            TxSet::These(all.into())
        }
    }
}

/// The rows of a stored index as a view shows them; none if the order is not kept.
pub(super) fn viewed_run(
    index: &AttributeIndex,
    order: SortOrder,
    view: &View,
    dictionary: &Dictionary,
) -> Option<Run> {
    let (current, past) = match order {
        SortOrder::ByEntity => (index.current(), index.past()),
        SortOrder::ByValue => (index.current_by_value()?, index.past_by_value()?),
    };
    if view.is_current() {
        return Some(current.clone());
    }
    // What the view shows whole is shared with the present.
    let is_all = view.as_of.is_none() && view.since.is_none();
    let mut shown = match is_all {
        true => current.clone(),
        false => current.retain_txs(|tx| view.is_within(tx)),
    };
    let mut rows = Vec::new();
    past.chunks()
        .for_each(|chunk| select_past(chunk, view, &mut rows));
    if view.history {
        shown = shown.with_extra(view.extra(), 1);
        sort_history(&mut rows, order, dictionary);
    }
    Some(shown.apply(Vec::new(), rows, dictionary))
}

/// Sorts rows of history, and drops repetitions: a value that goes and comes back within one
/// transaction leaves the same datom more than once.
fn sort_history(rows: &mut Vec<Row>, order: SortOrder, dictionary: &Dictionary) {
    rows.sort_by(|a, b| a.compare(b, order, dictionary));
    rows.dedup();
}

/// The rows of two ranges of an attribute's runs, as a view shows them, in the order of the runs.
pub(super) fn viewed_rows(
    (current, now): (&Run, Range<usize>),
    (past, then): (&Run, Range<usize>),
    view: &View,
    dictionary: &Dictionary,
) -> Vec<Row> {
    let mut rows = Vec::new();
    current
        .pieces(now)
        .for_each(|chunk| select_current(&chunk, view, &mut rows));
    past.pieces(then)
        .for_each(|chunk| select_past(&chunk, view, &mut rows));
    sort_history(&mut rows, current.order(), dictionary);
    rows
}

fn select_current(chunk: &Chunk, view: &View, out: &mut Vec<Row>) {
    let extra = i64::from(view.history);
    for at in 0..chunk.len() {
        if view.is_within(chunk.tx[at]) {
            out.push(Row {
                extra,
                ..chunk.row(at)
            });
        }
    }
}

/// Past rows keep their order only within one entity and value; the caller sorts what comes out.
fn select_past(chunk: &Chunk, view: &View, out: &mut Vec<Row>) {
    for at in 0..chunk.len() {
        out.extend(view.shown_past(chunk.row(at)).into_iter().flatten());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_points_are_numbers_or_instants() {
        let point = |text| TimePoint::from_text(text).ok();
        assert_eq!(point("7"), Some(TimePoint::Tx(TxId(TX0 + 7))));
        assert_eq!(point("536870919"), Some(TimePoint::Tx(TxId(TX0 + 7))));
        assert_eq!(point("1970-01-02"), Some(TimePoint::Instant(86_400_000)));
        assert_eq!(
            point("#inst \"1970-01-02\""),
            Some(TimePoint::Instant(86_400_000))
        );
        assert_eq!(point("yesterday"), None);
        assert_eq!(point(""), None);
    }
}
