//! A whole query: its sections, in vector or map form, put together.

use super::ast::{Find, Input, Query, ReturnMap, SourceName, Var};
use super::binding::parse_input;
use super::clause::{ClauseReader, variable};
use super::cursor::Node;
use super::find::{parse_find, parse_return_map};
use super::modifier::{parse_count, parse_order_by, parse_timeout};
use super::validate::validate;
use crate::edn::SpanTree;
use crate::error::{Code, Result};
use crate::value::{Symbol, Value};

/// Every section that a query may have.
const SECTIONS: &[&str] = &[
    "find", "with", "in", "where", "keys", "strs", "syms", "limit", "offset", "order-by", "timeout",
];
/// Keys of the map around a query, which callers also write into it.
const AROUND: &[&str] = &["args", "settings", "cancel", "stats?"];

/// Reads a query: a vector `[:find …]`, a map `{:find […] …}`, either of them quoted.
///
/// ```
/// use datalith_engine::{edn, query};
/// let (form, spans) = edn::read_spanned("[:find ?e :where [?e :name _]]")?;
/// let query = query::parse(&form, Some(&spans))?;
/// assert_eq!(query.clauses.len(), 1);
/// # Ok::<(), datalith_engine::Error>(())
/// ```
///
/// - `spans`: where each form stands, if the query was text.
/// - Errors: the `Parser…` codes, each with the `:form` or `:fragment` it refuses;
///   `QueryWhere` for a call inside the arguments of a call; `Limit`.
pub fn parse(query: &Value, spans: Option<&SpanTree>) -> Result<Query> {
    let node = Node::new(query, spans).unquoted();
    let sections = Sections::read(node)?;
    let find = match sections.get("find") {
        Some(section) => parse_find(&section.items(Code::ParserFind)?, section.node)?,
        None => {
            let message = format!("Cannot parse query {node}, expected :find");
            return Err(node
                .error(Code::ParserFind, message)
                .with("form", node.value.clone()));
        }
    };
    let clauses = match sections.get("where") {
        Some(section) => ClauseReader::default().read_all(&section.items(Code::ParserWhere)?)?,
        None => Vec::new(),
    };
    let query = Query {
        with: parse_with(&sections)?,
        inputs: parse_inputs(&sections)?,
        clauses,
        return_map: return_map(&sections, &find)?,
        offset: sections.modifier("offset", |node| parse_count(node, Code::ParserOffset))?,
        limit: sections.modifier("limit", |node| parse_count(node, Code::ParserLimit))?,
        order_by: match sections.get("order-by") {
            Some(section) => parse_order_by(&section.values(), &find)?,
            None => Vec::new(),
        },
        timeout_ms: sections.modifier("timeout", parse_timeout)?,
        find,
    };
    validate(&query, node)?;
    Ok(query)
}

/// One section: its forms as they follow the keyword, or the one form a map holds.
struct Section<'a> {
    name: &'static str,
    /// What an error points at: the form of the map, or the whole vector query.
    node: Node<'a>,
    forms: Option<Vec<Node<'a>>>,
}

impl<'a> Section<'a> {
    fn items(&self, code: Code) -> Result<Vec<Node<'a>>> {
        if let Some(forms) = &self.forms {
            return Ok(forms.clone());
        }
        self.node.items().ok_or_else(|| {
            let (name, form) = (self.name, self.node);
            let message = format!("Cannot parse :{name} {form}, expected a vector of forms");
            let key = if code == Code::ParserFind {
                "fragment"
            } else {
                "form"
            };
            self.node.error(code, message).with(key, form.value.clone())
        })
    }

    /// The forms after the keyword, or the form of the map as the only one.
    fn values(&self) -> Vec<Node<'a>> {
        self.forms.clone().unwrap_or_else(|| vec![self.node])
    }
}

struct Sections<'a> {
    sections: Vec<Section<'a>>,
}

