//! A program as a tree of lines: a step each, and beneath it the steps it runs.

use std::collections::HashSet;

use super::{Among, Block, BranchCall, Closure, Op, Predicate, Program, Step, VarId};

/// A line of a plan, and the lines beneath it.
#[derive(Debug)]
pub struct PlanNode<'p> {
    /// What the line stands for.
    pub work: Work<'p>,
    /// What it runs, in order.
    pub below: Vec<PlanNode<'p>>,
}

/// What a line of a plan stands for.
#[derive(Debug)]
pub enum Work<'p> {
    /// A step, and for a call of a rule its [`Predicate`] as in the literature: `reach^bf`.
    Step(&'p Step, Option<String>),
    /// A call within a rule, and the predicate called.
    Call(&'p BranchCall, String),
    /// A block of its own.
    Start(Start),
}

/// Where a block within a plan starts.
#[derive(Debug)]
pub struct Start {
    /// What kind of block it is.
    pub name: &'static str,
    /// What it is about.
    pub text: String,
    /// Variables bound before it.
    pub bound: Vec<VarId>,
    /// The variable whose values it is given in order.
    pub sorted: Option<VarId>,
    /// Whether it runs only where another block turns out to be worse.
    pub is_fallback: bool,
}

/// The lines of a program. A rule stands beneath the first call of it for each pattern of bound
/// arguments.
pub fn tree(program: &Program) -> Vec<PlanNode<'_>> {
    let shown = HashSet::new();
    Forest { program, shown }.block(&program.block)
}

struct Forest<'p> {
    program: &'p Program,
    /// Predicates that stand in the tree.
    shown: HashSet<usize>,
}

impl<'p> Forest<'p> {
    fn block(&mut self, block: &'p Block) -> Vec<PlanNode<'p>> {
        block.steps.iter().map(|step| self.step(step)).collect()
    }

    fn step(&mut self, step: &'p Step) -> PlanNode<'p> {
        let (mut callee, mut below) = (None, Vec::new());
        match &step.op {
            Op::Union {
                inputs, branches, ..
            } => {
                for block in branches {
                    let start = Start {
                        name: "branch",
                        text: String::new(),
                        bound: inputs.clone(),
                        sorted: None,
                        is_fallback: false,
                    };
                    below.push(PlanNode {
                        work: Work::Start(start),
                        below: self.block(block),
                    });
                }
            }
            Op::Intersect { block, .. } | Op::AntiJoin { block, .. } => below = self.block(block),
            Op::Rule { predicate, .. } => {
                callee = Some(self.signature(*predicate));
                below = self.predicate(*predicate);
            }
            Op::Nearest {
                among: Among::Passing { block, instead, .. },
                inputs,
                entity,
                ..
            } => {
                let start = Start {
                    name: "hits",
                    text: String::new(),
                    bound: inputs.iter().chain(entity).copied().collect(),
                    sorted: None,
                    is_fallback: false,
                };
                below.push(PlanNode {
                    work: Work::Start(start),
                    below: self.block(block),
                });
                if let Some(instead) = instead {
                    let start = Start {
                        name: "instead",
                        text: String::new(),
                        bound: inputs.clone(),
                        sorted: None,
                        is_fallback: true,
                    };
                    below.push(PlanNode {
                        work: Work::Start(start),
                        below: self.block(&instead.0),
                    });
                }
            }
            Op::Scan(_) | Op::Filter(_) | Op::Compute(..) | Op::Nearest { .. } => {}
        }
        PlanNode {
            work: Work::Step(step, callee),
            below,
        }
    }

    /// The bodies of a predicate, the first time it is called.
    fn predicate(&mut self, at: usize) -> Vec<PlanNode<'p>> {
        if !self.shown.insert(at) {
            return Vec::new();
        }
        let predicate = &self.program.predicates[at];
        match &predicate.closure {
            Some(closure) => self.closure(closure, !predicate.bound.contains(&true)),
            None => self.bodies(predicate),
        }
    }

    fn bodies(&mut self, predicate: &'p Predicate) -> Vec<PlanNode<'p>> {
        let mut bodies = Vec::with_capacity(predicate.branches.len());
        for branch in &predicate.branches {
            let mut below = Vec::new();
            for (k, segment) in branch.segments.iter().enumerate() {
                below.extend(self.block(segment));
                if let Some(call) = branch.calls.get(k) {
                    let signature = self.signature(call.predicate);
                    below.push(PlanNode {
                        work: Work::Call(call, signature),
                        below: self.predicate(call.predicate),
                    });
                }
            }
            let names = branch.head.iter().map(|var| self.name(*var));
            let names: Vec<String> = names.collect();
            let bound = branch.head.iter().zip(&predicate.bound);
            let start = Start {
                name: "body",
                text: format!("({} {})", predicate.name, names.join(" ")),
                bound: bound
                    .filter(|(_, is_bound)| **is_bound)
                    .map(|(var, _)| *var)
                    .collect(),
                sorted: None,
                is_fallback: false,
            };
            bodies.push(PlanNode {
                work: Work::Start(start),
                below,
            });
        }
        bodies
    }

    /// - `reads_all`: whether no argument is bound, so that all links are read at once.
    fn closure(&mut self, closure: &'p Closure, reads_all: bool) -> Vec<PlanNode<'p>> {
        let steps = closure.steps.iter().flatten();
        let steps = steps.map(|link| ("steps", link));
        let name = if closure.steps.is_some() {
            "hop"
        } else {
            "steps"
        };
        let hops = closure.hops.iter().map(|link| (name, link));
        let links: Vec<_> = match closure.hop_first {
            true => hops.chain(steps).collect(),
            false => steps.chain(hops).collect(),
        };
        let mut nodes = Vec::with_capacity(links.len());
        for (name, link) in links {
            let text = format!("{} → {}", self.name(link.from), self.name(link.to));
            let near = Start {
                name,
                text: text.clone(),
                bound: vec![link.from],
                sorted: Some(link.from),
                is_fallback: reads_all && link.all.is_some(),
            };
            nodes.push(PlanNode {
                work: Work::Start(near),
                below: self.block(&link.near),
            });
            if let Some((all, _)) = &link.all {
                let all_at_once = Start {
                    name: if name == "hop" {
                        "all hops"
                    } else {
                        "all steps"
                    },
                    text,
                    bound: Vec::new(),
                    sorted: None,
                    is_fallback: !reads_all,
                };
                nodes.push(PlanNode {
                    work: Work::Start(all_at_once),
                    below: self.block(all),
                });
            }
        }
        nodes
    }

    fn name(&self, var: VarId) -> String {
        self.program.vars.name(var).to_string()
    }

    fn signature(&self, at: usize) -> String {
        let predicate = &self.program.predicates[at];
        let letter = |is_bound: &bool| if *is_bound { 'b' } else { 'f' };
        let bound: String = predicate.bound.iter().map(letter).collect();
        format!("{}^{bound}", predicate.name)
    }
}
