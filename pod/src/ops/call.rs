//! One call of an operation: its arguments, and how its answer should look.

use datalith_engine::{Code, Error, Result, Value};

use crate::ops::Session;
use crate::server::ReplyTo;

/// The namespace through which a client calls; it decides the form of handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// `datahike.pod`: handles are strings.
    Datahike,
    /// `pod.datalith`: handles are maps.
    Datalith,
}

/// Both namespaces. The first names the pod among all pods a client has loaded, so it is not the
/// one that Datahike's own pod has.
pub(crate) const FACES: [Face; 2] = [Face::Datalith, Face::Datahike];

impl Face {
    /// The namespace.
    pub fn namespace(self) -> &'static str {
        match self {
            Face::Datahike => "datahike.pod",
            Face::Datalith => "pod.datalith",
        }
    }

    /// The face of this namespace.
    pub fn of(namespace: &str) -> Option<Face> {
        FACES.into_iter().find(|face| face.namespace() == namespace)
    }
}

/// One call of an operation.
pub struct Call<'a> {
    /// What the pod holds for its client.
    pub session: &'a Session,
    /// How the answer should look.
    pub face: Face,
    /// The operation's name.
    pub name: &'static str,
    /// The arguments; their number was checked.
    pub args: Vec<Value>,
    /// Where answers go, for a call that goes on.
    pub reply: &'a ReplyTo,
}

impl Call<'_> {
    /// An argument; nil where there is none.
    pub fn arg(&self, index: usize) -> &Value {
        self.args.get(index).unwrap_or(&Value::Nil)
    }

    /// The arguments from this one on.
    pub fn args_from(&self, index: usize) -> &[Value] {
        self.args.get(index..).unwrap_or(&[])
    }

    /// An error that names the operation and the argument that does not fit.
    pub fn bad_argument(&self, expected: &str, found: &Value) -> Error {
        Error::new(
            Code::PodArguments,
            format!("{} expected {expected}, found {found}", self.name),
        )
        .with("argument", found.clone())
    }

    /// An argument that must be a map, or the map that single arguments make up: pull and its kin
    /// take both `[db {:selector … :eid …}]` and `[db selector eid]`.
    pub fn options(&self, index: usize, keys: [&str; 2]) -> Result<[Value; 2]> {
        match self.args_from(index) {
            [options @ Value::Map(_)] => {
                Ok(keys.map(|key| options.get(key).cloned().unwrap_or_default()))
            }
            [first, second] => Ok([first.clone(), second.clone()]),
            [other] => Err(self.bad_argument("a map of options", other)),
            _ => Err(self.bad_argument("other arguments", &Value::Nil)),
        }
    }
}
