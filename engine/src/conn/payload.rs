//! What the log keeps of a transaction: the values it interned, its purges, its datoms as columns.
//!
//! The layout is drawn in `docs/format.md`. Columns are cut by what their numbers look like:
//! entities as differences, kinds and operations as runs, dictionary ids as differences. A reader
//! takes any bytes: what no writer wrote is [`Code::CorruptLog`](crate::error::Code::CorruptLog).

use crate::bytes::{Cursor, malformed, put_value, put_varint, put_zigzag, read_value};
use crate::datom::{AttrId, EntityId, Op, TX0, TxId};
use crate::db::{IndexDatom, Purge};
use crate::error::{Code, Error, Result};
use crate::index::{Cell, Dictionary, Interner, Kind};

/// The newest layout this build reads, and the one it writes.
const VERSION: u8 = 1;

const PURGE_DATOM: u8 = 0;
const PURGE_ATTRIBUTE: u8 = 1;
const PURGE_PAST: u8 = 2;

const KIND_RUNS: u8 = 0;
const KIND_EACH: u8 = 1;

const TX_OWN: u8 = 0;
const TX_EACH: u8 = 1;

/// What a transaction changed.
pub(super) struct Changes<'a> {
    /// The transaction.
    pub(super) tx: TxId,
    /// When it was, milliseconds since 1970 UTC.
    pub(super) instant_ms: i64,
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
    /// When it was, milliseconds since 1970 UTC.
    pub(super) instant_ms: i64,
    /// The largest entity id after it.
    pub(super) max_eid: i64,
    /// What it purged before its datoms.
    pub(super) purges: Vec<Purge>,
}

/// The payload of a transaction. Fails with [`Code::Limit`] on a value nested too deep.
pub(super) fn write(changes: &Changes<'_>) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(64 + 12 * changes.datoms.len());
    out.push(VERSION);
    put_varint(&mut out, (changes.tx.0 - TX0) as u64);
    put_zigzag(&mut out, changes.instant_ms);
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

/// Reads a payload: its values go into `interner`, its datoms behind those of `datoms`.
pub(super) fn read(
    payload: &[u8],
    interner: &mut Interner,
    datoms: &mut Vec<IndexDatom>,
) -> Result<Summary> {
    let mut cursor = Cursor::new(payload);
    let version = cursor.byte()?;
    if version > VERSION {
        let message = format!(
            "a record of the log has format {version}; this build reads formats up to {VERSION}"
        );
        return Err(Error::new(Code::FormatVersion, message));
    }
    let t = i64::try_from(cursor.varint()?)
        .ok()
        .and_then(|t| t.checked_add(TX0));
    let tx = TxId(t.ok_or_else(|| malformed("its t is too large"))?);
    let instant_ms = cursor.zigzag()?;
    let max_eid = cursor.zigzag()?;
    read_values(&mut cursor, interner)?;
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
        instant_ms,
        max_eid,
        purges,
    })
}

