//! The one place that writes to the client.

use std::io::Write;
use std::sync::{Arc, Mutex};

use datalith_engine::{Error, Value};

use crate::lock::hold;
use crate::server::end::{End, Ending};
use crate::wire::{Format, Id, reply};

/// The stream to the client: whole messages under one lock, which nothing else is held with.
pub struct Output {
    stream: Mutex<Box<dyn Write + Send>>,
    ending: Ending,
}

impl Output {
    pub(crate) fn new(stream: impl Write + Send + 'static, ending: Ending) -> Output {
        Output {
            stream: Mutex::new(Box::new(stream)),
            ending,
        }
    }

    /// Writes one whole message. A client that cannot be reached any more ends the pod.
    pub(crate) fn send(&self, message: &[u8]) {
        let mut stream = hold(&self.stream);
        if stream
            .write_all(message)
            .and_then(|()| stream.flush())
            .is_err()
        {
            self.ending.announce(End::OutputClosed);
        }
    }
}

/// Where the answers of one call go.
#[derive(Clone)]
pub struct ReplyTo {
    /// Who asked.
    pub id: Id,
    /// How payloads are written.
    pub format: Format,
    output: Arc<Output>,
}

impl ReplyTo {
    pub(crate) fn new(id: Id, format: Format, output: Arc<Output>) -> ReplyTo {
        ReplyTo { id, format, output }
    }

    /// Sends one answer of a call that goes on.
    pub fn value(&self, value: &Value) {
        self.output
            .send(&reply::value(&self.id, &self.format.encode(value)));
    }

    /// Ends the call with its answer, already encoded.
    pub fn done(&self, payload: &[u8]) {
        self.output.send(&reply::done(&self.id, payload));
    }

    /// Ends a call that went on.
    pub fn finished(&self) {
        self.output.send(&reply::finished(&self.id));
    }

    /// Ends the call with an error.
    pub fn failed(&self, error: &Error) {
        self.output
            .send(&reply::failed(&self.id, error, self.format));
    }
}
