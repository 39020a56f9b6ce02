//! Functions: as conditions, and as columns that they compute.

use datafusion::common::Column;
use datafusion::functions_aggregate::expr_fn::min;
use datafusion::logical_expr::{Expr, JoinType, LogicalPlanBuilder, Operator, lit, not, when};
use datalith_engine::query::ast::{Arg, Binding, Clause, FunctionName, SourceName, Term, Var};
use datalith_engine::{Db, Error, Result, Symbol, Value};

use super::block::{Lowering, Scope, Source};
use super::express::{Operand, arithmetic, equal, in_order};
use super::kind::{Kind, Type, column, column_name};
use super::pattern::{self, Place};
use super::relation::{Field, Relation, check_named, planned, unsupported};
use super::values;

/// A call with its arguments found.
pub(super) struct Call<'a> {
    name: Symbol,
    args: Vec<Argument<'a>>,
}

enum Argument<'a> {
    Var(Var),
    Value(Value),
    Source(&'a Source),
}

impl Lowering {
    /// A call's function and arguments.
    pub(super) fn call(
        &self,
        function: &FunctionName,
        args: &[Arg],
        scope: &Scope,
        clause: &Clause,
    ) -> Result<Call<'_>> {
        let FunctionName::Named(name) = function else {
            return Err(unsupported("A function in a variable does not lower"));
        };
        let argument = |arg: &Arg| {
            Ok(match arg {
                Arg::Var(var) => Argument::Var(var.clone()),
                Arg::Const(value) => Argument::Value(value.clone()),
                Arg::Source(name) => Argument::Source(self.found(name, scope, clause)?),
                Arg::Rules => return Err(unsupported("% as an argument does not lower")),
            })
        };
        Ok(Call {
            name: name.clone(),
            args: args.iter().map(argument).collect::<Result<_>>()?,
        })
    }

    fn found(&self, name: &SourceName, scope: &Scope, clause: &Clause) -> Result<&Source> {
        self.source(&self.source_name(Some(name), scope, clause)?)
    }
}

/// The rows for which a call is true.
pub(super) fn filter(call: &Call<'_>, relation: Relation) -> Result<Relation> {
    if relation.is_empty {
        return Ok(relation);
    }
    let name = call.name.as_str();
    if name == "missing?" {
        return missing(call, relation);
    }
    let operands = operands(call, &relation)?;
    let operator = match name {
        "=" | "not=" => return equality(name, &operands, relation),
        "!=" if operands.len() == 2 => return equality(name, &operands, relation),
        "some?" if operands.len() == 1 => return Ok(relation),
        "nil?" if operands.len() == 1 => return Relation::empty(relation.fields),
        "<" => Operator::Lt,
        "<=" => Operator::LtEq,
        ">" => Operator::Gt,
        ">=" => Operator::GtEq,
        _ => return Err(no_function(&call.name)),
    };
    let mut conditions = Vec::new();
    for pair in operands.windows(2) {
        conditions.push(in_order(&pair[0], operator, &pair[1])?);
    }
    match conditions.into_iter().reduce(Expr::and) {
        Some(condition) => relation.filter(condition),
        None => Err(no_function(&call.name)),
    }
}

/// With what a call gives, taken apart.
pub(super) fn compute(call: &Call<'_>, binding: &Binding, relation: Relation) -> Result<Relation> {
    let name = call.name.as_str();
    if relation.is_empty {
        return bound_nothing(binding, relation);
    }
    match (name, call.args.as_slice(), binding) {
        ("ground", [Argument::Value(value)], _) => relation.join(values::bound(binding, value)?),
        ("get-else", _, Binding::Scalar(var)) => get_else(call, var, relation),
        ("tuple" | "vector", _, Binding::Tuple(parts)) => {
            let operands = operands(call, &relation)?;
            if parts.len() > operands.len() {
                return Err(unsupported("A tuple of too few items"));
            }
            let mut relation = relation;
            for (part, operand) in parts.iter().zip(operands) {
                relation = match part {
                    Binding::Ignore => relation,
                    Binding::Scalar(var) => bind(relation, var, operand)?,
                    _ => return Err(unsupported("Tuples within tuples do not lower")),
                };
            }
            Ok(relation)
        }
        (_, _, Binding::Ignore | Binding::Scalar(_)) => {
            let operands = operands(call, &relation)?;
            let computed = match (name, operands.as_slice()) {
                ("identity" | "ground", [one]) => one.clone(),
                _ => arithmetic(name, &operands)?.ok_or_else(|| no_function(&call.name))?,
            };
            match binding {
                Binding::Scalar(var) => bind(relation, var, computed),
                _ => Ok(relation),
            }
        }
        _ => Err(no_function(&call.name)),
    }
}

