//! What a simulated store can do wrong, and what its caller hears of it.

use crate::error::{Code, Error, Result};

/// What goes wrong with one operation that changes the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails and has no effect. A sync that fails so leaves part of the bytes durable and lets no
    /// later sync save the rest.
    Before(Code),
    /// It fails after part of an append in place; like [`Fault::Before`] for all that is never torn.
    Partial(Code),
    /// It has its effect and fails: the answer was lost.
    After(Code),
    /// It fails, and a put into a store of objects has its effect some operations later, if its
    /// condition holds then; like [`Fault::Before`] otherwise.
    Delayed(Code),
    /// An append or a swap is refused although its condition holds, as where two of them meet; like
    /// [`Fault::Lie`] otherwise.
    Refused,
    /// An append in place that keeps a part and succeeds; other operations do not lie.
    Lie,
    /// The power is cut while it runs, or the process killed: it and all that follow fail until
    /// [`SimStorage::crash`](super::SimStorage::crash).
    PowerCut,
}

/// How often a [`Fault`] strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// At one operation.
    Once,
    /// At that operation and each after it.
    Forever,
}

impl Fault {
    /// What a crash test lets strike at each operation, and how often.
    pub const EVERY: [(Times, Fault); 10] = [
        (Times::Once, Fault::PowerCut),
        (Times::Once, Fault::Before(Code::Storage)),
        (Times::Forever, Fault::Before(Code::Storage)),
        (Times::Once, Fault::Partial(Code::StorageFull)),
        (Times::Forever, Fault::Partial(Code::StorageFull)),
        (Times::Once, Fault::After(Code::Storage)),
        (Times::Forever, Fault::After(Code::Storage)),
        (Times::Once, Fault::Delayed(Code::Storage)),
        (Times::Once, Fault::Refused),
        (Times::Once, Fault::Lie),
    ];
}

/// What the caller hears of an operation.
pub(super) fn answer(fault: Option<Fault>, operation: &str, name: &str) -> Result<()> {
    match fault {
        None | Some(Fault::Lie | Fault::Refused) => Ok(()),
        Some(
            Fault::Before(code) | Fault::Partial(code) | Fault::After(code) | Fault::Delayed(code),
        ) => Err(failed(code, operation, name)),
        Some(Fault::PowerCut) => Err(failed(Code::Storage, operation, name)),
    }
}

pub(super) fn failed(code: Code, operation: &str, name: &str) -> Error {
    Error::new(code, format!("{operation} {name} failed: simulated"))
}
