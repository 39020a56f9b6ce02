//! A database value with its views as a catalog.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::catalog::{CatalogProvider, SchemaProvider};
use datalith_engine::conn::Conn;
use datalith_engine::{Db, fault};

use super::schema::ViewSchema;
use super::view::{HISTORY, PUBLIC, view};

/// What the catalog is called.
pub(crate) const CATALOG: &str = "datalith";
/// Most views that are kept with what was made of them.
const VIEWS_KEPT: usize = 64;

/// A database value: what is so now, and every view that a name can ask for.
pub(crate) struct Catalog {
    now: Db,
    conn: Option<Conn>,
    schemas: Mutex<HashMap<String, Arc<ViewSchema>>>,
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Catalog")
    }
}

impl Catalog {
    /// - `conn`: where branches and commits are looked up.
    pub(crate) fn new(now: Db, conn: Option<Conn>) -> Catalog {
        Catalog {
            now,
            conn,
            schemas: Mutex::default(),
        }
    }

    /// The database value that `public` shows.
    pub(crate) fn now(&self) -> &Db {
        &self.now
    }

    /// The connection, if it was made of one.
    pub(crate) fn conn(&self) -> Option<&Conn> {
        self.conn.as_ref()
    }
}

impl CatalogProvider for Catalog {
    fn schema_names(&self) -> Vec<String> {
        let has_history = self.now.options().keep_history;
        let names = [Some(PUBLIC), has_history.then_some(HISTORY)];
        names.into_iter().flatten().map(str::to_owned).collect()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        let mut schemas = self.schemas.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(schema) = schemas.get(name) {
            return Some(Arc::clone(schema) as _);
        }
        let db = fault::catch(|| Ok(view(name, &self.now, self.conn.as_ref())));
        let db = match db {
            Ok(db) => db?,
            Err(error) => Err(error),
        };
        let schema = Arc::new(ViewSchema::new(db));
        if schemas.len() >= VIEWS_KEPT {
            schemas.retain(|name, _| name == PUBLIC);
        }
        schemas.insert(name.to_owned(), Arc::clone(&schema));
        Some(schema)
    }
}
