//! The physical plan: steps in the order they run, and the adorned predicates they call.

use crate::error::Span;
use crate::value::{Symbol, Value};

use super::{Bind, CallGoal, Pattern, Slot, VarId, Vars};

/// Everything needed to run the clauses of a query.
#[derive(Clone, Debug)]
pub struct Program {
    /// The clauses of the query.
    pub block: Block,
    /// The rules as called: each with the arguments that are bound.
    pub predicates: Vec<Predicate>,
    /// Names of all variables.
    pub vars: Vars,
    /// How many steps and calls there are.
    pub steps: usize,
}

/// A step or a call by its place in a program: what it did is counted under it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct StepId(pub u32);

/// A conjunction, in the order it runs.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// The steps.
    pub steps: Vec<Step>,
}

/// One step: an operator, and what of its result is still needed.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its number in the program.
    pub id: StepId,
    /// The operator.
    pub op: Op,
    /// Variables that later steps or the result need.
    pub keep: Vec<VarId>,
    /// Whether dropping the others leaves duplicates that are worth removing.
    pub distinct: bool,
    /// Rows expected after the step.
    pub estimate: f64,
    /// The clause as written.
    pub form: Value,
    /// Where it was written.
    pub span: Option<Span>,
}

/// What a step does to the relation so far.
#[derive(Clone, Debug)]
pub enum Op {
    /// Joins it with the rows of a pattern.
    Scan(Pattern),
    /// Extends it by the values of a variable that several patterns list for a row.
    Intersect {
        /// The variable.
        var: VarId,
        /// The patterns as steps, which run one after the other where lists have no common order.
        block: Block,
    },
    /// Keeps the rows for which a function is true.
    Filter(CallGoal),
    /// Adds what a function returns.
    Compute(CallGoal, Bind),
    /// Joins it with the union of alternatives.
    Union {
        /// Bound variables the alternatives share with the outside.
        inputs: Vec<VarId>,
        /// All variables they share with the outside.
        outputs: Vec<VarId>,
        /// The alternatives.
        branches: Vec<Block>,
    },
    /// Keeps the rows that a block finds nothing for.
    AntiJoin {
        /// Bound variables the block shares with the outside.
        on: Vec<VarId>,
        /// The block.
        block: Block,
    },
    /// Adds the entities whose vectors are near to one.
    Nearest {
        /// The search.
        call: CallGoal,
        /// What its hits are bound to.
        bind: Bind,
        /// The variable of the entities.
        entity: Option<VarId>,
        /// Bound variables that the search and the block read.
        inputs: Vec<VarId>,
        /// Which entities may be found.
        among: Among,
    },
    /// Joins it with the tuples of a rule.
    Rule {
        /// Position among the predicates.
        predicate: usize,
        /// The arguments.
        args: Vec<Slot>,
    },
}

/// Which entities a search may find.
#[derive(Clone, Debug)]
pub enum Among {
    /// All.
    All,
    /// Those that its variable is bound to.
    Bound,
    /// Those for which a block finds something, started from the inputs and the hits.
    Passing {
        /// What they must pass.
        block: Block,
        /// Hits to try first.
        tries: usize,
        /// What says which entities may be found where so few hits pass that it is cheaper to know them
        /// all, and how many hits are too many to try.
        instead: Option<Box<(Block, usize)>>,
    },
}

impl Op {
    /// Its name in plans and statistics.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Scan(_) => "scan",
            Op::Intersect { .. } => "intersect",
            Op::Filter(_) => "filter",
            Op::Compute(..) => "compute",
            Op::Union { .. } => "union",
            Op::AntiJoin { .. } => "anti-join",
            Op::Nearest { .. } => "nearest",
            Op::Rule { .. } => "rule",
        }
    }
}

/// A rule for one pattern of bound arguments.
#[derive(Clone, Debug)]
pub struct Predicate {
    /// The rule.
    pub name: Symbol,
    /// The source its body sees as `$`.
    pub source: usize,
    /// Which arguments are bound at the call.
    pub bound: Vec<bool>,
    /// One for each head; none for a closure.
    pub branches: Vec<Branch>,
    /// Set if it follows steps through a graph.
    pub closure: Option<Closure>,
}

/// A rule of two arguments: a hop, and any number of steps before or after it.
///
/// Everything is read from the argument that is bound, the first where none or both are.
#[derive(Clone, Debug)]
pub struct Closure {
    /// Whether it is read from the second argument to the first.
    pub backward: bool,
    /// Whether the hop comes before the steps.
    pub hop_first: bool,
    /// The hops.
    pub hops: Vec<Link>,
    /// The steps; none if the hops are the steps.
    pub steps: Option<Vec<Link>>,
}

/// What leads from one node of a closure to the next.
#[derive(Clone, Debug)]
pub struct Link {
    /// The node.
    pub from: VarId,
    /// The next.
    pub to: VarId,
    /// The way from nodes that are known.
    pub near: Block,
    /// All ways, and how many are expected; none if they cannot be had without a node.
    pub all: Option<(Block, f64)>,
}

/// One body of a rule, cut at its calls of rules.
#[derive(Clone, Debug)]
pub struct Branch {
    /// The head's variables.
    pub head: Vec<VarId>,
    /// `segments[k]` runs before call `k`; the last runs after all calls.
    pub segments: Vec<Block>,
    /// The calls.
    pub calls: Vec<BranchCall>,
    /// Set if the only call is the last thing the body does and calls the predicate itself.
    pub tail: Option<TailCall>,
}

/// A call of a rule within a rule.
#[derive(Clone, Debug)]
pub struct BranchCall {
    /// Its number in the program.
    pub id: StepId,
    /// The clause as written.
    pub form: Value,
    /// Position among the predicates.
    pub predicate: usize,
    /// The arguments.
    pub args: Vec<Slot>,
    /// Variables needed after the call.
    pub keep: Vec<VarId>,
    /// Rows expected after the call.
    pub estimate: f64,
}

/// A body that ends in a call of its own predicate with its own free arguments: what the callee
/// answers is the answer. Such a call is a jump: only the demand moves, the answers need not come
/// back through every caller (right-linear recursion: Naughton, Ramakrishnan, Sagiv & Ullman,
/// "Efficient evaluation of right-, left- and multi-linear rules", SIGMOD 1989).
#[derive(Clone, Debug)]
pub struct TailCall {
    /// The slots that the callee's bound arguments take.
    pub demand: Vec<Slot>,
}
