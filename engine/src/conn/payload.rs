//! What the log keeps of a transaction: the values it interned, its purges, its datoms as columns.
//!
//! The layout is drawn in `docs/format.md`. A reader takes any bytes: what no writer wrote is [`Code::CorruptLog`](crate::error::Code::CorruptLog).

use std::ops::Range;

use uuid::Uuid;

use super::columns::{
    Ids, Trusted, grouped, put_bits, put_datoms, put_grouped, put_referring, read_attribute,
    read_cell, read_datoms, read_grouped, read_kind, read_referred, read_referring,
};
use super::refer::{REFERRED_DATOMS_MIN, Rows};
use crate::bytes::{Cursor, malformed, put_value, put_varint, put_zigzag, read_value};
use crate::datom::{AttrId, EntityId, TX0, TxId};
use crate::db::{IndexDatom, Purge};
use crate::error::{Code, Error, Result};
use crate::index::{Dictionary, Interner};

/// The layout of a commit with one parent.
const VERSION: u8 = 1;
/// The layout of a commit with further parents: the newest this build reads.
const VERSION_MERGE: u8 = 2;

const PURGE_DATOM: u8 = 0;
const PURGE_ATTRIBUTE: u8 = 1;
const PURGE_PAST: u8 = 2;

/// What a transaction changed.
pub(super) struct Changes<'a> {
    /// The transaction.
    pub(super) tx: TxId,
    /// When it was, milliseconds since 1970 UTC.
    pub(super) instant_ms: i64,
    /// The commits it follows beside the one before it.
    pub(super) parents: &'a [Uuid],
    /// The largest entity id after it.
    pub(super) max_eid: i64,
    /// How many values were interned before it.
    pub(super) values_before: u32,
    /// Its dictionary.
    pub(super) dictionary: &'a Dictionary,
    /// Its datoms in the order of their effects.
    pub(super) datoms: &'a [IndexDatom],
    /// What it purged before them.
    pub(super) purges: &'a [Purge],
}

/// What [`read`] gives beside datoms and values.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Summary {
    /// The transaction.
    pub(super) tx: TxId,
    /// The largest entity id after it.
    pub(super) max_eid: i64,
    /// What it purged before its datoms.
    pub(super) purges: Vec<Purge>,
}

/// What a payload starts with.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Heading {
    /// The transaction.
    pub(super) tx: TxId,
    /// When it was, milliseconds since 1970 UTC.
    pub(super) instant_ms: i64,
    /// The commits it follows beside the one before it.
    pub(super) parents: Vec<Uuid>,
}

/// What becomes of the values in a payload.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Values {
    /// They are interned: the payload continues the dictionary.
    Interned,
    /// The dictionary holds them already.
    Known,
}

/// The payload of a transaction. Fails with [`Code::Limit`] on a value nested too deep.
pub(super) fn write(changes: &Changes<'_>) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(64 + 12 * changes.datoms.len());
    let merges = !changes.parents.is_empty();
    out.push(if merges { VERSION_MERGE } else { VERSION });
    put_varint(&mut out, (changes.tx.0 - TX0) as u64);
    put_zigzag(&mut out, changes.instant_ms);
    if merges {
        put_varint(&mut out, changes.parents.len() as u64);
        let parents = changes.parents.iter();
        parents.for_each(|parent| out.extend_from_slice(parent.as_bytes()));
    }
    put_zigzag(&mut out, changes.max_eid);
    put_varint(&mut out, u64::from(changes.values_before));
    put_varint(
        &mut out,
        u64::from(changes.dictionary.len() - changes.values_before),
    );
    for value in changes.dictionary.since(changes.values_before) {
        put_value(&mut out, value)?;
    }
    put_varint(&mut out, changes.purges.len() as u64);
    changes
        .purges
        .iter()
        .for_each(|purge| put_purge(&mut out, purge));
    put_datoms(&mut out, changes.tx, changes.datoms);
    Ok(out)
}

/// Reads what a payload starts with, and no more.
pub(super) fn heading(payload: &[u8]) -> Result<Heading> {
    read_heading(&mut Cursor::new(payload))
}

