//! What a function gives: as a value of the shape Datahike gives it, or as columns where the query
//! takes it for a relation.

use crate::index::{Cell, Column};
use crate::plan::{Bind, VarId};
use crate::value::{Map, Value};

/// What a function found; nodes as entities.
pub(super) enum Found {
    /// No row.
    Nothing,
    /// A truth or a count.
    One(Value),
    /// Nodes in their order: a vector, or a relation of node and position.
    Path(Vec<i64>),
    /// Nodes, each once: a set.
    Nodes(Vec<i64>),
    /// A number for each node: a map.
    Scores(Vec<i64>, Column),
    /// The least node of each node's group: a vector of sets.
    Groups(Vec<i64>, Vec<i64>),
    /// A way and its cost: a map, or a tuple of both.
    Route(Vec<i64>, Cell),
}

impl Found {
    /// Whether a predicate holds that gives this.
    pub(super) fn is_truthy(&self) -> bool {
        match self {
            Found::Nothing => false,
            Found::One(value) => value.is_truthy(),
            _ => true,
        }
    }

    /// How many nodes it names.
    pub(super) fn nodes(&self) -> usize {
        match self {
            Found::Nothing | Found::One(_) => 0,
            Found::Path(nodes)
            | Found::Nodes(nodes)
            | Found::Scores(nodes, _)
            | Found::Groups(nodes, _)
            | Found::Route(nodes, _) => nodes.len(),
        }
    }

    /// The columns of the variables of a binding, none of which occurs twice, if the binding takes
    /// it apart into nodes and numbers.
    pub(super) fn columns(&self, bind: &Bind) -> Option<Vec<(VarId, Column)>> {
        let Bind::Collection(item) = bind else {
            return None;
        };
        match (self, &**item) {
            (Found::Path(nodes) | Found::Nodes(nodes), Bind::Scalar(var)) => {
                Some(vec![(*var, Column::longs(nodes))])
            }
            (_, Bind::Tuple(items)) => {
                let columns = self.pair()?;
                if items.len() > columns.len() {
                    return None;
                }
                let mut bound: Vec<(VarId, Column)> = Vec::new();
                for (item, column) in items.iter().zip(columns) {
                    match item {
                        Bind::Scalar(var) if bound.iter().any(|(other, _)| other == var) => {
                            return None;
                        }
                        Bind::Scalar(var) => bound.push((*var, column)),
                        Bind::Ignore => {}
                        _ => return None,
                    }
                }
                Some(bound)
            }
            _ => None,
        }
    }

    /// As a relation of two columns.
    fn pair(&self) -> Option<[Column; 2]> {
        Some(match self {
            Found::Scores(nodes, scores) => [Column::longs(nodes), scores.clone()],
            Found::Groups(nodes, groups) => [Column::longs(nodes), Column::longs(groups)],
            Found::Path(nodes) => {
                let positions: Vec<i64> = (0..nodes.len() as i64).collect();
                [Column::longs(nodes), Column::longs(&positions)]
            }
            _ => return None,
        })
    }

    /// As a value for a binding that does not take it apart.
    pub(super) fn value(&self, bind: &Bind) -> Value {
        match (self, bind) {
            (Found::Nothing, _) => Value::Nil,
            (Found::One(value), _) => value.clone(),
            (Found::Nodes(nodes), _) => Value::set(longs(nodes)),
            (Found::Path(nodes), Bind::Collection(item)) if matches!(**item, Bind::Tuple(_)) => {
                let numbered = nodes.iter().zip(0..);
                Value::vector(
                    numbered.map(|(&e, at)| Value::vector([Value::Long(e), Value::Long(at)])),
                )
            }
            (Found::Path(nodes), _) => Value::vector(longs(nodes)),
            (Found::Scores(nodes, scores), _) => {
                Value::map(longs(nodes).zip(scores.cells().map(number)))
            }
            (Found::Groups(nodes, groups), _) => sets(nodes, groups),
            (Found::Route(path, cost), Bind::Tuple(_)) => {
                Value::vector([Value::vector(longs(path)), number(*cost)])
            }
            (Found::Route(path, cost), _) => {
                let mut route = Map::default();
                route.insert(Value::keyword("path"), Value::vector(longs(path)));
                route.insert(Value::keyword("cost"), number(*cost));
                route.into()
            }
        }
    }
}

fn longs(nodes: &[i64]) -> impl Iterator<Item = Value> + '_ {
    nodes.iter().map(|&node| Value::Long(node))
}

/// The value of a cell that holds an integer or a float.
fn number(cell: Cell) -> Value {
    match cell.kind {
        crate::index::Kind::Double => Value::Double(f64::from_bits(cell.bits)),
        _ => Value::Long(cell.bits as i64),
    }
}

/// A set of nodes for each group, by the least node.
fn sets(nodes: &[i64], groups: &[i64]) -> Value {
    let mut rows: Vec<usize> = (0..nodes.len()).collect();
    rows.sort_by_key(|&row| groups[row]);
    let of_group = rows.chunk_by(|&a, &b| groups[a] == groups[b]);
    Value::vector(of_group.map(|rows| Value::set(rows.iter().map(|&row| Value::Long(nodes[row])))))
}
