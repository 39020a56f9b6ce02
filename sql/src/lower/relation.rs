//! Relations over variables as logical plans, and what is made of two of them.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field as ArrowField};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::{
    EmptyRelation, Expr, JoinType, LogicalPlan, LogicalPlanBuilder, lit,
};
use datalith_engine::query::ast::Var;
use datalith_engine::{Code, Error, Result};

use super::kind::{Type, column, column_name};
use crate::fault::inward;

/// The column of a relation without variables: whether it has a row is what it says.
const HOLDS: &str = "holds";
/// The column that two sides without a common variable are joined by.
const ALWAYS: &str = "always";

/// A variable of a relation.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) var: Var,
    pub(super) of: Type,
    /// Whether a clause looked its values up as names of entities or attributes: it would take an
    /// ident or a lookup ref for the entity, so that it may not meet values of another kind.
    pub(super) is_named: bool,
}

/// Tuples over variables. Rows may repeat: that they are a set is seen to where they are counted.
#[derive(Clone, Debug)]
pub(super) struct Relation {
    pub(super) plan: LogicalPlan,
    pub(super) fields: Vec<Field>,
    /// Whether it is known to have no rows; then its types mean nothing.
    pub(super) is_empty: bool,
}

/// What plans give, in our errors.
pub(super) fn planned<T>(made: datafusion::common::Result<T>) -> Result<T> {
    made.map_err(|error| inward(&error))
}

/// The refusal of what has no certain meaning in DataFusion.
pub(super) fn unsupported(what: impl Into<String>) -> Error {
    Error::new(Code::Unsupported, what)
}

impl Field {
    pub(super) fn new(var: &Var, of: Type) -> Field {
        Field {
            var: var.clone(),
            of,
            is_named: false,
        }
    }

    /// Its columns by name.
    pub(super) fn columns(&self) -> Vec<(String, DataType)> {
        let columns = self.of.columns().into_iter();
        columns
            .map(|(suffix, of)| (column_name(&self.var, suffix), of))
            .collect()
    }

    /// Its columns as expressions that make them of some kind.
    fn as_type(&self, wanted: Type) -> Vec<(Expr, String)> {
        match (self.of, wanted) {
            (Type::Of(kind), Type::Mixed) => {
                let lifted = wanted.columns().into_iter().enumerate();
                let of = || column(column_name(&self.var, ""));
                lifted
                    .map(|(at, (suffix, _))| {
                        (kind.lifted(of(), at), column_name(&self.var, suffix))
                    })
                    .collect()
            }
            _ => {
                let same = self.columns().into_iter();
                same.map(|(name, _)| (column(&name), name)).collect()
            }
        }
    }
}

impl Relation {
    /// One tuple of no variables.
    pub(super) fn unit() -> Result<Relation> {
        let one = LogicalPlanBuilder::empty(true).project([lit(true).alias(HOLDS)]);
        Ok(Relation {
            plan: planned(one.and_then(LogicalPlanBuilder::build))?,
            fields: Vec::new(),
            is_empty: false,
        })
    }

    fn is_unit(&self) -> bool {
        let LogicalPlan::Projection(projection) = &self.plan else {
            return false;
        };
        let one = |plan: &LogicalPlan| matches!(plan, LogicalPlan::EmptyRelation(empty) if empty.produce_one_row);
        self.fields.is_empty() && one(&projection.input)
    }

    /// No tuples.
    pub(super) fn empty(fields: Vec<Field>) -> Result<Relation> {
        let columns = all_columns(&fields).into_iter();
        let columns = columns.map(|(name, of)| ArrowField::new(name, of, false));
        let schema = DFSchema::from_unqualified_fields(columns.collect(), Default::default());
        Ok(Relation {
            plan: LogicalPlan::EmptyRelation(EmptyRelation {
                produce_one_row: false,
                schema: Arc::new(planned(schema)?),
            }),
            fields,
            is_empty: true,
        })
    }

