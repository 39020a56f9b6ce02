//! `:in` and the bindings of function clauses: how a value is taken apart into variables.

use super::ast::{Binding, Input, SourceName, Var};
use super::cursor::Node;
use crate::error::{Code, Error, Result};
use crate::limits::QUERY_DEPTH;

const EXPECTED: &str = "expected ?x, [?x ...], [?x ?y], [[?x ?y]] or _";

/// One entry of `:in`.
pub(super) fn parse_input(node: Node<'_>) -> Result<Input> {
    let Some(symbol) = node.symbol() else {
        return Ok(Input::Binding(parse_binding(node)?));
    };
    Ok(match symbol.as_str() {
        "%" => Input::Rules,
        "..." | "." => {
            let message =
                format!("Cannot parse {symbol} in :in, expected $, %, a name or a binding");
            return Err(node
                .error(Code::ParserIn, message)
                .with("form", node.value.clone()));
        }
        _ if symbol.is_source() => Input::Source(SourceName(symbol.clone())),
        "_" => Input::Binding(Binding::Ignore),
        _ if symbol.is_variable() => Input::Binding(Binding::Scalar(Var(symbol.clone()))),
        _ => Input::Pattern(symbol.clone()),
    })
}

/// A binding of any shape.
pub(super) fn parse_binding(node: Node<'_>) -> Result<Binding> {
    binding(node, 0)
}

fn binding(node: Node<'_>, depth: usize) -> Result<Binding> {
    if depth > QUERY_DEPTH {
        return Err(node.error(
            Code::Limit,
            format!("A binding nests deeper than {QUERY_DEPTH}"),
        ));
    }
    if let Some(symbol) = node.symbol() {
        return match symbol.as_str() {
            "_" => Ok(Binding::Ignore),
            _ if symbol.is_variable() => Ok(Binding::Scalar(Var(symbol.clone()))),
            _ => Err(refused(node)),
        };
    }
    let items = node.items().ok_or_else(|| refused(node))?;
    match items.as_slice() {
        [part, dots] if dots.is_symbol("...") => {
            Ok(Binding::Collection(Box::new(binding(*part, depth + 1)?)))
        }
        [row] if row.items().is_some() => {
            let parts = row.items().unwrap_or_default();
            Ok(Binding::Collection(Box::new(tuple(
                *row,
                &parts,
                depth + 1,
            )?)))
        }
        parts => tuple(node, parts, depth),
    }
}

fn tuple(node: Node<'_>, parts: &[Node<'_>], depth: usize) -> Result<Binding> {
    if parts.is_empty() {
        return Err(node
            .error(
                Code::ParserBinding,
                format!("Tuple binding cannot be empty, {EXPECTED}"),
            )
            .with("form", node.value.clone()));
    }
    let parts = parts
        .iter()
        .map(|part| binding(*part, depth + 1))
        .collect::<Result<_>>()?;
    Ok(Binding::Tuple(parts))
}

fn refused(node: Node<'_>) -> Error {
    node.error(
        Code::ParserBinding,
        format!("Cannot parse binding {node}, {EXPECTED}"),
    )
    .with("form", node.value.clone())
}
