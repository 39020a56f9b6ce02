//! The find: tuples once each, aggregates over them, order, and which rows are shown.

use datafusion::arrow::datatypes::DataType;
use datafusion::functions_aggregate::expr_fn::{
    count, count_distinct, max, median, min, stddev_pop, sum, var_pop,
};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, SortExpr, cast, lit, when};
use datalith_engine::query::ast::{FindElement, FunctionName, Query, Var};
use datalith_engine::{Code, Error, Result};

use super::express::{Operand, canonical};
use super::kind::{Kind, Type, column, column_name};
use super::relation::{Field, Relation, planned, unsupported};

/// What a query asks of its tuples.
pub(super) struct Found {
    pub(super) plan: LogicalPlan,
    /// What each element of the find is.
    pub(super) columns: Vec<Type>,
}

/// The rows of a query.
pub(super) fn find(query: &Query, relation: Relation) -> Result<Found> {
    let elements = query.find.elements();
    let mut vars: Vec<Var> = Vec::new();
    for var in elements
        .iter()
        .filter_map(FindElement::var)
        .chain(&query.with)
    {
        if relation.field(var).is_none() {
            let message = format!("Query for unknown vars: [{var}]");
            return Err(Error::new(Code::ParserQuery, message));
        }
        if !vars.contains(var) {
            vars.push(var.clone());
        }
    }
    let tuples = relation.keep(&vars)?.distinct()?;
    let is_aggregate = |element: &FindElement| matches!(element, FindElement::Aggregate { .. });
    let found = match elements.iter().any(is_aggregate) {
        true => groups(elements, tuples)?,
        false => plain(elements, tuples)?,
    };
    cut(query, found)
}

/// A column of the result: its number, so that each has a name of its own, and what it is.
fn named(at: usize, element: &FindElement, suffix: &str) -> String {
    match element {
        FindElement::Var(var) | FindElement::Pull { var, .. } => format!("{at} {var}{suffix}"),
        FindElement::Aggregate { form, .. } => format!("{at} {form}{suffix}"),
    }
}

fn plain(elements: &[FindElement], tuples: Relation) -> Result<Found> {
    let (mut columns, mut types) = (Vec::new(), Vec::new());
    for (at, element) in elements.iter().enumerate() {
        let field = plain_field(element, &tuples)?;
        types.push(field.of);
        for (suffix, _) in field.of.columns() {
            columns.push(column(column_name(&field.var, suffix)).alias(named(at, element, suffix)));
        }
    }
    let plan = LogicalPlanBuilder::from(tuples.plan).project(columns);
    Ok(Found {
        plan: planned(plan.and_then(LogicalPlanBuilder::build))?,
        columns: types,
    })
}

fn plain_field<'r>(element: &FindElement, tuples: &'r Relation) -> Result<&'r Field> {
    let FindElement::Var(var) = element else {
        return Err(unsupported("A pull in a find does not lower"));
    };
    tuples
        .field(var)
        .ok_or_else(|| Error::new(Code::Internal, format!("{var} was seen to be bound")))
}

/// An aggregate as DataFusion has it.
struct Combined {
    /// What is added up, each under a name.
    parts: Vec<Expr>,
    /// What is made of that.
    value: Expr,
    kind: Kind,
}

fn groups(elements: &[FindElement], tuples: Relation) -> Result<Found> {
    let (mut keys, mut parts, mut columns, mut types) = (vec![], vec![], vec![], vec![]);
    for (at, element) in elements.iter().enumerate() {
        let FindElement::Aggregate { function, args, .. } = element else {
            let field = plain_field(element, &tuples)?;
            types.push(field.of);
            for (suffix, _) in field.of.columns() {
                let own = column(column_name(&field.var, suffix));
                if !keys.contains(&own) {
                    keys.push(own.clone());
                }
                columns.push(own.alias(named(at, element, suffix)));
            }
            continue;
        };
        let (FunctionName::Named(name), [_]) = (function, args.as_slice()) else {
            return Err(no_aggregate(element));
        };
        let field = element.var().and_then(|var| tuples.field(var));
        let Some(field) = field else {
            return Err(no_aggregate(element));
        };
        let combined = combined(name.as_str(), &Operand::of(field), at)?;
        let combined = combined.ok_or_else(|| no_aggregate(element))?;
        parts.extend(combined.parts);
        columns.push(combined.value.alias(named(at, element, "")));
        types.push(Type::Of(combined.kind));
    }
    if tuples.is_empty {
        let fields = types.iter().enumerate();
        let fields = fields.map(|(at, of)| Field::new(&Var(format!("?{at}").as_str().into()), *of));
        return Ok(Found {
            plan: Relation::empty(fields.collect())?.plan,
            columns: types,
        });
    }
    // Without a group there is no answer; DataFusion would give one for no rows.
    let is_one = keys.is_empty();
    parts.push(count(lit(1i64)).alias("rows"));
    let plan = LogicalPlanBuilder::from(tuples.plan).aggregate(keys, parts);
    let plan = plan.and_then(|plan| match is_one {
        true => plan.filter(column("rows").gt(lit(0i64))),
        false => Ok(plan),
    });
    let plan = plan.and_then(|plan| plan.project(columns));
    Ok(Found {
        plan: planned(plan.and_then(LogicalPlanBuilder::build))?,
        columns: types,
    })
}

