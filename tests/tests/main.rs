//! What a user sees, across crates.

mod golden;
mod kill;
mod model;
mod tidy;
