//! The closed table of functions that a query may call, with the semantics of `clojure.core`.
//!
//! In: a name and values. Out: a value, or an error that keeps Clojure's kind under `:cause`. The
//! table is all there is: no host methods, no `eval`, no code from outside. Functions that read a
//! database (`get-else`, `missing?`, `q`, …) belong to the executor. Answers are bounded by
//! [`crate::limits`]; what is endless in Clojure, such as `(range)`, is refused.

mod aggregate;
mod arithmetic;
mod callable;
mod collection;
mod compare;
mod convert;
mod failure;
mod format;
pub mod kernel;
mod name;
mod number;
mod predicate;
mod print;
mod random;
mod regex;
mod seq;
mod sequence;
mod table;
mod text;

pub use aggregate::{AGGREGATES, Aggregate};
pub use failure::{Cause, is_swallowed};
pub use table::{Arity, Entry, absence, table};

use std::collections::HashMap;
use std::fmt;
use std::sync::OnceLock;

use crate::error::Result;
use crate::value::Value;

/// A function of the table.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Builtin(u16);

/// The function of that name; `clojure.core/` may be left out, other namespaces may not.
pub fn lookup(name: &str) -> Option<Builtin> {
    static BY_NAME: OnceLock<HashMap<&'static str, Builtin>> = OnceLock::new();
    let by_name = BY_NAME.get_or_init(|| {
        table().iter().enumerate().map(|(n, entry)| (entry.name, Builtin(n as u16))).collect()
    });
    by_name.get(name.strip_prefix("clojure.core/").unwrap_or(name)).copied()
}

impl Builtin {
    /// Its row of the table.
    pub fn entry(self) -> &'static Entry {
        &table()[usize::from(self.0)]
    }

    /// Its name as the table writes it.
    pub fn name(self) -> &'static str {
        self.entry().name
    }

    /// Applies the function. Errors have [`Code::QueryFunction`](crate::Code::QueryFunction) and a
    /// [`Cause`], or [`Code::Limit`](crate::Code::Limit).
    pub fn call(self, args: &[Value]) -> Result<Value> {
        let entry = self.entry();
        if !entry.arity.takes(args.len()) {
            let (count, name) = (args.len(), entry.name);
            return Err(Cause::Arity
                .error(format!(
                    "Wrong number of args ({count}) passed to {name}, which takes {}",
                    entry.arity
                ))
                .with("function", Value::symbol(name)));
        }
        callable::start();
        let result = (entry.run)(args)?;
        seq::check_result(&result)?;
        Ok(result)
    }
}

impl fmt::Debug for Builtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
