//! What the tests share: seeded corpora and the canonical forms they are compared in, histories, chance,
//! and a model of queries with random cases for it.

pub mod clock;
pub mod edn_corpus;
pub mod history;
pub mod model;
pub mod random;
