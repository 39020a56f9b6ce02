//! Patterns as scans: the table of an attribute, of several, or tuples that a caller gave.

use std::sync::Arc;

use datafusion::common::TableReference;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};
use datalith_engine::datom::AttrId;
use datalith_engine::db::{TxSet, View};
use datalith_engine::index::{Kinds, Run, SortOrder};
use datalith_engine::query::ast::{Term, Var};
use datalith_engine::{Db, Result, Value};

use super::kind::{Kind, Type, column, column_name, literal};
use super::relation::{Field, Relation, check_named, planned, unsupported};
use super::values;
use crate::catalog::{ENTITY, PUBLIC, TableName, ident_text};
use crate::scan::{Narrow, Provider};

/// The positions of a datom's parts in a pattern.
const PARTS: [&str; 5] = ["e", "a", "v", "tx", "added"];

/// A part of a datom as a scan has it.
struct Part {
    expr: Expr,
    /// None where its values are of kinds that do not lower.
    of: Option<Kind>,
    /// Whether a value would be looked up as the name of an entity or an attribute.
    is_named: bool,
}

/// Whether names of entities must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a query: what is named must be there.
    Query,
    /// In a rule.
    Rule,
}

/// A pattern upon a database value.
pub(super) fn of_database(db: &Db, terms: &[Term], place: Place) -> Result<Relation> {
    if terms.len() > PARTS.len() {
        return Err(unsupported("A pattern has five terms at most"));
    }
    let attributes: Vec<AttrId> = match terms.get(1) {
        Some(Term::Const(name)) => db.attr_of(name).into_iter().collect(),
        _ => db.attribute_ids().collect(),
    };
    if let Some(Term::Const(e)) = terms.first() {
        entity(db, e, place)?;
    }
    let mut branches = Vec::new();
    for a in attributes {
        let run = db.run(a, SortOrder::ByEntity);
        let Some(run) = run.filter(|run| !run.is_empty()) else {
            continue;
        };
        branches.extend(of_attribute(db, a, &run, terms, place)?);
    }
    if branches.is_empty() {
        return nothing(terms);
    }
    Relation::union(branches)
}

/// No tuples of a pattern's variables.
fn nothing(terms: &[Term]) -> Result<Relation> {
    let mut fields: Vec<Field> = Vec::new();
    for term in terms {
        if let Term::Var(var) = term
            && !fields.iter().any(|field| field.var == *var)
        {
            fields.push(Field::new(var, Type::Of(Kind::Long)));
        }
    }
    Relation::empty(fields)
}

/// A pattern upon one attribute; none if nothing can match.
fn of_attribute(
    db: &Db,
    a: AttrId,
    run: &Run,
    terms: &[Term],
    place: Place,
) -> Result<Option<Relation>> {
    let (mut plan, parts) = scan(db, a, run)?;
    let is_ref = db.attribute(a).is_some_and(|a| a.is_ref());
    let is_one = matches!(terms.get(1), Some(Term::Const(_)));
    let (mut columns, mut fields) = (Vec::new(), Vec::<(Field, Expr)>::new());
    let mut conditions: Vec<Expr> = Vec::new();
    for (at, (term, part)) in terms.iter().zip(parts).enumerate() {
        match term {
            Term::Blank => {}
            Term::Const(_) if at == 1 => {}
            Term::Const(value) => {
                let value = match at {
                    0 => Value::Long(entity(db, value, place)?),
                    2 if is_ref && is_one => Value::Long(entity(db, value, place)?),
                    2 if is_ref => match any_entity(db, value)? {
                        Some(e) => Value::Long(e),
                        None => return Ok(None),
                    },
                    _ => value.clone(),
                };
                match equals(&part, &value, terms)? {
                    Some(condition) => conditions.push(condition),
                    None => return Ok(None),
                }
            }
            Term::Var(var) => {
                let Some(kind) = part.of else {
                    return Err(no_kind(db, a));
                };
                let field = Field {
                    var: var.clone(),
                    of: Type::Of(kind),
                    is_named: part.is_named,
                };
                let known = fields.iter().find(|(known, _)| known.var == *var);
                match known {
                    None => {
                        columns.push((part.expr.clone(), column_name(var, "")));
                        fields.push((field, part.expr));
                    }
                    Some((known, expr)) if known.of == field.of => {
                        conditions.push(expr.clone().eq(part.expr));
                    }
                    Some((known, _)) => {
                        check_named(known, &field)?;
                        return Ok(None);
                    }
                }
            }
        }
    }
    if let Some(condition) = conditions.into_iter().reduce(Expr::and) {
        let filtered = LogicalPlanBuilder::from(plan).filter(condition);
        plan = planned(filtered.and_then(LogicalPlanBuilder::build))?;
    }
    let fields = fields.into_iter().map(|(field, _)| field).collect();
    Relation::of(plan, columns, fields).map(Some)
}

/// The table of an attribute, and the parts of its datoms.
fn scan(db: &Db, a: AttrId, run: &Run) -> Result<(LogicalPlan, [Part; 5])> {
    let attribute = db.attribute_value(a);
    let ident = ident_text(db.ident(a));
    let table = Narrow::of_attribute(db, a);
    let provider = Provider::new(&ident, TableName::Narrow(a), table);
    let source = provider_as_source(Arc::new(provider));
    let value_type = source.schema().field(1).data_type().clone();
    let name = TableReference::partial(schema_name(db.view()), ident);
    let plan = LogicalPlanBuilder::scan(name, source, None).and_then(LogicalPlanBuilder::build);
    let own_kind = kind_of(run).filter(|kind| kind.data_type() == value_type);
    let is_ref = db.attribute(a).is_some_and(|a| a.is_ref());
    let (attribute_kind, attribute) = match literal(&attribute) {
        Some((kind, expr)) => (Some(kind), expr),
        None => (None, lit(false)),
    };
    let value = match own_kind {
        // Adding zero makes `-0.0`, which equals `0.0`, the same bits.
        Some(Kind::Double) => column("value") + lit(0f64),
        _ => column("value"),
    };
    let added = match db.view().history {
        true => column("added"),
        false => lit(true),
    };
    let part = |expr, of, is_named| Part { expr, of, is_named };
    let parts = [
        part(column(ENTITY), Some(Kind::Long), true),
        part(attribute, attribute_kind, true),
        part(value, own_kind, is_ref),
        part(column("tx"), Some(Kind::Long), false),
        part(added, Some(Kind::Bool), false),
    ];
    Ok((planned(plan)?, parts))
}

