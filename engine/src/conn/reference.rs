//! Branch refs: what a branch is made of.
//!
//! The state of a branch is a root, then pieces of logs replayed over it, then the branch's own
//! log, which the first writer makes. A ref is swapped as a whole and never deleted: what remains of
//! a deleted branch is a ref that says so. A database whose branch `:db` was never given a ref has
//! one all the same: the log its `database` object names.

use std::sync::Arc;

use uuid::Uuid;

use super::object::{self, Form};
use super::pin::Pins;
use crate::error::{Code, Error, Result};
use crate::index::Digest;
use crate::segment::Segments;
use crate::store::{Origin, Put, Storage, Tip};
use crate::value::{Keyword, Value};

/// The branch every database has.
pub(super) const MAIN: &str = "db";
/// What the names of refs start with.
pub(super) const PREFIX: &str = "refs/";

const FORM: Form = Form {
    magic: "datalith-ref",
    format: 1,
    damage: Code::CorruptSegment,
};

/// What a branch is made of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ref {
    /// What it starts from; none is the empty database.
    pub(super) root: Option<Digest>,
    /// What comes after the root, in order.
    pub(super) base: Vec<Piece>,
    /// The log the branch writes to; there is none before the first write.
    pub(super) log: String,
    /// Whether that log was made: then it is damage if it is not there.
    pub(super) begun: bool,
    /// What that log continues.
    pub(super) origin: Origin,
}

/// A part of a log: the records behind one tip, up to and including another.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Piece {
    pub(super) log: String,
    /// None is the start of the log.
    pub(super) after: Option<Tip>,
    pub(super) upto: Tip,
}

/// A record's place in a branch; the state it names holds everything up to there.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Position {
    pub(super) log: String,
    pub(super) tip: Tip,
}

/// Where a branch is kept.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) storage: Arc<dyn Storage>,
    /// What reads its segments.
    pub(super) segments: Segments,
    /// What is told to whoever collects garbage.
    pub(super) pins: Pins,
    /// The database: its first log. A ref of another one is left from a database deleted before.
    pub(super) database: String,
    pub(super) branch: Keyword,
}

/// A ref as it was found.
pub(super) struct Found {
    /// The bytes there, to be expected by who changes them.
    pub(super) bytes: Option<Vec<u8>>,
    /// None if there is no such branch.
    pub(super) reference: Option<Ref>,
}

impl Place {
    /// The place of a branch of the database whose first log is `database`.
    pub(super) fn new(storage: Arc<dyn Storage>, database: String, branch: Keyword) -> Place {
        let pins = Pins::default();
        Place {
            segments: Segments::kept_by(pins.kept(), Arc::clone(&storage)),
            pins,
            storage,
            database,
            branch,
        }
    }

    /// The same for another branch.
    pub(super) fn of(&self, branch: &Keyword) -> Place {
        Place {
            branch: branch.clone(),
            ..self.clone()
        }
    }

    /// The name of the ref, and of the lock of its writers.
    pub(super) fn name(&self) -> String {
        name_of(&self.branch)
    }

    /// The bytes of the ref, to be compared with those seen before.
    pub(super) fn read(&self) -> Result<Option<Vec<u8>>> {
        self.storage.read(&self.name(), 0..object::BYTES_MAX)
    }

    pub(super) fn load(&self) -> Result<Found> {
        let bytes = self.read()?;
        let stored = match &bytes {
            Some(bytes) => decode(self, bytes)?,
            None => Stored::default(),
        };
        let reference = if stored.database == self.database {
            stored.reference
        } else if self.branch.as_str() == MAIN {
            Some(Ref::first(&self.database))
        } else {
            None
        };
        Ok(Found { bytes, reference })
    }

    /// Replaces the ref if it holds the bytes that were seen, and gives the new ones. None as the
    /// next says that the branch is gone; none as the answer, that the ref holds something else.
    pub(super) fn swap(&self, seen: Option<&[u8]>, next: Option<&Ref>) -> Result<Option<Vec<u8>>> {
        let bytes = encode(self, next)?;
        let put = self.storage.swap_ref(&self.name(), seen, &bytes)?;
        Ok((put == Put::Done).then_some(bytes))
    }

