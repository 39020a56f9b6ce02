//! A program that turns texts into vectors: a JSON string a line in, a JSON array of numbers a line
//! out. It is started once for each call, without a shell, and ended when the call ends.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::ops::ControlFlow;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::error::{Code, Error};
use super::limits::{
    COMPLAINT_BYTES_MAX, DIM_MAX, ENDING_MS_MAX, LINE_BYTES_MAX, SILENT_MS_MAX, WATCH_MS,
};
use super::model::Watch;

/// A program that was asked for one vector already.
pub(crate) struct Command {
    words: Vec<String>,
    /// Numbers of a vector.
    pub(crate) dim: usize,
    /// The command line and `dim`.
    pub(crate) identity: String,
}

/// Lines that a program may be ahead of us.
const LINES_AHEAD: usize = 64;

impl Command {
    /// Runs the program for one text.
    pub(crate) fn load(words: &[String]) -> Result<Command, Error> {
        let mut command = Command {
            words: words.to_vec(),
            dim: 0,
            identity: String::new(),
        };
        command.dim = command.embed(&["a"], &|_| ControlFlow::Continue(()))?.len();
        let line = serde_json::json!(words);
        command.identity = format!("command:{line};dim={}", command.dim);
        Ok(command)
    }

    /// See [`super::Model::embed`].
    pub(crate) fn embed(&self, texts: &[&str], watch: Watch) -> Result<Vec<f32>, Error> {
        let mut input = String::new();
        for text in texts {
            input.push_str(&serde_json::json!(text).to_string());
            input.push('\n');
        }
        let mut running = Running::start(&self.words, input)?;
        let rows = self.collect(&running, texts.len(), watch);
        let ended = match &rows {
            Ok(_) => running.wait(texts.len(), watch),
            // What the program says of itself, and with which status it ends, tells more than that
            // its lines are wrong; it need not end by itself.
            Err(error) if error.code == Code::Answer => running.wait_briefly(),
            Err(_) => Ok(None),
        };
        let complaint = match &rows {
            Err(error) if error.code == Code::Interrupted => String::new(),
            _ => running.complaint(),
        };
        let with_complaint = |error: Error| match complaint.is_empty() {
            true => error,
            false => error.with("stderr", &complaint),
        };
        match ended.map_err(with_complaint)? {
            Some(status) if !status.success() => {
                let mut why = format!("ends with {status}");
                if !complaint.is_empty() {
                    why = format!("{why}: {complaint}");
                }
                Err(with_complaint(self.error(Code::Command, &why)))
            }
            _ => rows.map_err(with_complaint),
        }
    }

    fn collect(&self, running: &Running, count: usize, watch: Watch) -> Result<Vec<f32>, Error> {
        let (mut out, mut done, mut dim) = (Vec::new(), 0, self.dim);
        let mut heard = Instant::now();
        loop {
            match running.rows.recv_timeout(Duration::from_millis(WATCH_MS)) {
                Ok(row) => {
                    let row = row.map_err(|why| {
                        let why = format!("writes on line {}: {why}", done + 1);
                        self.error(Code::Answer, &why)
                    })?;
                    let expected = if dim == 0 { row.len() } else { dim };
                    if row.len() != expected || !(1..=DIM_MAX).contains(&row.len()) {
                        let (line, found) = (done + 1, row.len());
                        let why = format!("writes {found} numbers on line {line}");
                        return Err(
                            self.error(Code::Answer, &format!("{why}, expected {expected}"))
                        );
                    }
                    dim = expected;
                    out.extend(row);
                    done += 1;
                    heard = Instant::now();
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) if done == count => return Ok(out),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(self.miscounted(done, count));
                }
            }
            if done > count {
                return Err(self.miscounted(done, count));
            }
            if watch(done).is_break() {
                return Err(Error::interrupted(done));
            }
            if heard.elapsed() > Duration::from_millis(SILENT_MS_MAX) {
                let why = format!("wrote nothing for {SILENT_MS_MAX} ms, after {done} lines");
                return Err(self.error(Code::Command, &why));
            }
        }
    }

    fn miscounted(&self, lines: usize, texts: usize) -> Error {
        let least = if lines > texts { "at least " } else { "" };
        let why = format!("answers {texts} texts with {least}{lines} lines");
        self.error(Code::Answer, &why)
    }

    fn error(&self, code: Code, why: &str) -> Error {
        let program = self.words.first().map_or("", String::as_str);
        Error::of(code, format!("the command `{program}` {why}")).with("program", program)
    }
}

/// A program at work; it is ended when this is dropped.
struct Running {
    child: Child,
    /// A row, or why a line is none; ends when the program closes its output.
    rows: Receiver<Result<Vec<f32>, String>>,
    /// The end of what it wrote to stderr, once it has closed that.
    complaint: Receiver<String>,
    /// The threads that read stop when this is gone.
    _wanted: Arc<()>,
}

