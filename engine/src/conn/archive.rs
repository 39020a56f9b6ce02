//! Records of the log as a root archives them: without the values they interned, which the
//! dictionary holds, and without the values of many datoms, which the rows hold.

use std::ops::ControlFlow;
use std::sync::Arc;

use uuid::Uuid;

use super::payload::{self, Layout, Stripped};
use super::rebuild::Redacted;
use super::refer::Rows;
use crate::bytes::{malformed, put_value};
use crate::datom::AttrId;
use crate::db::Purge;
use crate::error::{Code, Error, Result};
use crate::fault;
use crate::index::Dictionary;
use crate::root::Opened;
use crate::segment::{ArchivedRecord, Segments};
use crate::store::{LogPosition, RecordView};
use crate::value::{Symbol, Value};

/// A flag of an archived record: what it once said was purged, so its id is not that of its content.
pub(super) const REDACTED: u32 = 1;

/// A flag of an archived record: its datoms are laid out as in the log.
const PLAIN: u32 = 2;

/// A flag of an archived record: rows tell some of its values.
pub(super) const REFERRING: u32 = 4;

/// The flags that this build knows.
const FLAGS: u32 = REDACTED | PLAIN | REFERRING;

const _: () = assert!(FLAGS == 7);

/// A record as it is archived beside `rows`, and what it says.
pub(super) fn archived(
    record: &RecordView<'_>,
    redacted: Redacted,
    rows: &mut Rows<'_>,
) -> Result<(ArchivedRecord, Stripped)> {
    let (head, rest) = payload::around_values(record.payload)?;
    let plain = [head, rest].concat();
    let stripped = payload::read_stripped(&plain, Layout::Plain, rows)?;
    // The bytes must come back as they were: commit ids are made of them.
    let again = payload::put_stripped(head, &stripped)?;
    let (body, layout) = match again == plain {
        true => payload::put_archived(head, &stripped, rows)?,
        false => (plain, Layout::Plain),
    };
    let redacted = match redacted {
        Redacted::Yes => REDACTED,
        Redacted::No => 0,
    };
    let kept = ArchivedRecord {
        t: record.t,
        epoch: record.epoch,
        commit: record.commit,
        flags: flag_of(layout) | redacted,
        body,
    };
    Ok((kept, stripped))
}

/// What an archived record purged, and its datoms; `rows` are those of a root that archives it.
pub(super) fn contents(record: &ArchivedRecord, rows: &mut Rows<'_>) -> Result<Stripped> {
    let read = payload::read_stripped(&record.body, layout(record)?, rows);
    read.map_err(|error| unreadable(record, &error))
}

/// What an archived record purged.
pub(super) fn purges(record: &ArchivedRecord) -> Result<Vec<Purge>> {
    let read = payload::purges_of(&record.body);
    Ok(read.map_err(|error| unreadable(record, &error))?.0)
}

/// The attributes some of whose values an archived record leaves to the rows.
pub(super) fn referred(record: &ArchivedRecord) -> Result<Vec<AttrId>> {
    if layout(record)? != Layout::Referring {
        return Ok(Vec::new());
    }
    let read = payload::referred(&record.body);
    Ok(read.map_err(|error| unreadable(record, &error))?.collect())
}

/// The record written anew beside other rows, with what is left of its contents.
pub(super) fn rewritten(
    record: ArchivedRecord,
    contents: &Stripped,
    rows: &mut Rows<'_>,
) -> Result<ArchivedRecord> {
    let (head, _) = payload::value_ids(&record.body)?;
    let head = &record.body[..head];
    let (body, layout) = match layout(&record)? {
        Layout::Plain => (payload::put_stripped(head, contents)?, Layout::Plain),
        _ => payload::put_archived(head, contents, rows)?,
    };
    Ok(ArchivedRecord {
        flags: record.flags & REDACTED | flag_of(layout),
        body,
        ..record
    })
}

fn flag_of(layout: Layout) -> u32 {
    match layout {
        Layout::Grouped => 0,
        Layout::Plain => PLAIN,
        Layout::Referring => REFERRING,
    }
}

