//! Notebooks without Jupyter: executed in one session, their outputs written or compared.
//!
//! In: the text of a notebook, nbformat 4. Out: the same with the outputs of this run. The outputs are those
//! that the [`kernel`](crate::kernel) would send; [`compare`] says what counts as the same.

mod compare;
mod document;
mod execute;

#[cfg(test)]
mod tests;

pub use compare::{Difference, compare};
pub use document::{Document, Malformed};
pub use execute::{Broken, Stop, execute};
