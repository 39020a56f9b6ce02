//! Connections: one database that changes, shared by many threads.
//!
//! Input: configurations and transaction data. Output: database values and reports, each
//! transaction durable before anybody sees it. How datoms come of transaction data is not its
//! matter, nor how bytes stay; it orders the one, hands it to the other, and publishes the result.

mod archive;
mod backup;
#[cfg(test)]
mod backup_tests;
mod branch;
mod checkpoint;
mod columns;
mod config;
mod connection;
mod consistency;
mod database;
mod dump;
mod embedding;
#[cfg(test)]
mod embedding_tests;
mod environment;
mod export;
mod findings;
mod gc;
mod graphs;
#[cfg(test)]
mod graphs_tests;
mod history;
mod hold;
mod import;
mod intake;
mod journal;
mod lineage;
mod listen;
mod merge;
mod object;
mod payload;
mod pin;
mod purge;
mod queue;
mod rebuild;
mod record;
mod refer;
mod reference;
mod registry;
mod replay;
#[cfg(test)]
mod script_tests;
mod settings;
#[cfg(test)]
mod tests;
mod uri;
mod verify;
#[cfg(test)]
mod verify_tests;

pub use crate::transact::{TxData, TxReport};
pub use backup::{BackupReport, backup_at};
pub use branch::BranchPoint;
pub use checkpoint::Checkpoint;
pub use config::{Backend, Config, StoreId};
pub use connection::{Conn, Leave, leave};
pub use embedding::EmbedProgress;
pub use export::{DumpReport, export_at};
pub use findings::{BranchReport, Finding, Progress, VerifyReport};
pub use gc::{GcOptions, GcReport};
pub use graphs::GraphProgress;
pub use history::{ChainReport, ChainStatus, Commit, TxEntry};
pub use import::{import_at, import_database};
pub use listen::ListenerId;
pub use merge::MergeReport;
pub use registry::{
    create_database, create_database_at, database_exists, delete_database, stored_config,
};
pub use verify::{Depth, VerifyOptions, verify_at, verify_database};
