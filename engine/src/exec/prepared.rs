//! Plans that are kept from one answer of a query to the next.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::query::planned;
use super::source::{Source, Sources};
use crate::error::Result;
use crate::plan::{Program, VarId};
use crate::query::ast::{Binding, Query, Var};
use crate::schema::Schema;
use crate::script::Callee;
use crate::value::{Value, is_same_form};

/// Which variable each name of a query is.
pub(super) type Scope = HashMap<Var, VarId>;

/// A plan, and what it was made for.
pub(super) struct Planned {
    pub(super) key: PlanKey,
    pub(super) program: Arc<Program>,
    pub(super) scope: Arc<Scope>,
    /// The functions that users wrote and it calls.
    pub(super) functions: Vec<Callee>,
}

impl Planned {
    /// Whether it may be used for these: what it calls is still what the names stand for.
    fn fits(&self, sources: &Sources, rules: &Value, values: &[(&Binding, &Value)]) -> bool {
        self.key.fits(sources, rules, values)
            && (self.functions.is_empty() || sources.functions().finds_all(&self.functions))
    }
}

/// What a plan of a query hangs on. It is right for any inputs; it is good while these are the same.
pub(super) struct PlanKey {
    rules: Value,
    sources: Vec<SourceKey>,
    /// How many values each input has, by the power of two.
    input_rows: Vec<u32>,
}

/// The schema of a source and its size, by powers of two.
struct SourceKey {
    schema: Option<Arc<Schema>>,
    size: [u32; 2],
}

impl PlanKey {
    pub(super) fn new(sources: &Sources, rules: &Value, values: &[(&Binding, &Value)]) -> PlanKey {
        PlanKey {
            rules: rules.clone(),
            sources: sources.sources.iter().map(SourceKey::new).collect(),
            input_rows: values.iter().map(|(_, value)| rows(value)).collect(),
        }
    }

    fn fits(&self, sources: &Sources, rules: &Value, values: &[(&Binding, &Value)]) -> bool {
        let mut rows = self.input_rows.iter().zip(values);
        self.input_rows.len() == values.len()
            && rows.all(|(rows, (_, value))| *rows == self::rows(value))
            && self.sources.len() == sources.sources.len()
            && self
                .sources
                .iter()
                .zip(&sources.sources)
                .all(|(key, source)| key.fits(source))
            && is_same_form(&self.rules, rules)
    }
}

impl SourceKey {
    fn new(source: &Source) -> SourceKey {
        let (schema, size) = SourceKey::parts(source);
        SourceKey {
            schema: schema.cloned(),
            size,
        }
    }

    fn parts(source: &Source) -> (Option<&Arc<Schema>>, [u32; 2]) {
        let power = |n: i64| n.unsigned_abs().checked_ilog2().unwrap_or(0);
        match source {
            Source::Db(source) => {
                let db = &source.db;
                let transactions = db.max_tx().0.wrapping_sub(crate::datom::TX0);
                let size = [power(db.max_eid()), power(transactions)];
                (Some(db.schema()), size)
            }
            Source::Tuples(tuples, _) => (None, [power(tuples.rows as i64), 0]),
            Source::Value(_) => (None, [0, 0]),
        }
    }

    fn fits(&self, source: &Source) -> bool {
        let (schema, size) = SourceKey::parts(source);
        let is_same_schema = match (&self.schema, schema) {
            (Some(mine), Some(other)) => Arc::ptr_eq(mine, other),
            (None, None) => true,
            _ => false,
        };
        is_same_schema && self.size == size
    }
}

/// The power of two below the number of values of an input.
fn rows(value: &Value) -> u32 {
    let len = match value {
        Value::List(items) | Value::Vector(items) => items.len(),
        Value::Set(items) => items.len(),
        Value::Map(entries) => entries.len(),
        _ => 1,
    };
    len.checked_ilog2().unwrap_or(0)
}

/// The last plan of a query.
#[derive(Default)]
pub(super) struct KeptPlan(Mutex<Option<Arc<Planned>>>);

impl KeptPlan {
    /// The plan kept, if it fits these inputs, or a new one, which is kept.
    pub(super) fn plan(
        &self,
        query: &Query,
        sources: &Sources,
        rules: &Value,
        values: &[(&Binding, &Value)],
    ) -> Result<Arc<Planned>> {
        let kept = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = kept().clone();
        if let Some(last) = last.filter(|last| last.fits(sources, rules, values)) {
            return Ok(last);
        }
        let new = Arc::new(planned(query, sources, rules, values)?);
        *kept() = Some(Arc::clone(&new));
        Ok(new)
    }
}
