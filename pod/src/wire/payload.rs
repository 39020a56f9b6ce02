//! The encoding of arguments, answers and error data inside a message.

use std::env;
use std::str;

use datalith_engine::exec::Answer;
use datalith_engine::{Code, Error, Result, Value, edn};

use crate::transit;
use crate::wire::answer::{self, Wrapping};

/// How payloads are written, as `describe` announces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `transit+json`: typed, compact, the default.
    Transit,
    /// `edn`: readable, for debugging.
    Edn,
}

impl Format {
    /// What the environment asks for: `DATALITH_POD_FORMAT=edn`, else transit.
    pub fn from_environment() -> Format {
        match env::var("DATALITH_POD_FORMAT").as_deref() {
            Ok("edn") => Format::Edn,
            _ => Format::Transit,
        }
    }

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Format::Transit => "transit+json",
            Format::Edn => "edn",
        }
    }

    /// Reads one value.
    pub fn decode(self, payload: &[u8]) -> Result<Value> {
        match self {
            Format::Transit => transit::read(payload),
            Format::Edn => {
                let text = str::from_utf8(payload)
                    .map_err(|_| Error::new(Code::EdnSyntax, "The arguments are not UTF-8"))?;
                edn::read(text)
            }
        }
    }

    /// Reads a list of arguments; a client without any sends nil.
    pub fn decode_args(self, payload: &[u8]) -> Result<Vec<Value>> {
        if payload.is_empty() {
            return Ok(Vec::new());
        }
        match self.decode(payload)? {
            Value::Nil => Ok(Vec::new()),
            Value::List(items) | Value::Vector(items) => Ok(items.to_vec()),
            _ => Err(Error::new(
                Code::PodMessage,
                "\"args\" must be a list of arguments",
            )),
        }
    }

    /// Writes one value.
    pub fn encode(self, value: &Value) -> Vec<u8> {
        match self {
            Format::Transit => transit::write(value).into_bytes(),
            Format::Edn => readable(value).to_string().into_bytes(),
        }
    }

    /// Writes the answer of a query.
    pub fn encode_answer(self, answer: &Answer, wrapping: Wrapping) -> Vec<u8> {
        match (self, wrapping) {
            (Format::Transit, _) => answer::write(answer, wrapping),
            (Format::Edn, Wrapping::Bare) => self.encode(&answer.to_value()),
            (Format::Edn, Wrapping::Boxed) => self.encode(&Value::vector([answer.to_value()])),
        }
    }
}

/// The same value without what a client's EDN reader refuses.
fn readable(value: &Value) -> Value {
    match value {
        Value::Regex(regex) => Value::str(regex.as_str()),
        Value::Tagged(tagged) => Value::vector([tagged.0.clone().into(), readable(&tagged.1)]),
        Value::Bytes(bytes) => Value::vector(bytes.iter().map(|byte| i64::from(*byte).into())),
        Value::FloatArray(items) => {
            Value::vector(items.iter().map(|item| Value::Double(f64::from(*item))))
        }
        Value::DoubleArray(items) => Value::vector(items.iter().map(|item| Value::Double(*item))),
        Value::List(items) => Value::list(items.iter().map(readable)),
        Value::Vector(items) => Value::vector(items.iter().map(readable)),
        Value::Set(items) => Value::set(items.iter().map(readable)),
        Value::Map(map) => Value::map(map.iter().map(|(k, v)| (readable(k), readable(v)))),
        scalar => scalar.clone(),
    }
}
