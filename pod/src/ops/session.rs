//! What the pod holds for its client, and the way from a variable's name to its operation.

use std::hash::{DefaultHasher, Hash, Hasher};

use datalith_engine::{Code, Error, Result, Value};

use crate::ops::call::{Call, Face};
use crate::ops::describe;
use crate::ops::handles::{self, Handles};
use crate::ops::known::KnownQueries;
use crate::ops::listen::Listeners;
use crate::ops::sql::Statements;
use crate::ops::table::{self, Operation, Run, VARIADIC};
use crate::server::{self, Outcome, Route, Service};
use crate::wire::{Format, Id};

/// One client's session: its handles and listeners. Opens nothing until it is asked to.
#[derive(Default)]
pub struct Session {
    pub(crate) handles: Handles,
    pub(crate) listeners: Listeners,
    pub(crate) queries: KnownQueries,
    #[cfg_attr(
        not(feature = "sql"),
        expect(dead_code, reason = "without SQL there are no statements to keep")
    )]
    pub(crate) statements: Statements,
}

impl Service for Session {
    fn describe(&self, id: &Id, format: Format) -> Vec<u8> {
        describe::describe(id, format)
    }

    fn load_ns(&self, id: &Id, namespace: &str) -> Option<Vec<u8>> {
        describe::load_ns(id, namespace)
    }

    fn route(&self, var: &str) -> Option<Route> {
        find(var).map(|(_, operation)| operation.route)
    }

    fn lane(&self, args: &[Value]) -> usize {
        let name = args.first().and_then(handles::connection_name);
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        hasher.finish() as usize
    }

    fn invoke(&self, call: server::Call<'_>) -> Result<Outcome> {
        let (face, operation) = find(call.var)
            .ok_or_else(|| Error::new(Code::PodMessage, format!("Var not found: {}", call.var)))?;
        check_count(operation, face, call.args.len())?;
        let reply = call.reply;
        let call = Call {
            session: self,
            face,
            name: operation.name,
            args: call.args,
            reply,
        };
        match operation.run {
            Run::Value(run) => run(&call).map(|value| Outcome::Done(reply.format.encode(&value))),
            Run::Outcome(run) => run(&call),
            Run::Nothing => {
                let message = format!("{} runs in the client, not in the pod", call.name);
                Err(Error::new(Code::PodMessage, message))
            }
        }
    }

    fn close(&self) {
        for conn in self.handles.clear() {
            conn.release();
        }
    }
}

/// The operation of a variable, and the namespace it was called through.
fn find(var: &str) -> Option<(Face, &'static Operation)> {
    let (namespace, name) = var.split_once('/')?;
    Some((Face::of(namespace)?, table::find(name)?))
}

fn check_count(operation: &Operation, face: Face, count: usize) -> Result<()> {
    if (operation.args_min..=operation.args_max).contains(&count) {
        return Ok(());
    }
    let message = format!(
        "Wrong number of args ({count}) passed to: {}/{}; it takes {}",
        face.namespace(),
        operation.name,
        operation.arglists
    );
    let error = Error::new(Code::PodArguments, message).with("args-min", operation.args_min);
    Err(match operation.args_max {
        VARIADIC => error,
        most => error.with("args-max", most),
    })
}
