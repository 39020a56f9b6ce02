//! Text or forms to a [`Query`](ast::Query): shapes are checked here, names are resolved later.

pub mod ast;
