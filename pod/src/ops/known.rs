//! Queries that were asked before: read once, and planned once while their plan fits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use datalith_engine::exec::Prepared;
use datalith_engine::value::{is_same_form, stable_hash};
use datalith_engine::{Result, Value};

use crate::limits::KNOWN_QUERIES;
use crate::lock::hold;

/// The queries asked so far, by the hash of their form.
#[derive(Default)]
pub(crate) struct KnownQueries(Mutex<HashMap<u64, Arc<Known>>>);

/// A query that was read, with its last plan.
pub(crate) struct Known {
    /// As the client wrote it.
    pub(crate) form: Value,
    pub(crate) prepared: Prepared,
}

impl Known {
    /// Reads a query.
    pub(crate) fn new(form: &Value) -> Result<Arc<Known>> {
        Ok(Arc::new(Known {
            form: form.clone(),
            prepared: Prepared::new(form)?,
        }))
    }
}

impl KnownQueries {
    /// A query, read now if it was not asked before. Past [`KNOWN_QUERIES`] all are forgotten.
    pub(crate) fn of(&self, form: &Value) -> Result<Arc<Known>> {
        let hash = stable_hash(form);
        let found = hold(&self.0)
            .get(&hash)
            .filter(|known| is_same_form(&known.form, form))
            .map(Arc::clone);
        if let Some(found) = found {
            return Ok(found);
        }
        let new = Known::new(form)?;
        let mut known = hold(&self.0);
        if known.len() >= KNOWN_QUERIES {
            known.clear();
        }
        known.insert(hash, Arc::clone(&new));
        Ok(new)
    }
}
