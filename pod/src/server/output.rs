//! The one place that writes to the client.

use std::io::Write;
use std::sync::{Arc, Mutex};

use datalith_engine::{Error, Value};

use crate::lock::hold;
use crate::server::end::{End, Ending};
use crate::wire::{Format, Id, reply};

/// Longest payload that is copied to leave in one write, in bytes.
const COPY_BYTES: usize = 64 << 10;

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
        self.send_parts(&[message]);
    }

    /// Writes one whole message that lies in parts.
    fn send_parts(&self, parts: &[&[u8]]) {
        let mut stream = hold(&self.stream);
        if parts
            .iter()
            .try_for_each(|part| stream.write_all(part))
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
        let mut head = reply::done_head(&self.id, payload.len());
        if payload.len() > COPY_BYTES {
            return self.output.send_parts(&[&head, payload, reply::TAIL]);
        }
        head.extend_from_slice(payload);
        head.extend_from_slice(reply::TAIL);
        self.output.send(&head);
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
