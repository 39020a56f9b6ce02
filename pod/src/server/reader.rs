//! The thread that reads: takes messages apart and hands calls on.

use std::io::{self, BufReader, Read};
use std::sync::Arc;
use std::thread;

use datalith_engine::{Code, Error};

use crate::bencode::frame::{self, Frame};
use crate::limits::MESSAGE_BYTES;
use crate::server::end::{End, Ending};
use crate::server::gate::Gate;
use crate::server::output::{Output, ReplyTo};
use crate::server::service::Service;
use crate::server::work::{Job, Work};
use crate::wire::request::{self, Op};
use crate::wire::{Format, Id, Request};

/// Bytes read at one time.
const BUFFER_BYTES: usize = 64 << 10;

/// What the reading thread works with.
pub(crate) struct Reader {
    pub(crate) service: Arc<dyn Service>,
    pub(crate) work: Arc<Work>,
    pub(crate) output: Arc<Output>,
    pub(crate) format: Format,
    /// Holds every call that is not answered yet.
    pub(crate) answering: Gate,
}

impl Reader {
    /// Starts the thread; it announces the end.
    pub(crate) fn start(self, input: impl Read + Send + 'static, ending: Ending) -> io::Result<()> {
        let body = move || {
            let input = BufReader::with_capacity(BUFFER_BYTES, input);
            ending.announce(self.read(input));
        };
        thread::Builder::new()
            .name("reader".to_owned())
            .spawn(body)
            .map(drop)
    }

    fn read(&self, mut input: BufReader<impl Read>) -> End {
        loop {
            let item = match frame::read(&mut input, MESSAGE_BYTES) {
                Ok(Frame::Item(item)) => item,
                Ok(Frame::End) => return End::Input,
                Err(fault) => return End::Fault(fault),
            };
            match request::parse(item) {
                Ok(request) if request.op == Op::Shutdown => return End::Shutdown,
                Ok(request) => self.take(request),
                Err(bad) => self.refuse(bad.id, bad.message),
            }
        }
    }

    fn take(&self, mut request: Request) {
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
                    if let Some(pass) = self.answering.enter() {
                        self.work.submit(Job {
                            request,
                            route,
                            reply,
                            pass,
                        });
                    }
                }
                None => self.refuse(id, format!("Var not found: {name}")),
            },
            Op::Shutdown => {}
        }
    }

    fn refuse(&self, id: Id, message: String) {
        let error = Error::new(Code::PodMessage, message);
        ReplyTo::new(id, self.format, self.output.clone()).failed(&error);
    }
}
