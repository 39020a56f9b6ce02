//! The rhai host: scripts, console and notebook kernel over the engine's doors.
//!
//! Empty so far: no command of the binary and no promise of the README refers to it.
