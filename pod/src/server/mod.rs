//! The pod's process: several threads take turns at reading and answer what they read, one lock writes.
//!
//! Input: a stream of messages. Output: exactly one end for each call, in any order. Knows nothing
//! of databases: what a call means is the business of a [`Service`].

mod crew;
mod end;
mod gate;
mod output;
mod queue;
mod reader;
mod service;
mod signals;
mod transport;
mod waiting;
mod work;

pub use output::{Output, ReplyTo};
pub use service::{Call, Outcome, Route, Service};

use std::env;
use std::fs;
use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use crate::limits::END_OF_INPUT_MS;
use crate::wire::Format;

/// Runs the pod until its client is done with it.
pub fn run(service: Arc<dyn Service>) -> ExitCode {
    serve(&service).unwrap_or_else(|error| {
        eprintln!("datalith: the pod cannot start: {error}");
        ExitCode::FAILURE
    })
}

/// Serves one client over these two streams until it is done, inside a process that goes on.
pub fn run_on(
    service: &Arc<dyn Service>,
    input: impl Read + Send + 'static,
    output: impl Write + Send + 'static,
) -> io::Result<ExitCode> {
    let transport = transport::Transport {
        input: Box::new(input),
        output: Box::new(output),
        port_file: None,
    };
    serve_on(service, transport, &end::Ending::default())
}

fn serve(service: &Arc<dyn Service>) -> io::Result<ExitCode> {
    let ending = end::Ending::default();
    signals::watch(ending.clone())?;
    let transport = match env::var("BABASHKA_POD_TRANSPORT").as_deref() {
        Ok("socket") => transport::Transport::socket(&ending)?,
        _ => transport::Transport::stdio()?,
    };
    serve_on(service, transport, &ending)
}

fn serve_on(
    service: &Arc<dyn Service>,
    transport: transport::Transport,
    ending: &end::Ending,
) -> io::Result<ExitCode> {
    let answering = gate::Gate::default();
    let reader = reader::Reader {
        service: service.clone(),
        output: Arc::new(Output::new(transport.output, ending.clone())),
        format: Format::from_environment(),
        answering: answering.clone(),
    };
    let work = work::Work::start(service, reader, transport.input, ending)?;

    let end = ending.wait();
    if end.leaves_time() {
        answering.wait_empty(Duration::from_millis(END_OF_INPUT_MS));
    }
    work.stop();
    service.close();
    if let Some(path) = transport.port_file {
        // The client removes it too.
        drop(fs::remove_file(path));
    }
    Ok(end.exit_code())
}
