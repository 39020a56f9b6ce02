//! `:limit`, `:offset`, `:order-by` and `:timeout`, written in a query or around it.

use std::collections::HashMap;

use super::ast::{Find, OrderKey, Query};
use super::cursor::Node;
use crate::error::{Code, Error, Result};
use crate::value::{Symbol, Value};

/// Most variables that an error lists.
const NAMED_COLUMNS: usize = 20;

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
            let name = if code == Code::ParserLimit {
                "limit"
            } else {
                "offset"
            };
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
            Err(node
                .error(Code::ParserTimeout, message)
                .with("timeout", other.clone()))
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
    let mut order = Order {
        find,
        columns: HashMap::new(),
        keys: Vec::new(),
        is_open: false,
    };
    for (column, element) in find.elements().iter().enumerate() {
        if let Some(var) = element.var() {
            order.columns.entry(&var.0).or_insert(column);
        }
    }
    for node in nested.as_deref().unwrap_or(nodes) {
        match node.items() {
            Some(pair) if !pair.is_empty() && pair.len() <= 2 => {
                pair.iter().try_for_each(|node| order.push(*node))?;
            }
            Some(_) => return Err(refused(*node, find)),
            None => order.push(*node)?,
        }
    }
    Ok(order.keys)
}

/// Sort keys as they are read.
struct Order<'q> {
    find: &'q Find,
    /// The first column of each variable.
    columns: HashMap<&'q Symbol, usize>,
    keys: Vec<OrderKey>,
    /// Whether a direction may follow.
    is_open: bool,
}

impl Order<'_> {
    fn push(&mut self, node: Node<'_>) -> Result<()> {
        let column = match node.value {
            Value::Symbol(symbol) => self.columns.get(symbol).copied(),
            Value::Long(column) => usize::try_from(*column)
                .ok()
                .filter(|c| *c < self.find.elements().len()),
            Value::Keyword(direction) => return self.direct(node, direction.as_str()),
            _ => None,
        };
        let column = column.ok_or_else(|| refused(node, self.find))?;
        self.keys.push(OrderKey {
            column,
            descending: false,
        });
        self.is_open = true;
        Ok(())
    }

    fn direct(&mut self, node: Node<'_>, direction: &str) -> Result<()> {
        match (self.keys.last_mut(), direction) {
            (Some(key), "asc" | "desc") if self.is_open => {
                key.descending = direction == "desc";
                self.is_open = false;
                Ok(())
            }
            _ => Err(refused(node, self.find)),
        }
    }
}

fn refused(node: Node<'_>, find: &Find) -> Error {
    let names = find
        .elements()
        .iter()
        .take(NAMED_COLUMNS)
        .filter_map(|e| Some(e.var()?.to_string()));
    let message = format!(
        "Cannot parse :order-by {}, expected :asc or :desc after a variable of :find ({}) or the \
         number of a column, from 0",
        node,
        names.collect::<Vec<_>>().join(" ")
    );
    node.error(Code::ParserOrderBy, message)
        .with("order-by", node.value.clone())
}
