//! `:limit`, `:offset`, `:order-by` and `:timeout`, written in a query or around it.

use super::ast::{Find, OrderKey, Query};
use super::cursor::Node;
use crate::error::{Code, Error, Result};
use crate::value::Value;

/// Lets the modifiers in the map around a query take the place of those within it.
///
/// A key that is absent changes nothing; `nil` removes what the query says. Anything but a map
/// changes nothing.
///
/// - Errors: `ParserLimit`, `ParserOffset`, `ParserOrderBy`, `ParserTimeout`.
pub fn override_modifiers(query: &mut Query, arguments: &Value) -> Result<()> {
    if let Some(limit) = arguments.get("limit") {
        query.limit = parse_count(Node::new(limit, None), Code::ParserLimit)?;
    }
    if let Some(offset) = arguments.get("offset") {
        query.offset = parse_count(Node::new(offset, None), Code::ParserOffset)?;
    }
    if let Some(order) = arguments.get("order-by") {
        query.order_by = parse_order_by(&[Node::new(order, None)], &query.find)?;
    }
    if let Some(timeout) = arguments.get("timeout") {
        query.timeout_ms = parse_timeout(Node::new(timeout, None))?;
    }
    Ok(())
}

/// A number of rows; `nil` and negative numbers stand for none.
pub(super) fn parse_count(node: Node<'_>, code: Code) -> Result<Option<usize>> {
    match node.value {
        Value::Nil => Ok(None),
        Value::Long(count) => Ok(usize::try_from(*count).ok()),
        other => {
            let name = if code == Code::ParserLimit { "limit" } else { "offset" };
            let message = format!("Cannot parse :{name} {node}, expected a number of rows");
            Err(node.error(code, message).with(name, other.clone()))
        }
    }
}

/// Milliseconds; `nil`, zero and negative numbers stand for none.
pub(super) fn parse_timeout(node: Node<'_>) -> Result<Option<u64>> {
    match node.value {
        Value::Nil => Ok(None),
        Value::Long(ms) => Ok(u64::try_from(*ms).ok().filter(|ms| *ms > 0)),
        other => {
            let message = format!("Cannot parse :timeout {node}, expected milliseconds");
            Err(node.error(Code::ParserTimeout, message).with("timeout", other.clone()))
        }
    }
}

/// Sort keys: `?x` or a column number, each perhaps followed by `:asc` or `:desc`, bare or in one
/// vector; a key may also be a vector of its own.
pub(super) fn parse_order_by(nodes: &[Node<'_>], find: &Find) -> Result<Vec<OrderKey>> {
    let nested = match nodes {
        [only] if only.value.is_nil() => return Ok(Vec::new()),
        [only] => only.items(),
        _ => None,
    };
    let mut keys = Vec::new();
    for node in nested.as_deref().unwrap_or(nodes) {
        match node.items() {
            Some(pair) if !pair.is_empty() && pair.len() <= 2 => {
                pair.iter().try_for_each(|node| push_order(*node, find, &mut keys))?;
            }
            Some(_) => return Err(refused(*node, find)),
            None => push_order(*node, find, &mut keys)?,
        }
    }
    Ok(keys.into_iter().map(|(key, _)| key).collect())
}

/// Whether a key has its direction yet.
#[derive(PartialEq)]
enum Direction {
    Open,
    Given,
}

fn push_order(node: Node<'_>, find: &Find, keys: &mut Vec<(OrderKey, Direction)>) -> Result<()> {
    let elements = find.elements();
    let column = match node.value {
        Value::Symbol(symbol) => {
            elements.iter().position(|e| e.var().is_some_and(|var| var.0 == *symbol))
        }
        Value::Long(column) => usize::try_from(*column).ok().filter(|c| *c < elements.len()),
        Value::Keyword(direction) => {
            let descending = match direction.as_str() {
                "asc" => false,
                "desc" => true,
                _ => return Err(refused(node, find)),
            };
            return match keys.last_mut() {
                Some((key, given)) if *given == Direction::Open => {
                    key.descending = descending;
                    *given = Direction::Given;
                    Ok(())
                }
                _ => Err(refused(node, find)),
            };
        }
        _ => None,
    };
    let column = column.ok_or_else(|| refused(node, find))?;
    keys.push((OrderKey { column, descending: false }, Direction::Open));
    Ok(())
}

fn refused(node: Node<'_>, find: &Find) -> Error {
    let names = find.elements().iter().filter_map(|e| Some(e.var()?.to_string()));
    let message = format!(
        "Cannot parse :order-by {}, expected :asc or :desc after a variable of :find ({}) or the \
         number of a column, from 0",
        node,
        names.collect::<Vec<_>>().join(" ")
    );
    node.error(Code::ParserOrderBy, message).with("order-by", node.value.clone())
}