/// The kind of all values of a run; none if they are of several, or of one that does not lower.
fn kind_of(run: &Run) -> Option<Kind> {
    let mut all = None;
    for chunk in run.chunks() {
        match chunk.v.kinds() {
            Kinds::All(kind) if all.is_none_or(|all| all == *kind) => all = Some(*kind),
            Kinds::Each(kinds) if !kinds.is_empty() => {
                let first = chunk.v.kind_at(0);
                let same = (0..chunk.v.len()).all(|at| chunk.v.kind_at(at) == first);
                if !same || all.is_some_and(|all| all != first) {
                    return None;
                }
                all = Some(first);
            }
            _ => return None,
        }
    }
    all.and_then(Kind::of_cells)
}

/// The condition that a part is a constant; none if it cannot be.
fn equals(part: &Part, value: &Value, terms: &[Term]) -> Result<Option<Expr>> {
    let Some((kind, constant)) = literal(value) else {
        let message = format!("The constant {value} of a pattern does not lower");
        return Err(unsupported(message));
    };
    let Some(own) = part.of else {
        let message = format!("The constant {value} meets values that do not lower");
        return Err(unsupported(message));
    };
    if own == kind {
        return Ok(Some(part.expr.clone().eq(constant)));
    }
    let is_number = |kind| matches!(kind, Kind::Long | Kind::Double);
    if is_number(own) && is_number(kind) {
        let message = format!(
            "{value} is looked for among numbers of another kind in {}",
            shown(terms)
        );
        return Err(unsupported(message));
    }
    Ok(None)
}

/// The entity that a constant names.
fn entity(db: &Db, value: &Value, place: Place) -> Result<i64> {
    match (value, place) {
        (Value::Long(e), _) if *e > 0 => Ok(*e),
        (Value::Keyword(_) | Value::Vector(_) | Value::List(_), Place::Query) => {
            Ok(db.entid_strict(value)?.0)
        }
        (_, Place::Rule) => Err(unsupported(format!(
            "{value} as the name of an entity in a rule does not lower"
        ))),
        _ => Err(unsupported(format!(
            "{value} as the name of an entity does not lower"
        ))),
    }
}

/// The entity that a constant names where the attribute may be any: one that names none is not refused.
fn any_entity(db: &Db, value: &Value) -> Result<Option<i64>> {
    match value {
        Value::Long(_) | Value::Keyword(_) => match db.entid(value) {
            Ok(e) => Ok(e.map(|e| e.0)),
            Err(_) => Ok(None),
        },
        Value::Vector(_) | Value::List(_) => Err(unsupported(format!(
            "The lookup ref {value} for any attribute does not lower"
        ))),
        _ => Ok(None),
    }
}

fn no_kind(db: &Db, a: AttrId) -> datalith_engine::Error {
    unsupported(format!(
        "The values of {} are of several kinds, or of one that does not lower",
        db.ident(a)
    ))
}

fn shown(terms: &[Term]) -> String {
    let terms: Vec<String> = terms
        .iter()
        .map(|term| match term {
            Term::Blank => "_".to_owned(),
            Term::Var(var) => var.to_string(),
            Term::Const(value) => value.to_string(),
        })
        .collect();
    format!("[{}]", terms.join(" "))
}

/// What the catalog calls the schema of a view; one that several instants made has no name there.
fn schema_name(view: &View) -> String {
    let point = |word: &str, point: &Option<TxSet>| match point {
        Some(TxSet::UpTo(tx)) => Some(format!("{word}:{tx}")),
        Some(TxSet::These(_)) => Some(format!("{word}:…")),
        None => None,
    };
    let parts = [
        point("as_of", &view.as_of),
        point("since", &view.since),
        view.history.then(|| "history".to_owned()),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    match parts.is_empty() {
        true => PUBLIC.to_owned(),
        false => parts.join(" "),
    }
}

/// A pattern upon tuples that a caller gave: those with fewer items than it has terms do not match.
pub(super) fn of_tuples(tuples: &[Arc<[Value]>], terms: &[Term]) -> Result<Relation> {
    let mut vars: Vec<Var> = Vec::new();
    for term in terms {
        if let Term::Var(var) = term
            && !vars.contains(var)
        {
            vars.push(var.clone());
        }
    }
    let matched = |items: &Arc<[Value]>| -> Option<Vec<Value>> {
        if items.len() < terms.len() {
            return None;
        }
        let mut row: Vec<Option<Value>> = vec![None; vars.len()];
        for (term, item) in terms.iter().zip(items.iter()) {
            match term {
                Term::Blank => {}
                Term::Const(value) if value != item => return None,
                Term::Const(_) => {}
                Term::Var(var) => {
                    let at = vars.iter().position(|known| known == var)?;
                    if row[at].get_or_insert_with(|| item.clone()) != item {
                        return None;
                    }
                }
            }
        }
        row.into_iter().collect()
    };
    values::relation(&vars, tuples.iter().filter_map(matched).collect())
}