fn read_heading(cursor: &mut Cursor<'_>) -> Result<Heading> {
    let version = cursor.byte()?;
    if version > VERSION_MERGE {
        let message = format!(
            "a record of the log has format {version}; this build reads formats up to {VERSION_MERGE}"
        );
        return Err(Error::new(Code::FormatVersion, message));
    }
    let t = i64::try_from(cursor.varint()?)
        .ok()
        .and_then(|t| t.checked_add(TX0));
    let tx = TxId(t.ok_or_else(|| malformed("its t is too large"))?);
    let instant_ms = cursor.zigzag()?;
    let count = match version {
        VERSION_MERGE => cursor.count(16)?,
        _ => 0,
    };
    let parents: Result<Vec<Uuid>> = (0..count)
        .map(|_| Ok(Uuid::from_bytes(cursor.array()?)))
        .collect();
    Ok(Heading {
        tx,
        instant_ms,
        parents: parents?,
    })
}

/// What stands before the values of a payload, and after them.
pub(super) fn around_values(payload: &[u8]) -> Result<(&[u8], &[u8])> {
    let (head, values) = value_ids(payload)?;
    let mut cursor = Cursor::new(&payload[head..]);
    for _ in values {
        read_value(&mut cursor)?;
    }
    let (before, _) = payload.split_at(head);
    Ok((before, &payload[payload.len() - cursor.left()..]))
}

/// What a payload without its values says.
pub(super) struct Stripped {
    /// What it purged before its datoms.
    pub(super) purges: Vec<Purge>,
    /// Its datoms.
    pub(super) datoms: Vec<IndexDatom>,
}

/// How the datoms of a payload are laid out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// In the order of their effects, as in the log.
    Plain,
    /// The values of each attribute together, as in archives.
    Grouped,
    /// The same, without the values that rows tell.
    Referring,
}

/// Reads a payload whose values were cut out; `rows` are those that it may refer to.
pub(super) fn read_stripped(body: &[u8], layout: Layout, rows: &mut Rows<'_>) -> Result<Stripped> {
    let tx = heading(body)?.tx;
    let (purges, mut cursor) = purges_of(body)?;
    let datoms = match layout {
        Layout::Plain => {
            let mut datoms = Vec::new();
            read_datoms(&mut cursor, tx, &Trusted, &mut datoms)?;
            datoms
        }
        Layout::Grouped => read_grouped(&mut cursor, tx)?,
        Layout::Referring => read_referring(&mut cursor, tx, rows)?,
    };
    match cursor.left() {
        0 => Ok(Stripped { purges, datoms }),
        _ => Err(malformed("bytes follow its end")),
    }
}

/// What a payload without its values purged, and what comes after that.
pub(super) fn purges_of(body: &[u8]) -> Result<(Vec<Purge>, Cursor<'_>)> {
    let (head, _) = value_ids(body)?;
    let mut cursor = Cursor::new(&body[head..]);
    let count = cursor.count(1)?;
    let purges: Result<Vec<Purge>> = (0..count)
        .map(|_| read_purge(&mut cursor, &Trusted))
        .collect();
    Ok((purges?, cursor))
}

/// The attributes whose values [`Layout::Referring`] left out.
pub(super) fn referred(body: &[u8]) -> Result<impl Iterator<Item = AttrId>> {
    let (_, mut cursor) = purges_of(body)?;
    let referred = read_referred(&mut cursor)?;
    Ok(referred.into_iter().map(|(a, _)| a))
}

/// The plain payload without values: the head of another one, then purges and datoms.
pub(super) fn put_stripped(head: &[u8], stripped: &Stripped) -> Result<Vec<u8>> {
    let tx = heading(head)?.tx;
    let mut out = put_purged(head, stripped);
    put_datoms(&mut out, tx, &stripped.datoms);
    Ok(out)
}

/// The same as archives have it, as short as rows allow, and its layout.
pub(super) fn put_archived(
    head: &[u8],
    stripped: &Stripped,
    rows: &mut Rows<'_>,
) -> Result<(Vec<u8>, Layout)> {
    let tx = heading(head)?.tx;
    let mut out = put_purged(head, stripped);
    let datoms = &stripped.datoms;
    if datoms.len() >= REFERRED_DATOMS_MIN && datoms.iter().all(|datom| datom.tx == tx) {
        let grouped = grouped(datoms);
        let groups = grouped.chunk_by(|a, b| a.a == b.a);
        let groups: Vec<_> = groups.map(|group| (group, rows.tell(tx, group))).collect();
        if groups.iter().any(|(_, told)| told.is_some()) {
            put_referring(&mut out, tx, datoms, &groups);
            return Ok((out, Layout::Referring));
        }
    }
    put_grouped(&mut out, tx, datoms);
    Ok((out, Layout::Grouped))
}

