//! Bencode, as far as a pod's wire needs it: frames in, dictionaries out.
//!
//! Reading has two steps. [`frame`] finds where a message ends without understanding it, in constant
//! memory beside the bytes received, so no announced length and no nesting can hurt. [`cursor`] then
//! walks one whole, bounded message and is strict about its form. Writing is [`encode`].

pub mod cursor;
pub mod encode;
pub mod frame;