/// None for an aggregate, or one of such values, that has no certain meaning in DataFusion.
fn combined(name: &str, operand: &Operand, at: usize) -> Result<Option<Combined>> {
    let part = |number: usize| format!("part {at}.{number}");
    let Some(kind) = (match operand.of {
        Type::Of(kind) => Some(kind),
        Type::Mixed => None,
    }) else {
        return Ok((name == "count").then(|| Combined {
            parts: vec![count(lit(1i64)).alias(part(0))],
            value: column(part(0)),
            kind: Kind::Long,
        }));
    };
    let values = operand.columns[0].clone();
    let double = || cast(values.clone(), DataType::Float64);
    // Longs are added as decimals, so that a sum that does not fit is seen when it is made a long.
    let total = || match kind {
        Kind::Long => sum(cast(values.clone(), DataType::Decimal128(38, 0))),
        _ => sum(values.clone()),
    };
    let is_number = matches!(kind, Kind::Long | Kind::Double);
    let (parts, value, kind) = match name {
        "count" => (vec![count(lit(1i64))], column(part(0)), Kind::Long),
        "count-distinct" => (vec![count_distinct(values)], column(part(0)), Kind::Long),
        "min" => (vec![min(ordered(operand)?)], column(part(0)), kind),
        "max" => (vec![max(ordered(operand)?)], column(part(0)), kind),
        "sum" if kind == Kind::Long => {
            let value = cast(column(part(0)), DataType::Int64);
            (vec![total()], value, Kind::Long)
        }
        "sum" if kind == Kind::Double => (vec![total()], canonical(column(part(0)))?, Kind::Double),
        "avg" if is_number => {
            let whole = match kind {
                Kind::Long => cast(column(part(0)), DataType::Int64),
                _ => column(part(0)),
            };
            let rows = cast(column(part(1)), DataType::Float64);
            let mean = canonical(cast(whole, DataType::Float64) / rows)?;
            (vec![total(), count(lit(1i64))], mean, Kind::Double)
        }
        "median" if kind == Kind::Double => {
            (vec![median(ordered(operand)?)], column(part(0)), kind)
        }
        "variance" if is_number => (
            vec![var_pop(double())],
            canonical(column(part(0)))?,
            Kind::Double,
        ),
        "stddev" if is_number => (
            vec![stddev_pop(double())],
            canonical(column(part(0)))?,
            Kind::Double,
        ),
        _ => return Ok(None),
    };
    let parts = parts.into_iter().enumerate();
    Ok(Some(Combined {
        parts: parts
            .map(|(number, expr)| expr.alias(part(number)))
            .collect(),
        value,
        kind,
    }))
}

/// Values that DataFusion's aggregates order as ours do: where there is a NaN they do not, and reading
/// it is a division by zero.
fn ordered(operand: &Operand) -> Result<Expr> {
    let key = operand.sort_key()?;
    if operand.of != Type::Of(Kind::Double) {
        return Ok(key);
    }
    let is_ordered = key.clone().lt_eq(lit(f64::INFINITY));
    let divisor = planned(when(is_ordered, lit(1i64)).otherwise(lit(0i64)))?;
    let is_ordered = (lit(1i64) / divisor).eq(lit(1i64));
    planned(when(is_ordered, key).otherwise(lit(0f64)))
}

fn no_aggregate(element: &FindElement) -> Error {
    let form = match element {
        FindElement::Aggregate { form, .. } => form.to_string(),
        FindElement::Var(var) | FindElement::Pull { var, .. } => var.to_string(),
    };
    unsupported(format!(
        "The aggregate {form} of such values does not lower"
    ))
}

/// `:order-by`, `:offset` and `:limit`.
fn cut(query: &Query, found: Found) -> Result<Found> {
    let elements = query.find.elements();
    let mut keys: Vec<SortExpr> = Vec::new();
    for key in &query.order_by {
        let (element, of) = (&elements[key.column], found.columns[key.column]);
        let Type::Of(kind) = of else {
            return Err(unsupported(
                "The order of values of several kinds does not lower",
            ));
        };
        let name = named(key.column, element, "");
        let exprs = Operand::of_kind(kind, column(name)).sort_keys()?;
        keys.extend(
            exprs
                .into_iter()
                .map(|expr| expr.sort(!key.descending, false)),
        );
    }
    let is_cut = query.offset.is_some_and(|rows| rows > 0) || query.limit.is_some();
    let is_known_empty = matches!(found.plan, LogicalPlan::EmptyRelation(_));
    if (keys.is_empty() && !is_cut) || is_known_empty {
        return Ok(found);
    }
    let mut plan = LogicalPlanBuilder::from(found.plan);
    if !keys.is_empty() {
        plan = planned(plan.sort(keys))?;
    }
    if is_cut {
        plan = planned(plan.limit(query.offset.unwrap_or(0), query.limit))?;
    }
    Ok(Found {
        plan: planned(plan.build())?,
        ..found
    })
}
