//! `:find` and the return maps that name its columns.

use super::ast::{Find, FindElement, FunctionName, PullPattern, ReturnMap, SourceName};
use super::clause::{argument, plain_symbol, variable};
use super::cursor::Node;
use super::pull::parse_pattern;
use crate::error::{Code, Error, Result};
use crate::value::{Keyword, Set, Symbol, Value};

/// The value of `:find`; `whole` is what an error points at.
pub(super) fn parse_find(items: &[Node<'_>], whole: Node<'_>) -> Result<Find> {
    if items.is_empty() {
        return Err(refused(whole));
    }
    if let Some(elements) = parse_elements(items)? {
        return Ok(Find::Relation(elements));
    }
    match items {
        [element, dot] if dot.is_symbol(".") => parse_element(*element)?
            .map(Find::Scalar)
            .ok_or_else(|| refused(*element)),
        [only] => {
            let inner = only.items().ok_or_else(|| refused(*only))?;
            if let [element, dots] = inner.as_slice()
                && dots.is_symbol("...")
            {
                let element = parse_element(*element)?;
                return element.map(Find::Collection).ok_or_else(|| refused(*only));
            }
            match parse_elements(&inner)? {
                Some(elements) if !elements.is_empty() => Ok(Find::Tuple(elements)),
                _ => Err(refused(*only)),
            }
        }
        _ => Err(refused(whole)),
    }
}

fn parse_elements(items: &[Node<'_>]) -> Result<Option<Vec<FindElement>>> {
    let mut elements = Vec::with_capacity(items.len());
    for item in items {
        match parse_element(*item)? {
            Some(element) => elements.push(element),
            None => return Ok(None),
        }
    }
    Ok(Some(elements))
}

fn parse_element(node: Node<'_>) -> Result<Option<FindElement>> {
    if let Some(var) = variable(node) {
        return Ok(Some(FindElement::Var(var)));
    }
    let Some(items) = node.items() else {
        return Ok(None);
    };
    match items.as_slice() {
        [head, rest @ ..] if head.is_symbol("pull") => parse_pull_element(node, rest).map(Some),
        [head, rest @ ..] if head.is_symbol("aggregate") => {
            let [function, args @ ..] = rest else {
                return Err(aggregate_refused(node));
            };
            let function = variable(*function).ok_or_else(|| aggregate_refused(node))?;
            parse_aggregate(node, FunctionName::Var(function), args).map(Some)
        }
        [head, args @ ..] if !args.is_empty() => match plain_symbol(*head) {
            Some(name) => parse_aggregate(node, FunctionName::Named(name.clone()), args).map(Some),
            None => Ok(None),
        },
        _ => Ok(None),
    }
}

fn parse_aggregate(
    node: Node<'_>,
    function: FunctionName,
    args: &[Node<'_>],
) -> Result<FindElement> {
    if args.last().and_then(|last| variable(*last)).is_none() {
        return Err(aggregate_refused(node));
    }
    let args = args.iter().map(|arg| argument(*arg)).collect();
    Ok(FindElement::Aggregate {
        function,
        args,
        form: node.value.clone(),
    })
}

fn parse_pull_element(node: Node<'_>, items: &[Node<'_>]) -> Result<FindElement> {
    let (source, var, pattern) = match items {
        [var, pattern] => (SourceName(Symbol::new("$")), var, pattern),
        [source, var, pattern] => {
            let source = source.symbol().filter(|symbol| symbol.is_source());
            (
                SourceName(source.ok_or_else(|| pull_refused(node))?.clone()),
                var,
                pattern,
            )
        }
        _ => return Err(pull_refused(node)),
    };
    let var = variable(*var).ok_or_else(|| pull_refused(node))?;
    let pattern = match pattern.symbol() {
        Some(name) if name.is_variable() || plain_symbol(*pattern).is_some() => {
            PullPattern::Input(name.clone())
        }
        _ => {
            let pattern = pattern.unquoted();
            parse_pattern(pattern)?;
            PullPattern::Literal(pattern.value.clone())
        }
    };
    Ok(FindElement::Pull {
        source,
        var,
        pattern,
    })
}

/// `:keys`, `:strs` or `:syms` with the names that follow it.
pub(super) fn parse_return_map(
    kind: &str,
    names: &[Node<'_>],
    find: &Find,
    whole: Node<'_>,
) -> Result<ReturnMap> {
    let columns = match find {
        Find::Relation(elements) | Find::Tuple(elements) => elements.len(),
        Find::Collection(_) | Find::Scalar(_) => {
            let message = format!(":{kind} names the columns of rows, :find gives single values");
            return Err(whole
                .error(Code::ParserQuery, message)
                .with("form", whole.value.clone()));
        }
    };
    let keys = names
        .iter()
        .map(|name| return_key(kind, *name))
        .collect::<Result<Vec<_>>>()?;
    if keys.len() != columns {
        let message = format!(
            "Count of :keys/:strs/:syms must match count of :find: got {} names for {columns} columns",
            keys.len()
        );
        return Err(whole
            .error(Code::ParserQuery, message)
            .with("keys", Value::vector(keys))
            .with("form", whole.value.clone()));
    }
    let mut seen = Set::default();
    if let Some(twice) = keys.iter().position(|key| !seen.insert((*key).clone())) {
        let message = format!(
            "Names of :{kind} should be distinct, {} stands twice",
            names[twice]
        );
        let error = names[twice].error(Code::ParserQuery, message);
        return Err(error.with("keys", Value::vector(keys)));
    }
    Ok(ReturnMap { keys })
}

fn return_key(kind: &str, name: Node<'_>) -> Result<Value> {
    let text = match name.value {
        Value::Symbol(symbol) => symbol.as_str(),
        Value::Keyword(keyword) => keyword.as_str(),
        Value::Str(text) => text,
        other => {
            let message = format!("Cannot name a column {name} in :{kind}, expected a symbol");
            return Err(name
                .error(Code::ParserReturnMaps, message)
                .with("return-maps", other.clone()));
        }
    };
    Ok(match kind {
        "keys" => Value::Keyword(Keyword::new(text)),
        "strs" => Value::str(text),
        _ => Value::symbol(text),
    })
}

fn refused(node: Node<'_>) -> Error {
    let message = format!(
        "Cannot parse :find {node}, expected ?x …, [?x ...], [?x …] or ?x . with variables, \
         (pull ?e pattern) or (aggregate ?x)"
    );
    node.error(Code::ParserFind, message)
        .with("fragment", node.value.clone())
}

fn aggregate_refused(node: Node<'_>) -> Error {
    let message = format!(
        "Cannot parse aggregate {node}, expected (name constant* ?x) or (aggregate ?function constant* ?x)"
    );
    node.error(Code::ParserFind, message)
        .with("fragment", node.value.clone())
}

fn pull_refused(node: Node<'_>) -> Error {
    let message = format!(
        "Cannot parse pull expression {node}, expected (pull $source? ?e pattern) with a pattern, a \
         variable or a plain symbol"
    );
    node.error(Code::ParserFind, message)
        .with("fragment", node.value.clone())
}
