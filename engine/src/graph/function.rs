//! The functions over graphs that a query may call.

/// A function over a graph, under the name it has in `datahike.experimental.graph`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GraphFunction {
    /// The nodes of a way with fewest links.
    ShortestPath,
    /// How many links it has.
    PathLength,
    /// Nodes, and how many links away they are.
    BfsDistances,
    /// The nodes that links lead to.
    TransitiveClosure,
    /// Whether links lead to a node.
    IsReachable,
    /// The nodes that follow a node, or are a few links away.
    Neighbors,
    /// How many nodes follow a node.
    Degree,
    /// The nodes and the cost of a lightest way.
    WeightedShortestPath,
    /// The nodes that hang together with a node.
    ConnectedComponent,
    /// Whether two nodes hang together.
    IsSameComponent,
    /// Nodes by what hangs together.
    ConnectedComponents,
    /// Nodes by what leads to one another.
    StronglyConnectedComponents,
    /// Nodes before those that follow them.
    TopologicalSort,
    /// Whether a node leads back to itself.
    HasCycle,
    /// Nodes by the importance of those that lead to them.
    PageRank,
    /// Nodes by how near the others are.
    ClosenessCentrality,
    /// Nodes by how many shortest ways lead through them.
    BetweennessCentrality,
    /// Nodes by communities.
    LabelPropagation,
}

/// What a function takes.
struct Signature {
    function: GraphFunction,
    name: &'static str,
    /// Nodes after the graph.
    nodes: usize,
    /// Options of its own, beside those that say what the graph is.
    options: &'static [&'static str],
}

const DEPTH: &[&str] = &["max-depth"];

const fn entry(
    name: &'static str,
    function: GraphFunction,
    nodes: usize,
    options: &'static [&'static str],
) -> Signature {
    Signature {
        function,
        name,
        nodes,
        options,
    }
}

use GraphFunction::*;

/// The first name of a function is its own.
const SIGNATURES: &[Signature] = &[
    entry("shortest-path", ShortestPath, 2, DEPTH),
    entry("path-length", PathLength, 2, DEPTH),
    entry("bfs-distances", BfsDistances, 1, DEPTH),
    entry("transitive-closure", TransitiveClosure, 1, DEPTH),
    entry("reachable", TransitiveClosure, 1, DEPTH),
    entry("reachable?", IsReachable, 2, DEPTH),
    entry("neighbors", Neighbors, 1, DEPTH),
    entry("degree", Degree, 1, &[]),
    entry("weighted-shortest-path", WeightedShortestPath, 2, &[]),
    entry("connected-component", ConnectedComponent, 1, &[]),
    entry("same-component?", IsSameComponent, 2, &[]),
    entry("connected-components", ConnectedComponents, 0, &[]),
    entry(
        "strongly-connected-components",
        StronglyConnectedComponents,
        0,
        &[],
    ),
    entry("topological-sort", TopologicalSort, 0, &[]),
    entry("has-cycle?", HasCycle, 0, &[]),
    entry(
        "page-rank",
        PageRank,
        0,
        &["damping", "iterations", "tolerance"],
    ),
    entry("closeness-centrality", ClosenessCentrality, 0, &[]),
    entry("betweenness-centrality", BetweennessCentrality, 0, &[]),
    entry(
        "label-propagation",
        LabelPropagation,
        0,
        &["max-iterations"],
    ),
];

impl GraphFunction {
    /// The function of that name; Datahike's namespace may stand before it.
    pub fn named(name: &str) -> Option<GraphFunction> {
        let name = name
            .strip_prefix("datahike.experimental.graph/")
            .unwrap_or(name);
        let mut signatures = SIGNATURES.iter();
        let signature = signatures.find(|signature| signature.name == name)?;
        Some(signature.function)
    }

    fn signature(self) -> &'static Signature {
        let mut signatures = SIGNATURES.iter();
        let own = signatures.find(|signature| signature.function == self);
        own.expect("every function has a signature in the table above")
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.signature().name
    }

    /// How many nodes it takes after the graph.
    pub fn nodes(self) -> usize {
        self.signature().nodes
    }

    /// The options it takes, beside those that say what the graph is.
    pub fn options(self) -> &'static [&'static str] {
        self.signature().options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_by_name() {
        let name = "datahike.experimental.graph/page-rank";
        assert_eq!(GraphFunction::named(name), Some(PageRank));
        assert_eq!(GraphFunction::named("inc"), None);
        for signature in SIGNATURES {
            let function = GraphFunction::named(signature.name).unwrap();
            assert_eq!(function, signature.function);
            assert_eq!(function.nodes(), signature.nodes);
        }
        assert_eq!(TransitiveClosure.name(), "transitive-closure");
    }
}
