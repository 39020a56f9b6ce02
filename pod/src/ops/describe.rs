//! What `describe` tells a client, from the table of operations.

use crate::bencode::encode;
use crate::ops::call::{FACES, Face};
use crate::ops::table::{Client, OPERATIONS, Operation, Shown};
use crate::wire::{Format, Id};

/// How a predicate of `pod.datalith` is defined for a client.
const PREDICATE: &str = include_str!("client/predicate.clj");

/// The reply to describe.
pub(crate) fn describe(id: &Id, format: Format) -> Vec<u8> {
    let mut out = Vec::with_capacity(16 << 10);
    out.push(b'd');
    encode::entry(&mut out, "format", format.name());
    encode::string(&mut out, b"id");
    out.extend_from_slice(id.bencoded());
    encode::string(&mut out, b"namespaces");
    out.push(b'l');
    for face in FACES {
        out.push(b'd');
        encode::entry(&mut out, "name", face.namespace());
        variables(&mut out, face);
        out.push(b'e');
    }
    out.push(b'e');
    encode::string(&mut out, b"ops");
    out.push(b'd');
    encode::string(&mut out, b"shutdown");
    out.extend_from_slice(b"dee");
    out.push(b'e');
    out
}

/// The reply to load-ns.
pub(crate) fn load_ns(id: &Id, namespace: &str) -> Option<Vec<u8>> {
    let face = Face::of(namespace)?;
    let mut out = vec![b'd'];
    encode::string(&mut out, b"id");
    out.extend_from_slice(id.bencoded());
    encode::entry(&mut out, "name", face.namespace());
    encode::string(&mut out, b"status");
    encode::strings(&mut out, &["done"]);
    variables(&mut out, face);
    out.push(b'e');
    Some(out)
}

/// The entry `vars` of a namespace.
fn variables(out: &mut Vec<u8>, face: Face) {
    encode::string(out, b"vars");
    out.push(b'l');
    for operation in OPERATIONS.iter().filter(|operation| shows(operation, face)) {
        out.push(b'd');
        match code(operation, face) {
            Some(code) => {
                encode::entry(out, "code", &code);
                encode::entry(out, "name", operation.name);
            }
            None => {
                let doc = clojure_string(operation.doc);
                let meta = format!("{{:doc {doc} :arglists {}}}", operation.arglists);
                encode::entry(out, "meta", &meta);
                encode::entry(out, "name", operation.name);
            }
        }
        out.push(b'e');
    }
    out.push(b'e');
}

fn shows(operation: &Operation, face: Face) -> bool {
    match operation.shown {
        Shown::Both => true,
        Shown::Datalith => face == Face::Datalith,
        Shown::Nowhere => false,
    }
}

/// The client's source of an operation; none for a plain function.
fn code(operation: &Operation, face: Face) -> Option<String> {
    match (operation.client, face) {
        (Client::Code(code), _) | (Client::DatalithCode(code), Face::Datalith) => {
            Some(code.to_owned())
        }
        (Client::Predicate, Face::Datalith) => Some(
            PREDICATE
                .replace("NAME", operation.name)
                .replace("DOC", &clojure_string(operation.doc))
                .replace("ARGLISTS", operation.arglists),
        ),
        _ => None,
    }
}

/// Text as Clojure's reader takes it.
fn clojure_string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
