//! Cells as texts.
//!
//! Three ways, from the cheapest: values that come again are written once for an array; of texts that lie in
//! pages of segments an array has views; others are copied.

use std::collections::HashMap;
use std::fmt::Write;
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::builder::StringViewBuilder;
use datafusion::arrow::array::{Array, ArrayRef, StringViewArray, UInt32Array};
use datafusion::arrow::compute::{interleave, take};
use datafusion::arrow::error::ArrowError;
use datalith_engine::index::{Cell, Kind, TextPage};
use datalith_engine::{Code, Error, Result, Value};

use super::array::Cells;
use super::kind::ColumnKind;

/// Fewest rows for which it pays to look for a way.
const ROWS_MIN: usize = 64;
/// Rows that are looked at before it is decided whether values come again.
const PROBED_ROWS: usize = 256;
/// The share of a page's texts, one in so many, from which on an array has views of it: fewer would hold on
/// to more than they show.
const SHOWN_SHARE: usize = 2;
/// Values that are remembered, by the last bits of their ids.
const REMEMBERED: usize = 1024;

/// Texts of cells.
pub(super) fn texts(kind: ColumnKind, cells: &Cells<'_, '_>) -> Result<ArrayRef> {
    let are_interned = cells.cells.kind().is_some_and(Kind::is_interned);
    if are_interned && cells.len() > PROBED_ROWS {
        let mut again = Repeated::new(kind, cells);
        let probed = again.read(0..PROBED_ROWS);
        if probed <= PROBED_ROWS / 4 {
            again.read(PROBED_ROWS..cells.len());
            return again.finish();
        }
    }
    let are_texts = matches!(
        cells.cells.kind(),
        Some(Kind::Str | Kind::Keyword | Kind::Symbol)
    );
    if are_texts
        && kind == ColumnKind::Text
        && cells.len() >= ROWS_MIN
        && let Some(views) = views(cells)?
    {
        return Ok(views);
    }
    let mut builder = StringViewBuilder::with_capacity(cells.len());
    let mut written = String::new();
    for row in 0..cells.len() {
        match cells.cell(row) {
            Some(cell) => append_text(&mut builder, kind, cells, cell, &mut written),
            None => builder.append_null(),
        }
    }
    Ok(Arc::new(builder.finish()))
}

/// Views of pages of which much is shown, copies of other texts; none if some lie in no page.
fn views(cells: &Cells<'_, '_>) -> Result<Option<ArrayRef>> {
    // What nulls are views of, and in its place the copies.
    let nothing = StringViewArray::new_null(1);
    let mut pages: Vec<&StringViewArray> = vec![&nothing, &nothing];
    let mut shown: Vec<usize> = vec![0; 2];
    let mut known: HashMap<u32, usize> = HashMap::new();
    let mut places: Vec<(usize, usize)> = Vec::with_capacity(cells.len());
    // The page of the row before: its ids, and which it is.
    let (mut ids, mut page) = (0..0, 0);
    for (row, &id) in cells.cells.bits().iter().enumerate() {
        if cells.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            places.push((0, 0));
            continue;
        }
        if !ids.contains(&id) {
            let Some(TextPage { start, texts }) = cells.interned.texts(id) else {
                return Ok(None);
            };
            ids = u64::from(*start)..u64::from(*start) + texts.len() as u64;
            page = *known.entry(*start).or_insert(pages.len());
            if page == pages.len() {
                pages.push(texts);
                shown.push(0);
            }
        }
        let at = (id - ids.start) as usize;
        if pages[page].is_null(at) {
            return Ok(None);
        }
        shown[page] += 1;
        places.push((page, at));
    }
    let mut copies = StringViewBuilder::new();
    let mut count = 0;
    for place in &mut places {
        let (page, at) = *place;
        if page > 0 && shown[page] * SHOWN_SHARE < pages[page].len() {
            copies.append_value(pages[page].value(at));
            *place = (1, count);
            count += 1;
        }
    }
    let copies = copies.finish();
    pages[1] = &copies;
    let pages: Vec<&dyn Array> = pages.into_iter().map(|page| page as &dyn Array).collect();
    interleave(&pages, &places)
        .map(Some)
        .map_err(|cause| inner(&cause))
}

