//! The rhai host: scripts, console and notebook kernel over the engine's doors.
//!
//! In: the text of a script. Out: values, what was printed, or a [`fault::Fault`] with its place. A
//! [`host::Host`] is one session; everything a script can do is registered in [`database`], [`table`] and
//! [`chart`], and listed in [`reference`]. What it may spend is kept by a [`meter::Meter`], which files it
//! may touch by [`files::Grants`]. Front ends give a session a [`piece`] at a time: the console, the
//! [`kernel`] that Jupyter talks to, and the runner of [`notebook`]s without Jupyter.

pub mod cell;
pub mod chart;
pub mod columnar;
pub mod completion;
pub mod database;
pub mod fault;
pub mod files;
pub mod function;
pub mod host;
pub mod kernel;
pub mod limits;
pub mod meter;
pub mod notebook;
pub mod piece;
pub mod reference;
pub mod sandbox;
pub mod shown;
pub mod source;
pub mod table;
pub mod value;

pub use fault::Fault;
pub use host::{Host, Settings, Sink};
pub use rhai::Dynamic;
