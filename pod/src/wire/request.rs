//! A client's message, checked, with its parts left where they lie in the frame.

use std::ops::Range;
use std::str;

use crate::bencode::cursor::Cursor;
use crate::bencode::encode;
use crate::limits::MESSAGE_KEYS;

/// What a client may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// The namespaces, their variables and the payload format.
    Describe,
    /// One call of a variable.
    Invoke,
    /// The variables of one namespace.
    LoadNs,
    /// The end.
    Shutdown,
}

/// Who asked, as bencode: a string, or what else the client sent as its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Id(Vec<u8>);

impl Id {
    /// The id as it goes into a reply, bencoded.
    pub fn bencoded(&self) -> &[u8] {
        &self.0
    }
}

impl Default for Id {
    /// What stands in for a missing id: a client's reader dies of a reply without one.
    fn default() -> Id {
        Id(b"7:unknown".to_vec())
    }
}

/// One message of a client.
#[derive(Debug)]
pub struct Request {
    /// What it asks for.
    pub op: Op,
    /// Who asked.
    pub id: Id,
    frame: Vec<u8>,
    name: Range<usize>,
    args: Range<usize>,
}

impl Request {
    /// The variable of an invoke, `ns/name`, or the namespace of a load-ns.
    pub fn name(&self) -> &str {
        str::from_utf8(&self.frame[self.name.clone()]).expect("checked when it was parsed")
    }

    /// The payload with the arguments; empty if there is none.
    pub fn args(&self) -> &[u8] {
        &self.frame[self.args.clone()]
    }

    /// How much memory it holds.
    pub fn size_bytes(&self) -> usize {
        self.frame.len()
    }
}

/// A message that cannot be understood, though the stream is in step.
#[derive(Debug)]
pub struct BadRequest {
    /// Who asked, as far as that could be made out.
    pub id: Id,
    /// What is wrong, for the client's user.
    pub message: String,
}

/// Understands one framed item.
pub fn parse(frame: Vec<u8>) -> Result<Request, BadRequest> {
    let mut id = Id::default();
    match parts(&frame, &mut id) {
        Ok(parts) => Ok(Request {
            op: parts.op,
            id,
            name: parts.name,
            args: parts.args,
            frame,
        }),
        Err(message) => Err(BadRequest { id, message }),
    }
}

struct Parts {
    op: Op,
    name: Range<usize>,
    args: Range<usize>,
}

/// Finds the parts; `id` is set even where another part fails.
fn parts(frame: &[u8], id: &mut Id) -> Result<Parts, String> {
    let entries = entries(frame, id)?;
    let entry = |key: &str| entries.iter().find(|(name, _)| *name == key.as_bytes());
    let text = |key: &str| match entry(key) {
        None => Ok(None),
        Some((_, None)) => Err(format!("\"{key}\" must be a string")),
        Some((_, Some(range))) => match str::from_utf8(&frame[range.clone()]) {
            Ok(_) => Ok(Some(range.clone())),
            Err(_) => Err(format!("\"{key}\" is not UTF-8")),
        },
    };
    let op_range = text("op")?.ok_or("the message has no \"op\"")?;
    let op = match &frame[op_range.clone()] {
        b"describe" => Op::Describe,
        b"invoke" => Op::Invoke,
        b"load-ns" => Op::LoadNs,
        b"shutdown" => Op::Shutdown,
        other => return Err(format!("Unknown op: {}", String::from_utf8_lossy(other))),
    };
    let id_range = text("id")?;
    if id_range.is_none() && matches!(op, Op::Invoke | Op::LoadNs) {
        return Err("the message has no \"id\"".to_owned());
    }
    let name = match op {
        Op::Invoke => text("var")?.ok_or("the message has no \"var\"")?,
        Op::LoadNs => text("ns")?.ok_or("the message has no \"ns\"")?,
        Op::Describe | Op::Shutdown => 0..0,
    };
    let args = if op == Op::Invoke {
        text("args")?.unwrap_or(0..0)
    } else {
        0..0
    };
    Ok(Parts { op, name, args })
}

/// The entries of the outermost dictionary: each key with where its value lies, if a string.
type Entries<'a> = Vec<(&'a [u8], Option<Range<usize>>)>;

