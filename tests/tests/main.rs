//! What a user sees, across crates.

mod crash;
mod faults;
mod golden;
mod history;
mod kill;
mod model;
mod tidy;

/// The one that the binary has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