fn put_purged(head: &[u8], stripped: &Stripped) -> Vec<u8> {
    let mut out = head.to_vec();
    put_varint(&mut out, stripped.purges.len() as u64);
    let purges = stripped.purges.iter();
    purges.for_each(|purge| put_purge(&mut out, purge));
    out
}

/// How many bytes of a payload stand before its values, and the ids of these.
pub(super) fn value_ids(payload: &[u8]) -> Result<(usize, Range<u32>)> {
    let mut cursor = Cursor::new(payload);
    read_heading(&mut cursor)?;
    cursor.zigzag()?;
    let start = cursor.varint()?;
    let end = start.saturating_add(cursor.varint()?);
    match (u32::try_from(start), u32::try_from(end)) {
        (Ok(start), Ok(end)) => Ok((payload.len() - cursor.left(), start..end)),
        _ => Err(malformed("it interns more values than there can be")),
    }
}

/// Reads a payload: its values go into `interner`, its datoms behind those of `datoms`.
pub(super) fn read(
    payload: &[u8],
    values: Values,
    interner: &mut Interner,
    datoms: &mut Vec<IndexDatom>,
) -> Result<Summary> {
    let mut cursor = Cursor::new(payload);
    let tx = read_heading(&mut cursor)?.tx;
    let max_eid = cursor.zigzag()?;
    match values {
        Values::Interned => read_values(&mut cursor, interner)?,
        Values::Known => skip_values(&mut cursor)?,
    }
    let count = cursor.count(1)?;
    let purges: Result<Vec<Purge>> = (0..count)
        .map(|_| read_purge(&mut cursor, interner))
        .collect();
    let purges = purges?;
    read_datoms(&mut cursor, tx, interner, datoms)?;
    if cursor.left() > 0 {
        return Err(malformed("bytes follow its end"));
    }
    Ok(Summary {
        tx,
        max_eid,
        purges,
    })
}

fn read_values(cursor: &mut Cursor<'_>, interner: &mut Interner) -> Result<()> {
    let before = cursor.varint()?;
    if before != interner.len() {
        return Err(malformed("it continues another dictionary"));
    }
    let count = cursor.count(1)?;
    for index in 0..count as u64 {
        let value = read_value(cursor)?;
        if u64::from(interner.intern(&value)) != before + index {
            return Err(malformed("a value in it was interned before"));
        }
    }
    Ok(())
}

fn skip_values(cursor: &mut Cursor<'_>) -> Result<()> {
    cursor.varint()?;
    for _ in 0..cursor.count(1)? {
        read_value(cursor)?;
    }
    Ok(())
}

fn put_purge(out: &mut Vec<u8>, purge: &Purge) {
    match *purge {
        Purge::Datom { e, a, v } => {
            out.push(PURGE_DATOM);
            put_zigzag(out, e.0);
            put_varint(out, u64::from(a.0));
            out.push(v.kind as u8);
            put_bits(out, v, &mut 0);
        }
        Purge::Attribute { e, a } => {
            out.push(PURGE_ATTRIBUTE);
            put_zigzag(out, e.0);
            put_varint(out, u64::from(a.0));
        }
        Purge::PastUpTo(tx) => {
            out.push(PURGE_PAST);
            put_zigzag(out, tx.0);
        }
    }
}

