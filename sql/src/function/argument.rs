//! The arguments of a function that makes a table: constants.

use std::sync::Arc;

use datafusion::catalog::TableFunctionArgs;
use datafusion::common::DFSchema;
use datafusion::logical_expr::{Expr, simplify::SimplifyContext};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datalith_engine::{Code, Db, Error, Result, Value, fault};

use crate::catalog::{Catalog, view};
use crate::column::value;
use crate::fault::inward;

/// What a function was called with.
pub(super) struct Arguments {
    name: String,
    values: Vec<Value>,
    catalog: Arc<Catalog>,
}

impl Arguments {
    /// The values of all arguments.
    pub(super) fn of(name: &str, args: &TableFunctionArgs<'_, '_>) -> Result<Arguments> {
        let catalog = args.session().config().get_extension::<Catalog>();
        let catalog = catalog
            .ok_or_else(|| Error::new(Code::Internal, "A session without a catalog was asked"))?;
        let mut values = Vec::with_capacity(args.exprs().len());
        for expr in args.exprs() {
            let constant = constant(expr).ok_or_else(|| {
                let message = format!("{name} takes constants, {expr} is none");
                Error::new(Code::SqlStatement, message)
            })?;
            values.push(constant?);
        }
        Ok(Arguments {
            name: name.to_owned(),
            values,
            catalog,
        })
    }

    /// The database value that a schema shows; `public` unless one is named.
    pub(super) fn db(&self, schema: Option<&Value>) -> Result<Db> {
        let now = self.catalog.now();
        let Some(schema) = schema else {
            return Ok(now.clone());
        };
        let known = match schema {
            Value::Str(name) => fault::catch(|| Ok(view(name, now, self.catalog.conn())))?,
            _ => None,
        };
        known.unwrap_or_else(|| {
            Err(self.refused(&format!("{schema} is no schema of this database")))
        })
    }

    /// All arguments in order.
    pub(super) fn values(&self) -> &[Value] {
        &self.values
    }

    /// A text, by its place.
    pub(super) fn text(&self, at: usize, what: &str) -> Result<&str> {
        self.values
            .get(at)
            .and_then(Value::as_str)
            .ok_or_else(|| self.refused(&format!("expects {what}")))
    }

    /// The error of a call that cannot be.
    pub(super) fn refused(&self, message: &str) -> Error {
        Error::new(Code::SqlStatement, format!("{}: {message}", self.name))
    }
}

/// What an expression is worth, if it is worth the same everywhere.
fn constant(expr: &Expr) -> Option<Result<Value>> {
    let context = SimplifyContext::builder()
        .with_schema(Arc::new(DFSchema::empty()))
        .build();
    let simplified = match ExprSimplifier::new(context).simplify(expr.clone()) {
        Ok(simplified) => simplified,
        Err(error) => return Some(Err(inward(&error))),
    };
    let Expr::Literal(scalar, _) = simplified else {
        return None;
    };
    let array = scalar.to_array().map_err(|error| inward(&error));
    Some(array.map(|array| value(&array, 0)))
}
