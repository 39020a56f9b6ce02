//! What a user sees, across crates.

mod crash;
mod golden;
mod history;
mod kill;
mod model;
mod tidy;
