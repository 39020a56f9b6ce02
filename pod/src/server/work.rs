//! The threads that answer calls.
//!
//! Calls that only read, and the few that make or drop a database, are answered in any order by the
//! [`Crew`](super::crew) that also reads the input. Transactions keep the order in which the client sent
//! them, connection by connection: one thread decodes them in that order and deals them to lanes,
//! each connection always to the same lane. So a long query delays no transaction, a transaction no
//! query, and decoding one transaction overlaps with committing the one before it.

use std::io::{self, BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use datalith_engine::{Code, Error, Result, Value, fault};

use crate::limits::COMMIT_IN_HAND_MS;
use crate::server::crew::{Crew, Turn};
use crate::server::end::Ending;
use crate::server::gate::{Gate, Pass};
use crate::server::output::ReplyTo;
use crate::server::queue::Queue;
use crate::server::reader::{Input, Reader, Sent};
use crate::server::service::{Call, Outcome, Route, Service};
use crate::wire::Request;

/// Fewest threads that answer calls beside the one that reads, so that two long queries on a small
/// machine leave room for short ones.
const WORKERS_MIN: usize = 4;
/// Bytes read at one time.
const BUFFER_BYTES: usize = 64 << 10;
/// How many connections commit side by side.
const LANES: usize = 4;
/// Stack of a worker, in bytes: room for every recursion that a limit bounds.
const STACK_BYTES: usize = 16 << 20;

/// A call on its way to a worker.
pub(crate) struct Job {
    pub(crate) request: Request,
    pub(crate) route: Route,
    pub(crate) reply: ReplyTo,
    /// Kept while the call is unanswered.
    pub(crate) pass: Pass,
}

/// A transaction on its way to its lane.
struct Ordered {
    job: Job,
    args: Vec<Value>,
}

/// The threads and the queues that feed them.
pub(crate) struct Work {
    crew: Arc<Crew<Input, Job>>,
    ordered: Arc<Queue<Job>>,
    lanes: Arc<Vec<Queue<Ordered>>>,
    /// Holds whoever changes a database at this moment.
    changing: Gate,
}

impl Work {
    /// Starts the threads; `ending` hears when the input ends.
    pub(crate) fn start(
        service: &Arc<dyn Service>,
        reader: Reader,
        input: impl Read + Send + 'static,
        ending: &Ending,
    ) -> io::Result<Work> {
        let work = Work {
            crew: Arc::new(Crew::new()),
            ordered: Arc::new(Queue::new()),
            lanes: Arc::new((0..LANES).map(|_| Queue::new()).collect()),
            changing: Gate::default(),
        };
        work.start_ordered(service)?;
        let input: Input = BufReader::with_capacity(BUFFER_BYTES, Box::new(input));
        work.crew.lay_down(input);
        let workers = thread::available_parallelism()
            .map_or(1, usize::from)
            .max(WORKERS_MIN);
        let reader = Arc::new(reader);
        for number in 0..=workers {
            let member = Member {
                service: service.clone(),
                reader: reader.clone(),
                crew: work.crew.clone(),
                ordered: work.ordered.clone(),
                changing: work.changing.clone(),
                ending: ending.clone(),
            };
            spawn(&format!("call-{number}"), move || member.serve())?;
        }
        Ok(work)
    }

    /// Starts the thread that orders the transactions and those that run them.
    fn start_ordered(&self, service: &Arc<dyn Service>) -> io::Result<()> {
        for number in 0..LANES {
            let (service, gate, lanes) =
                (service.clone(), self.changing.clone(), self.lanes.clone());
            spawn(&format!("lane-{number}"), move || {
                while let Some(Ordered { job, args }) = lanes[number].pop() {
                    answer(&*service, &gate, job, Ok(args));
                }
            })?;
        }
        let (service, gate) = (service.clone(), self.changing.clone());
        let (ordered, lanes) = (self.ordered.clone(), self.lanes.clone());
        spawn("order", move || {
            while let Some(job) = ordered.pop() {
                deal(&*service, &gate, &lanes, job);
            }
        })
    }

    /// Drops what waits, and waits for the commits in hand.
    pub(crate) fn stop(&self) {
        self.changing.shut();
        self.crew.close();
        self.ordered.close();
        self.lanes.iter().for_each(Queue::close);
        self.changing
            .wait_empty(Duration::from_millis(COMMIT_IN_HAND_MS));
    }
}

/// A thread of the crew.
struct Member {
    service: Arc<dyn Service>,
    reader: Arc<Reader>,
    crew: Arc<Crew<Input, Job>>,
    ordered: Arc<Queue<Job>>,
    changing: Gate,
    ending: Ending,
}

impl Member {
    fn serve(&self) {
        while let Some(turn) = self.crew.turn() {
            match turn {
                Turn::Answer(job) => run_call(&*self.service, &self.changing, job),
                Turn::Lead(input) => self.lead(input),
            }
        }
    }

    /// Reads until a call is this thread's to answer, and answers it, or until the input ends.
    fn lead(&self, mut input: Input) {
        loop {
            let job = match self.reader.next(&mut input) {
                Sent::Call(job) => job,
                Sent::End(end) => return self.ending.announce(end),
            };
            let size_bytes = job.request.size_bytes();
            if job.route == Route::Ordered {
                self.ordered.push(size_bytes, job);
                continue;
            }
            match self.crew.share(input, size_bytes, job) {
                Turn::Lead(back) => input = back,
                Turn::Answer(job) => return run_call(&*self.service, &self.changing, job),
            }
        }
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new()
        .name(name.to_owned())
        .stack_size(STACK_BYTES)
        .spawn(body)
        .map(drop)
}

fn run_call(service: &dyn Service, gate: &Gate, job: Job) {
    let args = decode(&job);
    answer(service, gate, job, args);
}

/// Decodes a transaction and puts it on the lane of its connection.
fn deal(service: &dyn Service, gate: &Gate, lanes: &[Queue<Ordered>], job: Job) {
    match decode(&job) {
        Ok(args) => {
            let lane = guarded(|| Ok(service.lane(&args))).unwrap_or(0) % lanes.len();
            lanes[lane].push(job.request.size_bytes(), Ordered { job, args });
        }
        broken => answer(service, gate, job, broken),
    }
}

fn decode(job: &Job) -> Result<Vec<Value>> {
    guarded(|| job.reply.format.decode_args(job.request.args()))
}

/// Runs a call and sends its answer: exactly one, whatever happens.
fn answer(service: &dyn Service, gate: &Gate, job: Job, args: Result<Vec<Value>>) {
    let Job {
        request,
        route,
        reply,
        pass,
    } = job;
    let changing = match route {
        Route::Read => None,
        // A shut gate means that the pod is ending: nothing may begin to change any more.
        Route::Change | Route::Ordered => match gate.enter() {
            Some(pass) => Some(pass),
            None => return,
        },
    };
    let outcome = args.and_then(|args| {
        guarded(|| {
            service.invoke(Call {
                var: request.name(),
                args,
                reply: &reply,
            })
        })
    });
    match outcome {
        Ok(Outcome::Done(payload)) => reply.done(&payload),
        Ok(Outcome::Open) => {}
        Err(error) => fail(&reply, &error),
    }
    drop(changing);
    drop(pass);
}

/// Sends an error; if its data cannot be written, an error that says so.
fn fail(reply: &ReplyTo, error: &Error) {
    if let Err(broken) = guarded(|| {
        reply.failed(error);
        Ok(())
    }) {
        reply.failed(&broken);
    }
}

/// Turns a panic into an error: one call fails, the others live.
fn guarded<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    let body = AssertUnwindSafe(|| fault::catch(body));
    catch_unwind(body).unwrap_or_else(|_| {
        Err(Error::new(
            Code::Internal,
            "The call failed by a fault of Datalith; see its stderr",
        ))
    })
}
