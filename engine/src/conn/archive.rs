//! Records of the log as a root archives them: without the values they interned, which the
//! dictionary holds.

use std::ops::ControlFlow;
use std::sync::Arc;

use uuid::Uuid;

use super::payload::{self, Layout, Stripped};
use crate::bytes::put_value;
use crate::error::{Code, Error, Result};
use crate::fault;
use crate::index::Dictionary;
use crate::root::Root;
use crate::segment::{ArchivedRecord, Segments};
use crate::store::{LogPosition, RecordView};
use crate::value::{Symbol, Value};

/// A flag of an archived record: what it once said was purged, so its id is not that of its content.
pub(super) const REDACTED: u32 = 1;

/// A flag of an archived record: its datoms are laid out as in the log.
const PLAIN: u32 = 2;

/// A record as it is archived.
pub(super) fn archived(record: &RecordView<'_>) -> Result<ArchivedRecord> {
    let (head, rest) = payload::around_values(record.payload)?;
    let plain = [head, rest].concat();
    let stripped = payload::read_stripped(&plain, Layout::Plain)?;
    // The bytes must come back as they were: commit ids are made of them.
    let again = payload::put_stripped(head, &stripped, Layout::Plain)?;
    let (flags, body) = match again == plain {
        true => (0, payload::put_stripped(head, &stripped, Layout::Grouped)?),
        false => (PLAIN, plain),
    };
    Ok(ArchivedRecord {
        t: record.t,
        epoch: record.epoch,
        commit: record.commit,
        flags,
        body,
    })
}

/// What an archived record purged, and its datoms.
pub(super) fn contents(record: &ArchivedRecord) -> Result<Stripped> {
    payload::read_stripped(&record.body, layout(record))
}

/// The record with other contents; it says that it is redacted.
pub(super) fn redacted(record: ArchivedRecord, contents: &Stripped) -> Result<ArchivedRecord> {
    let (head, _) = payload::value_ids(&record.body)?;
    Ok(ArchivedRecord {
        flags: record.flags | REDACTED,
        body: payload::put_stripped(&record.body[..head], contents, layout(&record))?,
        ..record
    })
}

fn layout(record: &ArchivedRecord) -> Layout {
    match record.flags & PLAIN {
        0 => Layout::Grouped,
        _ => Layout::Plain,
    }
}

/// The payload a record had, values included; placeholders stand for those that were purged.
fn payload_of(record: &ArchivedRecord, dictionary: &Dictionary) -> Result<Vec<u8>> {
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
    let plain = payload::put_stripped(&record.body[..head], &contents(record)?, Layout::Plain)?;
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

/// Visits the archived records of a root from a t on, oldest first, as they stood in the log, each
/// with whether it is redacted; `visit` says whether to go on. Answers with whether it did.
pub(super) fn each_archived(
    segments: &Segments,
    root: &Root,
    dictionary: &Dictionary,
    from_t: u64,
    visit: &mut dyn FnMut(&RecordView<'_>, bool) -> Result<ControlFlow<()>>,
) -> Result<ControlFlow<()>> {
    let mut previous = Uuid::nil();
    for part in root.archive.iter().filter(|part| part.last >= from_t) {
        for record in segments
            .transactions(&part.stamp)
            .range(part.first..part.last + 1)
        {
            let record = record?;
            let payload = fault::catch(|| payload_of(&record, dictionary))?;
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
