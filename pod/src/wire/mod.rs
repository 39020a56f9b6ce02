//! The pod protocol's messages: what a client sends, what goes back, and the payloads inside.
//!
//! Input: one framed bencode item. Output: one buffer, ready to be written. Knows neither threads
//! nor databases.

pub mod answer;
pub mod payload;
pub mod reply;
pub mod request;

pub use answer::Wrapping;
pub use payload::Format;
pub use request::{Id, Request};