fn read_purge(cursor: &mut Cursor<'_>, ids: &impl Ids) -> Result<Purge> {
    match cursor.byte()? {
        PURGE_DATOM => {
            let e = EntityId(cursor.zigzag()?);
            let a = read_attribute(cursor, ids)?;
            let kind = read_kind(cursor)?;
            Ok(Purge::Datom {
                e,
                a,
                v: read_cell(cursor, kind, &mut 0, ids)?,
            })
        }
        PURGE_ATTRIBUTE => {
            let e = EntityId(cursor.zigzag()?);
            Ok(Purge::Attribute {
                e,
                a: read_attribute(cursor, ids)?,
            })
        }
        PURGE_PAST => Ok(Purge::PastUpTo(TxId(cursor.zigzag()?))),
        _ => Err(malformed("a purge in it is of no known kind")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::samples;
    use crate::datom::{AttrId, Op};
    use crate::index::Cell;

    /// Datoms over every kind of value, and their dictionary.
    fn datoms(count: usize) -> (Dictionary, Vec<IndexDatom>) {
        let mut interner = Interner::default();
        let a = AttrId(interner.intern(&crate::value::Value::keyword("a")));
        let samples = samples();
        let datom = |n: usize| IndexDatom {
            e: EntityId((n as i64 - 3) * 1000),
            a,
            v: interner.cell(&samples[n % samples.len()]),
            tx: TxId(TX0 + 7 - i64::from(n % 50 == 49)),
            op: if n % 3 == 1 { Op::Retract } else { Op::Assert },
        };
        let datoms = (0..count).map(datom).collect();
        (interner.finish(), datoms)
    }

    fn payload(dictionary: &Dictionary, datoms: &[IndexDatom], parents: &[Uuid]) -> Vec<u8> {
        let v = datoms.last().map_or(Cell::NIL, |datom| datom.v);
        let purges = [
            Purge::Datom {
                e: EntityId(-1),
                a: AttrId(0),
                v,
            },
            Purge::Attribute {
                e: EntityId(9),
                a: AttrId(0),
            },
            Purge::PastUpTo(TxId(TX0 + 2)),
        ];
        let changes = Changes {
            tx: TxId(TX0 + 7),
            instant_ms: -5,
            parents,
            max_eid: 77,
            values_before: 0,
            dictionary,
            datoms,
            purges: &purges,
        };
        write(&changes).unwrap()
    }

    #[test]
    fn a_transaction_comes_back_exactly() {
        for count in [0, 1, 2, 49, 50, 128, 129] {
            let (dictionary, datoms) = datoms(count);
            let parents = [Uuid::from_u128(3), Uuid::from_u128(4)];
            let parents = &parents[..count % 3];
            let payload = payload(&dictionary, &datoms, parents);
            let (mut interner, mut back) = (Interner::default(), Vec::new());
            let summary = read(&payload, Values::Interned, &mut interner, &mut back).unwrap();
            assert_eq!(back, datoms);
            let heading = heading(&payload).unwrap();
            assert_eq!(
                (heading.tx.0 - TX0, heading.instant_ms, summary.max_eid),
                (7, -5, 77)
            );
            assert_eq!(
                (summary.tx, heading.parents.as_slice()),
                (heading.tx, parents)
            );
            assert_eq!(summary.purges.len(), 3);
            let mut known = Interner::new(dictionary.clone());
            let mut again = Vec::new();
            read(&payload, Values::Known, &mut known, &mut again).unwrap();
            assert_eq!(again, datoms);
            let show = |d: &Dictionary| format!("{:?}", d.since(0).collect::<Vec<_>>());
            assert_eq!(show(&interner.finish()), show(&dictionary));
            for len in 0..payload.len() {
                let interner = &mut Interner::default();
                let cut = read(&payload[..len], Values::Interned, interner, &mut Vec::new());
                assert!(cut.is_err(), "{len} of {}", payload.len());
            }
        }
    }

    /// Whatever comes back, every cell of it can be looked at.
    #[test]
    fn changed_bytes_never_panic() {
        let (dictionary, datoms) = datoms(128);
        let payload = payload(&dictionary, &datoms, &[]);
        let mut random = 1u64;
        let mut roll = |below: usize| {
            random = random
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (random >> 33) as usize % below
        };
        for _ in 0..5_000 {
            let mut changed = payload.clone();
            for _ in 0..=roll(3) {
                let at = roll(changed.len());
                changed[at] = if roll(2) == 0 {
                    changed[at] ^ (1 << roll(8))
                } else {
                    roll(256) as u8
                };
            }
            let (mut interner, mut back) = (Interner::default(), Vec::new());
            if read(&changed, Values::Interned, &mut interner, &mut back).is_ok() {
                let dictionary = interner.finish();
                for datom in &back {
                    dictionary.interned(u64::from(datom.a.0));
                    dictionary.value(datom.v);
                }
            }
        }
    }
}
