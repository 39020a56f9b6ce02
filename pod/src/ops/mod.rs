//! The operations: what a client can ask for, and what the engine does for it.
//!
//! [`table`] lists them all. Input: a name and arguments as values; output: an answer, encoded. The
//! only folder of the pod that knows databases.

mod branch;
mod call;
mod change;
mod commit;
mod connect;
mod describe;
mod handles;
mod known;
mod listen;
mod operation;
mod query;
mod read;
mod session;
mod sql;
pub mod table;
pub(crate) mod upkeep;
mod view;

pub(crate) use branch::plan_value;
pub use call::{Call, Face};
pub use session::Session;
