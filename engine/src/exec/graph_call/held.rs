//! The graphs of a query, each read once, and what was worked out for them as a whole.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use super::answer::Found;
use super::edges::Reader;
use super::spec::{Options, Spec};
use crate::error::Result;
use crate::graph::{GraphFunction, Links, Numbering, Pace, Pairs, connected};
use crate::index::{Cell, Kind};

/// A graph in memory.
pub(super) struct Graph {
    numbering: Numbering,
    pub(super) links: Links,
    weighing: Weighing,
    components: OnceLock<Components>,
}

/// What weights are.
#[derive(Clone, Copy)]
pub(super) enum Weighing {
    Long,
    Double,
}

/// Which nodes hang together.
pub(super) struct Components {
    /// The least node of each node's component.
    pub(super) labels: Vec<u32>,
    /// From the least node of a component to all of them.
    pub(super) members: Links,
}

impl Graph {
    pub(super) fn new(numbering: Numbering, links: Links, weighing: Weighing) -> Graph {
        Graph {
            numbering,
            links,
            weighing,
            components: OnceLock::new(),
        }
    }

    /// The number of an entity, if it is a node.
    pub(super) fn find(&self, id: i64) -> Option<u32> {
        self.numbering.find(id)
    }

    /// The entities that nodes are.
    pub(super) fn ids(&self, nodes: &[u32]) -> Vec<i64> {
        let ids = self.numbering.ids();
        nodes.iter().map(|&node| ids[node as usize]).collect()
    }

    /// The entities of all nodes.
    pub(super) fn all_ids(&self) -> &[i64] {
        self.numbering.ids()
    }

    /// How weights add up, and the weight of a link that has none.
    pub(super) fn adding(&self) -> (fn(u64, u64) -> u64, u64) {
        match self.weighing {
            Weighing::Long => (|a, b| a + b, 1),
            Weighing::Double => (
                |a, b| (f64::from_bits(a) + f64::from_bits(b)).to_bits(),
                1f64.to_bits(),
            ),
        }
    }

    /// A cost as the number it is.
    pub(super) fn cost(&self, bits: u64) -> Cell {
        let kind = match self.weighing {
            Weighing::Long => Kind::Long,
            Weighing::Double => Kind::Double,
        };
        Cell { kind, bits }
    }

    /// Which nodes hang together; worked out when first asked.
    pub(super) fn components(&self, pace: &mut Pace<'_>) -> Result<&Components> {
        if let Some(known) = self.components.get() {
            return Ok(known);
        }
        let labels = connected(&self.links, pace)?;
        let pairs = Pairs {
            from: labels.clone(),
            to: (0..labels.len() as u32).collect(),
            weights: Vec::new(),
        };
        let members = Links::new(labels.len(), pairs);
        Ok(self
            .components
            .get_or_init(|| Components { labels, members }))
    }
}

/// The graphs of a query.
#[derive(Default)]
pub(in crate::exec) struct Graphs {
    by_spec: HashMap<(usize, Spec), u32>,
    graphs: Vec<Arc<Graph>>,
    /// Nodes and links of all.
    held: usize,
    wholes: HashMap<(GraphFunction, u32), Vec<Whole>>,
}

/// What a function gave for a graph as a whole.
struct Whole {
    options: Options,
    found: Arc<Found>,
}

impl Graphs {
    /// The number of a graph of a source, read if it was not.
    pub(super) fn number(&mut self, source: usize, spec: Spec, reader: &Reader<'_>) -> Result<u32> {
        let key = (source, spec);
        if let Some(known) = self.by_spec.get(&key) {
            return Ok(*known);
        }
        let graph = reader.read(&key.1)?;
        self.held += graph.all_ids().len() + graph.links.len();
        reader.budget.check_rows(self.held, 1)?;
        let number = self.graphs.len() as u32;
        self.graphs.push(Arc::new(graph));
        self.by_spec.insert(key, number);
        Ok(number)
    }

    /// A graph by its number.
    pub(super) fn graph(&self, number: u32) -> Arc<Graph> {
        Arc::clone(&self.graphs[number as usize])
    }

    /// What a function gives for a graph as a whole, worked out if it was not.
    pub(super) fn whole(
        &mut self,
        (function, graph): (GraphFunction, u32),
        options: &Options,
        work_out: impl FnOnce() -> Result<Found>,
    ) -> Result<Arc<Found>> {
        let known = self.wholes.entry((function, graph)).or_default();
        if let Some(known) = known.iter().find(|known| known.options == *options) {
            return Ok(Arc::clone(&known.found));
        }
        let found = Arc::new(work_out()?);
        known.push(Whole {
            options: options.clone(),
            found: Arc::clone(&found),
        });
        Ok(found)
    }
}