    /// Every branch of the database with its ref, in alphabetical order.
    pub(super) fn all(&self) -> Result<Vec<(Keyword, Ref)>> {
        let mut branches = vec![Keyword::new(MAIN)];
        for name in self.storage.list(PREFIX)? {
            branches.extend(branch_of(&name).filter(|branch| branch.as_str() != MAIN));
        }
        let mut found = Vec::with_capacity(branches.len());
        for branch in branches {
            let reference = self.of(&branch).load()?.reference;
            found.extend(reference.map(|reference| (branch, reference)));
        }
        found.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
        Ok(found)
    }
}

impl Ref {
    /// The ref of a branch whose one log this is.
    pub(super) fn first(log: &str) -> Ref {
        Ref {
            root: None,
            base: Vec::new(),
            log: log.to_owned(),
            begun: true,
            origin: Origin::default(),
        }
    }

    /// A ref with a log of its own.
    pub(super) fn fresh(root: Option<Digest>, base: Vec<Piece>, origin: Origin) -> Ref {
        Ref {
            root,
            base,
            log: fresh_log(),
            begun: false,
            origin,
        }
    }

    /// The ref of a branch whose log was sealed behind `end`. Its epoch tells the log it goes on in
    /// from those of branches made from there.
    pub(super) fn behind_seal(root: Option<Digest>, base: Vec<Piece>, end: Origin) -> Ref {
        let epoch = end.epoch.saturating_add(1);
        Ref::fresh(root, base, Origin { epoch, ..end })
    }

    /// None for an own log that nobody made yet; the error for one that should be there.
    pub(super) fn without_log<T>(&self) -> Result<Option<T>> {
        if !self.begun {
            return Ok(None);
        }
        let message = format!("the log {} of a branch is not there", self.log);
        Err(Error::new(Code::MissingSegment, message).with("file", self.log.as_str()))
    }

    /// All pieces, that of the own log too, if it ends in `tip`.
    pub(super) fn pieces(&self, tip: Option<Tip>) -> Vec<Piece> {
        let own = tip.filter(|tip| tip.t > self.origin.t).map(|upto| Piece {
            log: self.log.clone(),
            after: None,
            upto,
        });
        self.base.iter().cloned().chain(own).collect()
    }
}

/// What of pieces comes after a position (none: their start); none if they do not hold it.
pub(super) fn pieces_after(pieces: &[Piece], position: Option<&Position>) -> Option<Vec<Piece>> {
    let Some(Position { log, tip }) = position else {
        return Some(pieces.to_vec());
    };
    let holds = |piece: &Piece| {
        piece.log == *log
            && tip.t <= piece.upto.t
            && piece.after.is_none_or(|after| after.t <= tip.t)
    };
    let at = pieces.iter().position(holds)?;
    let mut rest = pieces[at..].to_vec();
    rest[0].after = Some(*tip);
    if rest[0].upto.t == tip.t {
        rest.remove(0);
    }
    Some(rest)
}

/// A name for a log that nobody has.
pub(super) fn fresh_log() -> String {
    format!("log/{}", Uuid::new_v4().simple())
}

/// The name of a branch's ref.
pub(super) fn name_of(branch: &Keyword) -> String {
    let mut name = PREFIX.to_owned();
    for byte in branch.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            name.push(char::from(byte));
        } else {
            name += &format!("_{byte:02x}");
        }
    }
    name
}

/// The branch a name was made of.
pub(super) fn branch_of(name: &str) -> Option<Keyword> {
    let mut parts = name.strip_prefix(PREFIX)?.split('_');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(part.get(2..)?.as_bytes());
    }
    let branch = Keyword::new(std::str::from_utf8(&bytes).ok()?);
    (name_of(&branch) == name).then_some(branch)
}

