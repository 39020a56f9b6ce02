//! The options after a call's graph and nodes: one map, or keys and values.

use crate::error::{Code, Error, Result};
use crate::graph::GraphFunction;
use crate::value::{Value, option_pairs};

/// One option.
pub(super) struct Entry<'v> {
    function: GraphFunction,
    /// Without the colon.
    pub(super) key: &'v str,
    pub(super) value: &'v Value,
}

/// The options of a call.
pub(super) fn entries(function: GraphFunction, options: &[Value]) -> Result<Vec<Entry<'_>>> {
    let pairs = option_pairs(options).ok_or_else(|| {
        let message = "takes options as one map, or as keys and values".to_owned();
        refused(function, message)
    })?;
    let entry = |(key, value)| Entry::new(function, key, value);
    pairs.into_iter().map(entry).collect()
}

impl<'v> Entry<'v> {
    /// An option of a function; its key must be a keyword.
    pub(super) fn new(
        function: GraphFunction,
        key: &'v Value,
        value: &'v Value,
    ) -> Result<Entry<'v>> {
        let Some(name) = key.as_keyword() else {
            let message = format!("expects keywords as options, got {key}");
            return Err(refused(function, message));
        };
        Ok(Entry {
            function,
            key: name.as_str(),
            value,
        })
    }

    /// The value as a number of steps or rounds.
    pub(super) fn count(&self) -> Result<u32> {
        let count = match self.value {
            Value::Long(count) => u32::try_from(*count).ok(),
            _ => None,
        };
        count.ok_or_else(|| self.expects("a count"))
    }

    /// The value as a number that is not negative.
    pub(super) fn number(&self) -> Result<f64> {
        let number = self.value.to_double();
        let number = number.filter(|number| number.is_finite() && *number >= 0.0);
        number.ok_or_else(|| self.expects("a number that is not negative"))
    }

    /// The error for a value that is not what the option takes.
    pub(super) fn expects(&self, what: &str) -> Error {
        let message = format!("expects {what} for :{}, got {}", self.key, self.value);
        refused(self.function, message)
            .with("option", Value::keyword(self.key))
            .with("value", self.value.clone())
    }

    /// The error for an option that the function does not have.
    pub(super) fn unknown(&self) -> Error {
        let own = self.function.options().iter();
        let graph = ["attributes", "from", "to", "direction", "weight", "nodes"];
        let known: Vec<String> = graph
            .iter()
            .chain(own)
            .map(|name| format!(":{name}"))
            .collect();
        let message = format!("knows no option :{}, only {}", self.key, known.join(" "));
        refused(self.function, message).with("option", Value::keyword(self.key))
    }
}

/// The error of a function that cannot do with what it is given.
pub(super) fn refused(function: GraphFunction, message: String) -> Error {
    let name = function.name();
    Error::new(Code::QueryFunction, format!("{name} {message}"))
        .with("function", Value::symbol(name))
}
