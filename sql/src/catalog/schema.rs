//! The tables of one view of a database.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use datafusion::arrow::array::builder::StringViewBuilder;
use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::{MemTable, SchemaProvider, TableProvider};
use datafusion::common::{DataFusionError, Result};
use datalith_engine::{Db, Error, Value, fault, schema_map};

use super::naming::{Names, TableName, text};
use crate::fault::outward;
use crate::scan::{Datoms, Narrow, Provider, Wide};

/// A schema: a database value under a view.
pub(crate) struct ViewSchema {
    view: Result<View, Error>,
    tables: Mutex<HashMap<String, Arc<dyn TableProvider>>>,
}

struct View {
    db: Db,
    names: Names,
}

impl fmt::Debug for ViewSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ViewSchema")
    }
}

impl ViewSchema {
    /// The schema of a database value, or the reason why there is none.
    pub(crate) fn new(db: Result<Db, Error>) -> ViewSchema {
        let view = db.and_then(|db| {
            fault::catch(|| {
                let names = Names::of(&db);
                Ok(View { db, names })
            })
        });
        ViewSchema {
            view,
            tables: Mutex::default(),
        }
    }

    fn make(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, Error> {
        let view = self.view.as_ref().map_err(Error::clone)?;
        let Some(table) = view.names.table(&view.db, name) else {
            return Ok(None);
        };
        let db = &view.db;
        fault::catch(|| {
            let provider = match &table {
                TableName::Wide(attributes) if db.view().history => {
                    let _ = attributes;
                    return Ok(None);
                }
                TableName::Wide(attributes) => {
                    Provider::new(name, table.clone(), Wide::new(db, attributes))
                }
                TableName::Narrow(a) => {
                    Provider::new(name, table.clone(), Narrow::of_attribute(db, *a))
                }
                TableName::Transactions => {
                    Provider::new(name, table.clone(), Narrow::of_transactions(db))
                }
                TableName::Datoms => Provider::new(name, table.clone(), Datoms::new(db)),
                TableName::Schema => return declared(db).map(Some),
            };
            Ok(Some(Arc::new(provider) as Arc<dyn TableProvider>))
        })
    }
}

/// What is said of attributes: the column and the property it shows.
const PROPERTIES: [(&str, &str); 7] = [
    ("value_type", "db/valueType"),
    ("cardinality", "db/cardinality"),
    ("unique", "db/unique"),
    ("index", "db/index"),
    ("is_component", "db/isComponent"),
    ("no_history", "db/noHistory"),
    ("doc", "db/doc"),
];

/// The attributes and what is said of them, as texts.
fn declared(db: &Db) -> Result<Arc<dyn TableProvider>, Error> {
    let schema = schema_map(db);
    let entries: Vec<(&Value, &Value)> = schema.as_map().into_iter().flatten().collect();
    let names = ["attribute"]
        .into_iter()
        .chain(PROPERTIES.map(|(name, _)| name));
    let fields: Vec<Field> = names
        .map(|name| Field::new(name, DataType::Utf8View, true))
        .collect();
    let mut columns: Vec<StringViewBuilder> =
        fields.iter().map(|_| StringViewBuilder::new()).collect();
    for (ident, entry) in entries {
        columns[0].append_value(text(ident));
        for ((_, property), column) in PROPERTIES.iter().zip(&mut columns[1..]) {
            match entry.get(property) {
                None | Some(Value::Nil) => column.append_null(),
                Some(Value::Keyword(name)) => column.append_value(name.name()),
                Some(value) => column.append_value(text(value)),
            }
        }
    }
    let schema = Arc::new(Schema::new(fields));
    let arrays = columns
        .iter_mut()
        .map(|column| Arc::new(column.finish()) as ArrayRef);
    let table = RecordBatch::try_new(Arc::clone(&schema), arrays.collect())
        .map_err(DataFusionError::from)
        .and_then(|batch| MemTable::try_new(schema, vec![vec![batch]]));
    table
        .map(|table| Arc::new(table) as _)
        .map_err(|cause| crate::fault::inward(&cause))
}

#[async_trait]
impl SchemaProvider for ViewSchema {
    fn table_names(&self) -> Vec<String> {
        let Ok(view) = &self.view else {
            return Vec::new();
        };
        let is_shown = |name: &&String| {
            let table = view.names.table(&view.db, name);
            !(view.db.view().history && matches!(table, Some(TableName::Wide(_))))
        };
        view.names.all().filter(is_shown).cloned().collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let known = |name| {
            let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
            tables.get(name).cloned()
        };
        if let Some(table) = known(name) {
            return Ok(Some(table));
        }
        let made = self.make(name).map_err(outward)?;
        if let Some(made) = &made {
            let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
            tables.insert(name.to_owned(), Arc::clone(made));
        }
        Ok(made)
    }

    fn table_exist(&self, name: &str) -> bool {
        let view = self.view.as_ref().ok();
        view.is_some_and(|view| view.names.table(&view.db, name).is_some())
    }
}