impl<'a> Sections<'a> {
    fn read(node: Node<'a>) -> Result<Sections<'a>> {
        if let Some(items) = node.items() {
            return Sections::of_vector(node, &items);
        }
        let Some(entries) = node.entries() else {
            let message = format!("Query should be a vector or a map, got {node}");
            return Err(node
                .error(Code::ParserQuery, message)
                .with("form", node.value.clone()));
        };
        let mut sections = Vec::with_capacity(entries.len());
        for (key, form) in entries {
            match section_name(key) {
                Some(name) => sections.push(Section {
                    name,
                    node: form,
                    forms: None,
                }),
                None if is_around(key) => {}
                None => return Err(unknown_section(key, node)),
            }
        }
        Ok(Sections { sections })
    }

    fn of_vector(node: Node<'a>, items: &[Node<'a>]) -> Result<Sections<'a>> {
        let mut sections: Vec<Section<'a>> = Vec::new();
        let mut ignored = false;
        for item in items {
            if let Some(name) = section_name(*item) {
                ignored = false;
                // A section written twice goes on where it stopped.
                match sections.iter().position(|section| section.name == name) {
                    Some(i) => {
                        let again = sections.remove(i);
                        sections.push(again);
                    }
                    None => sections.push(Section {
                        name,
                        node,
                        forms: Some(Vec::new()),
                    }),
                }
            } else if is_around(*item) {
                ignored = true;
            } else if !ignored {
                let section = sections
                    .last_mut()
                    .filter(|section| takes(section.name, *item));
                let forms = section.and_then(|section| section.forms.as_mut());
                forms
                    .ok_or_else(|| unknown_section(*item, node))?
                    .push(*item);
            }
        }
        sections.retain(|section| {
            section
                .forms
                .as_ref()
                .is_some_and(|forms| !forms.is_empty())
        });
        Ok(Sections { sections })
    }

    fn get(&self, name: &str) -> Option<&Section<'a>> {
        self.sections.iter().find(|section| section.name == name)
    }

    fn modifier<T>(
        &self,
        name: &str,
        read: impl Fn(Node<'a>) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let Some(section) = self.get(name) else {
            return Ok(None);
        };
        match section.values().as_slice() {
            [value] => read(*value),
            // Not a number, so the reader refuses it with the code of the section.
            _ => read(section.node),
        }
    }
}

/// Whether a form that follows a section's keyword belongs to it: keywords do only as names of
/// columns and as directions.
fn takes(section: &str, item: Node<'_>) -> bool {
    match (item.keyword(), section) {
        (None, _) | (Some(_), "keys" | "strs" | "syms") => true,
        (Some(direction), "order-by") => matches!(direction.as_str(), "asc" | "desc"),
        (Some(_), _) => false,
    }
}

fn section_name(key: Node<'_>) -> Option<&'static str> {
    let keyword = key.keyword()?;
    SECTIONS
        .iter()
        .copied()
        .find(|name| *name == keyword.as_str())
}

fn is_around(key: Node<'_>) -> bool {
    key.keyword()
        .is_some_and(|keyword| AROUND.contains(&keyword.as_str()))
}

fn unknown_section(key: Node<'_>, query: Node<'_>) -> crate::error::Error {
    let known = SECTIONS.join(" :");
    let message = format!("Unknown part {key} of a query, expected one of :{known}");
    key.error(Code::ParserQuery, message)
        .with("form", query.value.clone())
}

fn parse_with(sections: &Sections<'_>) -> Result<Vec<Var>> {
    let Some(section) = sections
        .get("with")
        .filter(|section| !section.node.value.is_nil())
    else {
        return Ok(Vec::new());
    };
    let items = section.items(Code::ParserWith)?;
    let read = |item: &Node<'_>| {
        variable(*item).ok_or_else(|| {
            let message = format!("Cannot parse :with clause, expected variables, got {item}");
            item.error(Code::ParserWith, message)
                .with("form", item.value.clone())
        })
    };
    items.iter().map(read).collect()
}

fn parse_inputs(sections: &Sections<'_>) -> Result<Vec<Input>> {
    match sections.get("in") {
        Some(section) => section
            .items(Code::ParserIn)?
            .iter()
            .map(|input| parse_input(*input))
            .collect(),
        None => Ok(vec![Input::Source(SourceName(Symbol::new("$")))]),
    }
}