    /// Columns of a plan.
    pub(super) fn of(
        plan: LogicalPlan,
        columns: Vec<(Expr, String)>,
        fields: Vec<Field>,
    ) -> Result<Relation> {
        let mut columns: Vec<Expr> = columns
            .into_iter()
            .map(|(expr, name)| expr.alias(name))
            .collect();
        if columns.is_empty() {
            columns.push(lit(true).alias(HOLDS));
        }
        let plan = LogicalPlanBuilder::from(plan).project(columns);
        Ok(Relation {
            plan: planned(plan.and_then(LogicalPlanBuilder::build))?,
            fields,
            is_empty: false,
        })
    }

    /// A variable of it.
    pub(super) fn field(&self, var: &Var) -> Option<&Field> {
        self.fields.iter().find(|field| field.var == *var)
    }

    /// Its variables.
    pub(super) fn vars(&self) -> impl Iterator<Item = &Var> {
        self.fields.iter().map(|field| &field.var)
    }

    /// The rows for which a condition is true.
    pub(super) fn filter(self, condition: Expr) -> Result<Relation> {
        if self.is_empty {
            return Ok(self);
        }
        let plan = LogicalPlanBuilder::from(self.plan).filter(condition);
        Ok(Relation {
            plan: planned(plan.and_then(LogicalPlanBuilder::build))?,
            ..self
        })
    }

    /// Some of its variables, in an order, under other names.
    pub(super) fn renamed(self, vars: &[(&Var, Var)]) -> Result<Relation> {
        let is_same = {
            let own = self.vars().map(|var| (var, var));
            vars.iter().map(|(from, to)| (*from, to)).eq(own)
        };
        if is_same && !vars.is_empty() {
            return Ok(self);
        }
        let (mut columns, mut fields) = (Vec::new(), Vec::new());
        for (var, name) in vars {
            let Some(field) = self.field(var) else {
                let message = format!("{var} is no variable of the relation");
                return Err(Error::new(Code::Internal, message));
            };
            let renamed = Field {
                var: name.clone(),
                ..field.clone()
            };
            let names = field.columns().into_iter().zip(renamed.columns());
            columns.extend(names.map(|((from, _), (to, _))| (column(from), to)));
            fields.push(renamed);
        }
        if self.is_empty {
            return Relation::empty(fields);
        }
        Relation::of(self.plan, columns, fields)
    }

    /// Some of its variables, in an order.
    pub(super) fn keep(self, vars: &[Var]) -> Result<Relation> {
        let same: Vec<(&Var, Var)> = vars.iter().map(|var| (var, var.clone())).collect();
        self.renamed(&same)
    }

    /// With columns for one more variable.
    pub(super) fn with(self, field: Field, columns: Vec<(Expr, String)>) -> Result<Relation> {
        let mut fields = self.fields.clone();
        let own = all_columns(&fields).into_iter();
        let own: Vec<(Expr, String)> = match fields.is_empty() {
            true => Vec::new(),
            false => own.map(|(name, _)| (column(&name), name)).collect(),
        };
        fields.push(field);
        if self.is_empty {
            return Relation::empty(fields);
        }
        Relation::of(self.plan, [own, columns].concat(), fields)
    }

    /// Each tuple once.
    pub(super) fn distinct(self) -> Result<Relation> {
        if self.is_empty {
            return Ok(self);
        }
        let plan = LogicalPlanBuilder::from(self.plan).distinct();
        Ok(Relation {
            plan: planned(plan.and_then(LogicalPlanBuilder::build))?,
            ..self
        })
    }

    /// Variables made to hold any kind.
    fn lift(self, vars: &[Var]) -> Result<Relation> {
        if self.is_empty || vars.is_empty() {
            return Ok(self);
        }
        let (mut columns, mut fields) = (Vec::new(), Vec::new());
        for field in &self.fields {
            let of = if vars.contains(&field.var) {
                Type::Mixed
            } else {
                field.of
            };
            columns.extend(field.as_type(of));
            fields.push(Field {
                of,
                ..field.clone()
            });
        }
        Relation::of(self.plan, columns, fields)
    }

