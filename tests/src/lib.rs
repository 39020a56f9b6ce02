//! What the tests share: seeded corpora and the canonical forms they are compared in, histories, chance.

pub mod clock;
pub mod edn_corpus;
pub mod history;
pub mod random;