/// What the bytes of a ref say.
#[derive(Default)]
struct Stored {
    database: String,
    reference: Option<Ref>,
}

fn encode(place: &Place, reference: Option<&Ref>) -> Result<Vec<u8>> {
    let mut entries = vec![
        (Value::keyword("database"), Value::str(&place.database)),
        (Value::keyword("ref"), Value::str(&place.name())),
    ];
    match reference {
        None => entries.push((Value::keyword("deleted"), Value::Bool(true))),
        Some(Ref {
            root,
            base,
            log,
            begun,
            origin,
        }) => {
            let root = root.map_or(Value::Nil, |root| Value::str(&root.to_string()));
            let origin = Value::map([
                (Value::keyword("commit"), Value::Uuid(origin.commit)),
                (Value::keyword("t"), number(origin.t)),
                (Value::keyword("epoch"), number(origin.epoch)),
            ]);
            entries.extend([
                (Value::keyword("root"), root),
                (
                    Value::keyword("base"),
                    Value::vector(base.iter().map(piece_value)),
                ),
                (Value::keyword("log"), Value::str(log)),
                (Value::keyword("begun"), Value::Bool(*begun)),
                (Value::keyword("origin"), origin),
            ]);
        }
    }
    let too_large = || {
        let message = "the ref of a branch is larger than a ref may be";
        Error::new(Code::Limit, message).with("limit", "ref-bytes")
    };
    FORM.encode(&Value::map(entries))
        .filter(|bytes| bytes.len() as u64 <= object::BYTES_MAX)
        .ok_or_else(too_large)
}

fn decode(place: &Place, bytes: &[u8]) -> Result<Stored> {
    let name = place.name();
    let map = FORM.decode(&name, bytes)?;
    if map.get("ref").and_then(Value::as_str) != Some(&name) {
        return Err(FORM.damaged(&name, "it is that of another branch"));
    }
    stored(&map).ok_or_else(|| FORM.damaged(&name, "it lacks a part"))
}

fn stored(map: &Value) -> Option<Stored> {
    let database = map.get("database")?.as_str()?.to_owned();
    if map.get("deleted").is_some() {
        return Some(Stored {
            database,
            reference: None,
        });
    }
    let root = match map.get("root") {
        None | Some(Value::Nil) => None,
        Some(root) => Some(Digest::parse(root.as_str()?)?),
    };
    let Value::Vector(pieces) = map.get("base")? else {
        return None;
    };
    let base: Option<Vec<Piece>> = pieces.iter().map(piece_of).collect();
    let origin = map.get("origin")?;
    let origin = Origin {
        commit: uuid_of(origin.get("commit")?)?,
        t: count_of(origin.get("t")?)?,
        epoch: count_of(origin.get("epoch")?)?,
    };
    let log = map.get("log")?.as_str()?.to_owned();
    let reference = Some(Ref {
        root,
        base: base?,
        log,
        begun: map.get("begun") == Some(&Value::Bool(true)),
        origin,
    });
    Some(Stored {
        database,
        reference,
    })
}

fn piece_value(piece: &Piece) -> Value {
    Value::map([
        (Value::keyword("log"), Value::str(&piece.log)),
        (
            Value::keyword("after"),
            piece.after.as_ref().map_or(Value::Nil, tip_value),
        ),
        (Value::keyword("upto"), tip_value(&piece.upto)),
    ])
}

fn piece_of(value: &Value) -> Option<Piece> {
    let after = match value.get("after") {
        None | Some(Value::Nil) => None,
        Some(after) => Some(tip_of(after)?),
    };
    Some(Piece {
        log: value.get("log")?.as_str()?.to_owned(),
        after,
        upto: tip_of(value.get("upto")?)?,
    })
}

fn tip_value(tip: &Tip) -> Value {
    Value::map([
        (Value::keyword("end"), number(tip.end)),
        (Value::keyword("t"), number(tip.t)),
        (Value::keyword("epoch"), number(tip.epoch)),
        (Value::keyword("commit"), Value::Uuid(tip.commit)),
        (
            Value::keyword("last-sector"),
            number(u64::from(tip.last_sector)),
        ),
    ])
}