fn return_map(sections: &Sections<'_>, find: &Find) -> Result<Option<ReturnMap>> {
    let written: Vec<&Section<'_>> = ["keys", "strs", "syms"]
        .iter()
        .filter_map(|name| sections.get(name))
        .collect();
    match written.as_slice() {
        [] => Ok(None),
        [section] => {
            let names = section.items(Code::ParserReturnMaps)?;
            parse_return_map(section.name, &names, find, section.node).map(Some)
        }
        [first, ..] => {
            let message = "Only one of these three options is allowed: :keys :strs :syms";
            let kinds = written.iter().map(|section| Value::keyword(section.name));
            Err(first
                .node
                .error(Code::ParserReturnMaps, message)
                .with("return-maps", Value::vector(kinds)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::edn;
    use crate::query::override_modifiers;

    /// The tree of the query, or the error's key and what it points at.
    fn check(text: &str, expected: &str) {
        let (query, spans) = edn::read_spanned(text).unwrap();
        let got = match parse(&query, Some(&spans)) {
            Ok(query) => query.to_string(),
            Err(error) => {
                let at = error.span().map(|span| &text[span.start..span.end]);
                let at = at.filter(|at| *at != text).unwrap_or("all");
                format!("{} at {at}", error.code().keyword().unwrap())
            }
        };
        assert_eq!(got, expected, "{text}");
    }

    /// Tries a form within `[:find ?e :where [?e :a] …]`.
    fn check_clause(clause: &str, expected: &str) {
        let text = format!("[:find ?e :in $ $2 ?f % :where [?e :a ?v] {clause}]");
        let head = "query\n├─ find ?e\n├─ in $ $2 ?f %\n└─ where\n   ├─ [?e :a ?v]\n   ";
        match expected.starts_with("parser/") || expected.starts_with("query/") {
            true => check(&text, expected),
            false => check(&text, &format!("{head}{expected}")),
        }
    }

    #[test]
    fn every_section() {
        let tree = "query\n├─ find ?a (sum ?b)\n├─ as :x :y\n├─ with ?c\n├─ in $ %\n├─ where\n│  └─ [?a ?b ?c]\n\
                    ├─ order by column 1 descending, column 0 ascending\n├─ offset 1\n├─ limit 2\n└─ timeout 9 ms";
        check(
            "[:find ?a (sum ?b) :keys x :y :with ?c :in $ % :where [?a ?b ?c] \
              :order-by ?b :desc 0 :offset 1 :limit 2 :timeout 9]",
            tree,
        );
        check(
            "{:find [?a (sum ?b)] :keys [x y] :with [?c] :in [$ %] :where [[?a ?b ?c]] \
              :order-by [?b :desc ?a] :offset 1 :limit 2 :timeout 9 :args [1]}",
            tree,
        );
        check(
            "(quote [:find ?a :where [?a]])",
            "query\n├─ find ?a\n├─ in $\n└─ where\n   └─ [?a]",
        );
    }

    #[test]
    fn finds() {
        for find in [
            "?e (count ?e)",
            "[?e ...]",
            "[?e ?e]",
            "?e .",
            "(pull $ ?e [*]) .",
            "[(pull $ ?e p) ...]",
            "(min 2 ?e)",
            "(aggregate ?f 1 ?e)",
        ] {
            let text = format!("[:find {find} :in $ ?f p :where [?e]]");
            check(
                &text,
                &format!("query\n├─ find {find}\n├─ in $ ?f p\n└─ where\n   └─ [?e]"),
            );
        }
        for (find, error) in [
            ("", "parser/find at all"),
            (":e", "parser/query at :e"),
            ("5", "parser/find at 5"),
            ("?e ...", "parser/find at all"),
            ("[]", "parser/find at []"),
            ("[:e ...]", "parser/find at [:e ...]"),
            ("(count 5)", "parser/find at (count 5)"),
            ("(pull ?e)", "parser/find at (pull ?e)"),
            ("(pull ?e [:a :b 5])", "parser/pull at 5"),
            ("(aggregate f ?e)", "parser/find at (aggregate f ?e)"),
            ("?x", "parser/query at ?x"),
            ("(pull ?e q)", "parser/query at q"),
            (
                "?e :keys",
                "query\n├─ find ?e\n├─ in $\n└─ where\n   └─ [?e]",
            ),
            ("?e :keys a b", "parser/query at all"),
            ("?e . :keys a", "parser/query at all"),
            ("?e ?v :keys a a", "parser/query at a"),
            ("?e :keys a :strs a", "parser/return-maps at all"),
            ("?e :with ?e", "parser/query at ?e"),
            ("?e :with 1", "parser/with at 1"),
            ("?e :with ?x", "parser/query at ?x"),
            ("?e :limit a", "parser/limit at a"),
            ("?e :limit 1 2", "parser/limit at all"),
            ("?e :offset 1.0", "parser/offset at 1.0"),
            ("?e :timeout x", "parser/timeout at x"),
            ("?e :order-by ?v", "parser/order-by at ?v"),
            ("?e :order-by 1", "parser/order-by at 1"),
            ("?e :order-by :asc", "parser/order-by at :asc"),
            ("?e :sort ?e", "parser/query at :sort"),
        ] {
            check(&format!("[:find {find} :where [?e]]"), error);
        }
        check("5", "parser/query at all");
        check("[]", "parser/find at all");
        check("{:find ?e}", "parser/find at ?e");
    }

    #[test]
    fn inputs() {
        for (input, error) in [
            ("$ $", "parser/query at all"),
            ("% %", "parser/query at all"),
            ("?a [?a]", "parser/query at all"),
            ("[]", "parser/binding at []"),
            ("[[?x ...]]", "parser/binding at ..."),
            ("[$]", "parser/binding at $"),
            ("5", "parser/binding at 5"),
            ("...", "parser/in at ..."),
        ] {
            check(&format!("[:find ?e :in {input} ?e]"), error);
        }
        let input = "$ $x % p _ ?a [?b ...] [?c _] [[?d ?e]] [[?f ...] ...]";
        check(
            &format!("[:find ?e :in {input}]"),
            &format!("query\n├─ find ?e\n├─ in {input}\n└─ where"),
        );
    }

    #[test]
    fn clauses() {
        check_clause("[$2 ?e _ 1]", "└─ [$2 ?e _ 1]");
        check_clause("[(f ?e)]", "└─ [(f ?e)]");
        check_clause("[(?f ?e $ %) [[?x _]]]", "└─ [(?f ?e $ %) [[?x _]]]");
        check_clause("[(f (quote (a)))]", "└─ [(f (quote (a)))]");
        check_clause("($2 r ?e _ 1)", "└─ ($2 r ?e _ 1)");
        check_clause(
            "(not [?e :b] (r ?e))",
            "└─ not\n      ├─ [?e :b]\n      └─ (r ?e)",
        );
        check_clause(
            "($2 not-join [?e] [?e :b ?x])",
            "└─ $2 not-join ?e\n      └─ [?e :b ?x]",
        );
        check_clause(
            "(or [?e :b] (and [?e :c ?x] [?e :d ?x]))",
            "parser/where at (or [?e :b] (and [?e :c ?x] [?e :d ?x]))",
        );
        check_clause(
            "(or-join [[?e] ?y] [?e :b] (and [?e :c ?x] [?y :d ?x]))",
            "└─ or-join [?e] ?y\n      ├─ [?e :b]\n      └─ and\n         ├─ [?e :c ?x]\n         └─ [?y :d ?x]",
        );
        check_clause(
            "(interval-meets? 1 2 3 ?e)",
            "└─ (interval-meets? 1 2 3 ?e)",
        );
    }

    #[test]
    fn refused_clauses() {
        for clause in [
            "5",
            "[]",
            "[$]",
            "(not)",
            "(or)",
            "(and)",
            "(not [1 :a])",
            "(or [1 :a])",
            "(not-join [] [?e])",
            "(not-join ?e [?e])",
            "(not-join [?e])",
            "(not-join [?x] [?e :b])",
            "(or-join [?e])",
            "(r)",
            "($2 r)",
            "(or [?e] [?v])",
        ] {
            check_clause(clause, &format!("parser/where at {clause}"));
        }
        check_clause("(not (or))", "parser/where at (or)");
        check_clause("[(f (g ?e))]", "query/where at (g ?e)");
        check_clause("[(f ?e) 5]", "parser/binding at 5");
        check_clause("(or-join [] [?e])", "parser/rule-vars at []");
        check_clause("(or-join ?e [?e])", "parser/rule-vars at ?e");
        check_clause("(or-join [?e ?e] [?e])", "parser/rule-vars at [?e ?e]");
        check_clause("[$3 ?e]", "parser/query at [$3 ?e]");
        check_clause("(not [(f $3 ?e)])", "parser/query at [(f $3 ?e)]");
        check(
            "[:find ?e :where [?e] (not (r ?e))]",
            "parser/query at (r ?e)",
        );
    }

    #[test]
    fn nesting_is_limited() {
        let deep = |n: usize| format!("{}[?e :b]{}", "(not ".repeat(n), ")".repeat(n));
        let text = format!("[:find ?e :where {}]", deep(100));
        let error = parse(&edn::read(&text).unwrap(), None).unwrap_err();
        assert_eq!(error.code().keyword(), Some("db.error/limit"));
    }

    #[test]
    fn arguments_override() {
        let query = edn::read("[:find ?e :where [?e] :limit 1 :offset 2]").unwrap();
        let mut query = parse(&query, None).unwrap();
        let around = edn::read("{:limit nil :order-by [?e :desc] :timeout -1}").unwrap();
        override_modifiers(&mut query, &around).unwrap();
        assert_eq!(
            (query.limit, query.offset, query.timeout_ms),
            (None, Some(2), None)
        );
        assert!(query.order_by[0].descending);
    }
}