fn inner(cause: &ArrowError) -> Error {
    Error::new(Code::Internal, format!("Texts of a column: {cause}"))
}

fn append_text(
    builder: &mut StringViewBuilder,
    kind: ColumnKind,
    cells: &Cells<'_, '_>,
    cell: Cell,
    written: &mut String,
) {
    if kind == ColumnKind::Text && cell.kind.is_interned() {
        if let Some(page) = cells.interned.texts(cell.bits) {
            let at = (cell.bits - u64::from(page.start)) as usize;
            if page.texts.is_valid(at) {
                return builder.append_value(page.texts.value(at));
            }
        }
        match cells.interned.value(cell) {
            Value::Str(text) => return builder.append_value(&**text),
            Value::Keyword(keyword) => return builder.append_value(keyword.as_str()),
            Value::Symbol(symbol) => return builder.append_value(symbol.as_str()),
            _ => {}
        }
    }
    write_text(kind, &cells.value(cell), written);
    builder.append_value(written);
}

/// Texts of interned cells of one kind, of which many are the same.
struct Repeated<'c, 'k, 'v> {
    kind: ColumnKind,
    cells: &'c Cells<'k, 'v>,
    /// Ids with the places of their texts; another id with the same last bits takes the place over.
    remembered: Vec<(u64, u32)>,
    texts: StringViewBuilder,
    written: String,
    /// Texts so far.
    count: u32,
    /// The place of each row's text.
    places: Vec<u32>,
}

impl<'c, 'k, 'v> Repeated<'c, 'k, 'v> {
    fn new(kind: ColumnKind, cells: &'c Cells<'k, 'v>) -> Repeated<'c, 'k, 'v> {
        Repeated {
            kind,
            cells,
            remembered: vec![(u64::MAX, 0); REMEMBERED],
            texts: StringViewBuilder::new(),
            written: String::new(),
            count: 0,
            places: Vec::with_capacity(cells.len()),
        }
    }

    /// Reads rows; texts so far.
    fn read(&mut self, rows: Range<usize>) -> usize {
        for &id in &self.cells.cells.bits()[rows] {
            let slot = &mut self.remembered[id as usize % REMEMBERED];
            if slot.0 != id {
                *slot = (id, self.count);
                self.count += 1;
                let kind = self.cells.cells.kind().unwrap_or(Kind::Nil);
                let cell = Cell { kind, bits: id };
                let (cells, written) = (self.cells, &mut self.written);
                append_text(&mut self.texts, self.kind, cells, cell, written);
            }
            self.places.push(slot.1);
        }
        self.count as usize
    }

    fn finish(mut self) -> Result<ArrayRef> {
        let places = UInt32Array::new(self.places.into(), self.cells.nulls.clone());
        take(&self.texts.finish(), &places, None).map_err(|cause| inner(&cause))
    }
}

/// What a column of texts shows a value as.
pub(super) fn write_text(kind: ColumnKind, value: &Value, out: &mut String) {
    out.clear();
    // Writing to a string cannot fail.
    let _ = match (kind, value) {
        (ColumnKind::Edn, value) => write!(out, "{value}"),
        (_, Value::Str(text)) => write!(out, "{text}"),
        (_, Value::Keyword(keyword)) => write!(out, "{}", keyword.as_str()),
        (_, Value::Symbol(symbol)) => write!(out, "{}", symbol.as_str()),
        (_, Value::Uuid(uuid)) => write!(out, "{uuid}"),
        (_, Value::Char(c)) => write!(out, "{c}"),
        (_, value) => write!(out, "{value}"),
    };
}