/// The condition that two variables are equal; none if they never are.
pub(super) fn same(a: &Field, b: &Field) -> Result<Option<Expr>> {
    if a.of != b.of {
        check_named(a, b)?;
    }
    Ok(equal(&Operand::of(a), &Operand::of(b)))
}

fn operands(call: &Call<'_>, relation: &Relation) -> Result<Vec<Operand>> {
    let operand = |arg: &Argument<'_>| match arg {
        Argument::Var(var) => relation.field(var).map(Operand::of).ok_or_else(|| {
            Error::new(
                datalith_engine::Code::Internal,
                format!("{var} is not bound"),
            )
        }),
        Argument::Value(value) => Operand::constant(value),
        Argument::Source(_) => Err(no_function(&call.name)),
    };
    call.args.iter().map(operand).collect()
}

fn equality(name: &str, operands: &[Operand], relation: Relation) -> Result<Relation> {
    let pairs = operands.windows(2);
    let all: Option<Vec<Expr>> = pairs.map(|pair| equal(&pair[0], &pair[1])).collect();
    let all = all.map(|all| all.into_iter().reduce(Expr::and).unwrap_or(lit(true)));
    match (name, all) {
        ("=", Some(condition)) => relation.filter(condition),
        ("=", None) => Relation::empty(relation.fields),
        (_, Some(condition)) => relation.filter(not(condition)),
        (_, None) => Ok(relation),
    }
}

/// A variable given a value: a new column, or a condition where it has one.
fn bind(relation: Relation, var: &Var, operand: Operand) -> Result<Relation> {
    let new = Field {
        var: var.clone(),
        of: operand.of,
        is_named: operand.is_named,
    };
    let Some(known) = relation.field(var) else {
        let suffixes = operand.of.columns().into_iter();
        let names = suffixes.map(|(suffix, _)| column_name(var, suffix));
        let columns = operand.columns.into_iter().zip(names).collect();
        return relation.with(new, columns);
    };
    if known.of != new.of {
        check_named(known, &new)?;
    }
    match equal(&Operand::of(known), &operand) {
        Some(condition) => relation.filter(condition),
        None => Relation::empty(relation.fields),
    }
}

/// No rows, with the variables of a binding form.
fn bound_nothing(binding: &Binding, relation: Relation) -> Result<Relation> {
    let mut fields = relation.fields;
    for var in binding.vars() {
        if !fields.iter().any(|field| field.var == var) {
            fields.push(Field::new(&var, Type::Of(Kind::Long)));
        }
    }
    Relation::empty(fields)
}

/// The variables that a lookup of an attribute adds for a while.
const ENTITY: &str = "?entity of";
const VALUE: &str = "?value of";

/// An attribute looked up for an entity.
struct LookedUp<'a> {
    db: &'a Db,
    attribute: &'a Value,
    /// The relation, with the entity as [`ENTITY`].
    relation: Relation,
    /// The entities that have the attribute, and their values.
    values: Relation,
}

impl<'a> LookedUp<'a> {
    fn new(call: &'a Call<'_>, relation: Relation) -> Result<LookedUp<'a>> {
        let [
            Argument::Source(Source::Db(db)),
            _,
            Argument::Value(attribute),
            ..,
        ] = call.args.as_slice()
        else {
            let message = format!(
                "{} of anything but a database, an entity and an attribute",
                call.name
            );
            return Err(unsupported(message));
        };
        if !matches!(attribute, Value::Keyword(_)) {
            return Err(unsupported(format!("{} of {attribute}", call.name)));
        }
        let entity = match &call.args[1] {
            Argument::Var(var) => relation.field(var).map(Operand::of),
            Argument::Value(value) => Some(Operand::constant(value)?),
            Argument::Source(_) => None,
        };
        let Some(entity) = entity.filter(|entity| entity.of == Type::Of(Kind::Long)) else {
            return Err(unsupported(format!("{} of no entity id", call.name)));
        };
        let (e, v) = (variable(ENTITY), variable(VALUE));
        let terms = [
            Term::Var(e.clone()),
            Term::Const(attribute.clone()),
            Term::Var(v),
            Term::Blank,
            Term::Const(Value::Bool(true)),
        ];
        let values = pattern::of_database(db, &terms, Place::Query)?;
        Ok(LookedUp {
            db,
            attribute,
            relation: bind(relation, &e, entity)?,
            values,
        })
    }
}

