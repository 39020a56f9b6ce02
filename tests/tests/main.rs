//! What a user sees, across crates.

mod crash;
mod faults;
mod golden;
mod history;
mod kill;
mod model;
mod tidy;
