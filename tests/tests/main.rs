//! What a user sees, across crates.

mod golden;
mod history;
mod kill;
mod model;
mod tidy;
