//! The datoms of a transaction as columns of bytes.
//!
//! Columns are cut by what their numbers look like: entities as differences, kinds and operations
//! as runs, dictionary ids as differences.

use super::refer::{Rows, Told};
use crate::bytes::{Cursor, malformed, put_varint, put_zigzag};
use crate::datom::{AttrId, EntityId, Op, TxId};
use crate::db::IndexDatom;
use crate::error::Result;
use crate::index::{Cell, Interner, Kind};

const KIND_RUNS: u8 = 0;
const KIND_EACH: u8 = 1;

const TX_OWN: u8 = 0;
const TX_EACH: u8 = 1;

const TOLD_FIRST: u8 = 0;
const TOLD_RANKS: u8 = 1;

pub(super) fn put_datoms(out: &mut Vec<u8>, tx: TxId, datoms: &[IndexDatom]) {
    put_front(out, tx, datoms);
    put_kinds(out, datoms);
    let mut id = 0;
    datoms
        .iter()
        .for_each(|datom| put_bits(out, datom.v, &mut id));
}

/// As [`put_datoms`], with the values of each attribute together and numbers as differences: longer
/// to write, shorter once compressed.
pub(super) fn put_grouped(out: &mut Vec<u8>, tx: TxId, datoms: &[IndexDatom]) {
    put_front(out, tx, datoms);
    let grouped = grouped(datoms);
    put_kinds(out, &grouped);
    grouped
        .chunk_by(|a, b| a.a == b.a)
        .for_each(|group| put_numbers(out, group));
}

/// Datoms by attribute, each attribute's in their order.
pub(super) fn grouped(datoms: &[IndexDatom]) -> Vec<IndexDatom> {
    let mut grouped = datoms.to_vec();
    grouped.sort_by_key(|datom| datom.a);
    grouped
}

/// As [`put_grouped`], with the values that the rows tell left out.
///
/// - `groups`: the datoms of each attribute, attributes ascending, and how the rows tell their values.
/// - The attributes left out stand before the datoms: to know them nothing else needs to be read.
pub(super) fn put_referring(
    out: &mut Vec<u8>,
    tx: TxId,
    datoms: &[IndexDatom],
    groups: &[(&[IndexDatom], Option<Told>)],
) {
    let told = groups
        .iter()
        .filter_map(|(group, told)| Some((group[0].a, told.as_ref()?)));
    put_varint(out, told.clone().count() as u64);
    for (a, told) in told {
        put_varint(out, u64::from(a.0));
        out.push(match told {
            Told::First => TOLD_FIRST,
            Told::Ranks(_) => TOLD_RANKS,
        });
    }
    put_front(out, tx, datoms);
    for (group, told) in groups {
        match told {
            None => {
                put_kinds(out, group);
                put_numbers(out, group);
            }
            Some(Told::First) => {}
            Some(Told::Ranks(ranks)) => {
                let ranks = ranks.iter();
                ranks.for_each(|rank| put_varint(out, u64::from(*rank)));
            }
        }
    }
}

/// The bits of an attribute's values, numbers as differences.
fn put_numbers(out: &mut Vec<u8>, group: &[IndexDatom]) {
    let (mut id, mut number) = (0, 0i64);
    for IndexDatom { v, .. } in group {
        match v.kind {
            Kind::Long | Kind::Instant => {
                put_zigzag(out, (v.bits as i64).wrapping_sub(number));
                number = v.bits as i64;
            }
            _ => put_bits(out, *v, &mut id),
        }
    }
}

/// Reads the attributes that [`put_referring`] left out, and whether ranks stand in their place.
pub(super) fn read_referred(cursor: &mut Cursor<'_>) -> Result<Vec<(AttrId, bool)>> {
    let mut referred: Vec<(AttrId, bool)> = Vec::new();
    for _ in 0..cursor.count(2)? {
        let a = read_attribute(cursor, &Trusted)?;
        if referred.last().is_some_and(|(last, _)| *last >= a) {
            return Err(malformed("attributes in it are out of order"));
        }
        let has_ranks = match cursor.byte()? {
            TOLD_FIRST => false,
            TOLD_RANKS => true,
            _ => return Err(malformed("it refers to rows in no known way")),
        };
        referred.push((a, has_ranks));
    }
    Ok(referred)
}

/// Reads what [`put_grouped`] wrote.
pub(super) fn read_grouped(cursor: &mut Cursor<'_>, tx: TxId) -> Result<Vec<IndexDatom>> {
    read_groups(cursor, tx, &mut |cursor, grouped| {
        read_kinds(cursor, grouped)?;
        let mut groups = grouped.chunk_by_mut(|a, b| a.a == b.a);
        groups.try_for_each(|group| read_numbers(cursor, group))
    })
}

