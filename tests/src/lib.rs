//! What the tests share: seeded corpora and the canonical forms they are compared in.

pub mod edn_corpus;
pub mod history;
