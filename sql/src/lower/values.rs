//! Values that a caller or a query gives, taken apart into relations.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::logical_expr::{Expr, LogicalPlanBuilder};
use datalith_engine::query::ast::{Binding, Var};
use datalith_engine::{Code, Error, Result, Value};

use super::kind::{Kind, Type, column, column_name, literal};
use super::relation::{Field, Relation, planned, unsupported};

/// Rows of values as a relation, each once.
pub(super) fn relation(vars: &[Var], rows: Vec<Vec<Value>>) -> Result<Relation> {
    let mut seen = HashSet::new();
    let rows: Vec<Vec<Value>> = rows
        .into_iter()
        .filter(|row| seen.insert(row.clone()))
        .collect();
    let mut fields = Vec::with_capacity(vars.len());
    for (at, var) in vars.iter().enumerate() {
        let mut of: Option<Type> = None;
        for value in rows.iter().map(|row| &row[at]) {
            let Some(kind) = Kind::of(value) else {
                return Err(unsupported(format!("The value {value} does not lower")));
            };
            of = Some(match of {
                Some(of) if of != Type::Of(kind) => Type::Mixed,
                _ => Type::Of(kind),
            });
        }
        fields.push(Field::new(var, of.unwrap_or(Type::Of(Kind::Long))));
    }
    if rows.is_empty() {
        return Relation::empty(fields);
    }
    if vars.is_empty() {
        return Relation::unit();
    }
    let cells = |row: &Vec<Value>| -> Vec<Expr> {
        let cells = fields.iter().zip(row).filter_map(|(field, value)| {
            let (kind, expr) = literal(value)?;
            Some(match field.of {
                Type::Of(_) => vec![expr],
                Type::Mixed => {
                    let all = 0..Type::Mixed.columns().len();
                    all.map(|at| kind.lifted(expr.clone(), at)).collect()
                }
            })
        });
        cells.flatten().collect()
    };
    let values = LogicalPlanBuilder::values(rows.iter().map(cells).collect());
    let values = planned(values.and_then(LogicalPlanBuilder::build))?;
    let own = values.schema().columns().into_iter();
    let mut columns = Vec::new();
    let suffixes = fields.iter().flat_map(|field| {
        let suffixes = field.of.columns().into_iter();
        suffixes.map(|(suffix, _)| column_name(&field.var, suffix))
    });
    for (from, to) in own.zip(suffixes) {
        columns.push((column(from.name), to));
    }
    Relation::of(values, columns, fields)
}

/// What a binding form makes of a value, as a relation over its variables.
pub(super) fn bound(binding: &Binding, value: &Value) -> Result<Relation> {
    let mut vars: Vec<Var> = Vec::new();
    for var in binding.vars() {
        if !vars.contains(&var) {
            vars.push(var);
        }
    }
    let mut tuples = Vec::new();
    expand(binding, value, &[], &mut tuples)?;
    let row = |tuple: &Vec<(Var, Value)>| -> Option<Vec<Value>> {
        let mut row: Vec<Option<&Value>> = vec![None; vars.len()];
        for (var, value) in tuple {
            let at = vars.iter().position(|known| known == var)?;
            if *row[at].get_or_insert(value) != value {
                return None;
            }
        }
        row.into_iter().map(Option::<&Value>::cloned).collect()
    };
    relation(&vars, tuples.iter().filter_map(row).collect())
}

fn expand(
    binding: &Binding,
    value: &Value,
    before: &[(Var, Value)],
    out: &mut Vec<Vec<(Var, Value)>>,
) -> Result<()> {
    match binding {
        Binding::Ignore => out.push(before.to_vec()),
        Binding::Scalar(var) => {
            let own = [(var.clone(), value.clone())];
            out.push([before, &own].concat());
        }
        Binding::Collection(item) => {
            let items: Vec<Value> = match value {
                Value::Set(items) => items.iter().cloned().collect(),
                Value::List(items) | Value::Vector(items) => items.to_vec(),
                _ => return Err(cannot_bind(value)),
            };
            for value in &items {
                expand(item, value, before, out)?;
            }
        }
        Binding::Tuple(parts) => {
            let items = value.as_sequential();
            let items = items.filter(|items| items.len() >= parts.len());
            let items = items.ok_or_else(|| cannot_bind(value))?;
            let mut tuples = vec![before.to_vec()];
            for (part, value) in parts.iter().zip(items) {
                let mut next = Vec::new();
                for tuple in &tuples {
                    expand(part, value, tuple, &mut next)?;
                }
                tuples = next;
            }
            out.append(&mut tuples);
        }
    }
    Ok(())
}

fn cannot_bind(value: &Value) -> Error {
    let message = format!("Cannot bind value {value} to the form that is to take it apart");
    Error::new(Code::QueryBinding, message).with("value", value.clone())
}

/// A collection of tuples that patterns may look into, if a value is one.
pub(super) fn tuples(value: &Value) -> Option<Vec<Arc<[Value]>>> {
    let tuple = |item: &Value| match item {
        Value::List(items) | Value::Vector(items) => Some(Arc::clone(items)),
        _ => None,
    };
    match value {
        Value::List(items) | Value::Vector(items) => items.iter().map(tuple).collect(),
        Value::Set(items) => items.iter().map(tuple).collect(),
        _ => None,
    }
}
