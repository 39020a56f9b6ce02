//! A parsed query to a physical plan: names become ids, clauses an order, rules adorned predicates.
//!
//! Input: a [`Query`](crate::query::ast::Query), the rules, what the sources are. Output: a
//! [`Program`]. Nothing is read here but statistics.

mod bounds;
mod closure;
mod cut;
mod estimate;
mod inline;
mod intersect;
mod join_order;
mod logical;
mod nearest;
mod number;
mod order;
mod physical;
mod rules;
mod tree;
mod whole;

pub use bounds::Bounds;
pub use estimate::Statistics;
pub use logical::{
    ArgSlot, Bind, CallGoal, Callable, Goal, GoalKind, NearestFunction, Pattern, Slot, Special,
    VarId, Vars,
};
pub use order::op_vars;
pub use physical::{
    Among, Block, Branch, BranchCall, Closure, Link, Op, Predicate, Program, Step, StepId, TailCall,
};
pub use rules::{Outline, plan};
pub use tree::{PlanNode, Work, tree};
