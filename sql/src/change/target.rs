//! The tables that statements may change, and how their columns are attributes.

use std::sync::Arc;

use bigdecimal::ToPrimitive;
use datafusion::common::TableReference;
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::TableSource;
use datalith_engine::datom::AttrId;
use datalith_engine::schema::{Attribute, ValueType};
use datalith_engine::{Code, Db, Error, Keyword, Result, Value, edn};

use crate::catalog::{PUBLIC, TableName};
use crate::fault::inward;
use crate::scan::Provider;

/// A table that can be changed.
pub(super) enum Target {
    /// A column for each attribute, after the entity.
    Wide(Vec<AttrColumn>),
    /// The entity and the value of one attribute.
    Narrow(AttrColumn),
}

/// A column that is an attribute.
pub(super) struct AttrColumn {
    pub(super) attribute: AttrId,
    /// The attribute as transaction data names it.
    pub(super) ident: Value,
    pub(super) is_many: bool,
    value_type: Option<ValueType>,
}

impl Target {
    /// What a table's rows are, as far as they can be changed.
    ///
    /// Errors: [`Code::SqlStatement`] for views, and for tables whose rows are not somebody's to choose.
    pub(super) fn of(
        name: &TableReference,
        source: &Arc<dyn TableSource>,
        db: &Db,
    ) -> Result<Target> {
        if name.schema().is_some_and(|schema| schema != PUBLIC) {
            return Err(refused(format!(
                "{name}: only what is so now can be changed"
            )));
        }
        let provider = source_as_provider(source).map_err(|error| inward(&error))?;
        let table = provider.downcast_ref::<Provider>().map(Provider::table);
        match table {
            Some(TableName::Wide(attributes)) => {
                let columns = attributes.iter().map(|a| AttrColumn::of(db, *a));
                Ok(Target::Wide(columns.collect()))
            }
            Some(TableName::Narrow(a)) => Ok(Target::Narrow(AttrColumn::of(db, *a))),
            _ => Err(refused(format!(
                "{name} cannot be changed: change the table of a namespace, or of an attribute"
            ))),
        }
    }
}

impl AttrColumn {
    fn of(db: &Db, a: AttrId) -> AttrColumn {
        let declared: Option<&Arc<Attribute>> = db.attribute(a);
        AttrColumn {
            attribute: a,
            ident: db.ident(a).clone(),
            is_many: declared.is_some_and(|attribute| attribute.is_many()),
            value_type: declared.and_then(|attribute| attribute.value_type),
        }
    }

    /// A cell as the attribute wants it; several of a list, where it takes several.
    pub(super) fn values(&self, cell: Value) -> Result<Vec<Value>> {
        match cell {
            Value::Nil => Ok(Vec::new()),
            Value::Vector(items) if self.is_many => {
                let items = items.iter().filter(|item| !item.is_nil());
                items.map(|item| self.value(item.clone())).collect()
            }
            cell => Ok(vec![self.value(cell)?]),
        }
    }

    fn value(&self, cell: Value) -> Result<Value> {
        let wrong = |cell: &Value| {
            let message = format!("{cell} is no value for {}", self.ident);
            Error::new(Code::SqlFailed, message).with("attribute", self.ident.clone())
        };
        Ok(match (self.value_type, cell) {
            (Some(ValueType::Keyword), Value::Str(text)) => {
                Value::Keyword(Keyword::new(text.trim_start_matches(':')))
            }
            (Some(ValueType::Symbol), Value::Str(text)) => Value::symbol(&text),
            (Some(ValueType::Uuid | ValueType::StoreRef), Value::Str(text)) => {
                let uuid = text.parse().map_err(|_| wrong(&Value::Str(text)))?;
                Value::Uuid(uuid)
            }
            (Some(ValueType::Float), Value::Double(x)) => Value::Float(x as f32),
            (Some(ValueType::BigInt), Value::BigDec(n)) if n.is_integer() => {
                Value::BigInt(Arc::new(n.with_scale(0).as_bigint_and_exponent().0))
            }
            (Some(ValueType::Number), Value::BigDec(n)) => {
                n.to_f64().map_or(Value::BigDec(n), Value::Double)
            }
            (Some(ValueType::Tuple), Value::Str(text)) => edn::read(&text)?,
            // Where columns have the names of arrays, the list of an array comes as text.
            (Some(ValueType::FloatArray | ValueType::DoubleArray), Value::Str(text))
                if text.starts_with('[') =>
            {
                edn::read(&text).map_err(|_| wrong(&Value::Str(text)))?
            }
            (_, cell) => cell,
        })
    }
}

pub(super) fn refused(message: String) -> Error {
    Error::new(Code::SqlStatement, message)
}
