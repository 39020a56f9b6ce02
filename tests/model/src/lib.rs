//! A naive evaluator of queries, random cases for it, and what it takes to compare others with it.
//!
//! A case is a [`World`], options and transactions, and a [`Program`], a query with rules and inputs; both
//! are text, made from a seed. [`build`] makes a world in the engine and in the model's log;
//! [`compare`] asks engine and model, [`compare_with`] the model and anybody else.

mod agree;
mod check;
mod cycle;
mod generate;
mod log;
mod oracle;
mod query;
mod rules;
mod safety;
mod shrink;
mod world;

pub use check::{
    Built, Outcome, ask, ask_with, build, check_access, check_datoms, compare, compare_with, inputs,
};
pub use generate::{Attribute, world};
pub use query::program;
pub use shrink::shrink;
pub use world::{Given, Point, Program, Random, Step, World, read};
