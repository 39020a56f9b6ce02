//! Seeking: from a place in an index to its end, or down to its beginning.

use super::Db;
use super::scan::DatomIter;
use super::slice::{Index, Prefix, Side};
use crate::datom::Datom;
use crate::error::Result;
use crate::fault;
use crate::value::Value;

/// The datoms from a place on, in the order of the index, across attributes and entities.
///
/// - `components`: as for [`datoms`](super::datoms); they need not exist.
pub fn seek_datoms(db: &Db, index: Index, components: &[Value]) -> Result<Vec<Datom>> {
    fault::catch(|| Ok(seek_datoms_iter(db, index, components)?.collect()))
}

/// As [`seek_datoms`], one by one.
pub fn seek_datoms_iter(db: &Db, index: Index, components: &[Value]) -> Result<DatomIter> {
    let spans = Prefix::new(db, index, components)?.spans(db, Some(Side::Start), None);
    Ok(DatomIter::new(db.clone(), spans, index.merge(), None))
}

/// The datoms from the last that begins with the components down to the first of the index.
pub fn rseek_datoms(db: &Db, index: Index, components: &[Value]) -> Result<Vec<Datom>> {
    fault::catch(|| Ok(rseek_datoms_iter(db, index, components)?.collect()))
}

/// As [`rseek_datoms`], one by one.
pub fn rseek_datoms_iter(db: &Db, index: Index, components: &[Value]) -> Result<DatomIter> {
    let spans = Prefix::new(db, index, components)?.spans(db, None, Some(Side::End));
    Ok(DatomIter::backward(db.clone(), spans, index.merge()))
}