fn read_values(cursor: &mut Cursor<'_>, interner: &mut Interner) -> Result<()> {
    let before = cursor.varint()?;
    if before != values_of(interner) {
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

fn values_of(interner: &Interner) -> u64 {
    u64::from(interner.base().len()) + interner.added_len() as u64
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

fn read_purge(cursor: &mut Cursor<'_>, interner: &Interner) -> Result<Purge> {
    match cursor.byte()? {
        PURGE_DATOM => {
            let e = EntityId(cursor.zigzag()?);
            let a = read_attribute(cursor, interner)?;
            let kind = read_kind(cursor)?;
            Ok(Purge::Datom {
                e,
                a,
                v: read_cell(cursor, kind, &mut 0, interner)?,
            })
        }
        PURGE_ATTRIBUTE => {
            let e = EntityId(cursor.zigzag()?);
            Ok(Purge::Attribute {
                e,
                a: read_attribute(cursor, interner)?,
            })
        }
        PURGE_PAST => Ok(Purge::PastUpTo(TxId(cursor.zigzag()?))),
        _ => Err(malformed("a purge in it is of no known kind")),
    }
}

fn put_datoms(out: &mut Vec<u8>, tx: TxId, datoms: &[IndexDatom]) {
    put_varint(out, datoms.len() as u64);
    let mut e = 0i64;
    for datom in datoms {
        put_zigzag(out, datom.e.0.wrapping_sub(e));
        e = datom.e.0;
    }
    datoms
        .iter()
        .for_each(|datom| put_varint(out, u64::from(datom.a.0)));
    let mut op = Op::Assert;
    for run in datoms.chunk_by(|a, b| a.op == b.op) {
        if run[0].op != op {
            put_varint(out, 0);
        }
        put_varint(out, run.len() as u64);
        op = if run[0].op == Op::Assert {
            Op::Retract
        } else {
            Op::Assert
        };
    }
    if datoms.iter().all(|datom| datom.tx == tx) {
        out.push(TX_OWN);
    } else {
        out.push(TX_EACH);
        datoms
            .iter()
            .for_each(|datom| put_zigzag(out, datom.tx.0.wrapping_sub(tx.0)));
    }
    let runs = datoms.chunk_by(|a, b| a.v.kind == b.v.kind);
    if runs.clone().count() * 2 <= datoms.len() {
        out.push(KIND_RUNS);
        for run in runs {
            out.push(run[0].v.kind as u8);
            put_varint(out, run.len() as u64);
        }
    } else {
        out.push(KIND_EACH);
        out.extend(datoms.iter().map(|datom| datom.v.kind as u8));
    }
    let mut id = 0;
    datoms
        .iter()
        .for_each(|datom| put_bits(out, datom.v, &mut id));
}

fn read_datoms(
    cursor: &mut Cursor<'_>,
    tx: TxId,
    interner: &Interner,
    datoms: &mut Vec<IndexDatom>,
) -> Result<()> {
    // Every datom has a byte at least in the column of entities and in that of attributes.
    let count = cursor.count(2)?;
    let start = datoms.len();
    datoms.reserve(count);
    let mut e = 0i64;
    for _ in 0..count {
        e = e.wrapping_add(cursor.zigzag()?);
        let a = AttrId(0);
        datoms.push(IndexDatom {
            e: EntityId(e),
            a,
            v: Cell::NIL,
            tx,
            op: Op::Assert,
        });
    }
    let new = &mut datoms[start..];
    for datom in &mut *new {
        datom.a = read_attribute(cursor, interner)?;
    }
    read_ops(cursor, new)?;
    match cursor.byte()? {
        TX_OWN => {}
        TX_EACH => {
            for datom in &mut *new {
                datom.tx = TxId(tx.0.wrapping_add(cursor.zigzag()?));
            }
        }
        _ => return Err(malformed("its column of transactions is of no known form")),
    }
    read_kinds(cursor, new)?;
    let mut id = 0;
    for datom in new {
        datom.v = read_cell(cursor, datom.v.kind, &mut id, interner)?;
    }
    Ok(())
}

/// Runs of assertions and retractions in turn, an assertion first.
fn read_ops(cursor: &mut Cursor<'_>, datoms: &mut [IndexDatom]) -> Result<()> {
    let (mut at, mut op) = (0, Op::Assert);
    while at < datoms.len() {
        let end = run_end(cursor, at, datoms.len())?;
        if end == at && at > 0 {
            return Err(malformed("a run in it is empty"));
        }
        datoms[at..end].iter_mut().for_each(|datom| datom.op = op);
        op = if op == Op::Assert {
            Op::Retract
        } else {
            Op::Assert
        };
        at = end;
    }
    Ok(())
}

fn read_kinds(cursor: &mut Cursor<'_>, datoms: &mut [IndexDatom]) -> Result<()> {
    match cursor.byte()? {
        KIND_RUNS => {
            let mut at = 0;
            while at < datoms.len() {
                let kind = read_kind(cursor)?;
                let end = run_end(cursor, at, datoms.len())?;
                if end == at {
                    return Err(malformed("a run in it is empty"));
                }
                datoms[at..end]
                    .iter_mut()
                    .for_each(|datom| datom.v.kind = kind);
                at = end;
            }
        }
        KIND_EACH => {
            for datom in datoms {
                datom.v.kind = read_kind(cursor)?;
            }
        }
        _ => return Err(malformed("its column of kinds is of no known form")),
    }
    Ok(())
}

fn run_end(cursor: &mut Cursor<'_>, at: usize, len: usize) -> Result<usize> {
    let run = usize::try_from(cursor.varint()?).ok();
    run.and_then(|run| at.checked_add(run))
        .filter(|&end| end <= len)
        .ok_or_else(|| malformed("a run in it is longer than its column"))
}

fn read_kind(cursor: &mut Cursor<'_>) -> Result<Kind> {
    Kind::from_number(cursor.byte()?).ok_or_else(|| malformed("a kind in it is not known"))
}

fn read_attribute(cursor: &mut Cursor<'_>, interner: &Interner) -> Result<AttrId> {
    let id = cursor.varint()?;
    if id >= values_of(interner) {
        return Err(malformed("an attribute in it has no name"));
    }
    Ok(AttrId(id as u32))
}

/// `id`: the dictionary id before, which the next one is likely to be near.
fn put_bits(out: &mut Vec<u8>, cell: Cell, id: &mut u64) {
    match cell.kind {
        Kind::Nil => {}
        Kind::Bool => out.push(cell.bits as u8),
        Kind::Long | Kind::Instant => put_zigzag(out, cell.bits as i64),
        Kind::Double | Kind::Float => out.extend_from_slice(&cell.bits.to_le_bytes()),
        Kind::Char => put_varint(out, cell.bits),
        _ => {
            put_zigzag(out, cell.bits.wrapping_sub(*id) as i64);
            *id = cell.bits;
        }
    }
}

fn read_cell(
    cursor: &mut Cursor<'_>,
    kind: Kind,
    id: &mut u64,
    interner: &Interner,
) -> Result<Cell> {
    let bits = match kind {
        Kind::Nil => 0,
        Kind::Bool => u64::from(cursor.byte()?),
        Kind::Long | Kind::Instant => cursor.zigzag()? as u64,
        Kind::Double | Kind::Float => u64::from_le_bytes(cursor.array()?),
        Kind::Char => cursor.varint()?,
        _ => {
            *id = id.wrapping_add(cursor.zigzag()? as u64);
            if *id >= values_of(interner) || Kind::of(interner.interned(*id)) != kind {
                return Err(malformed("a value in it is not in the dictionary"));
            }
            *id
        }
    };
    let fits = match kind {
        Kind::Bool => bits <= 1,
        Kind::Char => u32::try_from(bits).is_ok_and(|c| char::from_u32(c).is_some()),
        _ => true,
    };
    if fits {
        Ok(Cell { kind, bits })
    } else {
        Err(malformed("a value in it is none"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::samples;

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

    fn payload(dictionary: &Dictionary, datoms: &[IndexDatom]) -> Vec<u8> {
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
            let payload = payload(&dictionary, &datoms);
            let (mut interner, mut back) = (Interner::default(), Vec::new());
            let summary = read(&payload, &mut interner, &mut back).unwrap();
            assert_eq!(back, datoms);
            assert_eq!(
                (summary.tx.0 - TX0, summary.instant_ms, summary.max_eid),
                (7, -5, 77)
            );
            assert_eq!(summary.purges.len(), 3);
            let show = |d: &Dictionary| format!("{:?}", d.since(0).collect::<Vec<_>>());
            assert_eq!(show(&interner.finish()), show(&dictionary));
            for len in 0..payload.len() {
                let cut = read(&payload[..len], &mut Interner::default(), &mut Vec::new());
                assert!(cut.is_err(), "{len} of {}", payload.len());
            }
        }
    }

    /// Whatever comes back, every cell of it can be looked at.
    #[test]
    fn changed_bytes_never_panic() {
        let (dictionary, datoms) = datoms(128);
        let payload = payload(&dictionary, &datoms);
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
            if read(&changed, &mut interner, &mut back).is_ok() {
                let dictionary = interner.finish();
                for datom in &back {
                    dictionary.interned(u64::from(datom.a.0));
                    dictionary.value(datom.v);
                }
            }
        }
    }
}
