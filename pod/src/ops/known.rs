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
pub(crate) struct KnownQueries(Mutex<HashMap<u64, Known>>);

struct Known {
    form: Value,
    prepared: Arc<Prepared>,
}

impl KnownQueries {
    /// A query, read now if it was not asked before. Past [`KNOWN_QUERIES`] all are forgotten.
    pub(crate) fn prepared(&self, form: &Value) -> Result<Arc<Prepared>> {
        let hash = stable_hash(form);
        let found = hold(&self.0)
            .get(&hash)
            .filter(|known| is_same_form(&known.form, form))
            .map(|known| Arc::clone(&known.prepared));
        if let Some(found) = found {
            return Ok(found);
        }
        let prepared = Arc::new(Prepared::new(form)?);
        let mut known = hold(&self.0);
        if known.len() >= KNOWN_QUERIES {
            known.clear();
        }
        let kept = Known {
            form: form.clone(),
            prepared: Arc::clone(&prepared),
        };
        known.insert(hash, kept);
        Ok(prepared)
    }
}
