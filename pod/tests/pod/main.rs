//! The pod as its clients meet it: a real process, real bencode.

mod client;
mod hostile;
mod life;
mod mutation;
mod protocol;
