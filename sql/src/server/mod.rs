//! The protocol of PostgreSQL: what its clients ask is run by one [`Session`](crate::Session).
//!
//! Input: bytes of a socket. Output: bytes of a socket. A connection is a thread (`listen`, `client`), since a
//! statement keeps its thread anyway. Messages are read by `message` and written by `reply`; a statement is
//! sorted by `command`; `prepared` is the extended protocol. Cells go out by `scalar`, `text` and `binary`;
//! parameters come in by `argument`. There is no TLS: ADR 22 has the reasons, and what is not offered.

mod argument;
mod binary;
mod client;
mod column;
mod command;
mod described;
mod listen;
mod message;
mod prepared;
mod refusal;
mod reply;
mod rows;
mod scalar;
mod scram;
mod setting;
mod text;

pub use listen::{Server, ServerOptions};