fn variable(name: &str) -> Var {
    Var(Symbol::new(name))
}

/// `(missing? $ e a)`
fn missing(call: &Call<'_>, relation: Relation) -> Result<Relation> {
    let own: Vec<Var> = relation.vars().cloned().collect();
    let looked_up = LookedUp::new(call, relation)?;
    let having = looked_up.values.keep(&[variable(ENTITY)])?;
    looked_up.relation.without(having)?.keep(&own)
}

/// `(get-else $ e a default)`: the least value of the attribute.
fn get_else(call: &Call<'_>, var: &Var, relation: Relation) -> Result<Relation> {
    let own: Vec<Var> = relation.vars().cloned().collect();
    let Some(default) = call.args.get(3) else {
        return Err(no_function(&call.name));
    };
    let default = match default {
        Argument::Value(value) => Operand::constant(value)?,
        Argument::Var(var) => relation
            .field(var)
            .map(Operand::of)
            .ok_or_else(|| no_function(&call.name))?,
        Argument::Source(_) => return Err(no_function(&call.name)),
    };
    let looked_up = LookedUp::new(call, relation)?;
    if looked_up.values.is_empty {
        return bind(looked_up.relation.keep(&own)?, var, default);
    }
    let value = looked_up.values.field(&variable(VALUE)).cloned();
    let Some(Type::Of(kind)) = value.as_ref().map(|value| value.of) else {
        return Err(unsupported("get-else of values of several kinds"));
    };
    if default.of != Type::Of(kind) {
        return Err(unsupported("get-else with a default of another kind"));
    }
    let LookedUp {
        db,
        attribute,
        relation,
        values,
    } = looked_up;
    let declared = db.attr_of(attribute).and_then(|a| db.attribute(a));
    let is_single = !db.view().history && declared.is_some_and(|a| !a.is_many());
    let values = least(values, kind, is_single)?;
    let on = (
        vec![Column::from_name(ENTITY)],
        vec![Column::from_name(format!("{ENTITY}'"))],
    );
    let fields = relation.fields.clone();
    let plan = LogicalPlanBuilder::from(relation.plan).join(values, JoinType::Left, on, None);
    let plan = planned(plan.and_then(LogicalPlanBuilder::build))?;
    let found = column(format!("{VALUE}'"));
    let mut value_or_default = when(found.clone().is_not_null(), found);
    let value_or_default = planned(value_or_default.otherwise(default.columns[0].clone()))?;
    let mut columns: Vec<(Expr, String)> = Vec::new();
    for (name, _) in fields.iter().flat_map(Field::columns) {
        columns.push((column(&name), name));
    }
    columns.push((value_or_default, VALUE.to_owned()));
    let mut fields = fields;
    fields.push(Field {
        var: variable(VALUE),
        of: Type::Of(kind),
        is_named: value.is_some_and(|value| value.is_named),
    });
    let relation = Relation::of(plan, columns, fields)?;
    let Some(value) = relation.field(&variable(VALUE)).map(Operand::of) else {
        return Err(no_function(&call.name));
    };
    let relation = bind(relation, var, value)?;
    let mut kept = own;
    if !kept.contains(var) {
        kept.push(var.clone());
    }
    relation.keep(&kept)
}

/// A value for each entity, the least, under names of their own.
fn least(
    values: Relation,
    kind: Kind,
    is_single: bool,
) -> Result<datafusion::logical_expr::LogicalPlan> {
    let (e, v) = (column(ENTITY), column(VALUE));
    let plan = LogicalPlanBuilder::from(values.plan);
    let names = |e: Expr, v: Expr| [e.alias(format!("{ENTITY}'")), v.alias(format!("{VALUE}'"))];
    let plan = if is_single {
        plan.project(names(e, v))
    } else {
        let key = Operand::of_kind(kind, v).sort_key()?;
        let grouped = plan.aggregate([e.clone()], [min(key).alias("least")]);
        grouped.and_then(|grouped| grouped.project(names(e, column("least"))))
    };
    planned(plan.and_then(LogicalPlanBuilder::build))
}

fn no_function(name: &Symbol) -> Error {
    unsupported(format!(
        "The function {name} with these arguments does not lower"
    ))
}
