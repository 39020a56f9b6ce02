//! Rules: named heads with variables, and bodies of clauses.

use indexmap::IndexMap;

use super::ast::{RuleBranch, Var};
use super::clause::{ClauseReader, plain_symbol, rule_vars_error, variable};
use super::cursor::Node;
use crate::edn::SpanTree;
use crate::error::{Code, Error, Result};
use crate::value::{Symbol, Value};

/// The rules that every query knows; they need no `%`.
const BUILT_IN: &[&str] = &[
    "valid-at",
    "valid-between",
    "valid-during",
    "period-overlaps?",
];
/// The relations of Allen's interval algebra, each a rule named `interval-…?`.
const INTERVALS: &[&str] = &[
    "overlaps",
    "equals",
    "contains",
    "strictly-contains",
    "precedes",
    "strictly-precedes",
    "immediately-precedes",
    "succeeds",
    "strictly-succeeds",
    "immediately-succeeds",
    "meets",
    "starts",
    "started-by",
    "finishes",
    "finished-by",
];

/// Reads a set of rules, `[[(name ?x …) clause+] …]`; `nil` is no rules.
///
/// - `spans`: where each form stands, if the rules were text.
/// - Errors: `ParserRule`, `ParserRuleVars`, whatever a clause of a body can raise, `Limit`.
pub fn parse_rules(rules: &Value, spans: Option<&SpanTree>) -> Result<Vec<RuleBranch>> {
    if rules.is_nil() {
        return Ok(Vec::new());
    }
    let node = Node::new(rules, spans).unquoted();
    let branches = node.members().ok_or_else(|| {
        refuse(
            node,
            format!("Cannot parse rules {node}, expected [[(name ?x …) clause+] …]"),
        )
    })?;
    let mut reader = ClauseReader::default();
    let branches = branches
        .iter()
        .map(|rule| parse_rule(*rule, &mut reader))
        .collect::<Result<Vec<_>>>()?;
    check_arities(&branches, node)?;
    Ok(branches)
}

/// Whether every query knows this rule without being given it.
pub(super) fn is_built_in(name: &Symbol) -> bool {
    let interval = name
        .as_str()
        .strip_prefix("interval-")
        .and_then(|rest| rest.strip_suffix('?'));
    BUILT_IN.contains(&name.as_str()) || interval.is_some_and(|name| INTERVALS.contains(&name))
}

fn parse_rule(node: Node<'_>, reader: &mut ClauseReader) -> Result<RuleBranch> {
    let items = node.items().unwrap_or_default();
    let [head, clauses @ ..] = items.as_slice() else {
        let message = format!("Cannot parse rule {node}, expected [(name ?x …) clause+]");
        return Err(refuse(node, message));
    };
    let head_items = head.items().ok_or_else(|| {
        refuse(
            *head,
            format!("Cannot parse rule head {head}, expected (name ?x …)"),
        )
    })?;
    let name = head_items
        .first()
        .and_then(|name| plain_symbol(*name))
        .ok_or_else(|| {
            let message = format!("Cannot parse rule name in {head}, expected a plain symbol");
            refuse(*head, message)
        })?;
    let (required, free) = split_vars(*head, &head_items[1..], head_var)?;
    if clauses.is_empty() {
        let message = format!("Rule branch should have clauses: {node}");
        return Err(refuse(node, message));
    }
    let clauses = reader.read_all(clauses)?;
    Ok(RuleBranch {
        name: name.clone(),
        required,
        free,
        clauses,
        form: node.value.clone(),
    })
}

/// The variables of an `or-join`: `?x …` or `[?required …] ?x …`, distinct and at least one.
pub(super) fn parse_rule_vars(node: Node<'_>, items: &[Node<'_>]) -> Result<(Vec<Var>, Vec<Var>)> {
    let (required, free) = split_vars(node, items, variable)?;
    let mut seen: Vec<&Var> = required.iter().chain(&free).collect();
    seen.sort();
    if let Some(twice) = seen.windows(2).find(|pair| pair[0] == pair[1]) {
        let message = format!(
            "Rule variables should be distinct: {} in {}",
            twice[0], node
        );
        let error = node.error(Code::ParserRuleVars, message);
        return Err(error.with("form", node.value.clone()));
    }
    Ok((required, free))
}

