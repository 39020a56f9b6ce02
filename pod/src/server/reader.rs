//! What is done with each message: most are answered at once, calls are for whoever is free.

use std::io::{BufReader, Read};
use std::sync::Arc;

use datalith_engine::{Code, Error};

use crate::bencode::frame::{self, Frame};
use crate::limits::MESSAGE_BYTES;
use crate::server::end::End;
use crate::server::gate::Gate;
use crate::server::output::{Output, ReplyTo};
use crate::server::service::Service;
use crate::server::work::Job;
use crate::wire::request::{self, Op};
use crate::wire::{Format, Id, Request};

/// Where messages come from.
pub(crate) type Input = BufReader<Box<dyn Read + Send>>;

/// What the client sent.
pub(crate) enum Sent {
    /// A call to answer.
    Call(Job),
    /// Nothing any more.
    End(End),
}

/// What is needed to take messages apart, whoever reads them.
pub(crate) struct Reader {
    pub(crate) service: Arc<dyn Service>,
    pub(crate) output: Arc<Output>,
    pub(crate) format: Format,
    /// Holds every call that is not answered yet.
    pub(crate) answering: Gate,
}

impl Reader {
    /// The next call, after answering what is no call.
    pub(crate) fn next(&self, input: &mut Input) -> Sent {
        loop {
            let item = match frame::read(input, MESSAGE_BYTES) {
                Ok(Frame::Item(item)) => item,
                Ok(Frame::End) => return Sent::End(End::Input),
                Err(fault) => return Sent::End(End::Fault(fault)),
            };
            match request::parse(item) {
                Ok(request) if request.op == Op::Shutdown => return Sent::End(End::Shutdown),
                Ok(request) => {
                    if let Some(job) = self.take(request) {
                        return Sent::Call(job);
                    }
                }
                Err(bad) => self.refuse(bad.id, bad.message),
            }
        }
    }

    /// Answers a message that is no call; a call, made ready to run.
    fn take(&self, mut request: Request) -> Option<Job> {
        let id = std::mem::take(&mut request.id);
        let name = request.name();
        match request.op {
            Op::Describe => self.output.send(&self.service.describe(&id, self.format)),
            Op::LoadNs => match self.service.load_ns(&id, name) {
                Some(reply) => self.output.send(&reply),
                None => self.refuse(id, format!("Namespace not found: {name}")),
            },
            Op::Invoke => match self.service.route(name) {
                Some(route) => {
                    let reply = ReplyTo::new(id, self.format, self.output.clone());
                    return self.answering.enter().map(|pass| Job {
                        request,
                        route,
                        reply,
                        pass,
                    });
                }
                None => self.refuse(id, format!("Var not found: {name}")),
            },
            Op::Shutdown => {}
        }
        None
    }

    fn refuse(&self, id: Id, message: String) {
        let error = Error::new(Code::PodMessage, message);
        ReplyTo::new(id, self.format, self.output.clone()).failed(&error);
    }
}
