//! Messages to clients.

use std::io::{self, Write};
use std::net::TcpStream;

use super::column::Column;
use super::refusal::Refusal;

/// Bytes that are collected before they are sent.
const SENT_BYTES: usize = 64 << 10;

/// What is on its way to a client.
pub(super) struct Replies {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Replies {
    pub(super) fn new(stream: TcpStream) -> Replies {
        Replies {
            stream,
            bytes: Vec::new(),
        }
    }

    /// Appends a message.
    pub(super) fn put(&mut self, tag: u8, body: impl FnOnce(&mut Vec<u8>)) {
        self.bytes.push(tag);
        sized(&mut self.bytes, Counted::WithLength, body);
    }

    /// Where rows go.
    pub(super) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Sends everything.
    pub(super) fn send(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.bytes)?;
        self.bytes.clear();
        self.bytes.shrink_to(SENT_BYTES);
        Ok(())
    }

    /// Sends everything if there is much.
    pub(super) fn send_much(&mut self) -> io::Result<()> {
        match self.bytes.len() {
            0..SENT_BYTES => Ok(()),
            _ => self.send(),
        }
    }

    /// A word of the handshake.
    pub(super) fn authentication(&mut self, kind: i32, data: &[u8]) {
        self.put(b'R', |body| {
            body.extend(kind.to_be_bytes());
            body.extend(data);
        });
    }

    pub(super) fn setting(&mut self, name: &str, value: &str) {
        self.put(b'S', |body| {
            text(body, name);
            text(body, value);
        });
    }

    /// What the client shows to have a statement cancelled.
    pub(super) fn key(&mut self, process: i32, secret: i32) {
        self.put(b'K', |body| {
            body.extend(process.to_be_bytes());
            body.extend(secret.to_be_bytes());
        });
    }

    /// The server waits; `status` says whether in a block.
    pub(super) fn ready(&mut self, status: u8) {
        self.put(b'Z', |body| body.push(status));
    }

    /// A statement is done.
    pub(super) fn complete(&mut self, tag: &str) {
        self.put(b'C', |body| text(body, tag));
    }

    pub(super) fn columns(&mut self, columns: &[Column]) {
        self.put(b'T', |body| {
            body.extend((columns.len() as u16).to_be_bytes());
            for column in columns {
                text(body, &column.name);
                body.extend([0; 6]);
                body.extend(column.kind.oid.to_be_bytes());
                body.extend(column.kind.bytes.to_be_bytes());
                body.extend(column.kind.modifier.to_be_bytes());
                body.extend((column.form as i16).to_be_bytes());
            }
        });
    }

    /// An error; `asked` is the text that its place is in.
    pub(super) fn refusal(&mut self, severity: &str, asked: &str, refusal: &Refusal) {
        self.put(b'E', |body| {
            let mut field = |name: u8, value: &str| {
                body.push(name);
                text(body, value);
            };
            field(b'S', severity);
            field(b'V', severity);
            field(b'C', refusal.state);
            field(b'M', &refusal.message);
            if let Some(hint) = refusal.hint {
                field(b'H', hint);
            }
            let before = refusal.span.and_then(|span| asked.get(..span.start));
            if let Some(before) = before {
                field(b'P', &(before.chars().count() + 1).to_string());
            }
            body.push(0);
        });
    }
}

/// What a length counts.
pub(super) enum Counted {
    /// Its own bytes too.
    WithLength,
    /// Only what follows.
    Alone,
}

/// Appends bytes with their length before them.
pub(super) fn sized(out: &mut Vec<u8>, counted: Counted, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend([0; 4]);
    body(out);
    let counted_from = match counted {
        Counted::WithLength => start,
        Counted::Alone => start + 4,
    };
    let length = (out.len() - counted_from) as u32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// A text with a zero byte at its end; zero bytes in it end nothing.
fn text(out: &mut Vec<u8>, text: &str) {
    out.extend(text.bytes().filter(|byte| *byte != 0));
    out.push(0);
}
