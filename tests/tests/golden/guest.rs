//! The pod as its client sees it: whole messages over a stream, the payload transit.

use std::io::{BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use datalith::bencode::cursor::Cursor;
use datalith::bencode::encode;
use datalith::bencode::frame::{self, Frame};
use datalith::ops;
use datalith::server::{self, Service};
use datalith::transit;
use datalith_engine::{Map, Value};

use super::show;

/// Longest message taken from the pod, in bytes.
const MESSAGE_BYTES: usize = 1 << 20;

/// A pod and the stream to it.
pub(super) struct Guest {
    stream: UnixStream,
    replies: BufReader<UnixStream>,
    pod: Option<JoinHandle<()>>,
    /// The handles it gave, under the names the script has for them.
    handles: Vec<(Value, Value)>,
}

impl Guest {
    pub(super) fn start() -> Guest {
        let (stream, theirs) = UnixStream::pair().expect("a pair of sockets");
        let input = theirs.try_clone().expect("a socket has two sides");
        let pod = thread::spawn(move || {
            let service: Arc<dyn Service> = Arc::new(ops::Session::default());
            server::run_on(&service, input, theirs).expect("the pod has threads");
        });
        let replies = BufReader::new(stream.try_clone().expect("a socket has two sides"));
        Guest {
            stream,
            replies,
            pod: Some(pod),
            handles: Vec::new(),
        }
    }

    /// Calls `name args*`; `-> handle` at the end keeps the answer under that name instead of
    /// showing it. A name without a namespace is one of `datahike.pod`.
    pub(super) fn call(&mut self, forms: &[Value]) -> Vec<String> {
        let Some((name, mut args)) = forms.split_first() else {
            return self.describe();
        };
        let mut kept = None;
        if let [before @ .., arrow, handle] = args
            && *arrow == Value::symbol("->")
        {
            (args, kept) = (before, Some(handle.clone()));
        }
        let name = name.to_string();
        let var = if name.contains('/') {
            name
        } else {
            format!("datahike.pod/{name}")
        };
        let args: Vec<Value> = args.iter().map(|arg| self.with_handles(arg)).collect();
        let payload = transit::write(&Value::from(args));
        let reply = self.exchange(&[
            ("args", &payload),
            ("id", "1"),
            ("op", "invoke"),
            ("var", &var),
        ]);
        if let Some(message) = part(&reply, "ex-message") {
            let data = part(&reply, "ex-data").unwrap_or_default();
            return vec![format!("error {message}"), self.shown(&data)];
        }
        let answer = part(&reply, "value").expect("a reply has an answer or an error");
        match kept {
            Some(name) => {
                self.handles.push((answer_of(&answer), name));
                Vec::new()
            }
            None => vec![self.shown(&answer)],
        }
    }

    /// What the pod says it has: a line for each entry of its reply, a line for each variable.
    fn describe(&mut self) -> Vec<String> {
        let reply = self.exchange(&[("id", "1"), ("op", "describe")]);
        let mut lines = Vec::new();
        for (key, value) in &reply {
            match value {
                Bencode::Text(text) if key != "id" => lines.push(format!("{key} {text}")),
                Bencode::Other(names) if !names.is_empty() => {
                    lines.push(format!("{key} {}", names.join(" ")))
                }
                _ => {}
            }
        }
        lines
    }

    fn exchange(&mut self, entries: &[(&str, &str)]) -> Vec<(String, Bencode)> {
        let mut message = b"d".to_vec();
        for (key, value) in entries {
            encode::entry(&mut message, key, value);
        }
        message.push(b'e');
        self.stream.write_all(&message).expect("the pod reads");
        let Ok(Frame::Item(reply)) = frame::read(&mut self.replies, MESSAGE_BYTES) else {
            panic!("the pod does not answer")
        };
        read(&reply)
    }

    fn with_handles(&self, value: &Value) -> Value {
        if let Some((handle, _)) = self.handles.iter().rev().find(|(_, name)| name == value) {
            return handle.clone();
        }
        match value {
            Value::Vector(items) => Value::vector(items.iter().map(|item| self.with_handles(item))),
            Value::Set(items) => Value::set(items.iter().map(|item| self.with_handles(item))),
            Value::Map(map) => {
                let entry =
                    |(key, value): (&Value, &Value)| (key.clone(), self.with_handles(value));
                map.iter().map(entry).collect::<Map>().into()
            }
            other => other.clone(),
        }
    }

    /// A payload as EDN, handles by the names the script has for them.
    fn shown(&self, payload: &str) -> String {
        let value = answer_of(payload);
        show::edn(&self.named(&value))
    }

    fn named(&self, value: &Value) -> Value {
        if let Some((_, name)) = self.handles.iter().find(|(handle, _)| handle == value) {
            return name.clone();
        }
        match value {
            Value::Map(map) => {
                let entry = |(key, value): (&Value, &Value)| (key.clone(), self.named(value));
                map.iter().map(entry).collect::<Map>().into()
            }
            Value::Vector(items) => Value::vector(items.iter().map(|item| self.named(item))),
            Value::List(items) => Value::list(items.iter().map(|item| self.named(item))),
            Value::Set(items) => Value::set(items.iter().map(|item| self.named(item))),
            other => other.clone(),
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // A pod that has ended already has closed its side.
        drop(self.stream.shutdown(Shutdown::Write));
        if let Some(pod) = self.pod.take() {
            pod.join().expect("the pod ends in order");
        }
    }
}

/// A part of a reply: text, or the texts in anything else in their order.
enum Bencode {
    Text(String),
    Other(Vec<String>),
}

fn part(reply: &[(String, Bencode)], key: &str) -> Option<String> {
    reply.iter().find_map(|(own, value)| match value {
        Bencode::Text(text) if own == key => Some(text.clone()),
        _ => None,
    })
}

fn answer_of(payload: &str) -> Value {
    transit::read(payload.as_bytes()).expect("the pod writes transit")
}

/// The entries of a dictionary.
fn read(message: &[u8]) -> Vec<(String, Bencode)> {
    let mut cursor = Cursor::new(message);
    assert!(cursor.take(b'd'), "a reply is a dictionary");
    let mut entries = Vec::new();
    while !cursor.take(b'e') {
        let key = text(&mut cursor, message);
        let value = if cursor.peek().is_ascii_digit() {
            Bencode::Text(text(&mut cursor, message))
        } else {
            Bencode::Other(texts(&mut cursor, message))
        };
        entries.push((key, value));
    }
    entries
}

/// What stands under `name` in a list or dictionary, at any depth.
fn texts(cursor: &mut Cursor<'_>, message: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut depth = 0;
    loop {
        if cursor.take(b'd') || cursor.take(b'l') {
            depth += 1;
        } else if cursor.take(b'e') {
            depth -= 1;
        } else {
            let word = text(cursor, message);
            if word == "name" {
                found.push(text(cursor, message));
            }
        }
        if depth == 0 {
            return found;
        }
    }
}

fn text(cursor: &mut Cursor<'_>, message: &[u8]) -> String {
    let range = cursor.string().expect("a string");
    String::from_utf8_lossy(&message[range]).into_owned()
}