fn entries<'a>(frame: &'a [u8], id: &mut Id) -> Result<Entries<'a>, String> {
    let mut cursor = Cursor::new(frame);
    if !cursor.take(b'd') {
        return Err("a message must be a dictionary".to_owned());
    }
    let mut entries: Entries<'_> = Vec::with_capacity(4);
    // The first flaw is kept, and the walk goes on as far as it can: an id may follow.
    let mut flaw: Option<&str> = None;
    while !cursor.take(b'e') {
        let walked = (|| {
            let key = &frame[cursor.string()?];
            let start = cursor.position();
            let range = match cursor.peek() {
                b'0'..=b'9' => Some(cursor.string()?),
                _ => {
                    cursor.skip()?;
                    None
                }
            };
            Ok((key, range, start..cursor.position()))
        })();
        let (key, range, whole) = match walked {
            Ok(entry) => entry,
            Err(broken) => return Err(flaw.unwrap_or(broken).to_owned()),
        };
        if entries.iter().any(|(other, _)| *other == key) {
            flaw = flaw.or(Some("a key occurs twice"));
        } else if entries.len() == MESSAGE_KEYS {
            flaw = flaw.or(Some("a message has too many keys"));
        } else {
            if key == b"id" {
                *id = echo(
                    &frame[whole],
                    range.as_ref().map(|range| &frame[range.clone()]),
                );
            }
            entries.push((key, range));
        }
    }
    flaw.map_or(Ok(entries), |flaw| Err(flaw.to_owned()))
}

/// The id as it will be sent back: strings and integers as they came.
fn echo(whole: &[u8], text: Option<&[u8]>) -> Id {
    match text {
        Some(text) => {
            let mut bencoded = Vec::with_capacity(text.len() + 4);
            encode::string(&mut bencoded, text);
            Id(bencoded)
        }
        None if whole.first() == Some(&b'i') => Id(whole.to_vec()),
        None => Id::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, id: &str, expected: &str) {
        let (found_id, found) = match parse(text.as_bytes().to_vec()) {
            Ok(request) => {
                let args = String::from_utf8_lossy(request.args()).into_owned();
                let found = format!("{:?} {} {args}", request.op, request.name());
                (request.id, found)
            }
            Err(bad) => (bad.id, bad.message),
        };
        assert_eq!(String::from_utf8_lossy(found_id.bencoded()), id, "{text}");
        assert!(found.contains(expected), "{text}: {found}");
    }

    #[test]
    fn understands_every_op() {
        check("d2:id1:a2:op8:describee", "1:a", "Describe");
        check("d2:op8:describee", "7:unknown", "Describe");
        check(
            "d4:args2:[]2:id1:a2:op6:invoke3:var3:n/ve",
            "1:a",
            "Invoke n/v []",
        );
        check("d3:var3:n/v2:op6:invoke2:id1:ae", "1:a", "Invoke n/v ");
        check("d2:id1:a2:ns1:n2:op7:load-nse", "1:a", "LoadNs n");
        check(
            "d2:id1:a2:op8:shutdown5:otherld1:ai1eeee",
            "1:a",
            "Shutdown",
        );
    }

    #[test]
    fn refuses_the_rest_with_the_id() {
        check("i5e", "7:unknown", "must be a dictionary");
        check("de", "7:unknown", "no \"op\"");
        check("d2:id1:ae", "1:a", "no \"op\"");
        check("d2:id1:a2:op4:evale", "1:a", "Unknown op: eval");
        check("d2:idi7e2:op8:describee", "i7e", "\"id\" must be a string");
        check(
            "d2:idle2:op8:describee",
            "7:unknown",
            "\"id\" must be a string",
        );
        check("d2:op6:invoke3:var3:n/ve", "7:unknown", "no \"id\"");
        check("d2:id1:a2:op6:invokee", "1:a", "no \"var\"");
        check("d2:id1:a2:opi1ee", "1:a", "\"op\" must be a string");
        check("d2:id1:a2:id1:b2:op8:describee", "1:a", "twice");
        check("d2:op8:describe2:op8:describe2:id1:ae", "1:a", "twice");
        check("d1:xi-0e2:id1:ae", "7:unknown", "leading zero");
        check("d2:id1:a1:xi-0ee", "1:a", "leading zero");
    }

    #[test]
    fn echoes_bytes_that_are_not_text() {
        let bad = parse(b"d2:id2:\xff\xfe2:op8:describee".to_vec()).unwrap_err();
        assert_eq!(bad.id.bencoded(), b"2:\xff\xfe");
        let bad = parse(b"d2:id1:a2:op6:invoke3:var2:\xff\xfee".to_vec()).unwrap_err();
        assert_eq!(bad.message, "\"var\" is not UTF-8");
    }
}
