//! Algorithms over graphs in memory: nodes numbered from 0 and the links between them.
//!
//! Input: [`Links`], built by the executor from the runs of a database. Output: numbers of nodes,
//! by which ties are settled too, so that equal graphs give equal answers. It knows neither
//! databases nor queries; a [`Pace`] lets the caller end what takes too long.

mod centrality;
mod community;
mod component;
mod function;
mod links;
mod marks;
mod numbering;
mod order;
mod pace;
mod rank;
mod route;
mod walk;

pub use function::GraphFunction;

pub(crate) use centrality::{betweenness, closeness};
pub(crate) use community::propagate_labels;
pub(crate) use component::{connected, strongly_connected};
pub(crate) use links::{Links, Pairs};
pub(crate) use marks::Marks;
pub(crate) use numbering::Numbering;
pub(crate) use order::topological_order;
pub(crate) use pace::Pace;
pub(crate) use rank::{RankOptions, page_rank};
pub(crate) use route::Router;
pub(crate) use walk::Walker;

#[cfg(test)]
mod oracle_tests;
