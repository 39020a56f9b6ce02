//! What a user sees, across crates.

mod golden;
mod tidy;
