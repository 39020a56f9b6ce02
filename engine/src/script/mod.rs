//! Functions that users write: what the engine asks of a language, and how a name finds its function.
//!
//! The engine has no language of its own. Whoever embeds it installs one, as the binary does, and may
//! register functions under names for as long as the process runs. A name stands for such a
//! function, or else for what the entity with that `:db/ident` says in `:db/fn`.

mod allowance;
mod failure;
mod find;
mod language;

pub use allowance::Allowance;
pub use failure::{Place, failure, syntax_error};
pub use find::{Callee, Finder, find, register, unregister};
pub(crate) use language::check_source;
pub use language::{Language, Script, ScriptColumn, ScriptResult, install, is_installed};