/// Reads what [`put_referring`] wrote.
pub(super) fn read_referring(
    cursor: &mut Cursor<'_>,
    tx: TxId,
    rows: &mut Rows<'_>,
) -> Result<Vec<IndexDatom>> {
    let referred = read_referred(cursor)?;
    read_groups(cursor, tx, &mut |cursor, grouped| {
        for group in grouped.chunk_by_mut(|a, b| a.a == b.a) {
            let at = referred.binary_search_by_key(&group[0].a, |(a, _)| *a);
            let Some((_, has_ranks)) = at.ok().map(|at| referred[at]) else {
                read_kinds(cursor, group)?;
                read_numbers(cursor, group)?;
                continue;
            };
            let ranks = group.iter().filter(|_| has_ranks);
            let ranks = ranks.map(|_| Ok(u32::try_from(cursor.varint()?).unwrap_or(u32::MAX)));
            let told = match ranks.collect::<Result<Vec<u32>>>()? {
                ranks if has_ranks => Told::Ranks(ranks),
                _ => Told::First,
            };
            rows.settle(tx, group, &told)?;
        }
        Ok(())
    })
}

/// Reads datoms whose values stand by attribute; `fill` is given the datoms in that order.
fn read_groups(
    cursor: &mut Cursor<'_>,
    tx: TxId,
    fill: &mut dyn FnMut(&mut Cursor<'_>, &mut [IndexDatom]) -> Result<()>,
) -> Result<Vec<IndexDatom>> {
    let mut datoms = Vec::new();
    read_front(cursor, tx, &Trusted, &mut datoms)?;
    let mut order: Vec<usize> = (0..datoms.len()).collect();
    order.sort_by_key(|at| datoms[*at].a);
    let mut grouped: Vec<IndexDatom> = order.iter().map(|at| datoms[*at]).collect();
    fill(cursor, &mut grouped)?;
    for (at, datom) in order.into_iter().zip(grouped) {
        datoms[at] = datom;
    }
    Ok(datoms)
}

fn read_numbers(cursor: &mut Cursor<'_>, group: &mut [IndexDatom]) -> Result<()> {
    let (mut id, mut number) = (0, 0i64);
    for IndexDatom { v, .. } in group {
        match v.kind {
            Kind::Long | Kind::Instant => {
                number = number.wrapping_add(cursor.zigzag()?);
                v.bits = number as u64;
            }
            kind => *v = read_cell(cursor, kind, &mut id, &Trusted)?,
        }
    }
    Ok(())
}

/// The columns before those of values: entities, attributes, operations, transactions.
fn put_front(out: &mut Vec<u8>, tx: TxId, datoms: &[IndexDatom]) {
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
}

fn put_kinds(out: &mut Vec<u8>, datoms: &[IndexDatom]) {
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
}

pub(super) fn read_datoms(
    cursor: &mut Cursor<'_>,
    tx: TxId,
    ids: &impl Ids,
    datoms: &mut Vec<IndexDatom>,
) -> Result<()> {
    let start = datoms.len();
    read_front(cursor, tx, ids, datoms)?;
    let new = &mut datoms[start..];
    read_kinds(cursor, new)?;
    let mut id = 0;
    for datom in new {
        datom.v = read_cell(cursor, datom.v.kind, &mut id, ids)?;
    }
    Ok(())
}

fn read_front(
    cursor: &mut Cursor<'_>,
    tx: TxId,
    ids: &impl Ids,
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
        datom.a = read_attribute(cursor, ids)?;
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

pub(super) fn read_kind(cursor: &mut Cursor<'_>) -> Result<Kind> {
    Kind::from_number(cursor.byte()?).ok_or_else(|| malformed("a kind in it is not known"))
}

pub(super) fn read_attribute(cursor: &mut Cursor<'_>, ids: &impl Ids) -> Result<AttrId> {
    let id = cursor.varint()?;
    if id >= ids.len() {
        return Err(malformed("an attribute in it has no name"));
    }
    Ok(AttrId(id as u32))
}

/// `id`: the dictionary id before, which the next one is likely to be near.
pub(super) fn put_bits(out: &mut Vec<u8>, cell: Cell, id: &mut u64) {
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

pub(super) fn read_cell(
    cursor: &mut Cursor<'_>,
    kind: Kind,
    id: &mut u64,
    ids: &impl Ids,
) -> Result<Cell> {
    let bits = match kind {
        Kind::Nil => 0,
        Kind::Bool => u64::from(cursor.byte()?),
        Kind::Long | Kind::Instant => cursor.zigzag()? as u64,
        Kind::Double | Kind::Float => u64::from_le_bytes(cursor.array()?),
        Kind::Char => cursor.varint()?,
        _ => {
            *id = id.wrapping_add(cursor.zigzag()? as u64);
            if *id >= ids.len() || !ids.is_of(*id, kind) {
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

/// The dictionary that ids of a payload are of, as far as a reader checks them.
pub(super) trait Ids {
    /// How many values there are.
    fn len(&self) -> u64;

    /// Whether the value with an id is of a kind.
    fn is_of(&self, id: u64, kind: Kind) -> bool;
}

impl Ids for Interner {
    fn len(&self) -> u64 {
        u64::from(self.base().len()) + self.added_len() as u64
    }

    fn is_of(&self, id: u64, kind: Kind) -> bool {
        Kind::of(self.interned(id)) == kind
    }
}

/// For payloads that were checked when they were first read.
pub(super) struct Trusted;

impl Ids for Trusted {
    fn len(&self) -> u64 {
        u64::from(u32::MAX)
    }

    fn is_of(&self, _id: u64, _kind: Kind) -> bool {
        true
    }
}
