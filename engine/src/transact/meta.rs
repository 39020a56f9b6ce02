//! The transaction's own entity: its instant, its valid time, what the caller says of it.

use super::form::Step;
use super::show;
use super::state::State;
use crate::db::Db;
use crate::error::{Code, Error, Result};
use crate::index::Kind;
use crate::value::{Map, Value};

/// What is asserted of the transaction entity: its instant first, then what the caller gives.
///
/// The instant is now, or a millisecond after the last transaction's; the caller's wins.
pub(super) fn transaction_meta(db: &Db, given: Option<&Value>, now_ms: i64) -> Result<Map> {
    let last = db.attribute_named("db/txInstant").and_then(|a| {
        let tx = crate::datom::EntityId(db.max_tx().0);
        db.rows_of(tx, a).first().map(|row| row.v.bits as i64)
    });
    let instant = last.map_or(now_ms, |last| now_ms.max(last.saturating_add(1)));
    let mut meta = Map::default();
    meta.insert(Value::keyword("db/txInstant"), Value::Instant(instant));
    match given {
        None | Some(Value::Nil) => {}
        Some(Value::Map(given)) => {
            meta.extend(
                given
                    .iter()
                    .map(|(key, value)| (key.clone(), value.clone())),
            );
        }
        Some(other) => {
            let message = format!("Bad transaction meta data {}, expected a map", show(other));
            return Err(Error::new(Code::TransactSyntax, message).with("tx-meta", other.clone()));
        }
    }
    let time = |key: &str| meta.get(&Value::keyword(key)).and_then(as_instant);
    if let (Some(from), Some(to)) = (time("db.valid/from"), time("db.valid/to"))
        && from >= to
    {
        let message = format!(
            "Invalid valid-time window: :db.valid/from must be strictly before :db.valid/to \
             (got from={}, to={})",
            java_date(from),
            java_date(to)
        );
        return Err(Error::new(Code::TransactInvalidValidTimes, message)
            .with("db.valid/from", Value::Instant(from))
            .with("db.valid/to", Value::Instant(to)));
    }
    Ok(meta)
}

impl State<'_> {
    /// Asserts what is said of the transaction. Databases without history keep none of it.
    pub(super) fn assert_meta(&mut self, meta: &Map) -> Step {
        let whole = Value::from(meta.clone());
        for (name, value) in meta {
            if self.options.attribute_refs && self.known_as(name).is_none() {
                let message = format!(
                    "Bad transaction meta attribute {} at {}, not defined in system or current schema",
                    show(name),
                    show(&whole)
                );
                return Err(Error::new(Code::TransactSchema, message)
                    .with("attribute", name.clone())
                    .with("context", whole)
                    .into());
            }
            if !self.options.keep_history {
                continue;
            }
            let entity = Value::Long(self.tx);
            let context = || {
                let operation = Value::keyword("db/add");
                Value::vector([
                    operation,
                    entity.clone(),
                    name.clone(),
                    value.clone(),
                    entity.clone(),
                ])
            };
            let attribute = self.require(name, context)?;
            self.add(&entity, &attribute, value, self.tx, &context)?;
        }
        Ok(())
    }

    /// Refuses valid times of earlier transactions that this one left without an extent.
    pub(super) fn check_retimed(&mut self) -> Result<()> {
        for e in std::mem::take(&mut self.retimed) {
            let mut time = |ident: &str| {
                let attribute = self.known(&Value::keyword(ident))?;
                let cell = self.overlay.value(e, attribute.id)?;
                (cell.kind == Kind::Instant).then_some(cell.bits as i64)
            };
            let (Some(from), Some(to)) = (time("db.valid/from"), time("db.valid/to")) else {
                continue;
            };
            if from < to {
                continue;
            }
            let message = format!(
                "Invalid cross-tx valid-time window: tx-entity {e} would have :db.valid/from >= \
                 :db.valid/to (from={}, to={}) after this commit",
                java_date(from),
                java_date(to)
            );
            return Err(Error::new(Code::TransactInvalidValidTimesCrossTx, message)
                .with("tx-eid", e)
                .with("db.valid/from", Value::Instant(from))
                .with("db.valid/to", Value::Instant(to)));
        }
        Ok(())
    }
}

fn as_instant(value: &Value) -> Option<i64> {
    match value {
        Value::Instant(ms) => Some(*ms),
        _ => None,
    }
}

/// An instant as Java prints dates, `Mon Jul 01 00:00:00 UTC 2024`.
fn java_date(ms: i64) -> String {
    match chrono::DateTime::from_timestamp_millis(ms) {
        Some(date) => date.format("%a %b %d %H:%M:%S UTC %Y").to_string(),
        None => format!("{ms} ms"),
    }
}