impl Running {
    fn start(words: &[String], input: String) -> Result<Running, Error> {
        let (program, arguments) = words
            .split_first()
            .ok_or_else(|| Error::of(Code::Source, "the command names no program"))?;
        let child = std::process::Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.map_err(|error| {
            let message = format!("the command `{program}` cannot be started: {error}");
            Error::of(Code::Command, message).with("program", program)
        })?;
        let (send_row, rows) = sync_channel(LINES_AHEAD);
        let (send_complaint, complaint) = sync_channel(1);
        let wanted = Arc::new(());
        // Not scoped: a thread may outlive the call while a grandchild keeps a pipe open.
        if let Some(mut stdin) = child.stdin.take() {
            // Fails where the program reads no further; its lines and status then say so.
            thread::spawn(move || stdin.write_all(input.as_bytes()));
        }
        if let Some(stdout) = child.stdout.take() {
            let hears = Arc::downgrade(&wanted);
            thread::spawn(move || {
                let mut lines = BufReader::new(stdout);
                while let Some(row) = read_row(&mut lines) {
                    let wrong = row.is_err();
                    if send_row.send(row).is_err() {
                        break;
                    }
                    if wrong {
                        // Read on: a closed pipe would end the program with a status that is not
                        // its own.
                        read_end(lines, &hears);
                        break;
                    }
                }
            });
        }
        if let Some(stderr) = child.stderr.take() {
            let hears = Arc::downgrade(&wanted);
            thread::spawn(move || send_complaint.send(read_end(stderr, &hears)));
        }
        Ok(Running {
            child,
            rows,
            complaint,
            _wanted: wanted,
        })
    }

    /// Waits until the program ends by itself.
    fn wait(&mut self, done: usize, watch: Watch) -> Result<Option<ExitStatus>, Error> {
        let start = Instant::now();
        let mut pause_ms = 1;
        while start.elapsed() < Duration::from_millis(SILENT_MS_MAX) {
            if let Some(status) = self.ended()? {
                return Ok(Some(status));
            }
            if watch(done).is_break() {
                return Err(Error::interrupted(done));
            }
            thread::sleep(Duration::from_millis(pause_ms));
            pause_ms = (pause_ms * 2).min(WATCH_MS);
        }
        let message =
            format!("the command does not end within {SILENT_MS_MAX} ms of its last line");
        Err(Error::of(Code::Command, message))
    }

    /// The status of a program that ends about now: soon, or once it has closed its output.
    fn wait_briefly(&mut self) -> Result<Option<ExitStatus>, Error> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.ended()? {
                return Ok(Some(status));
            }
            let closed = loop {
                match self.rows.try_recv() {
                    Ok(_) => {}
                    Err(state) => break state == TryRecvError::Disconnected,
                }
            };
            let most_ms = if closed { ENDING_MS_MAX } else { WATCH_MS };
            if start.elapsed() > Duration::from_millis(most_ms) {
                return Ok(None);
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.child.try_wait().map_err(|error| {
            Error::of(
                Code::Command,
                format!("the command cannot be waited for: {error}"),
            )
        })
    }

    /// Ends the program and gives the last that it complained of, if it closed stderr in time.
    fn complaint(&mut self) -> String {
        self.end();
        let wait = Duration::from_millis(ENDING_MS_MAX);
        self.complaint.recv_timeout(wait).unwrap_or_default()
    }

    fn end(&mut self) {
        // Either fails only for a program that has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// The next line; `None` at the end of the output.
fn read_row(lines: &mut impl BufRead) -> Option<Result<Vec<f32>, String>> {
    let mut line = Vec::new();
    match lines.take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
        Err(error) => Some(Err(error.to_string())),
        Ok(0) => None,
        Ok(_) if line.len() as u64 == LINE_BYTES_MAX && line.last() != Some(&b'\n') => {
            Some(Err(format!("a line longer than {LINE_BYTES_MAX} bytes")))
        }
        Ok(_) => Some(
            serde_json::from_slice(&line)
                .map_err(|error| format!("something else than a JSON array of numbers: {error}")),
        ),
    }
}

/// The last [`COMPLAINT_BYTES_MAX`] bytes before the end, or before no one wants them any more.
fn read_end(mut stream: impl Read, hears: &Weak<()>) -> String {
    let mut end = VecDeque::new();
    let mut part = [0; 4096];
    while let (1.., Ok(count @ 1..)) = (hears.strong_count(), stream.read(&mut part)) {
        end.extend(&part[..count]);
        end.drain(..end.len().saturating_sub(COMPLAINT_BYTES_MAX));
    }
    String::from_utf8_lossy(end.make_contiguous())
        .trim()
        .to_owned()
}
