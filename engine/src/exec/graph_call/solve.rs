//! From questions about graphs to what the algorithms find.

use std::sync::Arc;

use super::answer::Found;
use super::call::{Question, Subject};
use super::held::{Graph, Graphs};
use super::spec::Options;
use crate::error::Result;
use crate::exec::budget::Budget;
use crate::graph::{
    GraphFunction, Pace, Router, Walker, betweenness, closeness, page_rank, propagate_labels,
    strongly_connected, topological_order,
};
use crate::index::{Column, Kind};
use crate::value::Value;

/// Answers questions; keeps what walks of one graph share.
pub(super) struct Solver<'a> {
    function: GraphFunction,
    graphs: &'a mut Graphs,
    budget: &'a Budget,
    walker: Option<(u32, Walker)>,
    router: Option<(u32, Router)>,
}

/// Takes what was found for a row.
type Take<'t> = &'t mut dyn FnMut(u32, &Found) -> Result<()>;

impl<'a> Solver<'a> {
    pub(super) fn new(
        function: GraphFunction,
        graphs: &'a mut Graphs,
        budget: &'a Budget,
    ) -> Solver<'a> {
        Solver {
            function,
            graphs,
            budget,
            walker: None,
            router: None,
        }
    }

    /// Answers questions that have their subject and start in common.
    pub(super) fn solve(
        &mut self,
        subject: &Subject,
        questions: &[Question],
        mut take: impl FnMut(u32, &Found) -> Result<()>,
    ) -> Result<()> {
        let graph = self.graphs.graph(subject.graph);
        let start = questions[0].start;
        match self.function.nodes() {
            0 => {
                let found = self.whole(subject, &graph)?;
                questions.iter().try_for_each(|ask| take(ask.row, &found))
            }
            1 => {
                let found = self.from(subject, &graph, start)?;
                questions.iter().try_for_each(|ask| take(ask.row, &found))
            }
            _ => match self.function {
                GraphFunction::WeightedShortestPath => {
                    self.routes(subject, &graph, questions, &mut take)
                }
                GraphFunction::IsSameComponent => {
                    let check = || self.budget.check();
                    let components = graph.components(&mut Pace::new(&check))?;
                    let label = |id: i64| graph.find(id).map(|n| components.labels[n as usize]);
                    let own = label(start);
                    questions.iter().try_for_each(|ask| {
                        let is_same = ask.end == start || (own.is_some() && own == label(ask.end));
                        take(ask.row, &Found::One(Value::Bool(is_same)))
                    })
                }
                _ => self.paths(subject, &graph, questions, &mut take),
            },
        }
    }

    /// What a function says of a graph as a whole.
    fn whole(&mut self, subject: &Subject, graph: &Graph) -> Result<Arc<Found>> {
        let (function, budget) = (self.function, self.budget);
        let check = || budget.check();
        let work_out = || {
            // An algorithm keeps a few numbers for each node, some of them the links once more.
            budget.check_rows(graph.all_ids().len() + graph.links.len(), 2)?;
            describe(function, graph, &subject.options, &mut Pace::new(&check))
        };
        let key = (function, subject.graph);
        self.graphs.whole(key, &subject.options, work_out)
    }

    /// What a function says of one node.
    fn from(&mut self, subject: &Subject, graph: &Graph, start: i64) -> Result<Found> {
        use GraphFunction::*;
        let function = self.function;
        let Some(node) = graph.find(start) else {
            return Ok(match function {
                Degree => Found::One(Value::Long(0)),
                BfsDistances => Found::Scores(vec![start], Column::longs(&[0])),
                ConnectedComponent => Found::Nodes(vec![start]),
                _ => Found::Nodes(Vec::new()),
            });
        };
        let budget = self.budget;
        let check = || budget.check();
        let mut pace = Pace::new(&check);
        match function {
            Degree => return Ok(Found::One(Value::from(graph.links.of(node).len()))),
            ConnectedComponent => {
                let components = graph.components(&mut pace)?;
                let label = components.labels[node as usize];
                return Ok(Found::Nodes(graph.ids(components.members.of(label))));
            }
            _ => {}
        }
        let depth = if function == Neighbors { 1 } else { u32::MAX };
        let depth = subject.options.depth_max.unwrap_or(depth);
        let walker = walker(&mut self.walker, subject.graph, graph);
        walker.walk(&graph.links, node, (depth, &[]), &mut pace)?;
        if function != BfsDistances {
            let followed: Vec<u32> = walker.followed().collect();
            return Ok(Found::Nodes(graph.ids(&followed)));
        }
        let reached = walker.reached();
        let distance = |&node: &u32| i64::from(walker.distance(node).unwrap_or_default());
        let distances: Vec<i64> = reached.iter().map(distance).collect();
        Ok(Found::Scores(graph.ids(reached), Column::longs(&distances)))
    }

    /// Shortest ways, their lengths or whether there are any, all from one start.
    fn paths(
        &mut self,
        subject: &Subject,
        graph: &Graph,
        questions: &[Question],
        take: Take<'_>,
    ) -> Result<()> {
        let function = self.function;
        let (start, is_asked) = (questions[0].start, function == GraphFunction::IsReachable);
        let node = graph.find(start);
        // A way to the start itself needs no step, unless steps are what is asked for.
        let is_walked = |ask: &&Question| is_asked || ask.end != start;
        let ends = questions.iter().filter(is_walked);
        let targets: Vec<u32> = ends.filter_map(|ask| graph.find(ask.end)).collect();
        let walked = match node {
            Some(node) if !targets.is_empty() => {
                let depth = subject.options.depth_max.unwrap_or(u32::MAX);
                let budget = self.budget;
                let check = || budget.check();
                let walker = walker(&mut self.walker, subject.graph, graph);
                walker.walk(
                    &graph.links,
                    node,
                    (depth, &targets),
                    &mut Pace::new(&check),
                )?;
                Some(&*walker)
            }
            _ => None,
        };
        let reached = |ask: &Question| Some((walked?, graph.find(ask.end)?));
        questions.iter().try_for_each(|ask| {
            let found = match function {
                GraphFunction::IsReachable => {
                    let leads = reached(ask).is_some_and(|(walk, end)| walk.leads_to(end));
                    Found::One(Value::Bool(leads))
                }
                GraphFunction::PathLength if ask.end == start => Found::One(Value::Long(0)),
                GraphFunction::PathLength => reached(ask)
                    .and_then(|(walk, end)| walk.distance(end))
                    .map_or(Found::Nothing, |steps| {
                        Found::One(Value::Long(i64::from(steps)))
                    }),
                _ if ask.end == start => Found::Path(vec![start]),
                _ => reached(ask)
                    .and_then(|(walk, end)| walk.path_to(end))
                    .map_or(Found::Nothing, |path| Found::Path(graph.ids(&path))),
            };
            take(ask.row, &found)
        })
    }

    /// Lightest ways, all from one start.
    fn routes(
        &mut self,
        subject: &Subject,
        graph: &Graph,
        questions: &[Question],
        take: Take<'_>,
    ) -> Result<()> {
        let start = questions[0].start;
        let ends = questions.iter().filter(|ask| ask.end != start);
        let targets: Vec<u32> = ends.filter_map(|ask| graph.find(ask.end)).collect();
        let mut searched = None;
        if let Some(node) = graph.find(start).filter(|_| !targets.is_empty()) {
            let budget = self.budget;
            let check = || budget.check();
            let mut pace = Pace::new(&check);
            let router = router(&mut self.router, subject.graph, graph);
            router.search(&graph.links, (node, &targets), graph.adding(), &mut pace)?;
            searched = Some(&*router);
        }
        questions.iter().try_for_each(|ask| {
            if ask.end == start {
                return take(ask.row, &Found::Route(vec![start], graph.cost(0)));
            }
            let way = searched.zip(graph.find(ask.end));
            let found = match way.and_then(|(router, end)| router.way_to(end)) {
                Some((path, cost)) => Found::Route(graph.ids(&path), graph.cost(cost)),
                None => Found::Nothing,
            };
            take(ask.row, &found)
        })
    }
}

