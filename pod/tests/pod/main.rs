//! The pod as its clients meet it: a real process, real bencode.

mod client;
mod database;
mod hostile;
mod life;
mod mutation;
mod protocol;
#[cfg(feature = "sql")]
mod sql;
