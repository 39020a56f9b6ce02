//! Reading tables: which rows, and their columns as batches.

mod base;
mod datoms;
mod exec;
mod filter;
mod kept;
mod narrow;
mod passing;
mod predicate;
mod provider;
mod rows;
mod take;
mod wide;

pub(crate) use datoms::Datoms;
pub(crate) use narrow::Narrow;
pub(crate) use passing::passing;
pub(crate) use provider::Provider;
pub(crate) use wide::Wide;