fn tip_of(value: &Value) -> Option<Tip> {
    Some(Tip {
        end: count_of(value.get("end")?)?,
        t: count_of(value.get("t")?)?,
        epoch: count_of(value.get("epoch")?)?,
        commit: uuid_of(value.get("commit")?)?,
        last_sector: u32::try_from(count_of(value.get("last-sector")?)?).ok()?,
    })
}

fn number(number: u64) -> Value {
    Value::Long(i64::try_from(number).unwrap_or(i64::MAX))
}

fn count_of(value: &Value) -> Option<u64> {
    u64::try_from(value.as_long()?).ok()
}

fn uuid_of(value: &Value) -> Option<Uuid> {
    match value {
        Value::Uuid(uuid) => Some(*uuid),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStorage;

    fn tip(t: u64) -> Tip {
        Tip {
            end: t * 512,
            t,
            epoch: 3,
            commit: Uuid::from_u128(t.into()),
            last_sector: u32::MAX,
        }
    }

    fn piece(log: &str, after: Option<u64>, upto: u64) -> Piece {
        Piece {
            log: log.to_owned(),
            after: after.map(tip),
            upto: tip(upto),
        }
    }

    #[test]
    fn refs_come_back_and_those_of_a_deleted_database_count_for_nothing() {
        let storage = Arc::new(MemoryStorage::default());
        let place = Place::new(storage, "log/first".to_owned(), Keyword::new("feature/x_y"));
        assert!(place.load().unwrap().reference.is_none());
        let origin = Origin {
            commit: Uuid::from_u128(9),
            t: 9,
            epoch: 4,
        };
        let base = vec![piece("log/a", None, 4), piece("log/b", Some(4), 9)];
        let reference = Ref::fresh(Some(Digest::of(b"root")), base, origin);
        assert!(place.swap(None, Some(&reference)).unwrap().is_some());
        assert!(place.swap(None, Some(&reference)).unwrap().is_none());
        let found = place.load().unwrap();
        assert_eq!(found.reference.as_ref(), Some(&reference));
        let names: Vec<Keyword> = place.all().unwrap().into_iter().map(|(b, _)| b).collect();
        assert_eq!(names, [Keyword::new(MAIN), place.branch.clone()]);
        let database = "log/second".to_owned();
        let other = Place {
            database,
            ..place.clone()
        };
        assert!(other.load().unwrap().reference.is_none());
        place.swap(found.bytes.as_deref(), None).unwrap();
        assert!(place.load().unwrap().reference.is_none());
        assert_eq!(place.all().unwrap().len(), 1);
    }

    #[test]
    fn names_of_branches_come_back() {
        for name in ["db", "a/b", "Ünïcode", "x_2f", "a.b!?*", "-"] {
            let branch = Keyword::new(name);
            assert_eq!(branch_of(&name_of(&branch)), Some(branch), "{name}");
        }
        for name in ["refs/_", "refs/_zz", "refs/_41", "refs/a.b", "log/a"] {
            assert_eq!(branch_of(name), None, "{name}");
        }
    }

    #[test]
    fn what_comes_after_a_position() {
        let pieces = [piece("a", None, 4), piece("b", None, 9)];
        let at = |log: &str, t| Position {
            log: log.to_owned(),
            tip: tip(t),
        };
        let check = |at: Option<Position>, expected: Option<&[Piece]>| {
            assert_eq!(pieces_after(&pieces, at.as_ref()).as_deref(), expected);
        };
        check(None, Some(&pieces));
        check(
            Some(at("a", 2)),
            Some(&[piece("a", Some(2), 4), piece("b", None, 9)]),
        );
        check(Some(at("a", 4)), Some(&pieces[1..]));
        check(Some(at("b", 9)), Some(&[]));
        check(Some(at("a", 5)), None);
        check(Some(at("c", 1)), None);
    }
}