fn layout(record: &ArchivedRecord) -> Result<Layout> {
    if record.flags & !FLAGS != 0 {
        let message = format!(
            "the archived record of t {} has flags {}; this build knows those in {FLAGS}",
            record.t, record.flags
        );
        return Err(Error::new(Code::FormatVersion, message));
    }
    match record.flags & !REDACTED {
        0 => Ok(Layout::Grouped),
        PLAIN => Ok(Layout::Plain),
        REFERRING => Ok(Layout::Referring),
        _ => Err(unreadable(record, &malformed("it has two layouts"))),
    }
}

fn unreadable(record: &ArchivedRecord, error: &Error) -> Error {
    let message = format!("the archived record of t {}: {error}", record.t);
    Error::new(error.code(), message)
}

/// The payload a record had, values included; placeholders stand for those that were purged.
fn payload_of(
    record: &ArchivedRecord,
    dictionary: &Dictionary,
    rows: &mut Rows<'_>,
) -> Result<Vec<u8>> {
    let (head, values) = payload::value_ids(&record.body)?;
    let lost = |what: &str| {
        let message = format!(
            "the archived record of t {} interned values that {what}",
            record.t
        );
        Error::new(Code::CorruptSegment, message)
    };
    if values.end > dictionary.len() {
        return Err(lost("the dictionary lacks"));
    }
    let mut payload = record.body[..head].to_vec();
    let wanted = values.len();
    let kept = dictionary.values_from(values.start).take(wanted);
    for (value, id) in kept.zip(values) {
        match value {
            Some(value) => put_value(&mut payload, value)?,
            None if is_redacted(record) => put_value(&mut payload, &placeholder(id))?,
            None => return Err(lost("were purged")),
        }
    }
    let plain = payload::put_stripped(&record.body[..head], &contents(record, rows)?)?;
    payload.extend_from_slice(&plain[head..]);
    Ok(payload)
}

/// What stands for a purged value: ids after it keep their meaning.
fn placeholder(id: u32) -> Value {
    let tag = Symbol::new("datalith/purged");
    Value::Tagged(Arc::new((tag, Value::Long(i64::from(id)))))
}

/// Whether part of what a record said was purged.
pub(super) fn is_redacted(record: &ArchivedRecord) -> bool {
    record.flags & REDACTED != 0
}

/// How much of their payloads is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    Whole,
    Heading,
}

/// The payload a record had, up to its values.
fn heading_of(record: &ArchivedRecord) -> Result<Vec<u8>> {
    let read = payload::value_ids(&record.body);
    let (head, _) = read.map_err(|error| unreadable(record, &error))?;
    Ok(record.body[..head].to_vec())
}

/// Visits the archived records of a root from a t on, oldest first, as they stood in the log, each
/// with whether it is redacted; `visit` says whether to go on. Answers with whether it did.
pub(super) fn each_archived(
    segments: &Segments,
    Opened { root, db }: &Opened,
    (from_t, extent): (u64, Extent),
    visit: &mut dyn FnMut(&RecordView<'_>, bool) -> Result<ControlFlow<()>>,
) -> Result<ControlFlow<()>> {
    let mut previous = Uuid::nil();
    let mut rows = Rows::of(db);
    for part in root.archive.iter().filter(|part| part.last >= from_t) {
        for record in segments
            .transactions(&part.stamp)
            .range(part.first..part.last + 1)
        {
            let record = record?;
            let payload = fault::catch(|| match extent {
                Extent::Whole => payload_of(&record, db.dictionary(), &mut rows),
                Extent::Heading => heading_of(&record),
            })?;
            let view = RecordView {
                position: LogPosition::from_bytes(0),
                epoch: record.epoch,
                t: record.t,
                previous,
                commit: record.commit,
                group_end: 0,
                payload: &payload,
            };
            if visit(&view, is_redacted(&record))?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            previous = record.commit;
        }
    }
    Ok(ControlFlow::Continue(()))
}
