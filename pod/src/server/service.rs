//! What the server asks of whoever answers the calls.

use datalith_engine::{Result, Value};

use crate::server::output::ReplyTo;
use crate::wire::{Format, Id};

/// How a variable's calls are scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Beside any other call.
    Read,
    /// Beside any other call; the pod does not end in the middle of it.
    Change,
    /// In the order sent, for calls on the same connection; never cut short.
    Ordered,
}

/// One call.
pub struct Call<'a> {
    /// The variable, `ns/name`.
    pub var: &'a str,
    /// Its arguments.
    pub args: Vec<Value>,
    /// Where answers go, for a call that goes on.
    pub reply: &'a ReplyTo,
}

/// What a call comes to.
pub enum Outcome {
    /// Its answer, encoded.
    Done(Vec<u8>),
    /// The call goes on: answers come later, by [`ReplyTo`].
    Open,
}

/// Answers calls. The pod's operations are one; tests have another, which panics and prints.
pub trait Service: Send + Sync + 'static {
    /// The reply to describe.
    fn describe(&self, id: &Id, format: Format) -> Vec<u8>;

    /// The reply to load-ns; none for an unknown namespace.
    fn load_ns(&self, id: &Id, namespace: &str) -> Option<Vec<u8>>;

    /// How this variable's calls are scheduled; none for an unknown variable.
    fn route(&self, var: &str) -> Option<Route>;

    /// A number that is the same for calls that must keep their order.
    fn lane(&self, args: &[Value]) -> usize;

    /// Runs one call.
    fn invoke(&self, call: Call<'_>) -> Result<Outcome>;

    /// Gives everything back: the end.
    fn close(&self);
}
