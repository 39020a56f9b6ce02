//! The rhai host: scripts, console and notebook kernel over the engine's doors.

pub mod chart;
pub mod fault;
pub mod files;
pub mod limits;
pub mod meter;
pub mod sandbox;
pub mod source;
pub mod table;
pub mod value;
