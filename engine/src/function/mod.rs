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
mod graph;
pub mod kernel;
mod lookup;
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
mod vector;

pub use aggregate::{AGGREGATES, Aggregate};
pub use failure::{Cause, is_swallowed};
pub use seq::check_result;
pub use table::{Arity, Entry, absence, table};
pub use vector::distance_of;

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
        table()
            .iter()
            .enumerate()
            .map(|(n, entry)| (entry.name, Builtin(n as u16)))
            .collect()
    });
    by_name
        .get(name.strip_prefix("clojure.core/").unwrap_or(name))
        .copied()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(call: &str) -> Result<Value> {
        let form = crate::edn::read(call).unwrap();
        let Some([Value::Symbol(name), args @ ..]) = form.as_sequential() else {
            panic!("{call} is no call")
        };
        lookup(name.as_str())
            .unwrap_or_else(|| panic!("no {name}"))
            .call(args)
    }

    fn check(call: &str, expected: &str) {
        let text = match answer(call) {
            Ok(value) => value.to_string(),
            Err(error) => error.message().to_owned(),
        };
        assert_eq!(text, expected, "{call}");
    }

    #[test]
    fn datahike_orders_more_than_numbers() {
        check("(< \"a\" \"b\" \"c\")", "true");
        check("(> :b :a)", "true");
        check("(<= #inst \"2020\" #inst \"2021\" #inst \"2021\")", "true");
        check("(before? [1 2] [1 3])", "true");
        check("(< 1 2.5 3N)", "true");
        check("(!= 1 2)", "true");
        check("(-differ? 1 2 1 2)", "false");
        check("(and 1 nil 2)", "nil");
        check("(or nil false)", "false");
        check("(max [1 3 2])", "3");
        check("(min 2 [3 1 2])", "[1 2]");
        check("(max 1 2.5)", "2.5");
        check("(tuple 1 :a)", "[1 :a]");
        check("(ground [1 2])", "[1 2]");
        check("(type 1)", "java.lang.Long");
        check("(re-find \"b+\" \"abbb\")", "\"bbb\"");
    }

    #[test]
    fn predicates_swallow_only_wrong_types() {
        let swallowed = |call: &str| is_swallowed(&answer(call).unwrap_err());
        assert!(swallowed("(< 1 \"a\")"));
        assert!(swallowed("(even? \"a\")"));
        assert!(swallowed("(< nil 1)"));
        assert!(!swallowed("(/ 1 0)"));
        assert!(!swallowed("(even? 1 2)"));
        assert!(!swallowed("(re-find \"(\" \"a\")"));
        assert!(!swallowed("(repeat 9999999999 1)"));
    }

    #[test]
    fn endless_and_huge_answers_are_refused() {
        check("(range)", "(range) has no end: give it one, (range 10)");
        for call in [
            "(range 2000000)",
            "(repeat 9999999999 1)",
            "(range 1 2 0)",
            "(partition 1 0 [1 2])",
            "(bigdec \"1e99999999\")",
            "(format \"%99999d\" 1)",
        ] {
            assert!(answer(call).is_err(), "{call}");
        }
        let mut nested = Value::vector([]);
        let wrap = lookup("vector").unwrap();
        let depth = (0..1_000).take_while(|_| match wrap.call(std::slice::from_ref(&nested)) {
            Ok(value) => {
                nested = value;
                true
            }
            Err(_) => false,
        });
        assert_eq!(depth.count(), crate::limits::FUNCTION_DEPTH - 1);
        let mut doubled = Value::vector([Value::Nil]);
        while let Ok(value) = wrap.call(&[doubled.clone(), doubled.clone()]) {
            doubled = value;
        }
        let mut square = Value::Long(i64::MAX);
        while let Ok(value) = lookup("*'")
            .unwrap()
            .call(&[square.clone(), square.clone()])
        {
            square = value;
        }
        let mut text = Value::str("abcdefgh");
        while let Ok(value) = lookup("str").unwrap().call(&[text.clone(), text.clone()]) {
            text = value;
        }
        let lots = Value::list(std::iter::repeat_n(Value::symbol("apply"), 10_000));
        assert!(
            lookup("apply")
                .unwrap()
                .call(&[Value::symbol("apply"), lots])
                .is_err()
        );
        let numbers = answer("(range 1000000)").unwrap();
        let grow = [Value::symbol("conj"), Value::vector([]), numbers];
        assert_eq!(
            lookup("reduce").unwrap().call(&grow).unwrap_err().code(),
            crate::Code::Limit
        );
    }

    #[test]
    fn every_row_can_be_found_and_called_with_anything() {
        let odd = "[nil true 0 -1 2.5 ##NaN 1N 1.50M 1/3 \\a \"text\" :k/w sym #inst \"2020\" [] \
                   [1 2] (1) {:a 1} #{1} \"\" -9223372036854775808 [[:a 1]] inc]";
        let values = crate::edn::read(odd).unwrap();
        let values = values.as_sequential().unwrap();
        for entry in table() {
            let builtin = lookup(entry.name).unwrap();
            assert_eq!(builtin.name(), entry.name, "twice in the table");
            assert!(entry.doc.ends_with(['.', '…']), "{}", entry.name);
            let _ = builtin.call(&[]);
            for a in values {
                let _ = builtin.call(std::slice::from_ref(a));
                for b in values {
                    let _ = builtin.call(&[a.clone(), b.clone()]);
                    let _ = builtin.call(&[b.clone(), a.clone(), b.clone()]);
                }
            }
        }
        assert!(lookup("clojure.core/inc").is_some());
        assert!(lookup("upper-case").is_none());
        assert!(absence(".toString").is_some() && absence("Math/abs").is_some());
        assert!(absence("iterate").is_some() && absence("no-such").is_none());
    }
}
