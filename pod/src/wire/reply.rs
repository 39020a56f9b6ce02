//! What goes back to a client: one buffer for each message, keys in byte order.

use datalith_engine::{Error, Value};

use crate::bencode::encode;
use crate::wire::payload::Format;
use crate::wire::request::Id;

/// The end of a call, with its answer: what comes before the payload. After it comes [`TAIL`].
pub fn done_head(id: &Id, payload_bytes: usize) -> Vec<u8> {
    let mut out = open(id, 48);
    status(&mut out, &["done"]);
    encode::string(&mut out, b"value");
    encode::string_head(&mut out, payload_bytes);
    out
}

/// What ends every message.
pub const TAIL: &[u8] = b"e";

/// One answer of a call that goes on.
pub fn value(id: &Id, payload: &[u8]) -> Vec<u8> {
    let mut out = open(id, payload.len() + 32);
    encode::string(&mut out, b"value");
    encode::string(&mut out, payload);
    out.extend_from_slice(TAIL);
    out
}

/// The end of a call that went on, without a further answer.
pub fn finished(id: &Id) -> Vec<u8> {
    let mut out = open(id, 32);
    status(&mut out, &["done"]);
    out.push(b'e');
    out
}

/// The end of a call that failed.
pub fn failed(id: &Id, error: &Error, format: Format) -> Vec<u8> {
    let mut out = vec![b'd'];
    encode::string(&mut out, b"ex-data");
    encode::string(&mut out, &format.encode(&Value::from(error.ex_data())));
    encode::entry(&mut out, "ex-message", error.message());
    encode::string(&mut out, b"id");
    out.extend_from_slice(id.bencoded());
    status(&mut out, &["done", "error"]);
    out.push(b'e');
    out
}

fn open(id: &Id, room_bytes: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(id.bencoded().len() + room_bytes);
    out.push(b'd');
    encode::string(&mut out, b"id");
    out.extend_from_slice(id.bencoded());
    out
}

fn status(out: &mut Vec<u8>, statuses: &[&str]) {
    encode::string(out, b"status");
    encode::strings(out, statuses);
}