    /// The tuples of both that agree on what they share.
    pub(super) fn join(self, right: Relation) -> Result<Relation> {
        if self.is_unit() {
            return Ok(right);
        }
        if right.is_unit() {
            return Ok(self);
        }
        let more = right.fields.iter();
        let more: Vec<Field> = more
            .filter(|field| self.field(&field.var).is_none())
            .cloned()
            .collect();
        let all = || self.fields.iter().chain(&more).cloned().collect();
        if self.is_empty || right.is_empty {
            return Relation::empty(all());
        }
        let Some(Meeting { left, right, on }) = meet(self.clone(), right)? else {
            return Relation::empty(all());
        };
        let mut columns: Vec<(Expr, String)> = Vec::new();
        for field in &left.fields {
            columns.extend(field.as_type(field.of));
        }
        for (name, _) in more.iter().flat_map(Field::columns) {
            columns.push((column(primed(&name)), name));
        }
        let mut fields = left.fields.clone();
        for field in &mut fields {
            let other = right.fields.iter().find(|other| other.var == field.var);
            field.is_named |= other.is_some_and(|other| other.is_named);
        }
        fields.extend(more);
        let left = LogicalPlanBuilder::from(left.plan);
        let joined = if on.is_empty() {
            left.cross_join(right.plan)
        } else {
            left.join(right.plan, JoinType::Inner, keys(on), None)
        };
        let joined = planned(joined.and_then(LogicalPlanBuilder::build))?;
        Relation::of(joined, columns, fields)
    }

    /// The tuples that agree with none of the other side on what they share.
    pub(super) fn without(self, right: Relation) -> Result<Relation> {
        if self.is_empty || right.is_empty {
            return Ok(self);
        }
        let Some(Meeting { left, right, on }) = meet(self.clone(), right)? else {
            return Ok(self);
        };
        let (left, right, on) = if on.is_empty() {
            let of = |relation: Relation, name: String| -> Result<LogicalPlan> {
                let own = relation.plan.schema().columns().into_iter();
                let own = own.map(Expr::Column).chain([lit(1i64).alias(name)]);
                let plan = LogicalPlanBuilder::from(relation.plan.clone());
                planned(
                    plan.project(own.collect::<Vec<_>>())
                        .and_then(|p| p.build()),
                )
            };
            let names = (ALWAYS.to_owned(), primed(ALWAYS));
            let fields = left.fields.clone();
            let plan = of(left, names.0.clone())?;
            let left = Relation {
                plan,
                fields,
                is_empty: false,
            };
            (left, of(right, names.1.clone())?, vec![names])
        } else {
            (left, right.plan, on)
        };
        let own = left.fields.iter().flat_map(|field| field.as_type(field.of));
        let own: Vec<(Expr, String)> = own.collect();
        let plan = LogicalPlanBuilder::from(left.plan);
        let plan = plan.join(right, JoinType::LeftAnti, keys(on), None);
        let plan = planned(plan.and_then(LogicalPlanBuilder::build))?;
        Relation::of(plan, own, left.fields)
    }

