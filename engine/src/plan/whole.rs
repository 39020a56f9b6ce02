//! Which calls of rules may as well ask for everything.
//!
//! Where all tuples of a rule are wanted, the calls through which it recurs end up asking for all of
//! theirs, one argument after the other. Asked without arguments they need no demand.

use std::collections::HashSet;

use super::inline::ByName;
use crate::db::Db;
use crate::query::ast::{Binding, Clause, ClauseKind, FunctionName, RuleBranch, Term};
use crate::schema::ValueType;
use crate::value::{Symbol, Value};

/// Functions that return numbers.
const NUMERIC: [&str; 9] = ["+", "-", "*", "inc", "dec", "quot", "rem", "mod", "count"];

/// Whether a rule all of whose tuples are wanted may call another, or itself, without arguments.
///
/// - It must recur through the call.
/// - What is not asked for might never end: no rule on the way computes anything, but for the rule
///   itself, which is asked for as it is.
/// - Cells that name entities, as idents and lookup refs do, are resolved where they are asked with,
///   not where answers are compared with them: none may turn up.
///
/// `db`: the database that patterns are matched against; none for a collection.
pub(super) fn may_ask_for_all(
    rules: &ByName<'_>,
    caller: &Symbol,
    callee: &Symbol,
    db: Option<&Db>,
) -> bool {
    let (there, back) = (reached(rules, caller), reached(rules, callee));
    if !there.contains(callee) || !back.contains(caller) {
        return false;
    }
    // Each reaches the other, and so all that either does.
    let branches = there.iter().filter_map(|name| rules.get(*name)).flatten();
    let mut clauses = branches.flat_map(|branch: &&RuleBranch| &branch.clauses);
    clauses.all(|clause| is_nameless(clause, db) && (caller == callee || !computes(clause)))
}

/// The rules that a rule calls, directly or not.
fn reached<'a>(rules: &ByName<'a>, name: &Symbol) -> HashSet<&'a Symbol> {
    let (mut reached, mut left) = (HashSet::new(), vec![name]);
    while let Some(name) = left.pop() {
        let mut callees = Vec::new();
        for branch in rules.get(name).into_iter().flatten() {
            calls(&branch.clauses, &mut callees);
        }
        for callee in callees {
            if reached.insert(callee) {
                left.push(callee);
            }
        }
    }
    reached
}

/// The rules that clauses call.
fn calls<'c>(clauses: &'c [Clause], out: &mut Vec<&'c Symbol>) {
    for clause in clauses {
        match &clause.kind {
            ClauseKind::Rule { name, .. } => out.push(name),
            _ => parts(clause).for_each(|clauses| calls(clauses, out)),
        }
    }
}

/// Whether a clause binds what a function returns.
fn computes(clause: &Clause) -> bool {
    matches!(clause.kind, ClauseKind::Function { .. }) || parts(clause).flatten().any(computes)
}

/// Whether nothing that a clause binds or passes on names an entity.
fn is_nameless(clause: &Clause, db: Option<&Db>) -> bool {
    match &clause.kind {
        ClauseKind::Pattern { source, terms } => {
            source.is_none() && db.is_none_or(|db| has_plain_values(terms, db))
        }
        ClauseKind::Predicate { .. } => true,
        ClauseKind::Function {
            function, binding, ..
        } => {
            let is_numeric = |name: &FunctionName| match name {
                FunctionName::Named(name) => {
                    NUMERIC.iter().any(|known| name == &Symbol::new(known))
                }
                FunctionName::Var(_) => false,
            };
            matches!(binding, Binding::Scalar(_)) && is_numeric(function)
        }
        ClauseKind::Rule { source, args, .. } => {
            let is_name =
                |term: &Term| matches!(term, Term::Const(value) if value.as_long().is_none());
            source.is_none() && !args.iter().any(is_name)
        }
        ClauseKind::Or { source, .. }
        | ClauseKind::OrJoin { source, .. }
        | ClauseKind::Not { source, .. }
        | ClauseKind::NotJoin { source, .. } => {
            source.is_none()
                && parts(clause)
                    .flatten()
                    .all(|clause| is_nameless(clause, db))
        }
    }
}

/// Whether the values that a pattern binds are of a type none of whose values name entities.
fn has_plain_values(terms: &[Term], db: &Db) -> bool {
    let type_of = |name: &Value| db.attribute(db.attr_of(name)?)?.value_type;
    match (terms.get(1), terms.get(2)) {
        (Some(Term::Var(_)), _) => false,
        (Some(Term::Const(name)), Some(Term::Var(_))) => matches!(
            type_of(name),
            Some(ValueType::Ref | ValueType::Long | ValueType::String | ValueType::Instant)
        ),
        (_, Some(Term::Var(_))) => false,
        _ => true,
    }
}

/// The conjunctions within a clause.
fn parts(clause: &Clause) -> impl Iterator<Item = &[Clause]> {
    let (all, one): (&[Vec<Clause>], Option<&Vec<Clause>>) = match &clause.kind {
        ClauseKind::Or { branches, .. } | ClauseKind::OrJoin { branches, .. } => (branches, None),
        ClauseKind::Not { clauses, .. } | ClauseKind::NotJoin { clauses, .. } => {
            (&[], Some(clauses))
        }
        _ => (&[], None),
    };
    all.iter().chain(one).map(Vec::as_slice)
}