/// The walker of a graph.
fn walker<'w>(held: &'w mut Option<(u32, Walker)>, number: u32, graph: &Graph) -> &'w mut Walker {
    let held = match held.take() {
        Some((own, walker)) if own == number => held.insert((own, walker)),
        _ => held.insert((number, Walker::new(graph.links.nodes()))),
    };
    &mut held.1
}

/// The router of a graph.
fn router<'w>(held: &'w mut Option<(u32, Router)>, number: u32, graph: &Graph) -> &'w mut Router {
    let held = match held.take() {
        Some((own, router)) if own == number => held.insert((own, router)),
        _ => held.insert((number, Router::new(graph.links.nodes()))),
    };
    &mut held.1
}

/// What a function of no node says of a graph.
fn describe(
    function: GraphFunction,
    graph: &Graph,
    options: &Options,
    pace: &mut Pace<'_>,
) -> Result<Found> {
    use GraphFunction::*;
    let ids = || graph.all_ids().to_vec();
    let scores = |scores: Vec<f64>| {
        let bits: Vec<u64> = scores.iter().map(|score| score.to_bits()).collect();
        Found::Scores(ids(), Column::uniform(Kind::Double, bits))
    };
    let links = &graph.links;
    Ok(match function {
        ConnectedComponents => Found::Groups(ids(), graph.ids(&graph.components(pace)?.labels)),
        StronglyConnectedComponents => {
            Found::Groups(ids(), graph.ids(&strongly_connected(links, pace)?))
        }
        TopologicalSort => topological_order(links, pace)?
            .map_or(Found::Nothing, |order| Found::Path(graph.ids(&order))),
        HasCycle => {
            let is_sorted = topological_order(links, pace)?.is_some();
            Found::One(Value::Bool(!is_sorted))
        }
        PageRank if links.nodes() == 0 => Found::Nothing,
        PageRank => scores(page_rank(links, options.rank, pace)?),
        ClosenessCentrality => closeness(links, pace)?.map_or(Found::Nothing, scores),
        BetweennessCentrality => betweenness(links, pace)?.map_or(Found::Nothing, scores),
        LabelPropagation => {
            let labels = propagate_labels(links, options.rounds, pace)?;
            Found::Scores(ids(), Column::longs(&graph.ids(&labels)))
        }
        _ => unreachable!("functions of nodes are asked about them"),
    })
}