    /// The tuples of all, which have the same variables.
    pub(super) fn union(relations: Vec<Relation>) -> Result<Relation> {
        let Some(first) = relations.first() else {
            return Relation::empty(Vec::new());
        };
        let fields = first.fields.clone();
        let vars: Vec<Var> = first.vars().cloned().collect();
        let mut full: Vec<Relation> = Vec::new();
        for relation in relations.into_iter().filter(|relation| !relation.is_empty) {
            full.push(relation.keep(&vars)?);
        }
        let is_mixed = |at: &usize| {
            full.windows(2)
                .any(|pair| pair[0].fields[*at].of != pair[1].fields[*at].of)
        };
        let mixed = (0..vars.len()).filter(is_mixed);
        let mixed: Vec<Var> = mixed.map(|at| vars[at].clone()).collect();
        let mut all: Option<Relation> = None;
        for relation in full {
            let next = relation.lift(&mixed)?;
            all = Some(match all {
                None => next,
                Some(mut all) => {
                    let plan = LogicalPlanBuilder::from(all.plan).union(next.plan);
                    all.plan = planned(plan.and_then(LogicalPlanBuilder::build))?;
                    for (field, other) in all.fields.iter_mut().zip(&next.fields) {
                        field.is_named |= other.is_named;
                    }
                    all
                }
            });
        }
        all.map_or_else(|| Relation::empty(fields), Ok)
    }
}

/// Two sides made ready to be joined: the right one's columns have names of their own.
struct Meeting {
    left: Relation,
    right: Relation,
    /// Columns that must be equal.
    on: Vec<(String, String)>,
}

/// None if no value of a shared variable can be on both sides.
fn meet(left: Relation, right: Relation) -> Result<Option<Meeting>> {
    let (mut of_left, mut of_right, mut shared) = (Vec::new(), Vec::new(), Vec::new());
    for field in &left.fields {
        let Some(other) = right.field(&field.var) else {
            continue;
        };
        if field.of != other.of || field.of == Type::Mixed {
            check_named(field, other)?;
        }
        match (field.of, other.of) {
            (Type::Of(a), Type::Of(b)) if a != b => return Ok(None),
            (Type::Mixed, Type::Of(_)) => of_right.push(field.var.clone()),
            (Type::Of(_), Type::Mixed) => of_left.push(field.var.clone()),
            _ => {}
        }
        shared.push(field.var.clone());
    }
    let left = left.lift(&of_left)?;
    let mut right = right.lift(&of_right)?;
    let shared = left
        .fields
        .iter()
        .filter(|field| shared.contains(&field.var));
    let on = shared
        .flat_map(Field::columns)
        .map(|(name, _)| (name.clone(), primed(&name)))
        .collect();
    let names = right.plan.schema().columns().into_iter();
    let names = names.map(|own| {
        let name = primed(&own.name);
        Expr::Column(own).alias(name)
    });
    let plan = LogicalPlanBuilder::from(right.plan.clone()).project(names.collect::<Vec<_>>());
    right.plan = planned(plan.and_then(LogicalPlanBuilder::build))?;
    Ok(Some(Meeting { left, right, on }))
}

/// A name of entities or attributes meets values of its own kind only.
pub(super) fn check_named(field: &Field, other: &Field) -> Result<()> {
    if field.is_named || other.is_named {
        let message = format!(
            "{} names entities or attributes and meets values of other kinds: idents and lookup refs in data do not lower",
            field.var
        );
        return Err(unsupported(message));
    }
    Ok(())
}

fn primed(name: &str) -> String {
    format!("{name}'")
}

fn keys(on: Vec<(String, String)>) -> (Vec<Column>, Vec<Column>) {
    on.into_iter()
        .map(|(left, right)| (Column::from_name(left), Column::from_name(right)))
        .unzip()
}

fn all_columns(fields: &[Field]) -> Vec<(String, DataType)> {
    if fields.is_empty() {
        return vec![(HOLDS.to_owned(), DataType::Boolean)];
    }
    fields.iter().flat_map(Field::columns).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relations_without_variables_hold_or_not() {
        let unit = Relation::unit().unwrap();
        let none = Relation::empty(Vec::new()).unwrap();
        assert!(unit.clone().join(none.clone()).unwrap().is_empty);
        assert!(!unit.clone().without(none).unwrap().is_empty);
        let joined = unit.clone().join(unit).unwrap();
        assert_eq!(joined.plan.schema().fields().len(), 1);
    }
}
