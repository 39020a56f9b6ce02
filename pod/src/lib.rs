//! Datalith's faces: the Babashka pod and the command line, in one binary.
//!
//! The path of a call: bytes → [`bencode`] frame → [`wire`] request → [`server`] thread →
//! [`ops`] operation → engine → payload → reply. Only [`server`] knows threads, only [`ops`] knows
//! databases.

pub mod bencode;
pub mod cli;
mod console;
pub mod limits;
mod lock;
#[cfg(feature = "embed")]
pub mod models;
pub mod ops;
pub mod server;
pub mod transit;
pub mod wire;