/// A position of a rule head. A source's name may stand there too and is bound like a variable;
/// one variable twice asks for equal arguments.
fn head_var(node: Node<'_>) -> Option<Var> {
    variable(node).or_else(|| {
        node.symbol()
            .filter(|symbol| symbol.is_source())
            .cloned()
            .map(Var)
    })
}

fn split_vars(
    node: Node<'_>,
    items: &[Node<'_>],
    var: fn(Node<'_>) -> Option<Var>,
) -> Result<(Vec<Var>, Vec<Var>)> {
    let read = |items: &[Node<'_>]| -> Result<Vec<Var>> {
        items
            .iter()
            .map(|item| var(*item).ok_or_else(|| rule_vars_error(node)))
            .collect()
    };
    let (required, free) = match items.first().and_then(|first| first.items()) {
        Some(required) => (read(&required)?, read(&items[1..])?),
        None => (Vec::new(), read(items)?),
    };
    if required.is_empty() && free.is_empty() {
        return Err(rule_vars_error(node));
    }
    Ok((required, free))
}

fn check_arities(branches: &[RuleBranch], node: Node<'_>) -> Result<()> {
    let mut first: IndexMap<&Symbol, &RuleBranch> = IndexMap::new();
    for branch in branches {
        let known = *first.entry(&branch.name).or_insert(branch);
        let shape = |branch: &RuleBranch| (branch.required.len(), branch.free.len());
        if shape(known) != shape(branch) {
            let message = format!(
                "Arity mismatch for rule '{}': {} vs. {}",
                branch.name,
                head_of(known),
                head_of(branch)
            );
            return Err(node
                .error(Code::ParserRule, message)
                .with("rule", branch.name.clone())
                .with("form", branch.form.clone()));
        }
    }
    Ok(())
}

fn head_of(branch: &RuleBranch) -> Value {
    branch
        .form
        .as_sequential()
        .and_then(|items| items.first())
        .cloned()
        .unwrap_or_default()
}

fn refuse(node: Node<'_>, message: String) -> Error {
    node.error(Code::ParserRule, message)
        .with("form", node.value.clone())
}

#[cfg(test)]
mod tests {
    use super::parse_rules;
    use crate::edn;

    /// The trees of the branches, or the error's key and message.
    fn check(text: &str, expected: &str) {
        let (rules, spans) = edn::read_spanned(text).unwrap();
        let got = match parse_rules(&rules, Some(&spans)) {
            Ok(branches) => branches
                .iter()
                .map(|b| b.to_string())
                .collect::<Vec<_>>()
                .join("\n"),
            Err(error) => {
                let at = error.span().map(|span| &text[span.start..span.end]);
                format!(
                    "{} at {}",
                    error.code().keyword().unwrap(),
                    at.unwrap_or("nothing")
                )
            }
        };
        assert_eq!(got, expected, "{text}");
    }

    #[test]
    fn branches() {
        check("nil", "");
        check(
            "[[(p ?x) (and [?x :a] [?x :b])]]",
            "rule p ?x\n├─ [?x :a]\n└─ [?x :b]",
        );
        check(
            "[[(p [?x] ?y) [?x :a ?y]] [(p [?a] ?b) (p ?b ?a)]]",
            "rule p [?x] ?y\n└─ [?x :a ?y]\nrule p [?a] ?b\n└─ (p ?b ?a)",
        );
        check(
            "[[(same ?a ?a) [_ :score ?a]]]",
            "rule same ?a ?a\n└─ [_ :score ?a]",
        );
    }

    #[test]
    fn refused_rules() {
        check("5", "parser/rule at 5");
        check("[p]", "parser/rule at p");
        check("[[p [?x :a]]]", "parser/rule at p");
        check("[[(?p ?x) [?x :a]]]", "parser/rule at (?p ?x)");
        check("[[(p ?x)]]", "parser/rule at [(p ?x)]");
        check("[[(p) [?x :a]]]", "parser/rule-vars at (p)");
        check("[[(p 1) [?x :a]]]", "parser/rule-vars at (p 1)");
        check(
            "[[(p ?x) [?x :a]] [(p ?x ?y) [?x :a ?y]]]",
            "parser/rule at [[(p ?x) [?x :a]] [(p ?x ?y) [?x :a ?y]]]",
        );
        check("[[(p ?x) (not)]]", "parser/where at (not)");
    }
}
