//! What an operation is: a row of the table.

use datalith_engine::{Result, Value};

use crate::ops::call::Call;
use crate::server::{Outcome, Route};

/// How settled an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stability {
    /// It stays as it is.
    Stable,
    /// It may change.
    Experimental,
}

/// Where an operation shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// In `datahike.pod` and in `pod.datalith`.
    Both,
    /// In `pod.datalith` only.
    Datalith,
    /// In neither: what the client code of another operation calls.
    Nowhere,
}

/// What the client gets for it.
#[derive(Clone, Copy, Debug)]
pub enum Client {
    /// A function that calls the pod.
    Proxy,
    /// The same; in `pod.datalith` wrapped, because a client turns an answer of `false` into `nil`.
    Predicate,
    /// Clojure source of its own, in both namespaces.
    Code(&'static str),
    /// Clojure source of its own in `pod.datalith`, a plain function in `datahike.pod`.
    DatalithCode(&'static str),
}

/// What runs in the pod.
#[derive(Clone, Copy)]
pub enum Run {
    /// Nothing: it is client code only.
    Nothing,
    /// Gives a value.
    Value(fn(&Call<'_>) -> Result<Value>),
    /// Encodes its own answer, or goes on.
    Outcome(fn(&Call<'_>) -> Result<Outcome>),
}

/// One operation.
pub struct Operation {
    /// Its name, without namespace.
    pub name: &'static str,
    /// Its argument lists, as Clojure's `:arglists`.
    pub arglists: &'static str,
    /// Fewest arguments.
    pub args_min: usize,
    /// Most arguments; [`VARIADIC`] for any number.
    pub args_max: usize,
    /// What it gives, for its reader.
    pub doc: &'static str,
    /// How settled it is.
    pub stability: Stability,
    /// Where it shows.
    pub shown: Shown,
    /// What the client gets for it.
    pub client: Client,
    /// How its calls are scheduled.
    pub route: Route,
    /// What runs in the pod.
    pub run: Run,
}

/// Any number of arguments.
pub const VARIADIC: usize = usize::MAX;
