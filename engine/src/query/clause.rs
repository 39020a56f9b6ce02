//! The clauses of `:where` and of rule bodies.

use super::ast::{Arg, Clause, ClauseKind, FunctionName, SourceName, Term, Var};
use super::binding::parse_binding;
use super::cursor::Node;
use super::rule::parse_rule_vars;
use super::vars::Vars;
use crate::error::{Code, Error, Result};
use crate::limits::{QUERY_CLAUSES, QUERY_DEPTH};
use crate::value::{Symbol, Value};

/// Reads clauses and counts them against the limits of one query.
#[derive(Default)]
pub(super) struct ClauseReader {
    clauses: usize,
    depth: usize,
}

/// A source written in front of a clause, and what follows it.
struct Sourced<'n, 'a> {
    source: Option<SourceName>,
    items: &'n [Node<'a>],
}

impl ClauseReader {
    /// A conjunction.
    pub(super) fn read_all(&mut self, nodes: &[Node<'_>]) -> Result<Vec<Clause>> {
        let mut clauses = Vec::with_capacity(nodes.len());
        for node in nodes {
            self.read_into(*node, &mut clauses)?;
        }
        Ok(clauses)
    }

    fn read_into(&mut self, node: Node<'_>, out: &mut Vec<Clause>) -> Result<()> {
        self.clauses += 1;
        if self.clauses > QUERY_CLAUSES {
            let message = format!("The query has more than {QUERY_CLAUSES} clauses");
            return Err(node.error(Code::Limit, message));
        }
        if self.depth > QUERY_DEPTH {
            let message = format!("The clauses nest deeper than {QUERY_DEPTH}");
            return Err(node.error(Code::Limit, message));
        }
        let items = node.items().ok_or_else(|| unreadable(node))?;
        self.depth += 1;
        match items.as_slice() {
            [head, clauses @ ..] if head.is_symbol("and") => {
                if clauses.is_empty() {
                    return Err(expected(node, "and", "(and clause+)"));
                }
                out.extend(self.read_all(clauses)?);
            }
            items => {
                let kind = self.read_kind(node, items)?;
                out.push(Clause {
                    kind,
                    form: node.value.clone(),
                    span: node.span(),
                });
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn read_kind(&mut self, node: Node<'_>, items: &[Node<'_>]) -> Result<ClauseKind> {
        let sourced = take_source(items);
        match sourced
            .items
            .first()
            .and_then(|head| head.symbol())
            .map(Symbol::as_str)
        {
            Some("not") => return self.read_not(node, sourced),
            Some("not-join") => return self.read_not_join(node, sourced),
            Some("or") => return self.read_or(node, sourced),
            Some("or-join") => return self.read_or_join(node, sourced),
            _ => {}
        }
        if let [call] = items
            && let Some((function, args)) = read_call(*call, node)?
        {
            return Ok(ClauseKind::Predicate { function, args });
        }
        if let [call, binding] = items
            && let Some((function, args)) = read_call(*call, node)?
        {
            let binding = parse_binding(*binding)?;
            return Ok(ClauseKind::Function {
                function,
                args,
                binding,
            });
        }
        match sourced.items.first().and_then(|head| plain_symbol(*head)) {
            Some(name) => read_rule_call(node, name.clone(), sourced),
            None => read_pattern(node, sourced),
        }
    }

    fn read_not(&mut self, node: Node<'_>, sourced: Sourced<'_, '_>) -> Result<ClauseKind> {
        let [_, clauses @ ..] = sourced.items else {
            return Err(unreadable(node));
        };
        if clauses.is_empty() {
            return Err(expected(node, "not", "($source? not clause+)"));
        }
        let clauses = self.read_all(clauses)?;
        let mut vars = Vars::new();
        clauses
            .iter()
            .for_each(|clause| clause.collect_vars(&mut vars));
        check_join(node, &vars, &[&clauses])?;
        Ok(ClauseKind::Not {
            source: sourced.source,
            clauses,
        })
    }

    fn read_not_join(&mut self, node: Node<'_>, sourced: Sourced<'_, '_>) -> Result<ClauseKind> {
        let refused = || expected(node, "not-join", "($source? not-join [?var+] clause+)");
        let [_, vars, clauses @ ..] = sourced.items else {
            return Err(refused());
        };
        let vars = vars.items().ok_or_else(refused)?;
        let vars = vars
            .iter()
            .map(|var| variable(*var))
            .collect::<Option<Vec<_>>>();
        let vars = vars.ok_or_else(refused)?;
        if clauses.is_empty() {
            return Err(refused());
        }
        let clauses = self.read_all(clauses)?;
        check_join(node, &vars.iter().cloned().collect(), &[&clauses])?;
        Ok(ClauseKind::NotJoin {
            source: sourced.source,
            vars,
            clauses,
        })
    }

    fn read_or(&mut self, node: Node<'_>, sourced: Sourced<'_, '_>) -> Result<ClauseKind> {
        let [_, branches @ ..] = sourced.items else {
            return Err(unreadable(node));
        };
        if branches.is_empty() {
            return Err(expected(node, "or", "($source? or clause+)"));
        }
        let branches = self.read_branches(branches)?;
        let mut vars = Vars::new();
        branches
            .iter()
            .flatten()
            .for_each(|clause| clause.collect_vars(&mut vars));
        check_join(node, &vars, &branches.iter().collect::<Vec<_>>())?;
        Ok(ClauseKind::Or {
            source: sourced.source,
            branches,
        })
    }

    fn read_or_join(&mut self, node: Node<'_>, sourced: Sourced<'_, '_>) -> Result<ClauseKind> {
        let refused = || expected(node, "or-join", "($source? or-join [?var+] clause+)");
        let [_, vars, branches @ ..] = sourced.items else {
            return Err(refused());
        };
        let vars_of = vars.items().ok_or_else(|| rule_vars_error(*vars))?;
        let (required, free) = parse_rule_vars(*vars, &vars_of)?;
        if branches.is_empty() {
            return Err(refused());
        }
        let branches = self.read_branches(branches)?;
        Ok(ClauseKind::OrJoin {
            source: sourced.source,
            required,
            free,
            branches,
        })
    }

    fn read_branches(&mut self, branches: &[Node<'_>]) -> Result<Vec<Vec<Clause>>> {
        branches
            .iter()
            .map(|branch| self.read_all(std::slice::from_ref(branch)))
            .collect()
    }
}

/// `$source` in front, if there is one.
fn take_source<'n, 'a>(items: &'n [Node<'a>]) -> Sourced<'n, 'a> {
    match items {
        [head, rest @ ..] if head.symbol().is_some_and(Symbol::is_source) => Sourced {
            source: head.symbol().cloned().map(SourceName),
            items: rest,
        },
        _ => Sourced {
            source: None,
            items,
        },
    }
}

/// `(function arg*)`, or none where the form is no call.
fn read_call(call: Node<'_>, clause: Node<'_>) -> Result<Option<(FunctionName, Vec<Arg>)>> {
    let Some(items) = call.items() else {
        return Ok(None);
    };
    let [head, args @ ..] = items.as_slice() else {
        return Ok(None);
    };
    let function = match (variable(*head), plain_symbol(*head)) {
        (Some(var), _) => FunctionName::Var(var),
        (None, Some(name)) => FunctionName::Named(name.clone()),
        (None, None) => return Ok(None),
    };
    let args = args
        .iter()
        .map(|arg| read_arg(*arg, clause))
        .collect::<Result<_>>()?;
    Ok(Some((function, args)))
}

fn read_arg(node: Node<'_>, clause: Node<'_>) -> Result<Arg> {
    let is_call = matches!(node.value, Value::List(items) if !items.is_empty());
    if is_call && std::ptr::eq(node.unquoted().value, node.value) {
        let message = format!(
            "Cannot call {node} inside {clause}: expected a variable or a constant; bind its result in a \
             clause of its own, or quote it if it is data"
        );
        return Err(node
            .error(Code::QueryWhere, message)
            .with("arg", node.value.clone())
            .with("form", clause.value.clone()));
    }
    Ok(argument(node))
}

/// What a function or an aggregate is given.
pub(super) fn argument(node: Node<'_>) -> Arg {
    match node.symbol() {
        Some(symbol) if symbol.is_variable() => Arg::Var(Var(symbol.clone())),
        Some(symbol) if symbol.is_source() => Arg::Source(SourceName(symbol.clone())),
        Some(symbol) if symbol.as_str() == "%" => Arg::Rules,
        _ => Arg::Const(node.unquoted().value.clone()),
    }
}

fn read_rule_call(node: Node<'_>, name: Symbol, sourced: Sourced<'_, '_>) -> Result<ClauseKind> {
    let args = &sourced.items[1..];
    if args.is_empty() {
        let message = format!("rule-expr requires at least one argument, got {node}");
        return Err(refuse(node, message));
    }
    let args = args.iter().map(|arg| term(*arg)).collect();
    Ok(ClauseKind::Rule {
        source: sourced.source,
        name,
        args,
    })
}

fn read_pattern(node: Node<'_>, sourced: Sourced<'_, '_>) -> Result<ClauseKind> {
    match (sourced.items, &sourced.source) {
        ([], None) => Err(refuse(
            node,
            "Pattern could not be empty, expected [e a v tx added]",
        )),
        ([], Some(_)) => Err(unreadable(node)),
        (items, _) => {
            let terms = items.iter().map(|item| term(*item)).collect();
            Ok(ClauseKind::Pattern {
                source: sourced.source,
                terms,
            })
        }
    }
}

fn term(node: Node<'_>) -> Term {
    match node.symbol() {
        Some(symbol) if symbol.as_str() == "_" => Term::Blank,
        Some(symbol) if symbol.is_variable() => Term::Var(Var(symbol.clone())),
        _ => Term::Const(node.value.clone()),
    }
}

pub(super) fn variable(node: Node<'_>) -> Option<Var> {
    node.symbol()
        .filter(|symbol| symbol.is_variable())
        .cloned()
        .map(Var)
}

/// A symbol that is no variable, source, `%` or `_`.
pub(super) fn plain_symbol(node: Node<'_>) -> Option<&Symbol> {
    node.symbol().filter(|symbol| {
        !symbol.is_variable() && !symbol.is_source() && !matches!(symbol.as_str(), "%" | "_")
    })
}

/// Every branch must mention every variable that the clause joins on, and there must be one.
fn check_join(node: Node<'_>, vars: &Vars, branches: &[&Vec<Clause>]) -> Result<()> {
    for branch in branches {
        let mut declared = Vars::new();
        branch
            .iter()
            .for_each(|clause| clause.collect_vars(&mut declared));
        let missing: Vec<Value> = vars
            .difference(&declared)
            .map(|var| Value::Symbol(var.0.clone()))
            .collect();
        if !missing.is_empty() {
            let missing = Value::vector(missing);
            let message = format!(
                "Join variable not declared inside clauses: {missing}; each branch of {node} must use it"
            );
            return Err(refuse(node, message));
        }
    }
    if vars.is_empty() {
        let message = format!("Join variables should not be empty in {node}");
        return Err(refuse(node, message));
    }
    Ok(())
}

pub(super) fn rule_vars_error(node: Node<'_>) -> Error {
    let message =
        format!("Cannot parse rule-vars {node}, expected [?var+] or [[?required+] ?var*]");
    node.error(Code::ParserRuleVars, message)
        .with("form", node.value.clone())
}

fn unreadable(node: Node<'_>) -> Error {
    refuse(
        node,
        format!(
            "Cannot parse clause {node}, expected a pattern, a predicate, a function, a rule, not, \
             not-join, or, or-join"
        ),
    )
}

fn expected(node: Node<'_>, name: &str, shape: &str) -> Error {
    refuse(
        node,
        format!("Cannot parse '{name}' clause {node}, expected {shape}"),
    )
}

fn refuse(node: Node<'_>, message: impl Into<String>) -> Error {
    node.error(Code::ParserWhere, message)
        .with("form", node.value.clone())
}
