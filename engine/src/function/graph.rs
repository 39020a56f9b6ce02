//! Graphs as data, for the executor's functions over graphs: what Datahike's constructors of graphs
//! make, without code in it.

use super::failure::{Cause, not_a};
use crate::error::Result;
use crate::value::{Map, Value};

/// `(attr-graph a)`: the links of an attribute.
pub(super) fn attr_graph(args: &[Value]) -> Result<Value> {
    match &args[0] {
        Value::Keyword(_) | Value::Str(_) | Value::Long(_) => Ok(args[0].clone()),
        other => Err(not_a("an attribute", other)),
    }
}

/// `(multi-attr-graph as)`: the links of several attributes.
pub(super) fn multi_attr_graph(args: &[Value]) -> Result<Value> {
    match &args[0] {
        Value::List(_) | Value::Vector(_) | Value::Set(_) => Ok(args[0].clone()),
        other => Err(not_a("a collection of attributes", other)),
    }
}

/// `(weighted-graph from to weight)`: links that are entities.
pub(super) fn weighted_graph(args: &[Value]) -> Result<Value> {
    let keys = ["from", "to", "weight"].map(Value::keyword);
    Ok(Value::map(keys.into_iter().zip(args.iter().cloned())))
}

/// `(reverse-graph g)`: the same links, the other way.
pub(super) fn reverse_graph(args: &[Value]) -> Result<Value> {
    let mut graph = as_map(&args[0])?;
    let direction = graph.get(&Value::keyword("direction"));
    let reversed = match direction
        .and_then(Value::as_keyword)
        .map(|name| name.as_str())
    {
        Some("in") => "out",
        Some("both") => "both",
        _ => "in",
    };
    graph.insert(Value::keyword("direction"), Value::keyword(reversed));
    Ok(graph.into())
}

/// `(undirected-graph g)`: the same links, both ways.
pub(super) fn undirected_graph(args: &[Value]) -> Result<Value> {
    let mut graph = as_map(&args[0])?;
    graph.insert(Value::keyword("direction"), Value::keyword("both"));
    Ok(graph.into())
}

/// `(subgraph g nodes)`: only the links between these nodes.
pub(super) fn subgraph(args: &[Value]) -> Result<Value> {
    let mut graph = as_map(&args[0])?;
    let nodes = items(&args[1])?;
    let key = Value::keyword("nodes");
    let nodes = match graph.get(&key) {
        Some(known) => {
            let known = items(known)?;
            nodes
                .into_iter()
                .filter(|node| known.contains(node))
                .collect()
        }
        None => nodes,
    };
    graph.insert(key, Value::set(nodes));
    Ok(graph.into())
}

/// A graph with keys to say more with.
fn as_map(graph: &Value) -> Result<Map> {
    match graph {
        Value::Map(map) => Ok((**map).clone()),
        Value::Keyword(_) | Value::Str(_) | Value::Long(_) => {
            let attributes = Value::vector([graph.clone()]);
            Ok(Map::from_iter([(Value::keyword("attributes"), attributes)]))
        }
        Value::List(_) | Value::Vector(_) | Value::Set(_) => Ok(Map::from_iter([(
            Value::keyword("attributes"),
            graph.clone(),
        )])),
        other => Err(not_a("a graph", other)),
    }
}

fn items(nodes: &Value) -> Result<Vec<Value>> {
    match nodes {
        Value::List(items) | Value::Vector(items) => Ok(items.to_vec()),
        Value::Set(items) => Ok(items.iter().cloned().collect()),
        other => {
            Err(Cause::IllegalArgument
                .error(format!("expected a collection of nodes, got {other}")))
        }
    }
}
