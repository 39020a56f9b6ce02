//! Forms to a [`Query`](ast::Query): shapes are checked here, names are resolved later.
//!
//! Text is read by the caller; the spans that the reader gives let errors point at the offending
//! form. What is refused, and under which key, follows Datahike's parser.

pub mod ast;
mod binding;
mod clause;
mod cursor;
mod display;
mod find;
mod modifier;
pub mod pull;
mod rule;
mod section;
mod validate;
mod vars;

pub use modifier::override_modifiers;
pub use pull::parse_pull;
pub use rule::parse_rules;
pub use section::parse;
pub use vars::Vars;
