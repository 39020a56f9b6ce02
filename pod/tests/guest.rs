//! The server with operations that misbehave: they print, panic, wait for ever, answer hugely.
//!
//! This program is both sides. Started with `GUEST` in the environment it is the pod, with the
//! operations below; otherwise it is the client, and starts itself.

#[expect(dead_code, reason = "the tests of the binary use the rest")]
#[path = "pod/client.rs"]
mod client;

use std::env;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, ExitCode};
use std::sync::Arc;

use client::{Pod, invoke, message};
use datalith::server::{self, Call, Outcome, Route, Service};
use datalith::wire::{Format, Id, reply};
use datalith_engine::{Result, Value};

struct Guest;

impl Service for Guest {
    fn describe(&self, id: &Id, _format: Format) -> Vec<u8> {
        reply::finished(id)
    }

    fn load_ns(&self, _id: &Id, _namespace: &str) -> Option<Vec<u8>> {
        None
    }

    fn route(&self, var: &str) -> Option<Route> {
        Some(match var {
            "commit" => Route::Change,
            "append" => Route::Ordered,
            _ => Route::Read,
        })
    }

    fn lane(&self, args: &[Value]) -> usize {
        args[0].as_long().map_or(0, |lane| lane as usize)
    }

    fn invoke(&self, call: Call<'_>) -> Result<Outcome> {
        let number = call.args.first().and_then(Value::as_long).unwrap_or(0);
        match call.var {
            "print" => {
                let mut stdout = std::io::stdout();
                stdout
                    .write_all(b"a stray line\n")
                    .and_then(|()| stdout.flush())
                    .expect("written");
            }
            "panic" => panic!("as asked"),
            "wait" | "commit" => hold(number as u16),
            "huge" => return Ok(Outcome::Done(vec![b'7'; number as usize])),
            _ => {}
        }
        Ok(Outcome::Done(
            call.args
                .last()
                .unwrap_or(&Value::Nil)
                .to_string()
                .into_bytes(),
        ))
    }

    fn close(&self) {}
}

/// Tells the client that it has begun, waits for a byte, and tells that it has ended.
fn hold(port: u16) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the client listens");
    let mut byte = [0];
    stream.write_all(b"begun").expect("the client listens");
    if stream.read(&mut byte).is_ok_and(|count| count == 1) {
        stream.write_all(b"ended").expect("the client listens");
    }
}

fn main() -> ExitCode {
    if env::var_os("GUEST").is_some() {
        return server::run(Arc::new(Guest));
    }
    printing_is_kept_off_the_wire();
    a_panic_fails_one_call();
    a_waiting_call_delays_no_other();
    calls_of_one_lane_keep_their_order();
    huge_answers_wait_for_a_slow_client();
    shutdown_finishes_the_commit_and_drops_the_query();
    the_end_of_input_drops_a_query_that_goes_on();
    ExitCode::SUCCESS
}

fn start() -> Pod {
    Pod::start(
        Command::new(env::current_exe().expect("this program")),
        &[("GUEST", "1")],
    )
}

fn printing_is_kept_off_the_wire() {
    let mut pod = start();
    for _ in 0..100 {
        assert_eq!(pod.call("print", "[1]").answer(), "1");
    }
    pod.shut_down();
}

fn a_panic_fails_one_call() {
    let mut pod = start();
    for _ in 0..20 {
        let reply = pod.call("panic", "[1]");
        assert!(reply.is_error());
        assert!(reply.ex_data.expect("data").contains(":db.error/internal"));
        assert!(!reply.ex_message.expect("a message").contains("as asked"));
        assert_eq!(pod.call("echo", "[2]").answer(), "2");
    }
    pod.shut_down();
}

fn a_waiting_call_delays_no_other() {
    let (mut pod, listener) = (start(), listener());
    pod.send(&invoke(
        "slow",
        "wait",
        &format!("[{} :slow]", port(&listener)),
    ));
    let mut held = accept(&listener, "begun");
    assert_eq!(pod.call("echo", "[1]").answer(), "1");
    held.write_all(b"x").expect("the pod waits");
    let reply = pod.reply();
    assert_eq!((reply.id.as_str(), reply.answer()), ("slow", ":slow"));
    pod.shut_down();
}

fn calls_of_one_lane_keep_their_order() {
    let mut pod = start();
    for number in 0..1000 {
        let lane = number % 3;
        pod.send(&invoke(
            &format!("{lane}"),
            "append",
            &format!("[{lane} {number}]"),
        ));
    }
    let mut next = [0, 1, 2];
    for _ in 0..1000 {
        let reply = pod.reply();
        let lane: usize = reply.id.parse().expect("a lane");
        assert_eq!(reply.answer(), next[lane].to_string());
        next[lane] += 3;
    }
    pod.shut_down();
}

fn huge_answers_wait_for_a_slow_client() {
    let mut pod = start();
    for _ in 0..20 {
        pod.send(&invoke("h", "huge", "[5000000]"));
    }
    for _ in 0..20 {
        assert_eq!(pod.reply().answer().len(), 5_000_000);
    }
    pod.shut_down();
}

fn shutdown_finishes_the_commit_and_drops_the_query() {
    let (mut pod, commits, queries) = (start(), listener(), listener());
    pod.send(&invoke("q", "wait", &format!("[{}]", port(&queries))));
    let _query = accept(&queries, "begun");
    pod.send(&invoke("c", "commit", &format!("[{}]", port(&commits))));
    let mut commit = accept(&commits, "begun");
    pod.send(&message(&[("id", "e"), ("op", "shutdown")]));
    commit.write_all(b"x").expect("the pod waits");
    let mut word = String::new();
    commit.read_to_string(&mut word).expect("the pod writes");
    assert_eq!(word, "ended");
    assert_eq!(pod.exit_code(), Some(0));
}

fn the_end_of_input_drops_a_query_that_goes_on() {
    let (mut pod, queries) = (start(), listener());
    pod.send(&invoke("q", "wait", &format!("[{}]", port(&queries))));
    let _query = accept(&queries, "begun");
    pod.close();
    assert_eq!(pod.reply_or_end(), None);
    assert_eq!(pod.exit_code(), Some(0));
}

fn listener() -> TcpListener {
    TcpListener::bind(("127.0.0.1", 0)).expect("a free port")
}

fn port(listener: &TcpListener) -> u16 {
    listener.local_addr().expect("a bound listener").port()
}

/// Takes the connection of a call and reads the word it says first.
fn accept(listener: &TcpListener, word: &str) -> TcpStream {
    let (mut stream, _) = listener.accept().expect("the call connects");
    let mut said = vec![0; word.len()];
    stream.read_exact(&mut said).expect("the call says a word");
    assert_eq!(said, word.as_bytes());
    stream
}
