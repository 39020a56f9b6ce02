//! What goes back to a client: one buffer for each message, keys in byte order.

use datalith_engine::{Error, Value};

use crate::bencode::encode;
use crate::wire::payload::Format;
use crate::wire::request::Id;

/// The end of a call, with its answer.
pub fn done(id: &Id, payload: &[u8]) -> Vec<u8> {
    with_value(id, Some(&["done"]), payload)
}

/// One answer of a call that goes on.
pub fn value(id: &Id, payload: &[u8]) -> Vec<u8> {
    with_value(id, None, payload)
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

fn with_value(id: &Id, statuses: Option<&[&str]>, payload: &[u8]) -> Vec<u8> {
    let mut out = open(id, payload.len() + 48);
    if let Some(statuses) = statuses {
        status(&mut out, statuses);
    }
    encode::string(&mut out, b"value");
    encode::string(&mut out, payload);
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
