//! A scripted client: the behaviour of Babashka's own, byte by byte, with a deadline on every wait.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use serde_bencode::value::Value as Bencode;

/// Longer than anything takes on a busy machine; reached only when something hangs.
const DEADLINE: Duration = Duration::from_secs(60);

/// One message of the pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reply {
    pub(crate) id: String,
    pub(crate) status: Vec<String>,
    pub(crate) value: Option<String>,
    pub(crate) ex_message: Option<String>,
    pub(crate) ex_data: Option<String>,
    pub(crate) raw: HashMap<Vec<u8>, Bencode>,
}

impl Reply {
    /// Whether it ends its call with an error.
    pub(crate) fn is_error(&self) -> bool {
        self.status == ["done", "error"]
    }

    /// The answer of a call that went well.
    pub(crate) fn answer(&self) -> &str {
        assert_eq!(self.status, ["done"], "{self:?}");
        self.value.as_deref().expect("an answer has a value")
    }
}

/// A running pod.
pub(crate) struct Pod {
    stdin: Option<ChildStdin>,
    socket: Option<TcpStream>,
    replies: Receiver<Reply>,
    exit: Receiver<ExitStatus>,
    pid: u32,
}

/// Starts the real binary as a pod.
pub(crate) fn start() -> Pod {
    Pod::start(Command::new(env!("CARGO_BIN_EXE_datalith")), &[])
}

/// One message, keys in the order given.
pub(crate) fn message(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut out = b"d".to_vec();
    for (key, value) in entries {
        out.extend(format!("{}:{key}{}:{value}", key.len(), value.len()).bytes());
    }
    out.push(b'e');
    out
}

/// An invoke.
pub(crate) fn invoke(id: &str, var: &str, args: &str) -> Vec<u8> {
    message(&[("args", args), ("id", id), ("op", "invoke"), ("var", var)])
}

impl Pod {
    /// Starts a command as a pod that speaks EDN.
    pub(crate) fn start(mut command: Command, environment: &[(&str, &str)]) -> Pod {
        let mut child = command
            .env("BABASHKA_POD", "true")
            .env("DATALITH_POD_FORMAT", "edn")
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the pod starts");
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().expect("stdout is piped");
        Pod::around(child, stdin, stdout)
    }

    fn around(
        mut child: Child,
        stdin: Option<ChildStdin>,
        stdout: impl Read + Send + 'static,
    ) -> Pod {
        let pid = child.id();
        let (sender, replies) = channel();
        thread::spawn(move || {
            let mut stdout = BufReader::new(stdout);
            while let Some(reply) = read_reply(&mut stdout) {
                if sender.send(reply).is_err() {
                    break;
                }
            }
        });
        let (sender, exit) = channel();
        thread::spawn(move || sender.send(child.wait().expect("the pod can be waited for")));
        Pod {
            stdin,
            socket: None,
            replies,
            exit,
            pid,
        }
    }

    /// Starts the real binary with a socket, in a directory of its own.
    pub(crate) fn start_socket(directory: &Path) -> Pod {
        let mut child = Command::new(env!("CARGO_BIN_EXE_datalith"))
            .current_dir(directory)
            .env("BABASHKA_POD", "true")
            .env("BABASHKA_POD_TRANSPORT", "socket")
            .env("DATALITH_POD_FORMAT", "edn")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the pod starts");
        let path: PathBuf = directory.join(format!(".babashka-pod-{}.port", child.id()));
        // As the client does: look until the file ends in a newline.
        let port = loop {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            if let Some(port) = text.strip_suffix('\n') {
                break port.parse::<u16>().expect("a port");
            }
            assert!(
                child.try_wait().expect("a child").is_none(),
                "the pod ended early"
            );
            thread::yield_now();
        };
        let socket = TcpStream::connect(("localhost", port)).expect("the pod listens");
        let stdin = child.stdin.take();
        let mut pod = Pod::around(child, stdin, socket.try_clone().expect("a socket"));
        pod.socket = Some(socket);
        pod
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends bytes; a pod that has ended already takes none.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let sent = match (&mut self.socket, &mut self.stdin) {
            (Some(socket), _) => socket.write_all(bytes),
            (None, Some(stdin)) => stdin.write_all(bytes).and_then(|()| stdin.flush()),
            (None, None) => Ok(()),
        };
        drop(sent);
    }

    /// Closes the pod's input.
    pub(crate) fn close(&mut self) {
        self.stdin = None;
        if let Some(socket) = self.socket.take() {
            // The thread that reads replies has the same socket: closing this side is not enough.
            drop(socket.shutdown(Shutdown::Write));
        }
    }

    /// The next message.
    pub(crate) fn reply(&self) -> Reply {
        self.replies
            .recv_timeout(DEADLINE)
            .expect("the pod answers in time")
    }

    /// The next message; none when the pod has closed its output.
    pub(crate) fn reply_or_end(&self) -> Option<Reply> {
        match self.replies.recv_timeout(DEADLINE) {
            Ok(reply) => Some(reply),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("the pod neither answers nor ends"),
        }
    }

    /// Calls and waits for the answer.
    pub(crate) fn call(&mut self, var: &str, args: &str) -> Reply {
        self.send(&invoke("call", var, args));
        let reply = self.reply();
        assert_eq!(reply.id, "call");
        reply
    }

    /// Waits for the end of the process: its exit code, none after a signal.
    pub(crate) fn exit_code(&self) -> Option<i32> {
        self.exit
            .recv_timeout(DEADLINE)
            .expect("the pod ends in time")
            .code()
    }

    /// Sends shutdown and expects a clean end.
    pub(crate) fn shut_down(mut self) {
        self.send(&message(&[("id", "end"), ("op", "shutdown")]));
        assert_eq!(self.exit_code(), Some(0));
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        // Closing its input ends it; if that fails, the test's own deadline has said so.
        self.close();
    }
}

fn read_reply(stdout: &mut BufReader<impl Read>) -> Option<Reply> {
    if stdout.fill_buf().ok()?.is_empty() {
        return None;
    }
    let mut decoder = serde_bencode::Deserializer::new(stdout);
    let decoded: Bencode = serde::Deserialize::deserialize(&mut decoder).expect("bencode only");
    let Bencode::Dict(raw) = decoded else {
        panic!("a message must be a dictionary")
    };
    let text = |key: &str| match raw.get(key.as_bytes()) {
        Some(Bencode::Bytes(bytes)) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Some(Bencode::Int(n)) => Some(format!("i{n}e")),
        _ => None,
    };
    let status = match raw.get(b"status".as_slice()) {
        Some(Bencode::List(items)) => items.iter().map(bytes_text).collect(),
        _ => Vec::new(),
    };
    Some(Reply {
        id: text("id").expect("every message has an id"),
        status,
        value: text("value"),
        ex_message: text("ex-message"),
        ex_data: text("ex-data"),
        raw: raw.clone(),
    })
}

fn bytes_text(item: &Bencode) -> String {
    match item {
        Bencode::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => panic!("expected bytes, found {other:?}"),
    }
}
