//! What must hold between the parts of a query.

use std::collections::HashSet;
use std::hash::Hash;

use super::ast::{Arg, Clause, ClauseKind, Input, Query, SourceName, Var};
use super::cursor::Node;
use super::rule::is_built_in;
use super::vars::Vars;
use crate::error::{Code, Error, Result};
use crate::value::Value;

/// Refuses unknown and repeated variables, unknown sources and rules without `%`.
pub(super) fn validate(query: &Query, node: Node<'_>) -> Result<()> {
    let mut inputs = Vec::new();
    query
        .inputs
        .iter()
        .for_each(|input| input.collect_vars(&mut inputs));
    let mut known: Vars = inputs.iter().cloned().collect();
    query
        .clauses
        .iter()
        .for_each(|clause| clause.collect_vars(&mut known));
    let mut find = Vars::new();
    query
        .find
        .elements()
        .iter()
        .for_each(|element| element.collect_vars(&mut find));

    let asked = find.iter().chain(&query.with);
    refuse_vars(
        "Query for unknown vars",
        asked.filter(|var| !known.contains(*var)),
        node,
    )?;
    let shared = query.with.iter().filter(|var| find.contains(*var));
    refuse_vars(
        ":find and :with should not use same variables",
        shared,
        node,
    )?;
    if let Some(twice) = repeated(&inputs) {
        return Err(not_distinct("in", &twice.to_string(), node));
    }
    if let Some(twice) = repeated(
        &query
            .inputs
            .iter()
            .filter_map(source_of)
            .collect::<Vec<_>>(),
    ) {
        return Err(not_distinct("in", &twice.to_string(), node));
    }
    if query
        .inputs
        .iter()
        .filter(|input| matches!(input, Input::Rules))
        .count()
        > 1
    {
        return Err(not_distinct("in", "%", node));
    }
    if let Some(twice) = repeated(&query.with) {
        return Err(not_distinct("with", &twice.to_string(), node));
    }
    let given = Given {
        sources: query.inputs.iter().filter_map(source_of).collect(),
        has_rules: query
            .inputs
            .iter()
            .any(|input| matches!(input, Input::Rules)),
    };
    query
        .clauses
        .iter()
        .try_for_each(|clause| check_clause(clause, &given, node))
}

/// What `:in` gives to clauses.
struct Given<'q> {
    sources: HashSet<&'q SourceName>,
    has_rules: bool,
}

fn check_clause(clause: &Clause, given: &Given<'_>, node: Node<'_>) -> Result<()> {
    for source in sources(clause) {
        if !given.sources.contains(source) {
            let message = format!(
                "Where uses unknown source vars: [{source}] in {}, expected it in :in",
                Node::new(&clause.form, None)
            );
            return Err(Error::new(Code::ParserQuery, message)
                .at(clause.span.or(node.span()))
                .with("vars", Value::set([Value::Symbol(source.0.clone())]))
                .with("form", node.value.clone()));
        }
    }
    match &clause.kind {
        ClauseKind::Rule { name, .. } if !given.has_rules && !is_built_in(name) => {
            let form = Node::new(&clause.form, None);
            let message = format!("Missing rules var '%' in :in, needed by {form}");
            Err(Error::new(Code::ParserQuery, message)
                .at(clause.span.or(node.span()))
                .with("form", node.value.clone()))
        }
        _ => clause
            .children()
            .try_for_each(|child| check_clause(child, given, node)),
    }
}

fn sources(clause: &Clause) -> impl Iterator<Item = &SourceName> {
    let (source, args): (&Option<SourceName>, &[Arg]) = match &clause.kind {
        ClauseKind::Predicate { args, .. } | ClauseKind::Function { args, .. } => (&None, args),
        ClauseKind::Pattern { source, .. }
        | ClauseKind::Or { source, .. }
        | ClauseKind::OrJoin { source, .. }
        | ClauseKind::Not { source, .. }
        | ClauseKind::NotJoin { source, .. }
        | ClauseKind::Rule { source, .. } => (source, &[]),
    };
    source.iter().chain(args.iter().filter_map(|arg| match arg {
        Arg::Source(source) => Some(source),
        _ => None,
    }))
}

fn source_of(input: &Input) -> Option<&SourceName> {
    match input {
        Input::Source(source) => Some(source),
        _ => None,
    }
}

fn repeated<T: Hash + Eq>(items: &[T]) -> Option<&T> {
    let mut seen = HashSet::new();
    items.iter().find(|item| !seen.insert(*item))
}

fn refuse_vars<'v>(what: &str, vars: impl Iterator<Item = &'v Var>, node: Node<'_>) -> Result<()> {
    let vars: Vec<&Var> = vars.collect();
    let Some(first) = vars.first() else {
        return Ok(());
    };
    let place = node.place_of(&first.0).or(node.span());
    let vars: Vec<Value> = vars
        .iter()
        .map(|var| Value::Symbol(var.0.clone()))
        .collect();
    let message = format!("{what}: {}", Value::vector(vars.clone()));
    Err(Error::new(Code::ParserQuery, message)
        .at(place)
        .with("vars", Value::set(vars))
        .with("form", node.value.clone()))
}

fn not_distinct(section: &str, twice: &str, node: Node<'_>) -> Error {
    let message = format!("Vars used in :{section} should be distinct, {twice} stands twice");
    node.error(Code::ParserQuery, message)
        .with("form", node.value.clone())
}
